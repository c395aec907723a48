/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One mail transaction: see transaction.h. RSET, MAIL, RCPT ... DATA are numbered steps; where the server
 * offers PIPELINING up to WINDOW of them are under way at once, else one. Each reply is taken by the step
 * that it answers, and each recipient gets its own result. */
#include "transaction.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 100                /* commands under way: their replies fit in any socket buffer */
#define BATCH 32768               /* bytes of commands in one write, about */
#define PORTION (128 * 1024)

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA };

void
transaction_init(struct transaction *t, struct config *c)
{
	*t = (struct transaction){ .timeouts = {
		.mail = config_time(c, "smtp_mail_timeout"), .rcpt = config_time(c, "smtp_rcpt_timeout"),
		.data_init = config_time(c, "smtp_data_init_timeout"), .data_xfer = config_time(c, "smtp_data_xfer_timeout"),
		.data_done = config_time(c, "smtp_data_done_timeout"), .rset = config_time(c, "smtp_rset_timeout"),
	} };
	buf_init(&t->out, 4 * PORTION);
	buf_init(&t->reply.text, 2 * REPLY_MAX);
	buf_init(&t->failure.text, 4 * REPLY_MAX);
	t->content = mem_alloc(PORTION);
}

void
transaction_free(struct transaction *t)
{
	buf_free(&t->out);
	buf_free(&t->reply.text);
	buf_free(&t->failure.text);
	free(t->content);
}

static void
delays_text(const struct transaction *t, char out[64])
{
	bool fresh = t->conn->used == 0;

	snprintf(out, 64, "%.2f/%.2f/%.2f", fresh ? (double)t->conn->connect_time / 1e6 : 0,
	    fresh ? (double)t->conn->setup_time / 1e6 : 0, (double)(clock_mono() - t->began) / 1e6);
}

/* Notes t->failure for recipient k of the transaction. */
static void
result(struct transaction *t, size_t k, bool final)
{
	char delays[64];

	delays_text(t, delays);
	sending_note(t->sending, t->index[k], t->conn, &t->failure, delays, final);
	if (t->accepted[k]) {
		t->accepted[k] = false;
		t->good--;
	}
}

static void
result_all(struct transaction *t, bool accepted_only, bool final)
{
	for (size_t k = 0; k < t->n; k++)
		if (!accepted_only || t->accepted[k])
			result(t, k, final);
}

/* t->reply as a result: sent, or refused in reply to command. */
static void
failure_from_reply(struct transaction *t, const char *command)
{
	struct reply *r = &t->reply;
	char dsn[12];

	/* not a refusal but a sign that one of us does not know the protocol (RFC 5321 4.2.1: x0z is about syntax) */
	if (r->code < 400 || r->code / 10 == 50)
		t->conn->fault = true;
	memcpy(dsn, r->dsn, sizeof dsn);
	if (r->code / 100 == 3)
		memcpy(dsn, "4.5.0", 6);
	failure_set(&t->failure, dsn, "host %s said: %s (in reply to %s command)", t->conn->peer.data, r->text.data, command);
}

static void
set_sent(struct transaction *t)
{
	failure_set(&t->failure, t->reply.dsn, "%s", t->reply.text.data);
	t->failure.status = AGENT_SENT;
}

/* The connection was lost, or the server did not keep to the protocol (errno), while something was done. */
static void
lost(struct transaction *t, const char *doing)
{
	const char *peer = t->conn->peer.data;
	const char *again = t->dotted ? " -- message may be sent more than once" : "";

	t->conn->broken = true;
	if (errno == ETIMEDOUT)
		failure_set(&t->failure, "4.4.2", "conversation with %s timed out while %s%s", peer, doing, again);
	else if (errno == EPROTO)
		failure_set(&t->failure, "4.5.0", "host %s sent something that is no reply while %s%s", peer, doing, again);
	else
		failure_set(&t->failure, "4.4.2", "lost connection with %s while %s%s", peer, doing, again);
	conn_said(t->conn, TRANSCRIPT_NOTE, t->failure.text.data, t->failure.text.len);
}

static const char *const step_names[] = { "RSET", "MAIL FROM", "RCPT TO", "DATA" };

/* Step number k of the transaction; *rcpt is the recipient of an RCPT. */
static enum step
step_at(const struct transaction *t, size_t k, bool reset, size_t *rcpt)
{
	if (reset && k-- == 0)
		return STEP_RSET;
	if (k == 0)
		return STEP_MAIL;
	*rcpt = k - 1;
	return k - 1 < t->n ? STEP_RCPT : STEP_DATA;
}

static void
append(struct transaction *t, enum step step, size_t rcpt)
{
	const struct agent_job *j = t->sending->job;
	size_t start = t->out.len;

	if (step == STEP_RSET)
		buf_adds(&t->out, "RSET\r\n");
	else if (step == STEP_MAIL)
		command_mail(&t->out, t->conn, j);
	else if (step == STEP_RCPT)
		command_rcpt(&t->out, t->conn, &j->rcpt[t->index[rcpt]]);
	else
		buf_adds(&t->out, "DATA\r\n");
	if (t->out.len >= start + 2)
		conn_said(t->conn, TRANSCRIPT_CLIENT, t->out.data + start, t->out.len - start - 2);
}

static int64_t
step_deadline(const struct transaction *t, enum step step)
{
	const struct transaction_timeouts *o = &t->timeouts;

	return clock_deadline(step == STEP_RSET ? o->rset : step == STEP_MAIL ? o->mail :
	    step == STEP_RCPT ? o->rcpt : o->data_init);
}

/* Takes the reply to a step. */
static void
take(struct transaction *t, enum step step, size_t rcpt)
{
	int class = t->reply.code / 100;

	switch (step) {
	case STEP_RSET:
		break;
	case STEP_MAIL:
		t->mail_ok = class == 2;
		if (!t->mail_ok) {
			failure_from_reply(t, step_names[step]);
			result_all(t, false, false);
		}
		break;
	case STEP_RCPT:
		if (!t->mail_ok)
			break;            /* has its result; this says no more than "no MAIL" */
		if (class == 2) {
			t->accepted[rcpt] = true;
			t->good++;
		} else {
			failure_from_reply(t, step_names[step]);
			result(t, rcpt, false);
		}
		break;
	case STEP_DATA:
		t->data_ok = t->reply.code == 354;
		if (!t->data_ok && t->good > 0) {
			failure_from_reply(t, step_names[step]);
			if (class == 2)
				failure_set(&t->failure, "4.5.0", "host %s said: %s (in reply to DATA command)",
				    t->conn->peer.data, t->reply.text.data);
			result_all(t, true, false);
		}
		break;
	}
}

/* Puts the next commands into t->out, as many as may be under way. A command that is pointless because what came before
 * it has failed ends them: *total. */
static void
fill(struct transaction *t, size_t got, size_t *sent, size_t *total, bool reset)
{
	size_t window = t->conn->pipelining ? WINDOW : 1, rcpt = 0;
	enum step step;

	buf_clear(&t->out);
	if (*sent - got > window / 2)
		return;
	while (*sent < *total && *sent - got < window && t->out.len < BATCH) {
		step = step_at(t, *sent, reset, &rcpt);
		if ((step == STEP_RCPT && !t->mail_ok) || (step == STEP_DATA && *sent == got && t->good == 0)) {
			*total = *sent;
			return;
		}
		append(t, step, rcpt);
		(*sent)++;
	}
}

/* A broken connection: what is not decided gets t->failure. -1 when nothing at all had come. */
static int
give_up(struct transaction *t, const char *doing)
{
	char step[64];

	if (!t->answered && t->conn->used > 0 && errno != ETIMEDOUT && errno != EPROTO)
		return -1;
	snprintf(step, sizeof step, "sending %s", doing);
	lost(t, step);
	for (size_t k = 0; k < t->n; k++)
		if (t->accepted[k] || !t->sending->out[t->index[k]].final)
			result(t, k, false);
	return 0;
}

/* Sends the commands and takes their replies. 0 all done, 1 over (results are noted), -1 as transaction_run. */
static int
dialogue(struct transaction *t)
{
	bool reset = t->conn->reset;
	size_t total = t->n + 2 + reset, sent = 0, got, rcpt = 0;
	enum step step;

	t->conn->reset = true;
	for (got = 0; got < total; got++) {
		fill(t, got, &sent, &total, reset);
		if (got >= total)
			break;
		step = step_at(t, got, reset, &rcpt);
		if ((t->out.len && conn_send(t->conn, t->out.data, t->out.len, step_deadline(t, step)) < 0) ||
		    conn_reply(t->conn, &t->reply, step_deadline(t, step), NULL) < 0)
			return give_up(t, step_names[step]) < 0 ? -1 : 1;
		t->answered = true;
		take(t, step, rcpt);
		if (t->reply.code == 421) {
			failure_from_reply(t, step_names[step]);
			result_all(t, false, false);
			return 1;
		}
	}
	return 0;
}

/* The replies to the end of the message: one, or one a recipient (RFC 2033 4.2). */
static void
take_end(struct transaction *t)
{
	int64_t deadline = clock_deadline(t->timeouts.data_done);
	size_t k;

	for (k = 0; k < t->n && t->good > 0; k++) {
		if (!t->accepted[k])
			continue;
		errno = ECONNRESET;
		if (t->conn->broken || conn_reply(t->conn, &t->reply, deadline, NULL) < 0) {
			lost(t, "sending end of data");
			/* it may have been delivered: no other server is asked, the queue manager tries again later */
			result_all(t, true, true);
			return;
		}
		if (t->reply.code / 100 == 2)
			set_sent(t);
		else
			failure_from_reply(t, "end of DATA");
		if (!t->conn->lmtp) {
			result_all(t, true, false);
			break;
		}
		result(t, k, false);
	}
	t->conn->reset = false;
}

/* DATA was answered by 354. */
static void
data(struct transaction *t)
{
	static const char content[] = "(a message, not shown)";
	bool local;

	conn_said(t->conn, TRANSCRIPT_CLIENT, t->good ? content : ".", t->good ? sizeof content - 1 : 1);
	if (t->good == 0) {
		/* RFC 2920 3.1: the server waits for a message that is for nobody */
		if (conn_send(t->conn, ".\r\n", 3, clock_deadline(t->timeouts.data_xfer)) == 0)
			conn_reply(t->conn, &t->reply, clock_deadline(t->timeouts.data_done), NULL);
	} else if (content_send(t, &local) == 0) {
		take_end(t);
	} else if (local) {
		failure_set(&t->failure, "4.3.0", "read the message: %s", strerror(errno));
		t->conn->broken = true;
		result_all(t, true, true);
	} else {
		lost(t, t->dotted ? "sending end of data" : "sending message body");
		result_all(t, true, t->dotted);
	}
}

/* What no dialogue can change. True when there is nothing left to send. */
static bool
refuse_early(struct transaction *t)
{
	const struct conn *c = t->conn;
	const struct agent_job *j = t->sending->job;
	ssize_t n = 0;

	if (c->size > 0 && j->size > c->size) {
		failure_set(&t->failure, "5.3.4", "message size %llu exceeds size limit %llu of server %s",
		    (unsigned long long)j->size, (unsigned long long)c->size, c->peer.data);
		result_all(t, false, true);
		return true;
	}
	if (!c->smtputf8 && strstr(j->opt, "smtputf8")) {
		n = pread(j->fd, t->content, PORTION, (off_t)j->content);
		if (n > 0 && (uint64_t)n > j->size)
			n = (ssize_t)j->size;
		if (command_needs_utf8(j, t->content, n > 0 ? (size_t)n : 0)) {
			failure_set(&t->failure, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s", c->peer.data);
			result_all(t, false, true);
			return true;
		}
	}
	return false;
}

int
transaction_run(struct transaction *t, struct conn *c, struct sending *s)
{
	int rc = 0;

	t->conn = c;
	t->sending = s;
	t->index = mem_array(s->job->rcpts, sizeof *t->index);
	t->accepted = mem_array(s->job->rcpts, sizeof *t->accepted);
	t->n = t->good = 0;
	t->mail_ok = true;        /* until MAIL has its reply */
	t->data_ok = t->answered = t->dotted = false;
	t->began = clock_mono();
	for (size_t i = 0; i < s->job->rcpts; i++)
		if (!s->out[i].final)
			t->index[t->n++] = i;
	if (!refuse_early(t)) {
		rc = dialogue(t);
		if (rc == 0 && t->data_ok)
			data(t);
		if (rc > 0)
			rc = 0;
	}
	if (rc == 0)
		c->used++;
	free(t->index);
	free(t->accepted);
	return rc;
}

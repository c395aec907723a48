/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A message on its way into the queue: see content.h. The header is looked at as it passes: Received fields are
 * counted, the Message-ID is kept for the log. Of a submission the header is held back until its end, for From, Date
 * and Message-ID to be added when they are missing. Nothing else is held: memory does not grow with the message. */
#include "content.h"

#include "record.h"
#include "reply.h"
#include "settings.h"
#include "trace.h"

#include "mail/log.h"
#include "syntax/envelope.h"
#include "syntax/header.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <time.h>

#define PATIENCE (16u << 20)      /* bytes read after a refusal before we hang up */

struct content {
	struct queue_writer *w;   /* NULL: refused, or no message under way */
	struct header header;
	bool in_header;
	bool holding;             /* the header is kept in head until its end */
	struct buf head;
	int missing;              /* TRACE_* fields not seen yet */
	int hops;
	struct buf message_id;
	uint64_t wire;            /* bytes read */
	int code;                 /* of the refusal; 0: none */
	const char *dsn, *text;
	struct buf err, line;
};

struct content *
content_new(void)
{
	struct content *c = mem_zalloc(sizeof *c);

	buf_init(&c->head, SIZE_MAX - 1);
	buf_init(&c->message_id, 1000);
	buf_init(&c->err, 4096);
	buf_init(&c->line, 16384);
	return c;
}

void
content_free(struct content **cp)
{
	struct content *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	if (c->w)
		queue_write_abort(&c->w);
	header_free(&c->header);
	buf_free(&c->head);
	buf_free(&c->message_id);
	buf_free(&c->err);
	buf_free(&c->line);
	free(c);
}

void
content_deadline(struct session *s, int64_t began, uint64_t bytes)
{
	int64_t next = clock_deadline(s->set->timeout), all = began + s->set->message_limit * 1000000;

	if (all < next)
		next = all;
	if (s->set->min_data_rate > 0) {
		all = began + s->set->timeout * 1000000 + (int64_t)(bytes / (uint64_t)s->set->min_data_rate) * 1000000;
		if (all < next)
			next = all;
	}
	io_set_deadline(s->io, next);
	s->io->stopping = NULL; /* a message that is under way may come in */
}

static void
refuse(struct content *c, int code, const char *dsn, const char *text)
{
	if (c->code)
		return;
	c->code = code;
	c->dsn = dsn;
	c->text = text;
	if (c->w)
		queue_write_abort(&c->w);
}

bool
content_refused(const struct session *s)
{
	return s->content->code != 0;
}

/* errno after a failed write says whether the disk is full. */
static void
write_failed(struct content *c)
{
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
		refuse(c, 452, "4.3.1", "Insufficient system storage");
	else
		refuse(c, 451, "4.3.0", "Error: queue file write error");
}

static void
put(struct session *s, const void *data, size_t n)
{
	struct content *c = s->content;

	if (c->w && n && queue_write(c->w, data, n) < 0) {
		log_warn("%s: write %s: %s", s->tx.env.id, s->set->queue_dir, strerror(errno));
		write_failed(c);
	}
}

static void
build_envelope(struct session *s)
{
	struct queue_envelope *e = &s->tx.env;
	struct buf *from = &s->content->line;
	char uid[24];

	e->sender = mem_strdup(s->tx.sender.data);
	e->opt = mem_strdup(s->tx.opt.data);
	buf_clear(from);
	if (s->local) {
		snprintf(uid, sizeof uid, "%ld", (long)s->uid);
		envelope_param_add(from, "uid", uid);
	} else {
		envelope_param_add(from, "client", s->client.data);
	}
	if (s->helo.len)
		envelope_param_add(from, "helo", s->helo.data);
	envelope_param_add(from, "proto", session_proto(s));
	if (s->sasl_sender)
		envelope_param_add(from, "auth", s->sasl_user.data);
	e->from = mem_strndup(from->data, from->len);
}

/* A parser at its start, in the memory of the last message's. */
static void
header_again(struct header *h, size_t max)
{
	struct buf field = h->field;

	header_init(h, max);
	if (field.max == max)
		h->field = field;
	else
		buf_free(&field);
}

/* Who the message is from, in the words that log readers know. Told at the end, with its message ID in one write: whoever
 * is cut off before that has no message here. */
static void
log_arrival(struct session *s)
{
	const char *id = s->tx.env.id;

	if (s->local) {
		log_component("pickup");
		log_info("%s: uid=%ld from=<%s>", id, (long)s->uid, s->tx.sender.data);
		log_component("smtpd");
	} else if (s->sasl_sender) {
		log_info("%s: client=%s, sasl_method=%s, sasl_username=%s", id, s->client.data, s->sasl_method.data, s->sasl_user.data);
	} else {
		log_info("%s: client=%s", id, s->client.data);
	}
}

int
content_begin(struct session *s)
{
	struct content *c = s->content;

	build_envelope(s);
	buf_clear(&c->err);
	c->w = queue_write_begin(s->queue, &s->tx.env, &c->err);
	if (!c->w) {
		log_warn("message from %s not queued: %s", s->client.data, c->err.data);
		reply_trouble(s, 451, "4.3.0", "Error: queue file write error");
		session_reset_tx(s);
		return -1;
	}
	c->code = c->hops = 0;
	c->wire = 0;
	c->in_header = true;
	c->holding = s->local || s->sasl_sender || s->set->add_missing;
	c->missing = TRACE_FROM | TRACE_DATE | TRACE_MESSAGE_ID;
	buf_clear(&c->head);
	buf_clear(&c->message_id);
	header_again(&c->header, s->set->header_limit);
	buf_clear(&c->line);
	trace_received(s, s->tx.env.id, &c->line);
	put(s, c->line.data, c->line.len);
	return 0;
}

static void
look_at_field(struct session *s)
{
	struct content *c = s->content;
	const struct header *h = &c->header;

	switch (h->name_len) {
	case 4:
		if (header_is(h, "From"))
			c->missing &= ~TRACE_FROM;
		else if (header_is(h, "Date"))
			c->missing &= ~TRACE_DATE;
		break;
	case 8:
		if (header_is(h, "Received") && ++c->hops >= s->set->hop_limit)
			refuse(c, 554, "5.4.6", "Error: too many hops");
		break;
	case 10:
		if (header_is(h, "Message-ID")) {
			c->missing &= ~TRACE_MESSAGE_ID;
			if (c->message_id.len == 0 && h->value_len < c->message_id.max)
				header_unfold(h->value, h->value_len, &c->message_id);
		}
		break;
	}
}

/* Lets the header go that was held back, with what is missing put at its end. ended: its end was seen. */
static void
release_header(struct session *s, bool ended)
{
	struct content *c = s->content;
	size_t at = c->head.len, blank = 0;

	if (!c->holding)
		return;
	c->holding = false;
	if (ended && c->missing) {
		at = c->header.rest;
		if (c->header.blank) /* the empty line, LF or CR LF, stays behind the fields */
			blank = at > 1 && c->head.data[at - 2] == '\r' && (at == 2 || c->head.data[at - 3] == '\n') ? 2 : 1;
		buf_clear(&c->line);
		trace_missing(s, s->tx.env.id, c->missing, &c->line, &c->message_id);
		if (!c->header.blank && at < c->head.len)
			buf_addc(&c->line, '\n');
		put(s, c->head.data, at - blank);
		put(s, c->line.data, c->line.len);
		put(s, c->head.data + at - blank, c->head.len - at + blank);
	} else {
		put(s, c->head.data, c->head.len);
	}
	buf_clear(&c->head);
}

/* Feeds the header parser. last: the message is over. */
static void
scan_header(struct session *s, const char *data, size_t n, bool last)
{
	struct content *c = s->content;
	size_t at = 0;

	for (;;) {
		switch (header_next(&c->header, data, n, &at, last)) {
		case HEADER_FIELD:
			look_at_field(s);
			break;
		case HEADER_LONG:
			refuse(c, 552, "5.3.4", "Error: header field too long");
			break;
		case HEADER_END:
			c->in_header = false;
			release_header(s, true);
			return;
		case HEADER_MORE:
			if (c->head.len > s->set->header_limit) /* nobody needs to wait for that */
				release_header(s, false);
			return;
		}
	}
}

int
content_add(struct session *s, const char *data, size_t n, size_t wire)
{
	struct content *c = s->content;

	c->wire += wire;
	if (s->set->size_limit && c->wire > s->set->size_limit)
		refuse(c, 552, "5.3.4", "Error: message size exceeds fixed limit");
	if (c->code)
		return c->wire > PATIENCE && c->wire / 2 > s->set->size_limit ? -1 : 0;
	if (!c->in_header) {
		put(s, data, n);
		return 0;
	}
	if (c->holding)
		buf_add(&c->head, data, n);
	else
		put(s, data, n);
	scan_header(s, data, n, false);
	return 0;
}

void
content_found(struct session *s, bool bare_lf, bool bare_cr, bool nul)
{
	struct content *c = s->content;

	if (nul)
		refuse(c, 554, "5.6.0", "Error: NUL byte in message");
	if (s->bare_newline)
		return;
	if (bare_lf || bare_cr) {
		log_info("%s received in message of %s", bare_lf ? "bare <LF>" : "bare <CR>", s->client.data);
		refuse(c, s->set->bare_newline_code, "5.5.2", bare_lf ? "Error: bare <LF> received" : "Error: bare <CR> received");
	}
}

static void
end_tx(struct session *s)
{
	content_abort(s);
	session_reset_tx(s);
}

void
content_abort(struct session *s)
{
	if (s->content->w)
		queue_write_abort(&s->content->w);
}

void
content_refuse(struct session *s)
{
	struct content *c = s->content;
	const char *rcpt = s->tx.env.rcpts ? s->tx.env.rcpt[0].addr : NULL;

	s->doing = "END-OF-MESSAGE";
	reply_reject(s, rcpt, c->code, c->dsn, "%s", c->text);
	if (c->code == 521)
		s->closing = true;
	end_tx(s);
}

static void
log_message_id(struct session *s, const char *id)
{
	struct content *c = s->content;
	size_t n = strcspn(c->message_id.data, "\t ");

	/* one word: what follows in folded or spaced values is no part of it */
	buf_truncate(&c->message_id, n);
	log_component("cleanup");
	log_info("%s: message-id=%s", id, c->message_id.len ? c->message_id.data : "<>");
	log_component("smtpd");
}

/* in_flow_delay: the client waits a moment while mtaqmgr cannot keep up, so that deliveries get their turn. */
static void
slow_down(const struct session *s)
{
	struct timespec pause = { s->set->flow_delay, 0 };

	if (pause.tv_sec > 0 && faccessat(s->queue->top, QUEUE_BUSY, F_OK, 0) == 0)
		nanosleep(&pause, NULL);
}

void
content_finish(struct session *s)
{
	struct content *c = s->content;
	char id[QUEUE_ID_MAX + 1];

	record_note(s, TRANSCRIPT_CLIENT, "(a message of %" PRIu64 " bytes)", c->wire);
	if (c->in_header && !c->code)
		scan_header(s, "", 0, true);
	if (c->code) {
		content_refuse(s);
		return;
	}
	log_batch(true);
	log_arrival(s);
	log_message_id(s, s->tx.env.id);
	log_batch(false);
	buf_clear(&c->err);
	slow_down(s);
	if (queue_write_commit(&c->w, QUEUE_INCOMING, id, &c->err) < 0) {
		write_failed(c);
		log_warn("%s: %s", s->tx.env.id, c->err.data);
		content_refuse(s);
		return;
	}
	if (strcmp(id, s->tx.env.id) != 0) /* its name was taken: a clock was set back */
		log_info("%s: message of %s renamed to %s", s->tx.env.id, s->client.data, id);
	s->errors = s->junk = 0;
	record_success(s);
	session_reset_tx(s);
	reply(s, 250, "2.0.0", "Ok: queued as %s", id);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See notify.h. Who gets a report of failure is in common/mail/report.c. Copies and notices are from double_bounce_sender:
 * what that address sends is never reported again. */
#include "notify.h"

#include "manager.h"
#include "message.h"

#include "mail/bounce.h"
#include "mail/config.h"
#include "mail/log.h"
#include "mail/report.h"
#include "syntax/date.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAME_TROUBLE 3600         /* seconds between two notices with one subject */

/* The kinds of report: who gets a copy (notify_classes), and the words of the log. */
static const struct kind {
	const char *wanted, *class, *copy_to, *logged;
} failed = { "FAILURE", "bounce", "bounce_notice_recipient", "sender non-delivery notification" },
    delayed = { "DELAY", "delay", "delay_notice_recipient", "sender delay notification" },
    sent = { "SUCCESS", NULL, NULL, "sender delivery status notification" };

/* What became of a report, in the log. */
static void
log_report(const struct bounce *b, int r, const char *what, const char *id, const char *err)
{
	log_component("bounce");
	if (r < 0)
		log_warn("%s: %s: %s", b->id, what, err);
	else if (r > 0)
		log_info("%s: %s: %s", b->id, what, id);
	log_component("qmgr");
}

/* The report to the sender, or about a report to the postmaster. */
static int
send_report(struct message *m, struct bounce *b, const struct kind *k)
{
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096), err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];
	const char *why;
	int r = 0;

	if (!report_address(manager.config, m->e.sender, &from, &to, &why)) {
		log_warn("%s: %s", m->id, why);
	} else {
		r = report_queue(manager.config, &manager.queue, b, from.data, to.data, id, &err);
		log_report(b, r < 0 ? -1 : 1, b->copy ? "postmaster non-delivery notification" : k->logged, id, err.data);
	}
	buf_free(&from);
	buf_free(&to);
	buf_free(&err);
	return r;
}

/* The copy for the postmaster. Not having it loses nothing. */
static void
send_copy(struct bounce *b, const struct kind *k)
{
	struct buf err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];

	if (k->class)
		log_report(b, report_copy(manager.config, &manager.queue, b, k->class, k->copy_to, id, &err),
		    k == &delayed ? "postmaster delay notification" : "postmaster non-delivery notification", id, err.data);
	buf_free(&err);
}

static void
describe(struct message *m, struct bounce *b)
{
	b->sender = m->e.sender;
	b->id = m->id;
	b->opt = m->e.opt;
	b->arrival = m->e.time / 1000000;
	b->now = clock_real() / 1000000;
	b->retry_until = b->arrival + manager.queue_lifetime;
	b->fd = message_fd(m);
	b->content = m->e.content;
	b->size = m->e.size;
	b->templates = manager.templates;
	b->copy = !*m->e.sender;
}

/* The recipients in one state, those that the sender wants to be told of first: how many all are; *wanted: and how many of those. */
static size_t
collect(struct message *m, enum rcpt_state state, const struct kind *k, struct bounce_rcpt *list, size_t *wanted)
{
	static const enum bounce_action actions[] = { BOUNCE_DELIVERED, BOUNCE_RELAYED, BOUNCE_EXPANDED, BOUNCE_DELIVERED };
	size_t n = 0;

	*wanted = 0;
	for (int turn = 1; turn >= 0; turn--) {
		for (size_t i = 0; i < m->e.rcpts; i++) {
			struct rcpt *r = &m->rcpt[i];
			bool paused = state == RCPT_DEFERRED && r->state == RCPT_PAUSED;
			bool told = state == RCPT_SENT ? r->report : bounce_wanted(r->q->params, k->wanted);

			if ((r->state != state && !paused) || told != (turn == 1))
				continue;
			list[n++] = (struct bounce_rcpt){ r->q->addr, r->q->params, state == RCPT_BOUNCED ? BOUNCE_FAILED :
			    state == RCPT_DEFERRED ? BOUNCE_DELAYED : actions[r->action],
			    paused ? "4.3.2" : r->dsn, paused ? "" : r->relay, paused ? "held back by the administrator" : r->text,
			    paused || state == RCPT_SENT ? 0 : clock_real() / 1000000 };
		}
		if (turn)
			*wanted = n;
		if (state == RCPT_SENT) /* of others nothing is kept */
			break;
	}
	return n;
}

/* Tells whom it concerns about all recipients in one state. What fails the postmaster may know, whatever the sender
 * asked for (NOTIFY), and a report that fails always. */
static int
notify(struct message *m, enum rcpt_state state, const struct kind *k)
{
	struct bounce_rcpt *list = mem_array(m->e.rcpts ? m->e.rcpts : 1, sizeof *list);
	struct bounce b = { .rcpt = list };
	size_t wanted, all = collect(m, state, k, list, &wanted);
	int r = 0;

	describe(m, &b);
	b.rcpts = k == &failed && b.copy ? all : wanted;
	if (b.rcpts && (k == &failed || !b.copy)) /* a report does not ask what became of it */
		r = send_report(m, &b, k);
	b.rcpts = k == &failed ? all : wanted;
	if (b.rcpts && r == 0 && !b.copy && !report_ours(manager.config, m->e.sender))
		send_copy(&b, k);
	free(list);
	return r;
}

int
notify_failed(struct message *m)
{
	return notify(m, RCPT_BOUNCED, &failed);
}

void
notify_sent(struct message *m)
{
	(void)notify(m, RCPT_SENT, &sent);
}

int
notify_delayed(struct message *m)
{
	return notify(m, RCPT_DEFERRED, &delayed);
}

/* True when the same was told less than an hour ago. */
static bool
told(const char *subject)
{
	static struct strmap *last;
	int64_t now = clock_mono(), *at;

	if (!last)
		last = strmap_new();
	at = strmap_get(last, subject);
	if (at && now - *at < (int64_t)SAME_TROUBLE * 1000000)
		return true;
	if (!at) {
		at = mem_alloc(sizeof *at);
		strmap_set(last, subject, at);
	}
	*at = now;
	return false;
}

/* A message of ours that is no report. */
static int
write_notice(const char *text, const char *from, const char *to, char id[QUEUE_ID_MAX + 1], struct buf *err)
{
	struct queue_envelope e = { .sender = mem_strdup(from), .from = mem_strdup(""), .opt = mem_strdup("") };
	struct queue_writer *w;
	int r = -1;

	queue_envelope_rcpt(&e, to, "");
	w = queue_write_begin(&manager.queue, &e, err);
	if (w && queue_write(w, text, strlen(text)) < 0) {
		buf_adds(err, strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		r = queue_write_commit(&w, QUEUE_INCOMING, id, err);
	queue_envelope_free(&e);
	return r;
}

void
notify_trouble(const char *class, const char *subject, const char *text)
{
	const char *notice = config_str(manager.config, "error_notice_recipient"), *host = config_str(manager.config, "myhostname");
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096), mail = BUF_INIT(1 << 20), err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];

	if (!*notice || !report_class(manager.config, class) || told(subject))
		return;
	report_qualify(manager.config, &from, config_str(manager.config, "double_bounce_sender"));
	report_qualify(manager.config, &to, notice);
	queue_id_new(id);
	buf_adds(&mail, "Date: ");
	date_format(clock_real() / 1000000, &mail);
	buf_adds(&mail, "\nFrom: Mail Delivery System <");
	report_qualify(manager.config, &mail, "MAILER-DAEMON");
	buf_addf(&mail, ">\nTo: <%s>\nSubject: mail system trouble (%s): %s\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-generated\n\n",
	    to.data, class, subject, id, host);
	buf_addf(&mail, "This is the mail system at %s.\n\n%s:\n\n    %s\n\nThe log has more. For an hour nothing more is told about this.\n",
	    host, subject, text);
	if (write_notice(mail.data, from.data, to.data, id, &err) < 0)
		log_warn("notice to <%s>: %s", to.data, err.data);
	else
		log_info("postmaster notice (%s): %s: %s", class, subject, id);
	buf_free(&from);
	buf_free(&to);
	buf_free(&mail);
	buf_free(&err);
}

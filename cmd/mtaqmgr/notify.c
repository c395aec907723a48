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
#include "mail/notice.h"
#include "mail/report.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

void
notify_trouble(const char *class, const char *subject, const char *text)
{
	struct buf title = BUF_INIT(8192), body = BUF_INIT(1 << 20), err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];
	int r;

	if (!report_class(manager.config, class) || told(subject))
		return;
	buf_addf(&title, "mail system trouble (%s): %s", class, subject);
	buf_addf(&body, "%s:\n\n    %s\n\nThe log has more. For an hour nothing more is told about this.\n", subject, text);
	r = notice_queue(manager.config, &manager.queue, "error_notice_recipient", title.data, body.data, id, &err);
	if (r < 0)
		log_warn("postmaster notice (%s): %s: %s", class, subject, err.data);
	else if (r > 0)
		log_info("postmaster notice (%s): %s: %s", class, subject, id);
	buf_free(&title);
	buf_free(&body);
	buf_free(&err);
}

void
notify_session(struct message *m, const char *transport, const char *class, const char *about, const char *said)
{
	struct buf title = BUF_INIT(8192), body = BUF_INIT(1 << 18), err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1], *from = notice_from(manager.config);
	bool ours = strcasecmp(from, m->e.sender) == 0;
	uint64_t left_out = 0;
	int r;

	free(from);
	if (ours || !report_class(manager.config, class))
		return;
	r = notice_budget(&manager.queue, "delivery", &left_out);
	if (r == 0)
		return;
	buf_addf(&title, "transport %s: errors of %.200s (%s)", transport, about, class);
	buf_addf(&body, "In a session with %s,\nin which message %s was to be delivered, there were errors that you\nasked to be told of "
	    "(notify_classes: %s).%s\n\nWhat was said (C: this client, S: the server; passwords and the content of\nmessages are not shown):\n\n%s",
	    about, m->id, class, strcmp(class, "protocol") != 0 ? "" :
	    " The server gave a reply that\nthe protocol does not have there, or did not understand this client.", said);
	notice_left_out(left_out, &body);
	buf_adds(&body, "\nThe log has more.\n");
	if (r > 0)
		r = notice_queue(manager.config, &manager.queue, "error_notice_recipient", title.data, body.data, id, &err);
	else
		buf_addf(&err, "state/notices-delivery: %s", strerror(errno));
	if (r < 0)
		log_warn("%s: postmaster notice (%s) about %s: %s", m->id, class, about, err.data);
	else if (r > 0)
		log_info("%s: postmaster notice (%s): errors of %s: %s", m->id, class, about, id);
	buf_free(&title);
	buf_free(&body);
	buf_free(&err);
}

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

/* b to one address. */
static int
send_report(struct bounce *b, const char *from, const char *to, const char *logged)
{
	struct buf err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];
	int r = report_queue(manager.config, &manager.queue, b, from, to, id, &err);

	log_component("bounce");
	if (r == 0)
		log_info("%s: %s: %s", b->id, logged, id);
	else
		log_warn("%s: report to <%s>: %s", b->id, to, err.data);
	log_component("qmgr");
	buf_free(&err);
	return r;
}

/* The copy for the postmaster. Not having it loses nothing. */
static void
send_copy(struct bounce *b, const struct kind *k)
{
	const char *notice = k->copy_to ? config_str(manager.config, k->copy_to) : "";
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096);

	if (*notice && report_class(manager.config, k->class)) {
		report_qualify(manager.config, &from, config_str(manager.config, "double_bounce_sender"));
		report_qualify(manager.config, &to, notice);
		b->copy = true;
		(void)send_report(b, from.data, to.data, k == &delayed ? "postmaster delay notification" : "postmaster non-delivery notification");
	}
	buf_free(&from);
	buf_free(&to);
}

/* Tells whom it concerns about the recipients in b->rcpt. */
static int
report(struct message *m, struct bounce *b, const struct kind *k)
{
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096);
	const char *why;
	int r = 0;

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
	if (b->copy && k != &failed) {
		/* a report does not ask what became of it */
	} else if (!report_address(manager.config, m->e.sender, &from, &to, &why)) {
		log_warn("%s: %s", m->id, why);
	} else {
		r = send_report(b, from.data, to.data, b->copy ? "postmaster non-delivery notification" : k->logged);
		if (r == 0 && !b->copy)
			send_copy(b, k);
	}
	buf_free(&from);
	buf_free(&to);
	return r;
}

/* A report about all recipients in one state. */
static int
notify(struct message *m, enum rcpt_state state, const struct kind *k)
{
	static const enum bounce_action actions[] = { BOUNCE_DELIVERED, BOUNCE_RELAYED, BOUNCE_EXPANDED, BOUNCE_DELIVERED };
	struct bounce_rcpt *list = mem_array(m->e.rcpts ? m->e.rcpts : 1, sizeof *list);
	struct bounce b = { .rcpt = list };
	int result = 0;

	for (size_t i = 0; i < m->e.rcpts; i++) {
		struct rcpt *r = &m->rcpt[i];
		bool paused = state == RCPT_DEFERRED && r->state == RCPT_PAUSED;

		if ((r->state != state && !paused) || (state == RCPT_SENT ? !r->report : !bounce_wanted(r->q->params, k->wanted)))
			continue;
		list[b.rcpts++] = (struct bounce_rcpt){ r->q->addr, r->q->params, state == RCPT_BOUNCED ? BOUNCE_FAILED :
		    state == RCPT_DEFERRED ? BOUNCE_DELAYED : actions[r->action],
		    paused ? "4.3.2" : r->dsn, paused ? "" : r->relay, paused ? "held back by the administrator" : r->text,
		    paused || state == RCPT_SENT ? 0 : clock_real() / 1000000 };
	}
	if (b.rcpts)
		result = report(m, &b, k);
	free(list);
	return result;
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

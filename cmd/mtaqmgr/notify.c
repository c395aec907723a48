/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See notify.h. A report about a report goes to 2bounce_notice_recipient, from double_bounce_sender; what that
 * address sends is never reported again, so a bounce of a bounce ends. */
#include "notify.h"

#include "manager.h"
#include "message.h"

#include "mail/bounce.h"
#include "mail/config.h"
#include "mail/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* name, with our domain when it has none. */
static void
qualify(struct buf *out, const char *name)
{
	buf_adds(out, name);
	if (!strchr(name, '@')) {
		buf_addc(out, '@');
		buf_adds(out, config_str(manager.config, "myorigin"));
	}
}

/* Who is told, and by whom. False: nobody is. */
static bool
address_report(const struct message *m, struct buf *from, struct buf *to)
{
	const char *notice = config_str(manager.config, "2bounce_notice_recipient");

	if (*m->e.sender) {
		qualify(from, config_str(manager.config, "double_bounce_sender"));
		if (strcasecmp(from->data, m->e.sender) == 0) {
			log_warn("%s: a report to the postmaster could not be delivered: dropped", m->id);
			return false;
		}
		buf_clear(from);
		buf_adds(to, m->e.sender);
		return true;
	}
	if (!*notice) {
		log_warn("%s: a report could not be delivered: dropped", m->id);
		return false;
	}
	qualify(from, config_str(manager.config, "double_bounce_sender"));
	qualify(to, notice);
	return true;
}

static int
write_report(struct message *m, const struct bounce *b, const char *from)
{
	struct queue_envelope e = { .sender = mem_strdup(from) };
	struct buf opt = BUF_INIT(256), err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];
	struct queue_writer *w;
	int r = -1;

	if (bounce_8bit(b))
		buf_adds(&opt, bounce_utf8(b) ? "body=8BITMIME smtputf8" : "body=8BITMIME");
	e.opt = buf_steal(&opt);
	e.from = mem_strdup("");
	queue_envelope_rcpt(&e, b->to, "");
	w = queue_write_begin(&manager.queue, &e, &err);
	if (w && bounce_write(w, b) < 0) {
		buf_adds(&err, strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		r = queue_write_commit(&w, QUEUE_INCOMING, id, &err);
	log_component("bounce");
	if (r == 0)
		log_info("%s: %s: %s", m->id, *from ? "postmaster non-delivery notification" : "sender non-delivery notification", id);
	else
		log_warn("%s: write a report to <%s>: %s", m->id, b->to, err.data);
	log_component("qmgr");
	queue_envelope_free(&e);
	buf_free(&err);
	return r;
}

/* The recipients to report; how many. */
static size_t
collect(const struct message *m, struct bounce_rcpt *list)
{
	size_t n = 0;

	for (size_t i = 0; i < m->e.rcpts; i++) {
		struct rcpt *r = &m->rcpt[i];

		if (r->state == RCPT_BOUNCED && bounce_wanted(r->q->params, "FAILURE"))
			list[n++] = (struct bounce_rcpt){ r->q->addr, r->q->params, BOUNCE_FAILED, r->dsn, r->relay, r->text };
	}
	return n;
}

int
notify_failed(struct message *m)
{
	struct bounce_rcpt *list = mem_array(m->e.rcpts, sizeof *list);
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096), daemon = BUF_INIT(4096), postmaster = BUF_INIT(4096);
	struct bounce b = { .hostname = config_str(manager.config, "myhostname"), .sender = m->e.sender, .id = m->id, .opt = m->e.opt,
	    .arrival = m->e.time / 1000000, .now = clock_real() / 1000000, .rcpt = list, .fd = message_fd(m), .content = m->e.content,
	    .size = m->e.size, .size_limit = (uint64_t)config_size(manager.config, "bounce_size_limit") };
	int r = 0;

	b.rcpts = collect(m, list);
	if (b.rcpts && address_report(m, &from, &to)) {
		qualify(&daemon, "MAILER-DAEMON");
		qualify(&postmaster, "postmaster");
		b.from = daemon.data;
		b.postmaster = postmaster.data;
		b.to = to.data;
		r = write_report(m, &b, from.data);
	}
	buf_free(&from);
	buf_free(&to);
	buf_free(&daemon);
	buf_free(&postmaster);
	free(list);
	return r;
}

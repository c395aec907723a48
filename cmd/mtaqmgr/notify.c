/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See notify.h. Who is told by whom: mail/report.h. */
#include "notify.h"

#include "manager.h"
#include "message.h"

#include "mail/log.h"
#include "mail/report.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

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
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096), err = BUF_INIT(4096);
	struct bounce b = { .sender = m->e.sender, .id = m->id, .opt = m->e.opt, .arrival = m->e.time / 1000000,
	    .now = clock_real() / 1000000, .rcpt = list, .fd = message_fd(m), .content = m->e.content, .size = m->e.size };
	char id[QUEUE_ID_MAX + 1];
	const char *why;
	int r = 0;

	b.rcpts = collect(m, list);
	if (b.rcpts && !report_address(manager.config, m->e.sender, &from, &to, &why)) {
		log_warn("%s: %s", m->id, why);
	} else if (b.rcpts) {
		r = report_queue(manager.config, &manager.queue, &b, from.data, to.data, id, &err);
		log_component("bounce");
		if (r == 0)
			log_info("%s: %s: %s", m->id, *from.data ? "postmaster non-delivery notification" : "sender non-delivery notification", id);
		else
			log_warn("%s: write a report to <%s>: %s", m->id, to.data, err.data);
		log_component("qmgr");
	}
	buf_free(&from);
	buf_free(&to);
	buf_free(&err);
	free(list);
	return r;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See expire.h. */
#include "expire.h"

#include "manager.h"
#include "message.h"
#include "result.h"

#include "base/strmap.h"

static struct queue_reason *list;
static size_t n;
static struct strmap *last;       /* the last reason of each address */

void
expire_begin(const struct message *m)
{
	last = strmap_new();
	if (m->again && queue_defer_read(&manager.queue, m->id, &list, &n) == 0)
		for (size_t i = 0; i < n; i++)
			strmap_set(last, list[i].addr, &list[i]);
}

void
expire_rcpt(struct message *m, struct rcpt *r)
{
	const struct queue_reason *why = strmap_get(last, r->q->addr);

	result_set(m, r, "retry", 0, AGENT_DEFERRED, why ? why->dsn : "4.7.0", NULL, NULL,
	    why ? why->text : "message is administratively expired");
}

void
expire_end(void)
{
	strmap_free(&last, NULL);
	queue_reasons_free(&list, n);
	n = 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See pausing.h. The end of a pause needs no action: the files in deferred/ are due then, and mtaqueue resume moves them
 * to incoming/. */
#include "pausing.h"

#include "dest.h"
#include "manager.h"

#include "mail/log.h"

#include "base/clock.h"

#include <string.h>

static struct pauses rules;

void
pausing_open(void)
{
	struct buf err = BUF_INIT(65536);

	pauses_free(&rules);
	if (pauses_read(&manager.queue, clock_real() / 1000000, &rules, &err) < 0)
		log_warn("%s", err.data);
	buf_free(&err);
	for (size_t i = 0; i < rules.n; i++)
		log_info("paused: %s %s", pause_kinds[rules.rule[i].kind], rules.rule[i].pattern);
}

static void
put_away(struct message *m)
{
	if (dest_withdraw(m))
		message_check(m);
}

void
pausing_changed(void)
{
	size_t before = rules.n;

	pausing_open();
	if (rules.n)
		message_each(put_away);
	else if (before)
		log_info("nothing is paused any more");
}

const struct pause_rule *
pausing_of(const char *addr, const char *nexthop, const char *transport)
{
	const char *at;

	if (!rules.n)
		return NULL;
	at = strrchr(addr, '@');
	return pauses_match(&rules, clock_real() / 1000000, at ? at + 1 : "", nexthop, transport);
}

void
pausing_set(struct message *m, struct rcpt *r, const struct pause_rule *rule)
{
	if (!m->paused)
		log_info("%s: paused (%s %s): to=<%s>", m->id, pause_kinds[rule->kind], rule->pattern, r->q->addr);
	r->state = RCPT_PAUSED;
	m->open--;
	m->paused++;
	if (rule->until && (!m->paused_until || rule->until < m->paused_until))
		m->paused_until = rule->until;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Counting messages by a key that they have in common: see group.h. */
#include "group.h"

#include "mail/route.h"
#include "match.h"
#include "pause.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const struct { const char *name, *heading; } keys[] = {
	[GROUP_QUEUE] = { "queue", "QUEUE" }, [GROUP_DOMAIN] = { "domain", "DOMAIN" }, [GROUP_SENDER] = { "sender", "SENDER" },
	[GROUP_SENDER_DOMAIN] = { "sender-domain", "SENDER DOMAIN" }, [GROUP_REASON] = { "reason", "REASON" },
	[GROUP_STATUS] = { "status", "STATUS" }, [GROUP_NEXTHOP] = { "nexthop", "NEXT HOP" },
	[GROUP_TRANSPORT] = { "transport", "TRANSPORT" }, [GROUP_CLIENT] = { "client", "CLIENT" }, [GROUP_UID] = { "uid", "USER ID" },
	[GROUP_AGE] = { "age", "AGE" },
};

static char total_name[] = "TOTAL";

void
groups_init(struct groups *g, struct selection *s, const char *const *age_names)
{
	*g = (struct groups){ .by = GROUP_QUEUE, .age_names = age_names, .s = s, .map = strmap_new(), .total = { .key = total_name } };
}

static void
group_free(void *p)
{
	free(((struct group *)p)->key);
	free(p);
}

void
groups_free(struct groups *g)
{
	strmap_free(&g->map, group_free);
}

int
groups_by(struct groups *g, const char *name)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i].name, name) == 0) {
			g->by = (enum group_by)i;
			return 0;
		}
	return -1;
}

const char *
groups_keys(void)
{
	static struct buf list = BUF_INIT(1024);

	buf_clear(&list);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", keys[i].name);
	return list.data;
}

const char *
group_name(const struct groups *g)
{
	return keys[g->by].name;
}

const char *
group_heading(const struct groups *g)
{
	return keys[g->by].heading;
}

static struct group *
find(struct groups *g, const char *key)
{
	struct group *group = strmap_get(g->map, key);

	if (!group) {
		group = mem_zalloc(sizeof *group);
		group->key = mem_strdup(key);
		strmap_set(g->map, key, group);
	}
	return group;
}

void
groups_open(struct groups *g)
{
	struct buf err = BUF_INIT(4096);

	if (g->by == GROUP_QUEUE && !g->s->ids.n)
		for (int i = 0; i < QUEUE_NAMES; i++)
			if ((g->s->queues ? g->s->queues : g->s->all_queues) & 1u << i)
				find(g, queue_names[i]);
	if ((g->by == GROUP_NEXTHOP || g->by == GROUP_TRANSPORT) && !g->s->routes) {
		g->s->routes = route_open(g->s->app->config, &err);
		if (!g->s->routes)
			msg_die(EX_TEMPFAIL, "%s", err.data);
	}
	buf_free(&err);
}

static void
add(struct groups *g, struct group *to, struct item *it, uint64_t rcpts, int64_t age, int slot)
{
	to->rcpts += rcpts;
	if (to->serial == g->serial) /* another recipient of the same message */
		return;
	to->serial = g->serial;
	to->messages++;
	to->bytes += item_size(it);
	to->age[slot]++;
	if (age > to->oldest)
		to->oldest = age;
}

/* What differs from one message to the next is left out of a reason: what stands in <>, [] and (), and numbers of more
 * than three digits. */
static void
reason_key(const struct queue_reason *why, struct buf *key)
{
	buf_addf(key, "%s ", why->dsn);
	for (const char *p = why->text; *p && key->len < 200;) {
		const char *close = *p == '<' ? strchr(p, '>') : *p == '[' ? strchr(p, ']') : NULL;
		size_t digits = strspn(p, "0123456789"), word = strcspn(p, " <[");

		if (close) {
			buf_addf(key, "%c*%c", *p, *close);
			p = close + 1;
		} else if (digits > 3) {
			buf_addc(key, '*');
			p += digits;
		} else {
			buf_add(key, p, word ? word : 1);
			p += word ? word : 1;
		}
	}
}

static void
rcpt_key(struct groups *g, struct item *it, const char *addr, struct buf *key)
{
	struct buf other = BUF_INIT(4096);
	const struct queue_reason *why;
	const struct pause_rule *rule;
	const char *at;

	switch (g->by) {
	case GROUP_DOMAIN:
		at = strrchr(addr, '@');
		for (at = at ? at + 1 : ""; *at; at++)
			buf_addc(key, (char)tolower((unsigned char)*at));
		break;
	case GROUP_REASON:
	case GROUP_STATUS:
		why = item_reason(it, addr);
		rule = g->by == GROUP_REASON ? pause_of(it, addr) : NULL;
		if (rule)
			buf_addf(key, "paused: %s %s", pause_kinds[rule->kind], rule->pattern);
		else if (why && g->by == GROUP_STATUS)
			buf_adds(key, why->dsn);
		else if (why)
			reason_key(why, key);
		break;
	case GROUP_NEXTHOP:
		match_route(g->s, addr, &other, key);
		break;
	case GROUP_TRANSPORT:
		match_route(g->s, addr, key, &other);
		break;
	default:
		break;
	}
	if (!key->len)
		buf_adds(key, "-");
	buf_free(&other);
}

/* The key of the message as a whole; false when each recipient has its own. */
static bool
message_key(struct groups *g, struct item *it, int slot, struct buf *key)
{
	const char *at;

	switch (g->by) {
	case GROUP_QUEUE:
		buf_adds(key, queue_names[it->where]);
		return true;
	case GROUP_SENDER:
		buf_adds(key, it->good ? (*it->e.sender ? it->e.sender : "<>") : "(unreadable)");
		return true;
	case GROUP_SENDER_DOMAIN:
		at = it->good ? strrchr(it->e.sender, '@') : NULL;
		buf_adds(key, at ? at + 1 : "-");
		return true;
	case GROUP_AGE:
		buf_adds(key, g->age_names[slot]);
		return true;
	case GROUP_CLIENT:
		if (!item_from(it, "client", key))
			buf_adds(key, "-");
		return true;
	case GROUP_UID:
		if (!item_from(it, "uid", key))
			buf_adds(key, "-");
		return true;
	default:
		return false;
	}
}

void
groups_count(struct groups *g, struct item *it, int64_t age, int slot)
{
	struct buf key = BUF_INIT(8192);

	g->serial++;
	add(g, &g->total, it, it->good ? it->e.todo : 0, age, slot);
	if (message_key(g, it, slot, &key)) {
		add(g, find(g, key.data), it, it->good ? it->e.todo : 0, age, slot);
	} else {
		for (size_t i = 0; it->good && i < it->e.rcpts; i++)
			if (it->e.rcpt[i].status == 'T') {
				buf_clear(&key);
				rcpt_key(g, it, it->e.rcpt[i].addr, &key);
				add(g, find(g, key.data), it, 1, age, slot);
			}
	}
	buf_free(&key);
}

const struct group *
groups_total(struct groups *g)
{
	return &g->total;
}

struct collecting { struct group **list; size_t n; };

static void
collect(const char *key, void *value, void *arg)
{
	struct collecting *c = arg;

	(void)key;
	c->list[c->n++] = value;
}

static int
by_size(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	if (x->messages != y->messages)
		return x->messages < y->messages ? 1 : -1;
	return strcmp(x->key, y->key);
}

static int
queue_order(const char *name)
{
	int i = 0;

	while (i < QUEUE_NAMES && strcmp(queue_names[i], name) != 0)
		i++;
	return i;
}

static int
by_queue(const void *a, const void *b)
{
	return queue_order((*(struct group *const *)a)->key) - queue_order((*(struct group *const *)b)->key);
}

static int
by_age(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	return x->oldest < y->oldest ? -1 : x->oldest > y->oldest;
}

struct group **
groups_sorted(struct groups *g, size_t *n)
{
	struct collecting c = { mem_array(strmap_count(g->map) + 1, sizeof *c.list), 0 };

	strmap_each(g->map, collect, &c);
	if (c.n)
		qsort(c.list, c.n, sizeof *c.list, g->by == GROUP_QUEUE ? by_queue : g->by == GROUP_AGE ? by_age : by_size);
	*n = c.n;
	return c.list;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Patterns and comparisons of the selection language: several of one kind mean "or", different kinds mean "and". */
#include "match.h"

#include "mail/route.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

int
match_open(struct selection *s, struct buf *err)
{
	if (!s->pattern[SELECT_NEXTHOP].n && !s->pattern[SELECT_TRANSPORT].n)
		return 0;
	s->routes = route_open(s->app->config, err);
	return s->routes ? 0 : -1;
}

static bool
wild(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

/* part: a pattern without wildcards may stand anywhere in the text. */
static bool
any(const struct patterns *p, const char *text, bool part)
{
	for (size_t i = 0; i < p->n; i++) {
		if (part && !wild(p->text[i]) ? strcasestr(text, p->text[i]) != NULL :
		    strcasecmp(p->text[i], text) == 0 || /* "[192.0.2.1]:25" is a next hop as well as a pattern */
		    fnmatch(p->text[i], text, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

static bool
from_matches(const struct patterns *p, const char *sender)
{
	return any(p, sender, false) || (!*sender && any(p, "<>", false));
}

int
match_route(struct selection *s, const char *addr, struct buf *transport, struct buf *nexthop)
{
	struct buf text = BUF_INIT(4096);
	struct route r;
	int got;

	route_init(&r);
	got = route_resolve(s->routes, addr, &r, &text, &text);
	if (got > 0) {
		buf_add(transport, r.transport.data, r.transport.len);
		buf_add(nexthop, r.nexthop.data, r.nexthop.len);
	}
	route_free(&r);
	buf_free(&text);
	return got > 0;
}

static bool
route_matches(struct selection *s, const char *addr)
{
	struct buf transport = BUF_INIT(4096), nexthop = BUF_INIT(4096);
	const struct patterns *t = &s->pattern[SELECT_TRANSPORT], *n = &s->pattern[SELECT_NEXTHOP];
	bool good = match_route(s, addr, &transport, &nexthop) &&
	    (!t->n || any(t, transport.data, false)) && (!n->n || any(n, nexthop.data, false));

	buf_free(&transport);
	buf_free(&nexthop);
	return good;
}

/* One recipient that still waits satisfies all patterns about recipients. */
static bool
rcpt_matches(struct selection *s, struct item *it, const struct queue_rcpt *r)
{
	const struct patterns *p = s->pattern;
	const char *at = strrchr(r->addr, '@');

	if (p[SELECT_TO].n && !any(&p[SELECT_TO], r->addr, false))
		return false;
	if (p[SELECT_DOMAIN].n && !any(&p[SELECT_DOMAIN], at ? at + 1 : "", false))
		return false;
	if (p[SELECT_REASON].n) {
		const struct queue_reason *why = item_reason(it, r->addr);

		if (!why || !(any(&p[SELECT_REASON], why->text, true) || any(&p[SELECT_REASON], why->dsn, false)))
			return false;
	}
	return !s->routes || route_matches(s, r->addr);
}

static bool
rcpts_match(struct selection *s, struct item *it)
{
	const struct patterns *p = s->pattern;

	if (!p[SELECT_TO].n && !p[SELECT_DOMAIN].n && !p[SELECT_REASON].n && !s->routes)
		return true;
	if (!item_envelope(it))
		return false;
	for (size_t i = 0; i < it->e.rcpts; i++)
		if (it->e.rcpt[i].status == 'T' && rcpt_matches(s, it, &it->e.rcpt[i]))
			return true;
	return false;
}

static bool
origin_matches(struct selection *s, struct item *it)
{
	const struct patterns *client = &s->pattern[SELECT_CLIENT], *uid = &s->pattern[SELECT_UID];
	struct buf value = BUF_INIT(8192);
	bool good = true;

	if (client->n)
		good = item_from(it, "client", &value) && any(client, value.data, true);
	buf_clear(&value);
	if (good && uid->n)
		good = item_from(it, "uid", &value) && any(uid, value.data, false);
	buf_free(&value);
	return good;
}

static bool
holds(const struct comparison *c, uint64_t value)
{
	if (value == c->value)
		return c->equal;
	return c->op == '<' ? value < c->value : c->op == '>' && value > c->value;
}

/* Several of one kind mean "or". But a lower and a higher bound that everything satisfies one of mean what lies between them: the
 * other reading would select all. */
static bool
compare(const struct comparisons *list, uint64_t value)
{
	const struct comparison *low = NULL, *high = NULL;
	bool equal = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct comparison *c = &list->c[i];

		if (c->op == '=')
			equal |= holds(c, value);
		else if (c->op == '>' && (!low || c->value < low->value))
			low = c;
		else if (c->op == '<' && (!high || c->value > high->value))
			high = c;
	}
	if (low && high && low->value <= high->value)
		return equal || (holds(low, value) && holds(high, value));
	return equal || (low && holds(low, value)) || (high && holds(high, value));
}

bool
match(struct selection *s, struct item *it)
{
	const struct patterns *from = &s->pattern[SELECT_FROM];

	if (s->ids.n && s->queues && !(s->queues & 1u << it->where))
		return false;
	if (s->age.n) {
		int64_t age = (s->now - item_arrival(it)) / 1000000;

		if (!compare(&s->age, age > 0 ? (uint64_t)age : 0))
			return false;
	}
	if (s->size.n && (!compare(&s->size, item_size(it)) || it->fd < 0))
		return false;
	if (from->n && !(item_envelope(it) && from_matches(from, it->e.sender)))
		return false;
	return origin_matches(s, it) && rcpts_match(s, it);
}

int
match_sort_key(const char *name)
{
	static const struct { const char *name; char letter; } keys[] = {
		{ "age", 'a' }, { "size", 's' }, { "sender", 'f' }, { "from", 'f' }, { "domain", 'd' }, { "next", 'n' },
		{ "queue", 'q' },
	};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].letter;
	return 0;
}

void
match_key(int sort, struct item *it, struct sort_key *key)
{
	const char *at;

	*key = (struct sort_key){ 0 };
	switch (sort) {
	case 'a': /* the oldest first */
		key->number = item_arrival(it);
		break;
	case 's':
		key->number = (int64_t)item_size(it);
		break;
	case 'n':
		key->number = item_next(it);
		break;
	case 'q':
		key->number = (int64_t)it->where;
		break;
	case 'f':
		key->text = item_envelope(it) ? mem_strdup(it->e.sender) : NULL;
		break;
	case 'd':
		at = item_envelope(it) ? strrchr(it->e.rcpt[0].addr, '@') : NULL;
		key->text = at ? mem_strdup(at + 1) : NULL;
		break;
	}
}

int
match_compare_keys(const struct sort_key *a, const struct sort_key *b)
{
	if (a->text && b->text)
		return strcasecmp(a->text, b->text);
	if (a->text || b->text)
		return a->text ? 1 : -1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See park.h. */
#include "park.h"

#include "loop.h"
#include "manager.h"
#include "message.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 20                  /* messages that anyone may have in memory */

static struct park *parks;

/* The share of p in what is free now. */
static size_t
share(const struct park *p)
{
	size_t count = message_count(), room = manager.active_limit > count ? manager.active_limit - count : 0;

	return room / p->part > LEAST ? room / p->part : LEAST;
}

bool
park_full(const struct park *p)
{
	return p->n || *p->load > share(p); /* what comes later stays behind what came before */
}

void
park_add(struct park *p, const char *id, bool is_new, int64_t flushed)
{
	struct parked *last;

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap + p->cap / 2 : 64;
		struct parked *bigger = mem_array(cap, sizeof *bigger);

		for (size_t i = 0; i < p->n; i++)
			bigger[i] = p->ring[(p->first + i) % p->cap];
		free(p->ring);
		p->ring = bigger;
		p->cap = cap;
		p->first = 0;
	}
	last = &p->ring[(p->first + p->n++) % p->cap];
	memcpy(last->id, id, strlen(id) + 1);
	last->is_new = is_new;
	last->flushed = flushed;
	if (!p->before) {
		p->next = parks;
		p->before = &parks;
		if (p->next)
			p->next->before = &p->next;
		parks = p;
	}
}

void
park_free(struct park *p)
{
	if (p->before) {
		*p->before = p->next;
		if (p->next)
			p->next->before = p->before;
	}
	free(p->ring);
	p->ring = NULL;
	p->before = NULL;
	p->first = p->n = p->cap = 0;
}

/* Takes the first one back into memory. False: the system has no room for it now. */
static bool
take_first(struct park *p)
{
	struct parked one = p->ring[p->first];

	p->first = (p->first + 1) % p->cap;
	p->n--;
	if (message_take(one.id, QUEUE_ACTIVE, one.is_new, one.flushed) == TAKEN)
		return true;
	p->first = (p->first + p->cap - 1) % p->cap;
	p->ring[p->first] = one;
	p->n++;
	return false;
}

bool
park_work(void)
{
	int64_t until = clock_mono() + LOOP_SLICE;
	struct park *p, *next;

	for (p = parks; p; p = next) {
		while (p->n && message_room() && *p->load <= share(p) / 2) {
			if (!take_first(p))
				return false;
			if (clock_mono() > until)
				return true;
		}
		next = p->next;
		if (!p->n) {
			park_free(p);
			if (p->empty)
				p->empty(p);
		}
	}
	return false;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What a session learns of the others of its server, from the board (pool.h), without a system call. */
#include "sys/pool.h"

struct slot *pool_own_slot;

int
server_count(const char *key)
{
	uint64_t group = UINT64_C(0xcbf29ce484222325), joined;
	struct board *b;
	int others = 0;

	if (!pool_current || !pool_own_slot)
		return 0;
	b = pool_current->board;
	for (; *key; key++)
		group = (group ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	joined = atomic_fetch_add(&b->tickets, 1) + 1;
	atomic_store(&pool_own_slot->joined, joined);
	atomic_store(&pool_own_slot->group, group | 1);
	/* of two that come at once the later one sees the other */
	for (int i = 0; i < pool_current->slots + pool_current->children; i++)
		others += &b->slot[i] != pool_own_slot && atomic_load(&b->slot[i].group) == (group | 1) && atomic_load(&b->slot[i].joined) < joined;
	return others;
}

bool
server_crowded(void)
{
	const struct pool *p = pool_current;
	int busy = 0;

	for (int i = 0; p && i < p->slots; i++) {
		int state = atomic_load_explicit(&p->board->slot[i].state, memory_order_relaxed);

		if (atomic_load_explicit(&p->board->slot[i].retired, memory_order_relaxed))
			continue;
		if (state == SLOT_IDLE || state == SLOT_STARTING)
			return false;
		busy += state == SLOT_BUSY;
	}
	return p && busy >= p->s->limits.process_limit;
}

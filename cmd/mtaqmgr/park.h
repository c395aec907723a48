/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages that would fill the memory with mail of one sender or for one destination: only their IDs are kept, in the order in
 * which they came; their files stay in active/. They come back when enough of what is before them is done. How many may be in memory
 * depends on what is free, so there is always room for others. */
#ifndef PARK_H
#define PARK_H
#include "mail/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parked {
	char id[QUEUE_ID_MAX + 1];
	bool is_new;
	int64_t flushed;
};

struct park {
	struct parked *ring;
	size_t first, n, cap;
	const size_t *load;       /* jobs that wait in memory, of the same sender or for the same destination */
	unsigned part;            /* of the free room that these may take: one half, a quarter */
	struct park **before, *next; /* of those that hold any */
	void (*empty)(struct park *p); /* it holds none any more; may free it. May be NULL */
};

bool park_full(const struct park *p);        /* the next message is one for the park */
void park_add(struct park *p, const char *id, bool is_new, int64_t flushed);
void park_free(struct park *p);
/* Work for the loop: takes messages back. */
bool park_work(void);
#endif

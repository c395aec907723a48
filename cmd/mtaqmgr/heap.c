/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See heap.h. */
#include "heap.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

static uint64_t turns;

static bool
before(const struct heap_node *a, const struct heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

static void
place(struct heap *h, size_t i, struct heap_node *node)
{
	h->node[i] = node;
	node->at = i + 1;
}

/* Puts node where it belongs, coming from place i. */
static void
settle(struct heap *h, size_t i, struct heap_node *node)
{
	while (i > 0 && before(node, h->node[(i - 1) / 2])) {
		place(h, i, h->node[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && before(h->node[child + 1], h->node[child]))
			child++;
		if (!before(h->node[child], node))
			break;
		place(h, i, h->node[child]);
	}
	place(h, i, node);
}

void
heap_add(struct heap *h, struct heap_node *node, uint64_t key)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->node = mem_resize(h->node, h->cap, sizeof *h->node);
	}
	node->key = key;
	node->turn = turns++;
	h->n++;
	settle(h, h->n - 1, node);
}

void
heap_remove(struct heap *h, struct heap_node *node)
{
	size_t i = node->at;

	if (i == 0)
		return;
	node->at = 0;
	h->n--;
	if (i - 1 < h->n)
		settle(h, i - 1, h->node[h->n]);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->n ? h->node[0] : NULL;
}

void
heap_free(struct heap *h)
{
	free(h->node);
	*h = (struct heap){ 0 };
}

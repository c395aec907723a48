/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A heap of pointers to nodes that stand inside other structs: the least key first, equal keys in the order in
 * which they came. Any node can be taken out or given another key. */
#ifndef HEAP_H
#define HEAP_H
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t key, turn;
	size_t at;                /* place in the heap + 1; 0: in none */
};

struct heap {
	struct heap_node **node;
	size_t n, cap;
};

/* The struct that holds the node. */
#define HOLDER(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

void heap_add(struct heap *h, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *h, struct heap_node *node);    /* nothing when it is in none */
struct heap_node *heap_first(const struct heap *h);          /* NULL when it is empty */
void heap_free(struct heap *h);
#endif

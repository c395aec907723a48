/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See wait.h: binary heaps of small entries in plain arrays. While a scan runs there are three: what was known
 * before (old), what the scan finds (found), and what was added since it began (added). A message may then stand in
 * two of them; the one that comes second finds its file gone or due at another time. */
#include "wait.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	int64_t due;
	char id[QUEUE_ID_MAX + 4]; /* NUL-padded */
};

struct list {
	struct entry *e;
	size_t n, cap;
};

static struct list old, found, added;
static bool scanning;

static void
push(struct list *l, const char *id, int64_t due)
{
	size_t i;

	if (l->n == l->cap) {
		/* by halves: doubling a list of a million would leave much of it empty */
		l->cap = l->cap ? l->cap + l->cap / 2 : 64;
		l->e = mem_resize(l->e, l->cap, sizeof *l->e);
	}
	for (i = l->n++; i > 0 && l->e[(i - 1) / 2].due > due; i = (i - 1) / 2)
		l->e[i] = l->e[(i - 1) / 2];
	l->e[i].due = due;
	strncpy(l->e[i].id, id, sizeof l->e[i].id - 1);
	l->e[i].id[sizeof l->e[i].id - 1] = '\0';
}

static void
pop(struct list *l, char id[QUEUE_ID_MAX + 1])
{
	struct entry last = l->e[--l->n];
	size_t i = 0, child;

	memcpy(id, l->e[0].id, QUEUE_ID_MAX);
	id[QUEUE_ID_MAX] = '\0';
	while ((child = 2 * i + 1) < l->n) {
		if (child + 1 < l->n && l->e[child + 1].due < l->e[child].due)
			child++;
		if (l->e[child].due >= last.due)
			break;
		l->e[i] = l->e[child];
		i = child;
	}
	l->e[i] = last;
}

static struct list *
earliest(void)
{
	struct list *lists[] = { &old, &found, &added }, *best = NULL;

	for (size_t i = 0; i < 3; i++)
		if (lists[i]->n && (!best || lists[i]->e[0].due < best->e[0].due))
			best = lists[i];
	return best;
}

void
wait_add(const char *id, int64_t due)
{
	push(scanning ? &added : &old, id, due);
}

bool
wait_take(int64_t now, char id[QUEUE_ID_MAX + 1])
{
	struct list *l = earliest();

	if (!l || l->e[0].due > now)
		return false;
	pop(l, id);
	return true;
}

int64_t
wait_next(void)
{
	struct list *l = earliest();

	return l ? l->e[0].due : INT64_MAX;
}

size_t
wait_count(void)
{
	return old.n + found.n + added.n;
}

static void
clear(struct list *l)
{
	free(l->e);
	*l = (struct list){ 0 };
}

void
wait_scan_begin(void)
{
	clear(&found);
	scanning = true;
}

void
wait_scan_add(const char *id, int64_t due)
{
	push(&found, id, due);
}

void
wait_scan_end(void)
{
	clear(&old);
	old = found;
	found = (struct list){ 0 };
	for (size_t i = 0; i < added.n; i++)
		push(&old, added.e[i].id, added.e[i].due);
	clear(&added);
	scanning = false;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* String-keyed hash table, chained, grown by doubling: see strmap.h. The hash is
 * SipHash-like mixing with a per-process random key. */
#include "base/strmap.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct entry {
	struct entry *next;
	void *value;
	uint64_t hash;
	char key[];
};

struct strmap {
	struct entry **bucket;
	size_t buckets;          /* a power of two */
	size_t count;
};

static uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t
hash(const char *s)
{
	static uint64_t key[2];
	uint64_t a, b;

	if (!key[0] && getrandom(key, sizeof key, 0) != sizeof key)
		key[0] = (uintptr_t)&key; /* address randomisation is still something */
	key[0] |= 1;
	a = key[0];
	b = key[1] ^ 0x736f6d6570736575;
	for (; *s; s++) {
		a = (a ^ (unsigned char)*s) * 0x9e3779b97f4a7c15;
		b = rotl(b, 13) + a;
		a = rotl(a, 32) ^ b;
	}
	a ^= b;
	a ^= a >> 29;
	return a * 0xbf58476d1ce4e5b9;
}

struct strmap *
strmap_new(void)
{
	struct strmap *m = mem_zalloc(sizeof *m);

	m->buckets = 16;
	m->bucket = mem_array(m->buckets, sizeof *m->bucket);
	return m;
}

void
strmap_free(struct strmap **mp, void (*free_value)(void *))
{
	struct strmap *m = *mp;

	if (!m)
		return;
	for (size_t i = 0; i < m->buckets; i++)
		for (struct entry *e = m->bucket[i], *next; e; e = next) {
			next = e->next;
			if (free_value)
				free_value(e->value);
			free(e);
		}
	free(m->bucket);
	free(m);
	*mp = NULL;
}

/* The link that points at key's entry, or at the end of its chain. */
static struct entry **
find(const struct strmap *m, const char *key, uint64_t h)
{
	struct entry **p = &m->bucket[h & (m->buckets - 1)];

	while (*p && ((*p)->hash != h || strcmp((*p)->key, key) != 0))
		p = &(*p)->next;
	return p;
}

void *
strmap_get(const struct strmap *m, const char *key)
{
	struct entry *e = *find(m, key, hash(key));

	return e ? e->value : NULL;
}

static void
grow(struct strmap *m)
{
	struct strmap wider = { .buckets = m->buckets * 2, .count = m->count };

	wider.bucket = mem_array(wider.buckets, sizeof *wider.bucket);
	for (size_t i = 0; i < m->buckets; i++)
		for (struct entry *e = m->bucket[i], *next; e; e = next) {
			struct entry **p = &wider.bucket[e->hash & (wider.buckets - 1)];

			next = e->next;
			e->next = *p;
			*p = e;
		}
	free(m->bucket);
	*m = wider;
}

void *
strmap_set(struct strmap *m, const char *key, void *value)
{
	uint64_t h = hash(key);
	struct entry **p = find(m, key, h), *e = *p;
	size_t n;

	if (e) {
		void *old = e->value;

		e->value = value;
		return old;
	}
	n = strlen(key) + 1;
	e = mem_alloc(sizeof *e + n);
	memcpy(e->key, key, n);
	e->hash = h;
	e->value = value;
	e->next = NULL;
	*p = e;
	if (++m->count > m->buckets)
		grow(m);
	return NULL;
}

void *
strmap_remove(struct strmap *m, const char *key)
{
	struct entry **p = find(m, key, hash(key)), *e = *p;
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	*p = e->next;
	free(e);
	m->count--;
	return value;
}

size_t
strmap_count(const struct strmap *m)
{
	return m->count;
}

void
strmap_each(const struct strmap *m, void (*f)(const char *, void *, void *), void *arg)
{
	for (size_t i = 0; i < m->buckets; i++)
		for (struct entry *e = m->bucket[i], *next; e; e = next) {
			next = e->next;
			f(e->key, e->value, arg);
		}
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Lookup tables: the registry of types, and lists of tables. See map.h; the types are one file each. */
#include "map/map.h"

#include "base/mem.h"
#include "map/driver.h"

#include <stdlib.h>
#include <string.h>

struct map {
	const struct map_driver *driver;
	void *table;
	char *name;               /* "type:name" */
};

struct maplist {
	struct map **map;
	size_t n;
	const char *last;
};

/* What the names of types mean; sorted. */
static const struct { const char *type; const struct map_driver *driver; } types[] = {
	{ "btree", &map_tdb },
	{ "cidr", &map_cidr },
	{ "environ", &map_environ },
	{ "fail", &map_fail },
	{ "hash", &map_tdb },
	{ "inline", &map_inline },
	{ "proxy", NULL },        /* the table itself, opened here */
	{ "regexp", &map_regexp },
	{ "static", &map_static },
	{ "tdb", &map_tdb },
	{ "texthash", &map_texthash },
	{ "unix", &map_unix },
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *const *
map_types(void)
{
	static const char *names[TYPES + 1];

	for (size_t i = 0; i < TYPES; i++)
		names[i] = types[i].type;
	return names;
}

int
map_fold(const char *s, struct buf *out)
{
	buf_clear(out);
	if (buf_adds(out, s) < 0)
		return -1;
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] >= 'A' && out->data[i] <= 'Z')
			out->data[i] |= 0x20;
	return 0;
}

struct map *
map_open(const char *type_name, struct buf *err)
{
	const char *colon = strchr(type_name, ':');
	const struct map_driver *driver = NULL;
	struct map *m;
	void *table;
	size_t n, i;

	if (!colon || colon == type_name) {
		buf_addf(err, "table %s: expected type:name", type_name);
		return NULL;
	}
	n = (size_t)(colon - type_name);
	if (n == 5 && memcmp(type_name, "proxy", 5) == 0)
		return map_open(colon + 1, err);
	for (i = 0; i < TYPES && !driver; i++)
		if (strlen(types[i].type) == n && memcmp(types[i].type, type_name, n) == 0)
			driver = types[i].driver;
	if (!driver) {
		buf_addf(err, "table %s: unknown table type %.*s", type_name, (int)n, type_name);
		return NULL;
	}
	table = driver->open(colon + 1, err);
	if (!table)
		return NULL;
	m = mem_zalloc(sizeof *m);
	m->driver = driver;
	m->table = table;
	m->name = mem_strdup(type_name);
	return m;
}

void
map_close(struct map **mp)
{
	struct map *m = *mp;

	if (!m)
		return;
	m->driver->close(m->table);
	free(m->name);
	free(m);
	*mp = NULL;
}

bool
map_is_pattern(const struct map *m)
{
	return m->driver->pattern;
}

int
map_find(struct map *m, const char *key, struct buf *out, struct buf *err)
{
	return m->driver->find(m->table, key, out, err);
}

void
map_recheck(struct map *m)
{
	if (m->driver->recheck)
		m->driver->recheck(m->table);
}

int
map_each(struct map *m, int (*f)(void *arg, const char *key, const char *value), void *arg, struct buf *err)
{
	if (!m->driver->each) {
		buf_addf(err, "table %s: this type of table cannot be listed", m->name);
		return MAP_ERROR;
	}
	return m->driver->each(m->table, f, arg, err);
}

int
map_list_next(const char **p, struct buf *out, struct buf *err)
{
	static const char between[] = ", \t\r\n";
	const char *s = *p + strspn(*p, between), *start = s;
	size_t depth = 0;

	buf_clear(out);
	for (; *s && (depth > 0 || !strchr(between, *s)); s++) {
		if (*s == '{')
			depth++;
		else if (*s == '}' && depth > 0)
			depth--;
	}
	*p = s;
	if (depth > 0) {
		buf_addf(err, "missing } in: %s", start);
		return -1;
	}
	if (s == start)
		return 0;
	return buf_add(out, start, (size_t)(s - start)) < 0 ? -1 : 1;
}

char *
map_unbrace(char *s)
{
	size_t n = strlen(s);

	if (n < 2 || s[0] != '{' || s[n - 1] != '}')
		return s;
	for (n--; n > 1 && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
		;
	s[n] = '\0';
	return s + 1 + strspn(s + 1, " \t");
}

struct maplist *
maplist_open(const char *value, struct buf *err)
{
	struct maplist *l = mem_zalloc(sizeof *l);
	struct buf word = BUF_INIT(1 << 20);
	int r;

	while ((r = map_list_next(&value, &word, err)) > 0) {
		struct map *m = map_open(word.data, err);

		if (!m) {
			r = -1;
			break;
		}
		l->map = mem_resize(l->map, l->n + 1, sizeof *l->map);
		l->map[l->n++] = m;
	}
	buf_free(&word);
	if (r < 0)
		maplist_close(&l);
	return l;
}

void
maplist_close(struct maplist **lp)
{
	struct maplist *l = *lp;

	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		map_close(&l->map[i]);
	free(l->map);
	free(l);
	*lp = NULL;
}

static int
find(struct maplist *l, const char *key, bool part, struct buf *out, struct buf *err)
{
	for (size_t i = 0; i < l->n; i++) {
		int r;

		if (part && map_is_pattern(l->map[i]))
			continue;
		r = map_find(l->map[i], key, out, err);
		l->last = l->map[i]->name;
		if (r != MAP_ABSENT)
			return r;
	}
	return MAP_ABSENT;
}

int
maplist_find(struct maplist *l, const char *key, struct buf *out, struct buf *err)
{
	return find(l, key, false, out, err);
}

int
maplist_find_part(struct maplist *l, const char *key, struct buf *out, struct buf *err)
{
	return find(l, key, true, out, err);
}

const char *
maplist_last(const struct maplist *l)
{
	return l->last ? l->last : "";
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Source text to compiled table: see compile.h. */
#include "map/compile.h"

#include "map/build.h"
#include "map/map.h"

#include <string.h>
#include <strings.h>

struct old {
	struct map_compile *c;
	struct map_build *b;
	struct buf *err;
};

static int
keep_pair(void *arg, const char *key, const char *value)
{
	struct old *o = arg;
	const char *gone = o->c->remove;

	if (gone && (o->c->keep_case ? strcmp(gone, key) : strcasecmp(gone, key)) == 0) {
		o->c->removed = true;
		return 0;
	}
	return map_build_add(o->b, key, value, true, o->err) < 0 ? -2 : 0;
}

/* The pairs of the table that is there. Read while the new one is locked: no change of another process gets lost. */
static int
keep_old(struct map_compile *c, struct map_build *b, const char *name, struct buf *err)
{
	struct old o = { c, b, err };
	struct buf table = BUF_INIT(1 << 16);
	struct map *m = NULL;
	int r = -1;

	if (buf_addf(&table, "tdb:%s", name) == 0)
		m = map_open(table.data, err);
	if (m)
		r = map_each(m, keep_pair, &o, err);
	map_close(&m);
	buf_free(&table);
	return r < 0 ? -1 : 0;
}

static int
add_pair(struct map_compile *c, struct map_build *b, const struct maptext *t, const char *key, const char *value, struct buf *err)
{
	int r = map_build_add(b, key, value, c->keep_case, err);

	if (r == 0 && !c->quiet) {
		struct buf text = BUF_INIT(1024);

		buf_addf(&text, "duplicate entry: \"%.900s\"", key);
		c->warn(c->arg, t->line, text.data);
		buf_free(&text);
	}
	return r;
}

static int
add_source(struct map_compile *c, struct map_build *b, const char *source, size_t n, struct buf *err)
{
	struct maptext t;
	const char *why = NULL;
	char *key, *value;
	int r;

	maptext_init(&t, source, n);
	while ((r = maptext_next(&t, &why)) > 0) {
		why = NULL;
		r = c->pair(&t, &key, &value, &why);
		if (r < 0)
			break;
		if (why)
			c->warn(c->arg, t.line, why);
		if (r > 0 && add_pair(c, b, &t, key, value, err) < 0) {
			r = -1;
			break;
		}
	}
	if (r < 0 && why)
		buf_addf(err, "line %u: %s", t.line, why);
	maptext_free(&t);
	return r;
}

static size_t
count_lines(const char *s, size_t n)
{
	const char *end = s + n;
	size_t lines = 0;

	for (; n > 0 && (s = memchr(s, '\n', (size_t)(end - s))) != NULL; s++)
		lines++;
	return lines;
}

int
map_compile(struct map_compile *c, const char *name, const char *source, size_t n, struct buf *err)
{
	struct map_build *b = map_build_begin(name, count_lines(source, n), err);
	int r = 0;

	if (!b)
		return -1;
	if (c->incremental && !c->replace)
		r = keep_old(c, b, name, err);
	if (r == 0 && source)
		r = add_source(c, b, source, n, err);
	if (r == 0 && c->incremental && c->replace)
		r = keep_old(c, b, name, err);
	if (r == 0)
		return map_build_commit(&b, err);
	map_build_abort(&b);
	return -1;
}

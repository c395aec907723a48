/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Tables held in memory: texthash:/file (the source that mtamap would compile, read as it is) and
 * inline:{ key = value, { key = value with blanks }, ... }. Keys are folded to lower case. The first of
 * duplicate keys counts, and a line without a value does not count, as in Postfix. */
#include "base/mem.h"
#include "base/strmap.h"
#include "map/driver.h"
#include "syntax/maptext.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 30)

struct text {
	struct map_watch watch;   /* path NULL: inline */
	struct strmap *pairs;
	struct buf key;
};

struct walk {
	int (*f)(void *arg, const char *key, const char *value);
	void *arg;
	int r;
};

static void
text_close(void *table)
{
	struct text *t = table;

	strmap_free(&t->pairs, free);
	buf_free(&t->key);
	free(t->watch.path);
	free(t);
}

static struct text *
text_new(void)
{
	struct text *t = mem_zalloc(sizeof *t);

	buf_init(&t->key, 1 << 20);
	return t;
}

static int
add(struct text *t, struct strmap *pairs, const char *key, const char *value)
{
	if (map_fold(key, &t->key) < 0)
		return -1;
	if (!strmap_get(pairs, t->key.data))
		strmap_set(pairs, t->key.data, mem_strdup(value));
	return 0;
}

static int
parse(struct text *t, const struct buf *source, struct buf *err)
{
	struct strmap *pairs = strmap_new();
	struct maptext lines;
	const char *why = NULL;
	char *key, *value;
	int r;

	maptext_init(&lines, source->data, source->len);
	while ((r = maptext_next(&lines, &why)) > 0) {
		r = maptext_pair(&lines, &key, &value, &why);
		if (r > 0 && add(t, pairs, key, value) < 0) {
			why = "key is too long";
			r = -1;
		}
		if (r < 0)
			break;
	}
	if (r < 0) {
		buf_addf(err, "table texthash:%s: line %u: %s", t->watch.path, lines.line, why);
		strmap_free(&pairs, free);
	} else {
		strmap_free(&t->pairs, free);
		t->pairs = pairs;
	}
	maptext_free(&lines);
	return r;
}

static int
refresh(struct text *t, struct buf *err)
{
	struct buf source = BUF_INIT(TEXT_MAX);
	struct stat st;
	int r = map_watch_check(&t->watch, err);

	if (r <= 0)
		return r;
	r = map_watch_read(&t->watch, &source, &st, err);
	if (r == 0)
		r = parse(t, &source, err);
	t->watch.loaded = false;
	if (r == 0)
		map_watch_loaded(&t->watch, &st);
	buf_free(&source);
	return r;
}

static int
text_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct text *t = table;
	const char *value;

	if (t->watch.path && refresh(t, err) < 0)
		return MAP_ERROR;
	if (map_fold(key, &t->key) < 0)
		return MAP_ABSENT;
	value = strmap_get(t->pairs, t->key.data);
	if (!value)
		return MAP_ABSENT;
	if (buf_adds(out, value) < 0) {
		buf_adds(err, "value in table is too long");
		return MAP_ERROR;
	}
	return MAP_FOUND;
}

static void
visit(const char *key, void *value, void *arg)
{
	struct walk *w = arg;

	if (w->r == 0)
		w->r = w->f(w->arg, key, value);
}

static int
text_each(void *table, int (*f)(void *, const char *, const char *), void *arg, struct buf *err)
{
	struct text *t = table;
	struct walk w = { f, arg, 0 };

	if (t->watch.path && refresh(t, err) < 0)
		return MAP_ERROR;
	strmap_each(t->pairs, visit, &w);
	return w.r;
}

static void
texthash_recheck(void *table)
{
	((struct text *)table)->watch.next = 0;
}

static void *
texthash_open(const char *name, struct buf *err)
{
	struct text *t = text_new();

	(void)err;
	t->watch.path = mem_strdup(name);
	return t;
}

/* One "key = value" of an inline table, with or without braces. */
static int
inline_pair(struct text *t, char *word, struct buf *err)
{
	char *s = map_unbrace(word), *eq = strchr(s, '='), *end;

	if (eq) {
		for (end = eq; end > s && strchr(" \t\r\n", end[-1]); end--)
			;
		*end = '\0';
		eq++;
		eq += strspn(eq, " \t\r\n");
	}
	if (!eq || !*s || !*eq || add(t, t->pairs, s, eq) < 0) {
		buf_addf(err, "inline table: expected key = value, found: %s", s);
		return -1;
	}
	return 0;
}

static void *
inline_open(const char *name, struct buf *err)
{
	struct text *t = text_new();
	struct buf word = BUF_INIT(1 << 20);
	char *whole = mem_strdup(name), *list = map_unbrace(whole);
	const char *p = list;
	int r = 0;

	t->pairs = strmap_new();
	if (list == whole) {
		buf_addf(err, "inline table: expected { key = value ... }, found: %s", name);
		r = -1;
	}
	while (r >= 0 && (r = map_list_next(&p, &word, err)) > 0)
		r = inline_pair(t, word.data, err);
	free(whole);
	buf_free(&word);
	if (r >= 0)
		return t;
	text_close(t);
	return NULL;
}

const struct map_driver map_texthash = {
	.type = "texthash", .open = texthash_open, .find = text_find, .close = text_close, .each = text_each, .recheck = texthash_recheck,
};

const struct map_driver map_inline = {
	.type = "inline", .open = inline_open, .find = text_find, .close = text_close, .each = text_each,
};

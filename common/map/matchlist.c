/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Lists of names, networks and tables (mydestination, relay_domains, mynetworks): see map.h. The first pattern that
 * matches decides, "!" in front makes it a "no". Names that stand together are kept in one hash table, so long lists
 * in files cost no more than short ones. */
#include "base/mem.h"
#include "base/strmap.h"
#include "map/driver.h"
#include "sys/file.h"
#include "syntax/cidr.h"
#include "syntax/maptext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FILE_DEPTH 10             /* files that name files */

enum pattern_kind { NAMES, NETWORK, TABLE };

struct pattern {
	enum pattern_kind kind;
	bool negate;
	struct strmap *names;
	struct cidr net;
	struct map *map;
};

struct matchlist {
	struct pattern *pattern;
	size_t n;
	bool parent;
	struct buf key, value;
};

static struct pattern *
pattern_add(struct matchlist *l, enum pattern_kind kind, bool negate)
{
	struct pattern *p;

	l->pattern = mem_resize(l->pattern, l->n + 1, sizeof *l->pattern);
	p = &l->pattern[l->n++];
	*p = (struct pattern){ .kind = kind, .negate = negate };
	return p;
}

static int
name_add(struct matchlist *l, const char *name, bool negate, struct buf *err)
{
	struct pattern *p = l->n > 0 ? &l->pattern[l->n - 1] : NULL;
	size_t n = strlen(name);
	bool bracket = n > 2 && name[0] == '[' && name[n - 1] == ']';

	if (!p || p->kind != NAMES || p->negate != negate) {
		p = pattern_add(l, NAMES, negate);
		p->names = strmap_new();
	}
	if (map_fold(name, &l->key) < 0) {
		buf_addf(err, "pattern is too long: %.100s...", name);
		return -1;
	}
	/* an address in brackets is compared without them */
	strmap_set(p->names, l->key.data, p);
	if (bracket) {
		l->key.data[n - 1] = '\0';
		strmap_set(p->names, l->key.data + 1, p);
	}
	return 0;
}

static int add_words(struct matchlist *l, const char *text, bool negate, int depth, struct buf *err);

static int
file_add(struct matchlist *l, const char *path, bool negate, int depth, struct buf *err)
{
	struct buf source = BUF_INIT((size_t)1 << 28);
	struct maptext lines;
	const char *why = NULL;
	int r;

	if (depth >= FILE_DEPTH) {
		buf_addf(err, "%s: files are nested too deep", path);
		return -1;
	}
	if (file_read(AT_FDCWD, path, &source) < 0) {
		buf_addf(err, "open %s: %s", path, strerror(errno));
		buf_free(&source);
		return -1;
	}
	maptext_init(&lines, source.data, source.len);
	while ((r = maptext_next(&lines, &why)) > 0)
		if (add_words(l, lines.text.data, negate, depth + 1, err) < 0)
			break;
	if (r < 0)
		buf_addf(err, "%s: line %u: %s", path, lines.line, why);
	maptext_free(&lines);
	buf_free(&source);
	return r ? -1 : 0;
}

static int
word_add(struct matchlist *l, const char *word, bool negate, int depth, struct buf *err)
{
	struct cidr net;
	struct pattern *p;
	struct map *map;
	const char *why = NULL;

	for (; *word == '!'; word++)
		negate = !negate;
	if (*word == '/')
		return file_add(l, word, negate, depth, err);
	if (cidr_parse(&net, word, strlen(word), &why) == 0) {
		p = pattern_add(l, NETWORK, negate);
		p->net = net;
		/* also by name: an address literal may be an element of mydestination */
		return strchr(word, '/') ? 0 : name_add(l, word, negate, err);
	}
	if (strchr(word, ':') && *word != '[') {
		map = map_open(word, err);
		if (!map)
			return -1;
		p = pattern_add(l, TABLE, negate);
		p->map = map;
		return 0;
	}
	/* what looks like a network and is none must not turn into a name that never matches */
	if (strchr(word, '/')) {
		buf_addf(err, "network %s: %s", word, why ? why : "malformed");
		return -1;
	}
	return name_add(l, word, negate, err);
}

static int
add_words(struct matchlist *l, const char *text, bool negate, int depth, struct buf *err)
{
	struct buf word = BUF_INIT(1 << 20);
	int r;

	while ((r = map_list_next(&text, &word, err)) > 0)
		if (word_add(l, word.data, negate, depth, err) < 0) {
			r = -1;
			break;
		}
	buf_free(&word);
	return r;
}

struct matchlist *
matchlist_open(const char *value, bool parent, struct buf *err)
{
	struct matchlist *l = mem_zalloc(sizeof *l);

	l->parent = parent;
	buf_init(&l->key, 1 << 16);
	buf_init(&l->value, 1 << 20);
	if (add_words(l, value, false, 0, err) < 0)
		matchlist_close(&l);
	return l;
}

void
matchlist_close(struct matchlist **lp)
{
	struct matchlist *l = *lp;

	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		strmap_free(&l->pattern[i].names, NULL);
		map_close(&l->pattern[i].map);
	}
	free(l->pattern);
	buf_free(&l->key);
	buf_free(&l->value);
	free(l);
	*lp = NULL;
}

/* One exact lookup in names or a table. MAP_*. */
static int
ask(struct matchlist *l, struct pattern *p, const char *key, struct buf *err)
{
	if (p->kind == NAMES)
		return strmap_get(p->names, key) ? MAP_FOUND : MAP_ABSENT;
	buf_clear(&l->value);
	return map_find(p->map, key, &l->value, err);
}

/* The name, then its parents: example.com where parent is set, else .example.com. */
static int
ask_domain(struct matchlist *l, struct pattern *p, const char *name, struct buf *err)
{
	int r = ask(l, p, name, err);

	if (p->kind == TABLE && map_is_pattern(p->map))
		return r;
	while (r == MAP_ABSENT && (name = strchr(name + 1, '.')) != NULL && name[1])
		r = ask(l, p, l->parent ? name + 1 : name, err);
	return r;
}

int
matchlist_domain(struct matchlist *l, const char *name, struct buf *err)
{
	if (!*name || map_fold(name, &l->key) < 0)
		return MAP_ABSENT;
	for (size_t i = 0; i < l->n; i++) {
		struct pattern *p = &l->pattern[i];
		int r = p->kind == NETWORK ? MAP_ABSENT : ask_domain(l, p, l->key.data, err);

		if (r != MAP_ABSENT)
			return r == MAP_FOUND && p->negate ? MAP_ABSENT : r;
	}
	return MAP_ABSENT;
}

int
matchlist_address(struct matchlist *l, const char *addr, struct buf *err)
{
	struct cidr host;
	const char *why;
	bool known = !strchr(addr, '/') && cidr_parse(&host, addr, strlen(addr), &why) == 0;

	if (!*addr || map_fold(addr, &l->key) < 0)
		return MAP_ABSENT;
	for (size_t i = 0; i < l->n; i++) {
		struct pattern *p = &l->pattern[i];
		int r;

		if (p->kind == NETWORK)
			r = known && cidr_match(&p->net, &host) ? MAP_FOUND : MAP_ABSENT;
		else
			r = ask(l, p, l->key.data, err);
		if (r != MAP_ABSENT)
			return r == MAP_FOUND && p->negate ? MAP_ABSENT : r;
	}
	return MAP_ABSENT;
}

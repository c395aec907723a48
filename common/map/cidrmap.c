/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* cidr:/file (cidr_table(5)): lines of network, white space, value; the first that matches answers. A '!' before the network
 * inverts it; "if [!]network" and "endif" enclose lines. A key that is no address matches nothing. */
#include "base/mem.h"
#include "map/driver.h"
#include "syntax/cidr.h"
#include "syntax/maptext.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rule {
	struct cidr net;
	bool invert;
	size_t skip;              /* "if": the rule after its "endif"; else 0 */
	char *value;              /* NULL: "if" */
};

struct table {
	struct map_watch watch;
	struct rule *rule;
	size_t n, room;
};

static void
rules_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rule[i].value);
	free(t->rule);
	t->rule = NULL;
	t->n = t->room = 0;
}

static void
cidr_close(void *table)
{
	struct table *t = table;

	rules_free(t);
	free(t->watch.path);
	free(t);
}

static struct rule *
rule_add(struct table *t)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->rule = mem_resize(t->rule, t->room, sizeof *t->rule);
	}
	t->rule[t->n] = (struct rule){ 0 };
	return &t->rule[t->n++];
}

/* The innermost "if" whose end is not known yet. */
static struct rule *
open_if(struct table *t)
{
	for (size_t i = t->n; i-- > 0;)
		if (!t->rule[i].value && t->rule[i].skip == 0)
			return &t->rule[i];
	return NULL;
}

static int
parse_net(struct rule *r, const char *s, const char **why)
{
	if (*s == '!') {
		r->invert = true;
		s += 1 + strspn(s + 1, " \t");
	}
	return cidr_parse(&r->net, s, strlen(s), why);
}

static int
parse_line(struct table *t, struct maptext *line, const char **why)
{
	struct rule *r;
	char *key, *value;
	int v = maptext_pair(line, &key, &value, why);

	if (v < 0)
		return -1;
	if (strcasecmp(key, "endif") == 0) {
		r = open_if(t);
		if (r)
			r->skip = t->n;
		else
			*why = "endif without if";
		return r ? 0 : -1;
	}
	if (v == 0) {
		*why = "expected a network and a value";
		return -1;
	}
	r = rule_add(t);
	if (strcasecmp(key, "if") == 0)
		return parse_net(r, value, why);
	r->value = mem_strdup(value);
	return parse_net(r, key, why);
}

static int
parse(struct table *t, const struct buf *source, struct buf *err)
{
	struct maptext lines;
	const char *why = NULL;
	int r;

	maptext_init(&lines, source->data, source->len);
	while ((r = maptext_next(&lines, &why)) > 0)
		if (parse_line(t, &lines, &why) < 0) {
			r = -1;
			break;
		}
	if (r == 0 && open_if(t)) {
		why = "if without endif";
		r = -1;
	}
	if (r < 0)
		buf_addf(err, "table cidr:%s: line %u: %s", t->watch.path, lines.line, why);
	maptext_free(&lines);
	return r;
}

static int
refresh(struct table *t, struct buf *err)
{
	struct buf source = BUF_INIT((size_t)1 << 28);
	struct stat st;
	int r = map_watch_check(&t->watch, err);

	if (r <= 0)
		return r;
	r = map_watch_read(&t->watch, &source, &st, err);
	rules_free(t);
	if (r == 0)
		r = parse(t, &source, err);
	t->watch.loaded = false;
	if (r == 0)
		map_watch_loaded(&t->watch, &st);
	else
		rules_free(t);
	buf_free(&source);
	return r;
}

static int
cidr_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct table *t = table;
	struct cidr addr;
	const char *why;

	if (refresh(t, err) < 0)
		return MAP_ERROR;
	if (strchr(key, '/') || cidr_parse(&addr, key, strlen(key), &why) < 0)
		return MAP_ABSENT;
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rule[i];
		bool match = cidr_match(&r->net, &addr) != r->invert;

		if (!r->value) {
			i = match ? i + 1 : r->skip;
		} else if (!match) {
			i++;
		} else if (buf_adds(out, r->value) < 0) {
			buf_addf(err, "table cidr:%s: value is too long", t->watch.path);
			return MAP_ERROR;
		} else {
			return MAP_FOUND;
		}
	}
	return MAP_ABSENT;
}

static void *
cidr_open(const char *name, struct buf *err)
{
	struct table *t = mem_zalloc(sizeof *t);

	(void)err;
	t->watch.path = mem_strdup(name);
	return t;
}

const struct map_driver map_cidr = { .type = "cidr", .pattern = true, .open = cidr_open, .find = cidr_find, .close = cidr_close };

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Tables that are a list of rules: see rules.h. */
#include "map/rules.h"

#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

static void
clear(struct rules *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->type->free)
			t->type->free(t->rule[i].pattern);
		free(t->rule[i].pattern);
		free(t->rule[i].value);
	}
	free(t->rule);
	t->rule = NULL;
	t->n = t->room = 0;
}

struct rules *
rules_open(const struct rules_type *type, const char *path)
{
	struct rules *t = mem_zalloc(sizeof *t);

	t->type = type;
	t->watch.path = mem_strdup(path);
	return t;
}

void
rules_close(void *rules)
{
	struct rules *t = rules;

	clear(t);
	free(t->watch.path);
	free(t);
}

static struct rule *
add(struct rules *t)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->rule = mem_resize(t->rule, t->room, sizeof *t->rule);
	}
	t->rule[t->n] = (struct rule){ .pattern = mem_zalloc(t->type->size) };
	return &t->rule[t->n++];
}

/* The innermost "if" whose end is not known yet. */
static struct rule *
open_if(struct rules *t)
{
	for (size_t i = t->n; i-- > 0;)
		if (!t->rule[i].value && t->rule[i].skip == 0)
			return &t->rule[i];
	return NULL;
}

static int
parse_line(struct rules *t, struct maptext *line, struct buf *why)
{
	struct rule *r;

	if (strcasecmp(line->text.data, "endif") != 0)
		return t->type->parse(add(t), line, why);
	r = open_if(t);
	if (r)
		r->skip = t->n;
	else
		buf_adds(why, "endif without if");
	return r ? 0 : -1;
}

static int
parse(struct rules *t, const struct buf *source, struct buf *err)
{
	struct buf why = BUF_INIT(512);
	struct maptext lines;
	const char *wrong = NULL;
	int r;

	maptext_init(&lines, source->data, source->len);
	while ((r = maptext_next(&lines, &wrong)) > 0)
		if (parse_line(t, &lines, &why) < 0) {
			wrong = why.data;
			r = -1;
			break;
		}
	if (r == 0 && open_if(t)) {
		wrong = "if without endif";
		r = -1;
	}
	if (r < 0)
		buf_addf(err, "table %s:%s: line %u: %s", t->type->name, t->watch.path, lines.line, wrong);
	maptext_free(&lines);
	buf_free(&why);
	return r;
}

int
rules_refresh(struct rules *t, struct buf *err)
{
	struct buf source = BUF_INIT((size_t)1 << 28);
	struct stat st;
	int r = map_watch_check(&t->watch, err);

	if (r <= 0)
		return r;
	r = map_watch_read(&t->watch, &source, &st, err);
	clear(t);
	if (r == 0)
		r = parse(t, &source, err);
	t->watch.loaded = false;
	if (r == 0)
		map_watch_loaded(&t->watch, &st);
	else
		clear(t);
	buf_free(&source);
	return r;
}

int
rules_find(const struct rules *t, int (*match)(void *arg, const struct rule *r), void *arg, const struct rule **found)
{
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rule[i];
		int m = match(arg, r);

		if (m < 0)
			return -1;
		if ((m > 0) == r->invert) {
			i = r->value ? i + 1 : r->skip;
		} else if (!r->value) {
			i++;
		} else {
			*found = r;
			return 1;
		}
	}
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* regexp:/file (regexp_table(5)): lines of /pattern/flags, white space, value, with POSIX extended expressions that ignore case.
 * The delimiter may be any character; each flag toggles: i (case counts), m (^ and $ match at line ends), x (basic
 * expressions). "!" before the pattern inverts it; "if [!]/pattern/flags" and "endif" enclose lines. In the value $1..$9,
 * ${1}, $(1) stand for what the parentheses matched, $$ for a dollar sign. */
#include "base/mem.h"
#include "map/driver.h"
#include "syntax/maptext.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { GROUPS = 10 };

struct rule {
	regex_t regex;
	bool compiled, invert;
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
	for (size_t i = 0; i < t->n; i++) {
		if (t->rule[i].compiled)
			regfree(&t->rule[i].regex);
		free(t->rule[i].value);
	}
	free(t->rule);
	t->rule = NULL;
	t->n = t->room = 0;
}

static void
table_close(void *table)
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

static struct rule *
open_if(struct table *t)
{
	for (size_t i = t->n; i-- > 0;)
		if (!t->rule[i].value && t->rule[i].skip == 0)
			return &t->rule[i];
	return NULL;
}

/* Flags after the pattern; *s is left behind them. 0 or -1. */
static int
parse_flags(char **s, int *cflags)
{
	for (; **s && **s != ' ' && **s != '\t'; ++*s)
		switch (**s) {
		case 'i': *cflags ^= REG_ICASE; break;
		case 'm': *cflags ^= REG_NEWLINE; break;
		case 'x': *cflags ^= REG_EXTENDED; break;
		default: return -1;
		}
	return 0;
}

/* [!]/pattern/flags at s; returns what follows it, NULL with why. The delimiter may stand in the pattern after a backslash. */
static char *
parse_pattern(struct rule *r, char *s, struct buf *why)
{
	int cflags = REG_EXTENDED | REG_ICASE, e;
	char delimiter, *start, text[256];

	for (; *s == '!'; s++)
		r->invert = !r->invert;
	delimiter = *s;
	start = ++s;
	for (; *s && *s != delimiter; s++)
		if (*s == '\\' && s[1])
			s++;
	if (!delimiter || !*s) {
		buf_adds(why, "no end of the pattern");
		return NULL;
	}
	*s++ = '\0';
	if (parse_flags(&s, &cflags) < 0) {
		buf_addf(why, "unknown flag %c", *s);
		return NULL;
	}
	e = regcomp(&r->regex, start, cflags);
	if (e != 0) {
		regerror(e, &r->regex, text, sizeof text);
		buf_adds(why, text);
		return NULL;
	}
	r->compiled = true;
	return s + strspn(s, " \t");
}

/* Every $ in a value is $$, or a group that the pattern has. */
static int
check_value(const struct rule *r, struct buf *why)
{
	for (const char *p = strchr(r->value, '$'); p; p = strchr(p, '$')) {
		const char *d = p + 1 + (p[1] == '{' || p[1] == '(');

		if (p[1] == '$') {
			p += 2;
			continue;
		}
		if (*d < '1' || *d > '9' || (d > p + 1 && d[1] != (p[1] == '{' ? '}' : ')')) || r->invert ||
		    (size_t)(*d - '0') > r->regex.re_nsub) {
			buf_addf(why, "no such group: %.4s", p);
			return -1;
		}
		p = d;
	}
	return 0;
}

static int
parse_line(struct table *t, char *s, struct buf *why)
{
	struct rule *r;

	if (strcasecmp(s, "endif") == 0) {
		r = open_if(t);
		if (r)
			r->skip = t->n;
		else
			buf_adds(why, "endif without if");
		return r ? 0 : -1;
	}
	r = rule_add(t);
	if (strncasecmp(s, "if", 2) == 0 && (s[2] == ' ' || s[2] == '\t'))
		return parse_pattern(r, s + 2 + strspn(s + 2, " \t"), why) ? 0 : -1;
	s = parse_pattern(r, s, why);
	if (s && !*s)
		buf_adds(why, "expected a pattern and a value");
	if (!s || !*s)
		return -1;
	r->value = mem_strdup(s);
	return check_value(r, why);
}

static int
parse(struct table *t, const struct buf *source, struct buf *err)
{
	struct buf text = BUF_INIT(512);
	struct maptext lines;
	const char *why = NULL;
	int r;

	maptext_init(&lines, source->data, source->len);
	while ((r = maptext_next(&lines, &why)) > 0)
		if (parse_line(t, lines.text.data, &text) < 0) {
			why = text.data;
			r = -1;
			break;
		}
	if (r == 0 && open_if(t)) {
		why = "if without endif";
		r = -1;
	}
	if (r < 0)
		buf_addf(err, "table regexp:%s: line %u: %s", t->watch.path, lines.line, why);
	maptext_free(&lines);
	buf_free(&text);
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

/* The value with its groups filled in from key. */
static void
expand(const char *value, const char *key, const regmatch_t *m, struct buf *out)
{
	for (const char *p = value; *p; p++) {
		if (*p != '$') {
			buf_addc(out, *p);
		} else if (*++p == '$') {
			buf_addc(out, '$');
		} else {
			bool closed = *p == '{' || *p == '(';
			const regmatch_t *g;

			p += closed;
			g = &m[*p - '0'];
			if (g->rm_so >= 0)
				buf_add(out, key + g->rm_so, (size_t)(g->rm_eo - g->rm_so));
			p += closed;
		}
	}
}

static int
find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct table *t = table;
	regmatch_t m[GROUPS];

	if (refresh(t, err) < 0)
		return MAP_ERROR;
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rule[i];
		int e = regexec(&r->regex, key, GROUPS, m, 0);

		if (e != 0 && e != REG_NOMATCH) {
			buf_addf(err, "table regexp:%s: rule %zu: the expression takes too much memory", t->watch.path, i + 1);
			return MAP_ERROR;
		}
		if ((e == 0) == r->invert) {
			i = r->value ? i + 1 : r->skip;
			continue;
		}
		if (!r->value) {
			i++;
			continue;
		}
		expand(r->value, key, m, out);
		if (!out->full)
			return MAP_FOUND;
		buf_addf(err, "table regexp:%s: value is too long", t->watch.path);
		return MAP_ERROR;
	}
	return MAP_ABSENT;
}

static void *
table_open(const char *name, struct buf *err)
{
	struct table *t = mem_zalloc(sizeof *t);

	(void)err;
	t->watch.path = mem_strdup(name);
	return t;
}

const struct map_driver map_regexp = { .type = "regexp", .pattern = true, .open = table_open, .find = find, .close = table_close };

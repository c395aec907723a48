/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* regexp:/file (regexp_table(5)): lines of /pattern/flags, white space, value, with POSIX extended expressions that ignore case.
 * The delimiter may be any character; each flag toggles: i (case counts), m (^ and $ match at line ends), x (basic
 * expressions). "!" before the pattern inverts it; "if [!]/pattern/flags" and "endif" enclose lines. In the value $1..$9,
 * ${1}, $(1) stand for what the parentheses matched, $$ for a dollar sign. */
#include "base/mem.h"
#include "map/driver.h"
#include "map/rules.h"

#include <regex.h>
#include <string.h>
#include <strings.h>

enum { GROUPS = 10 };

struct pattern {
	regex_t regex;
	bool compiled;
};

static void
pattern_free(void *pattern)
{
	struct pattern *p = pattern;

	if (p->compiled)
		regfree(&p->regex);
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
	struct pattern *p = r->pattern;
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
	e = regcomp(&p->regex, start, cflags);
	if (e != 0) {
		regerror(e, &p->regex, text, sizeof text);
		buf_adds(why, text);
		return NULL;
	}
	p->compiled = true;
	return s + strspn(s, " \t");
}

/* Every $ in a value is $$, or a group that the pattern has. */
static int
check_value(const struct rule *r, struct buf *why)
{
	const struct pattern *pattern = r->pattern;

	for (const char *p = strchr(r->value, '$'); p; p = strchr(p, '$')) {
		const char *d = p + 1 + (p[1] == '{' || p[1] == '(');

		if (p[1] == '$') {
			p += 2;
			continue;
		}
		if (*d < '1' || *d > '9' || (d > p + 1 && d[1] != (p[1] == '{' ? '}' : ')')) || r->invert ||
		    (size_t)(*d - '0') > pattern->regex.re_nsub) {
			buf_addf(why, "no such group: %.4s", p);
			return -1;
		}
		p = d;
	}
	return 0;
}

static int
parse_rule(struct rule *r, struct maptext *line, struct buf *why)
{
	char *s = line->text.data;

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

static const struct rules_type regexp_rules = { .name = "regexp", .size = sizeof(struct pattern), .parse = parse_rule, .free = pattern_free };

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

struct search {
	const char *key;
	regmatch_t group[GROUPS];
};

static int
match(void *arg, const struct rule *r)
{
	const struct pattern *p = r->pattern;
	struct search *s = arg;
	int e = regexec(&p->regex, s->key, GROUPS, s->group, 0);

	return e == 0 ? 1 : e == REG_NOMATCH ? 0 : -1;
}

static int
find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct rules *t = table;
	struct search s = { .key = key };
	const struct rule *r;
	int found;

	if (rules_refresh(t, err) < 0)
		return MAP_ERROR;
	found = rules_find(t, match, &s, &r);
	if (found > 0)
		expand(r->value, key, s.group, out);
	if (found >= 0 && !out->full)
		return found;
	buf_addf(err, "table regexp:%s: %s", t->watch.path, found < 0 ? "an expression takes too much memory" : "value is too long");
	return MAP_ERROR;
}

static void *
table_open(const char *name, struct buf *err)
{
	(void)err;
	return rules_open(&regexp_rules, name);
}

const struct map_driver map_regexp = { .type = "regexp", .pattern = true, .open = table_open, .find = find, .close = rules_close };

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Expansion of $name and its kin in values of main.cf(5): see maincf.h. A small recursive-descent parser; what stands in
 * braces is found first by counting them, then expanded in its turn, only when it is the part that is used. */
#include "syntax/maincf.h"

#include "base/num.h"

#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 20                  /* ${a?{${b?{...}}}} nested deeper is an error */

struct expansion {
	maincf_lookup lookup;
	void *arg;
	struct buf *out;
	const char *err;
	int depth;
};

struct span { const char *s; size_t n; };

static int expand(struct expansion *x, struct span text);

static int
fail(struct expansion *x, const char *why)
{
	x->err = why;
	return -1;
}

static bool
name_char(char c, bool braced)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	    (braced && (c == '-' || c == '.'));
}

static struct span
skip_blanks(struct span t)
{
	while (t.n && (t.s[0] == ' ' || t.s[0] == '\t'))
		t.s++, t.n--;
	return t;
}

/* t begins with an opening brace (or parenthesis): gives what is inside, and moves t past the closing one. */
static int
braced(struct expansion *x, struct span *t, struct span *inside)
{
	char open = t->s[0], close = open == '{' ? '}' : ')';
	size_t depth = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->s[i] == open) {
			depth++;
		} else if (t->s[i] == close && --depth == 0) {
			*inside = (struct span){ t->s + 1, i - 1 };
			t->s += i + 1;
			t->n -= i + 1;
			return 0;
		}
	return fail(x, open == '{' ? "a '{' without its '}'" : "a '(' without its ')'");
}

/* The value of a name; NULL when it has none (x->err tells an error apart). */
static const char *
value_of(struct expansion *x, struct span name)
{
	struct buf b = BUF_INIT(MAINCF_VALUE_MAX);
	const char *value;

	buf_add(&b, name.s, name.n);
	value = x->lookup(x->arg, b.data, &x->err);
	buf_free(&b);
	return value;
}

static int
add(struct expansion *x, const char *s, size_t n)
{
	return buf_add(x->out, s, n) == 0 ? 0 : fail(x, "the value is too long when expanded");
}

/* Version numbers compare part by part (3.10 is after 3.9). */
static int
compare_levels(const char *a, const char *b)
{
	for (;;) {
		size_t n = strcspn(a, "."), k = strcspn(b, ".");
		uint64_t va = 0, vb = 0;

		num_u64n(a, n, UINT32_MAX, &va);
		num_u64n(b, k, UINT32_MAX, &vb);
		if (va != vb)
			return va < vb ? -1 : 1;
		if (!a[n] && !b[k])
			return 0;
		a += a[n] ? n + 1 : n;
		b += b[k] ? k + 1 : k;
	}
}

static int
compare(const char *a, const char *b, bool level)
{
	uint64_t va, vb;

	if (level)
		return compare_levels(a, b);
	if (num_u64(a, UINT64_MAX, &va) == 0 && num_u64(b, UINT64_MAX, &vb) == 0)
		return va < vb ? -1 : va > vb;
	return strcmp(a, b);
}

/* An operand of a comparison: "{text}", expanded into out. */
static int
operand(struct expansion *x, struct span *t, struct buf *out)
{
	struct buf *saved = x->out;
	struct span inside;
	int r;

	*t = skip_blanks(*t);
	if (!t->n || t->s[0] != '{')
		return fail(x, "a comparison needs { } around both sides");
	if (braced(x, t, &inside) < 0)
		return -1;
	x->out = out;
	r = expand(x, inside);
	x->out = saved;
	return r;
}

/* Takes an operator off t: its number in the table, or -1. */
static int
operator_of(struct span *t, bool *level)
{
	static const char *const operators[] = { "==", "!=", "<=", ">=", "<", ">" };

	*t = skip_blanks(*t);
	for (int i = 0; i < 6; i++) {
		size_t n = strlen(operators[i]);

		if (t->n < n || memcmp(t->s, operators[i], n) != 0)
			continue;
		*t = (struct span){ t->s + n, t->n - n };
		*level = t->n >= 5 && memcmp(t->s, "level", 5) == 0;
		if (*level)
			*t = (struct span){ t->s + 5, t->n - 5 };
		return i;
	}
	return -1;
}

/* "{a} == {b}" at t; *yes gets the outcome, t is left at what follows. */
static int
condition(struct expansion *x, struct span *t, bool *yes)
{
	struct buf a = BUF_INIT(MAINCF_VALUE_MAX), b = BUF_INIT(MAINCF_VALUE_MAX);
	bool level = false;
	int op, order, r = operand(x, t, &a);

	if (r == 0 && (op = operator_of(t, &level)) < 0)
		r = fail(x, "a comparison needs one of == != < <= > >=");
	if (r == 0 && (r = operand(x, t, &b)) == 0) {
		order = compare(a.data, b.data, level);
		*yes = (bool[]){ order == 0, order != 0, order <= 0, order >= 0, order < 0, order > 0 }[op];
	}
	buf_free(&a);
	buf_free(&b);
	return r;
}

/* What stands after the condition: "?text", ":text", "?{text}", "?{text}:{text}". The part for 'yes' is expanded. */
static int
choose(struct expansion *x, struct span t, bool yes)
{
	struct span part, none = { "", 0 };
	bool when = t.s[0] == '?';

	t = skip_blanks((struct span){ t.s + 1, t.n - 1 });
	if (!t.n || t.s[0] != '{')
		return expand(x, yes == when ? t : none);
	if (braced(x, &t, &part) < 0)
		return -1;
	t = skip_blanks(t);
	if (yes == when)
		return t.n && t.s[0] != ':' ? fail(x, "text after '}'") : expand(x, part);
	if (!t.n)
		return 0;
	if (t.s[0] != ':' || !when)
		return fail(x, "text after '}'");
	t = skip_blanks((struct span){ t.s + 1, t.n - 1 });
	if (!t.n || t.s[0] != '{' || braced(x, &t, &part) < 0)
		return x->err ? -1 : fail(x, "':' without '{'");
	return skip_blanks(t).n ? fail(x, "text after '}'") : expand(x, part);
}

/* The inside of ${ } or $( ). */
static int
expand_braced(struct expansion *x, struct span t)
{
	const char *value;
	size_t n = 0;
	bool yes = false;

	t = skip_blanks(t);
	if (t.n && t.s[0] == '{') {
		if (condition(x, &t, &yes) < 0)
			return -1;
		t = skip_blanks(t);
		return t.n && t.s[0] == '?' ? choose(x, t, yes) : fail(x, "a comparison without '?'");
	}
	while (n < t.n && name_char(t.s[n], true))
		n++;
	if (n == 0)
		return fail(x, "'${' without a name");
	value = value_of(x, (struct span){ t.s, n });
	if (x->err)
		return -1;
	t = (struct span){ t.s + n, t.n - n };
	if (!skip_blanks(t).n)
		return value ? add(x, value, strlen(value)) : 0;
	t = skip_blanks(t);
	if (t.s[0] != '?' && t.s[0] != ':')
		return fail(x, "after the name in ${...} only '?' or ':' may follow");
	return choose(x, t, value && *value);
}

/* What follows a '$'; t is moved past it. */
static int
expand_dollar(struct expansion *x, struct span *t)
{
	struct span inside;
	const char *value;
	size_t n = 0;

	if (t->n && t->s[0] == '$') {
		*t = (struct span){ t->s + 1, t->n - 1 };
		return add(x, "$", 1);
	}
	if (t->n && (t->s[0] == '{' || t->s[0] == '('))
		return braced(x, t, &inside) < 0 ? -1 : expand_braced(x, inside);
	while (n < t->n && name_char(t->s[n], false))
		n++;
	if (n == 0)
		return fail(x, "a '$' without a name (a dollar sign is written $$)");
	value = value_of(x, (struct span){ t->s, n });
	*t = (struct span){ t->s + n, t->n - n };
	if (x->err)
		return -1;
	return value ? add(x, value, strlen(value)) : 0;
}

static int
expand(struct expansion *x, struct span t)
{
	int r = 0;

	if (x->depth >= DEPTH_MAX)
		return fail(x, "nested too deeply");
	x->depth++;
	while (t.n && r == 0) {
		const char *dollar = memchr(t.s, '$', t.n);
		size_t n = dollar ? (size_t)(dollar - t.s) : t.n;

		r = add(x, t.s, n);
		t = (struct span){ t.s + n, t.n - n };
		if (r == 0 && dollar) {
			t = (struct span){ t.s + 1, t.n - 1 };
			r = expand_dollar(x, &t);
		}
	}
	x->depth--;
	return r;
}

int
maincf_expand(const char *text, size_t n, maincf_lookup lookup, void *arg, struct buf *out, const char **err)
{
	struct expansion x = { .lookup = lookup, .arg = arg, .out = out };

	if (expand(&x, (struct span){ text, n }) == 0)
		return 0;
	*err = x.err;
	return -1;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Logical lines of table sources: see maptext.h. The rules are Postfix's (postmap(1), aliases(5)). */
#include "syntax/maptext.h"

#include <stdbool.h>
#include <string.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

void
maptext_init(struct maptext *t, const char *data, size_t n)
{
	*t = (struct maptext){ .data = data, .n = n, .next = 1 };
	buf_init(&t->text, MAPTEXT_LINE_MAX);
}

void
maptext_free(struct maptext *t)
{
	buf_free(&t->text);
}

/* Bounds of the physical line at t->at without outer blanks; false at the end of the data. */
static bool
physical(const struct maptext *t, const char **s, size_t *n, size_t *whole, bool *indented)
{
	const char *p = t->data + t->at, *lf;

	if (t->at >= t->n)
		return false;
	lf = memchr(p, '\n', t->n - t->at);
	*n = lf ? (size_t)(lf - p) : t->n - t->at;
	*whole = *n + (lf != NULL);
	*indented = *n > 0 && blank(*p);
	while (*n > 0 && blank(*p)) {
		p++;
		--*n;
	}
	while (*n > 0 && blank(p[*n - 1]))
		--*n;
	*s = p;
	return true;
}

int
maptext_next(struct maptext *t, const char **err)
{
	const char *s;
	size_t n, whole;
	bool indented, any = false;

	buf_clear(&t->text);
	for (; physical(t, &s, &n, &whole, &indented); t->at += whole, t->next++) {
		if (n == 0 || *s == '#')
			continue;
		if (any && !indented)
			break;
		if (!any)
			t->line = t->next;
		if (memchr(s, '\0', n))
			*err = "NUL character";
		else if (!any && indented)
			*err = "line begins with white space, but there is no line that it continues";
		else if ((any && buf_addc(&t->text, ' ') < 0) || buf_add(&t->text, s, n) < 0)
			*err = "line is too long";
		else {
			any = true;
			continue;
		}
		t->line = t->next;
		return -1;
	}
	return any;
}

char *
maptext_unquote(char *s)
{
	char *w = s;

	for (char *r = s + 1; *r; r++) {
		if (*r == '"') {
			*w = '\0';
			return r + 1;
		}
		if (*r == '\\' && r[1])
			r++;
		*w++ = *r;
	}
	return NULL;
}

int
maptext_pair(struct maptext *t, char **key, char **value, const char **err)
{
	char *p = t->text.data;

	*key = p;
	if (*p == '"') {
		p = maptext_unquote(p);
		if (!p || (*p && !blank(*p))) {
			*err = "key with an unclosed quote";
			return -1;
		}
	} else {
		while (*p && !blank(*p))
			p++;
		if (*p)
			*p++ = '\0';
	}
	while (blank(*p))
		p++;
	*value = p;
	return *p != '\0';
}

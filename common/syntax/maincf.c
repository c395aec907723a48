/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Logical lines and list members of main.cf(5): see maincf.h. Expansion is in maincf_expand.c. */
#include "syntax/maincf.h"

#include <string.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

void
maincf_init(struct maincf *m, const char *text, size_t n)
{
	*m = (struct maincf){ .text = text, .n = n };
	buf_init(&m->logical, MAINCF_VALUE_MAX);
}

void
maincf_free(struct maincf *m)
{
	buf_free(&m->logical);
}

enum kind { KIND_EMPTY, KIND_START, KIND_CONTINUED };

/* Looks at the physical line at 'at': what it is, its text without blanks at both ends, and where the next one begins. */
static enum kind
physical(const struct maincf *m, size_t at, const char **s, size_t *n, size_t *next)
{
	const char *lf = memchr(m->text + at, '\n', m->n - at);
	size_t end = lf ? (size_t)(lf - m->text) : m->n, start = at;

	*next = lf ? end + 1 : end;
	while (start < end && blank(m->text[start]))
		start++;
	while (end > start && blank(m->text[end - 1]))
		end--;
	*s = m->text + start;
	*n = end - start;
	if (start == end || m->text[start] == '#')
		return KIND_EMPTY;
	return start > at ? KIND_CONTINUED : KIND_START;
}

/* Collects one logical line into m->logical. 1, 0 at the end of the text, -1. */
static int
logical_line(struct maincf *m, struct maincf_entry *e, const char **err)
{
	const char *s;
	size_t n, next;
	bool begun = false, orphan = false;

	buf_clear(&m->logical);
	while (m->at < m->n) {
		enum kind k = physical(m, m->at, &s, &n, &next);

		if (k == KIND_START && begun)
			break;
		m->line++;
		if (k != KIND_EMPTY && !begun) {
			begun = true;
			orphan = k == KIND_CONTINUED;
			e->line = m->line;
			e->start = m->at;
		} else if (k == KIND_CONTINUED) {
			buf_addc(&m->logical, ' ');
		}
		if (k != KIND_EMPTY) {
			buf_add(&m->logical, s, n);
			e->end = next;
		}
		m->at = next;
	}
	if (!begun)
		return 0;
	*err = orphan ? "a line that begins with white space continues the line before it, and there is none" :
	    m->logical.full ? "the value is too long" : NULL;
	return *err ? -1 : 1;
}

int
maincf_split(char *text, const char **name, const char **value, const char **err)
{
	char *eq = strchr(text, '='), *s = text, *end;

	if (!eq) {
		*err = "no '=' after the name";
		return -1;
	}
	while (blank(*s))
		s++;
	for (end = eq; end > s && blank(end[-1]); end--)
		;
	if (end == s) {
		*err = "no name before '='";
		return -1;
	}
	*end = '\0';
	if (strpbrk(s, " \t\r\v\f\n")) {
		*err = "white space inside the name";
		return -1;
	}
	*name = s;
	for (s = eq + 1; blank(*s); s++)
		;
	for (end = s + strlen(s); end > s && blank(end[-1]); end--)
		;
	*end = '\0';
	*value = s;
	return 0;
}

int
maincf_next(struct maincf *m, struct maincf_entry *e, const char **err)
{
	int r = logical_line(m, e, err);

	if (r != 1)
		return r;
	if (memchr(m->logical.data, '\0', m->logical.len)) {
		*err = "a NUL byte";
		return -1;
	}
	return maincf_split(m->logical.data, &e->name, &e->value, err) == 0 ? 1 : -1;
}

static bool
separator(char c)
{
	return blank(c) || c == ',' || c == '\n';
}

int
maincf_word(const char *list, size_t *at, struct buf *word)
{
	size_t start, end, depth = 0, closed = 0; /* closed: after the first '}' that closes all */

	for (start = *at; separator(list[start]); start++)
		;
	for (end = start; list[end] && (depth || !separator(list[end])); end++)
		if (list[end] == '{')
			depth++;
		else if (list[end] == '}' && depth && --depth == 0 && !closed)
			closed = end + 1;
	buf_clear(word);
	*at = end;
	if (start == end)
		return 0;
	if (list[start] == '{' && closed == end)
		buf_add(word, list + start + 1, end - start - 2);
	else
		buf_add(word, list + start, end - start);
	return 1;
}

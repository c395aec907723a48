/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The envelope text of a queue file, line by line: see envelope.h and mtaqueue(5). */
#include "syntax/envelope.h"

#include "base/num.h"
#include "syntax/smtp.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 20 };

static int
fail(const char **err, const char *text)
{
	*err = text;
	return -1;
}

int
envelope_first_parse(const char *line, size_t n, uint64_t *offset, uint64_t *size, const char **err)
{
	if (n == ENVELOPE_FIRST && line[n - 1] == '\n')
		n--;
	if (n != ENVELOPE_FIRST - 1 || memcmp(line, "mtaq1 ", 6) != 0 || line[6 + DIGITS] != ' ')
		return fail(err, "not a queue file");
	if (num_u64n(line + 6, DIGITS, INT64_MAX, offset) < 0 ||
	    num_u64n(line + 6 + DIGITS + 1, DIGITS, INT64_MAX, size) < 0)
		return fail(err, "malformed offset or size in the first line");
	return 0;
}

void
envelope_first_format(char out[ENVELOPE_FIRST + 1], uint64_t offset, uint64_t size)
{
	snprintf(out, ENVELOPE_FIRST + 1, "mtaq1 %020llu %020llu\n", (unsigned long long)offset,
	    (unsigned long long)size);
}

int
envelope_id_ok(const char *id, size_t n)
{
	if (n < 6 || n > 20)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char c = id[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
			return 0;
	}
	return 1;
}

/* The address in "<...>" at the start of s; a '>' inside a quoted local part does not end
 * it. Sets l->value; returns the length with the brackets, or 0. */
static size_t
bracketed(struct envelope_line *l, const char *s, size_t n)
{
	bool quoted = false;

	if (n < 2 || s[0] != '<')
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == '\\' && quoted)
			i++;
		else if (s[i] == '>' && !quoted) {
			l->value = s + 1;
			l->value_len = i - 1;
			return i + 1;
		}
	}
	return 0;
}

static int
parse_id(struct envelope_line *l, const char *s, size_t n, const char **err)
{
	if (!envelope_id_ok(s, n))
		return fail(err, "malformed queue ID");
	l->value = s;
	l->value_len = n;
	return 0;
}

static int
parse_time(struct envelope_line *l, const char *s, size_t n, const char **err)
{
	const char *dot = memchr(s, '.', n);
	uint64_t sec, usec;

	if (!dot || (size_t)(s + n - dot) != 7 || num_u64n(dot + 1, 6, 999999, &usec) < 0 ||
	    num_u64n(s, (size_t)(dot - s), INT64_MAX / 1000000 - 1, &sec) < 0)
		return fail(err, "malformed time");
	l->time = (int64_t)(sec * 1000000 + usec);
	return 0;
}

static int
parse_sender(struct envelope_line *l, const char *s, size_t n, const char **err)
{
	if (n == 0 || bracketed(l, s, n) != n)
		return fail(err, "malformed sender");
	return 0;
}

static int
parse_params(struct envelope_line *l, const char *s, size_t n, const char **err)
{
	(void)err;
	l->value = s;
	l->value_len = n;
	return 0;
}

static int
parse_rcpt(struct envelope_line *l, const char *s, size_t n, const char **err)
{
	size_t len;

	if (n < 5 || !memchr("TDBX", s[0], 4) || s[1] != ' ')
		return fail(err, "malformed status of a recipient");
	l->status = s[0];
	len = bracketed(l, s + 2, n - 2);
	if (len < 3 || (2 + len < n && s[2 + len] != ' '))
		return fail(err, "malformed recipient");
	l->params = s + 2 + len;
	l->params_len = n - 2 - len;
	return 0;
}

static const struct word {
	const char *name;
	size_t len;
	enum envelope_kind kind;
	int (*parse)(struct envelope_line *l, const char *s, size_t n, const char **err);
} words[] = {
	{ "rcpt", 4, ENVELOPE_RCPT, parse_rcpt },
	{ "sender", 6, ENVELOPE_SENDER, parse_sender },
	{ "id", 2, ENVELOPE_ID, parse_id },
	{ "time", 4, ENVELOPE_TIME, parse_time },
	{ "opt", 3, ENVELOPE_OPT, parse_params },
	{ "from", 4, ENVELOPE_FROM, parse_params },
};

int
envelope_line_parse(struct envelope_line *l, const char *line, size_t n, const char **err)
{
	*l = (struct envelope_line){ .kind = ENVELOPE_END };
	if (n == 0)
		return 0;
	if (n > ENVELOPE_LINE_MAX)
		return fail(err, "line too long");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			return fail(err, "control character in the envelope");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const struct word *w = &words[i];
		size_t skip = w->len;

		if (n < skip || memcmp(line, w->name, skip) != 0 || (n > skip && line[skip] != ' '))
			continue;
		skip += n > skip;
		l->kind = w->kind;
		l->status_at = skip;
		return w->parse(l, line + skip, n - skip, err);
	}
	return fail(err, "unknown first word");
}

int
envelope_param(const char *params, size_t n, const char *name, struct buf *out, const char **err)
{
	size_t want = strlen(name);

	for (size_t i = 0; i < n;) {
		const char *word = params + i, *blank = memchr(word, ' ', n - i), *equal;
		size_t len = blank ? (size_t)(blank - word) : n - i, name_len;

		i += len + 1;
		equal = memchr(word, '=', len);
		name_len = equal ? (size_t)(equal - word) : len;
		if (name_len != want || memcmp(word, name, want) != 0 || len == 0)
			continue;
		if (equal && out && xtext_decode(equal + 1, len - name_len - 1, out, err) < 0)
			return -1;
		return 1;
	}
	return 0;
}

int
envelope_param_add(struct buf *out, const char *name, const char *value)
{
	size_t before = out->len;

	buf_addc(out, ' ');
	buf_adds(out, name);
	if (value) {
		buf_addc(out, '=');
		xtext_encode(value, strlen(value), out);
	}
	if (out->full) {
		buf_truncate(out, before);
		return -1;
	}
	return 0;
}

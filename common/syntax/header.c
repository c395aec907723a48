/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Pull parser for message headers: see header.h. RFC 5322 2.2 (fields), 2.2.3 (folding), 4.5
 * (blanks before the colon). Lines go by memchr and memcpy; no byte is looked at twice. */
#include "syntax/header.h"

#include <string.h>
#include <strings.h>

enum {
	LINE_START,  /* at the start of the header or after a field that was given out */
	FIRST_LINE,  /* in the first line of what may be a field */
	FOLDED,      /* in a later line of a field */
	LINE_END,    /* after a line end in a field: the next byte decides */
	SKIP,        /* in a line of a field that is too long */
	SKIP_END,    /* after a line end in it */
	OVER,        /* the header has ended */
};

void
header_init(struct header *h, size_t max_field)
{
	*h = (struct header){ .state = LINE_START };
	buf_init(&h->field, max_field);
}

void
header_free(struct header *h)
{
	buf_free(&h->field);
}

static bool
fold(char c)
{
	return c == ' ' || c == '\t';
}

/* Finds name and value in h->field. False when it is no field. */
static bool
split(struct header *h)
{
	const char *s = h->field.data, *colon = memchr(s, ':', h->field.len);
	size_t n;

	if (!colon)
		return false;
	for (n = (size_t)(colon - s); n && fold(s[n - 1]); n--)
		;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	h->name = s;
	h->name_len = n;
	for (colon++; fold(*colon) || (*colon == '\n' && fold(colon[1])) || (*colon == '\r' && colon[1] == '\n' && fold(colon[2])); colon++)
		; /* a NUL ends the field's bytes */
	h->value = colon;
	h->value_len = (size_t)(s + h->field.len - colon);
	return true;
}

/* Takes bytes up to and with the next LF. What h->field has no room for is dropped; then
 * h->field.full is set. True when the line end was there. */
static bool
take_line(struct header *h, const char *data, size_t n, size_t *at)
{
	const char *lf = memchr(data + *at, '\n', n - *at);
	size_t len = lf ? (size_t)(lf - data) + 1 - *at : n - *at, room = h->field.max - h->field.len;

	if (h->state == FIRST_LINE || h->state == FOLDED) {
		if (buf_add(&h->field, data + *at, len) < 0)
			buf_add(&h->field, data + *at, room);
	}
	*at += len;
	h->total += len;
	return lf;
}

static enum header_event
end(struct header *h, bool blank, size_t rest)
{
	h->state = OVER;
	h->blank = blank;
	h->rest = rest;
	return HEADER_END;
}

/* The field is whole: cuts its last line end. A first line that is no field ends the header. */
static enum header_event
give(struct header *h)
{
	struct buf *f = &h->field;

	if (!split(h))
		return end(h, false, h->start);
	if (f->len && f->data[f->len - 1] == '\n')
		buf_truncate(f, f->len - 1);
	if (f->len && f->data[f->len - 1] == '\r')
		buf_truncate(f, f->len - 1);
	h->value_len = (size_t)(f->data + f->len - h->value);
	h->state = LINE_START;
	return HEADER_FIELD;
}

/* The field is too long: gives its name, and skips the rest. */
static enum header_event
give_long(struct header *h, bool line_end)
{
	if (!split(h))
		return end(h, false, h->start);
	h->state = line_end ? SKIP_END : SKIP;
	return HEADER_LONG;
}

/* No bytes are left. */
static enum header_event
dry(struct header *h, bool last)
{
	if (!last)
		return HEADER_MORE;
	switch (h->state) {
	case FIRST_LINE:
	case FOLDED:
	case LINE_END:
		return give(h);
	default:
		buf_clear(&h->field);
		return end(h, false, h->total);
	}
}

enum header_event
header_next(struct header *h, const char *data, size_t n, size_t *at, bool last)
{
	bool line_end;

	if (h->state == OVER)
		return HEADER_END;
	for (;;) {
		if (*at == n)
			return dry(h, last);
		switch (h->state) {
		case LINE_START:
			buf_clear(&h->field);
			h->start = h->total;
			h->state = FIRST_LINE;
			break;
		case FIRST_LINE:
		case FOLDED:
			line_end = take_line(h, data, n, at);
			if (h->field.full)
				return give_long(h, line_end);
			if (!line_end)
				break;
			if (h->state == FIRST_LINE) {
				if (h->field.len == 1 || (h->field.len == 2 && h->field.data[0] == '\r'))
					return end(h, true, h->total);
				if (!split(h))
					return end(h, false, h->start);
			}
			h->state = LINE_END;
			break;
		case LINE_END:
			if (!fold(data[*at]))
				return give(h);
			h->state = FOLDED;
			break;
		case SKIP:
			if (take_line(h, data, n, at))
				h->state = SKIP_END;
			break;
		case SKIP_END:
			h->state = fold(data[*at]) ? SKIP : LINE_START;
			break;
		}
	}
}

bool
header_is(const struct header *h, const char *name)
{
	size_t n = strlen(name);

	return h->name_len == n && strncasecmp(h->name, name, n) == 0;
}

int
header_unfold(const char *value, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		const char *lf = memchr(value + i, '\n', n - i);
		size_t len = lf ? (size_t)(lf - value) - i : n - i;

		buf_add(out, value + i, lf && len && lf[-1] == '\r' ? len - 1 : len);
		i += len + 1;
	}
	return out->full ? -1 : 0;
}

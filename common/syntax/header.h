/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Pull parser for the header of a message (RFC 5322 2.2, 3.6, 4.5): fed with bytes in any
 * portions, it gives one field at a time, then the end of the header. No I/O. Lines end in LF or
 * CRLF (LF within the queue). */
#ifndef SYNTAX_HEADER_H
#define SYNTAX_HEADER_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum header_event {
	HEADER_MORE,      /* needs more bytes: feed again */
	HEADER_FIELD,     /* h->name, h->value hold a field */
	HEADER_END,       /* the header is over (also on each later call); h->blank, h->rest */
	HEADER_LONG,      /* the field passes max: reported once with name and the start of value, its rest is skipped */
};

struct header {
	struct buf field;         /* the raw field with its folds, without the last line end; with HEADER_END and not
	                           * blank: what was taken of the line that is no field */
	const char *name;         /* valid with HEADER_FIELD until the next call */
	size_t name_len;
	const char *value;        /* after the colon, blanks and folds; those further on are still in it */
	size_t value_len;
	bool blank;               /* with HEADER_END: an empty line ended it (not a body line without one) */
	size_t rest;              /* with HEADER_END: where the body begins, counted from the first byte ever fed */
	/* private */
	int state;
	size_t start, total;
};

void header_init(struct header *h, size_t max_field);
void header_free(struct header *h);
/* Takes bytes from data (n bytes), *at is moved past what was taken. last: nothing follows. */
enum header_event header_next(struct header *h, const char *data, size_t n, size_t *at, bool last);
/* Case-insensitive comparison of the field's name. */
bool header_is(const struct header *h, const char *name);
/* value with line ends of folds removed, appended to out (RFC 5322 2.2.3). */
int header_unfold(const char *value, size_t n, struct buf *out);
#endif

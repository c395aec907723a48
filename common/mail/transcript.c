/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See transcript.h. Lines stand in a fixed array: the head, and behind it the tail as a ring. */
#include "mail/transcript.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_MARK 48               /* room for " ... (18446744073709551615 bytes)" */

void
transcript_clear(struct transcript *t)
{
	t->n = 0;
}

void
transcript_free(struct transcript *t)
{
	free(t->line);
	*t = (struct transcript){ 0 };
}

static char *
slot(const struct transcript *t, uint64_t i)
{
	return t->line[i < TRANSCRIPT_HEAD ? i : TRANSCRIPT_HEAD + (i - TRANSCRIPT_HEAD) % TRANSCRIPT_TAIL];
}

void
transcript_add(struct transcript *t, enum transcript_who who, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	static const char *const names[] = { "C: ", "S: ", "-- " };
	char *o, *end;
	size_t i;

	if (!t->line)
		t->line = mem_array(TRANSCRIPT_HEAD + TRANSCRIPT_TAIL, sizeof *t->line);
	o = slot(t, t->n++);
	end = o + TRANSCRIPT_LINE - CUT_MARK;
	o = stpcpy(o, names[who]);
	for (i = 0; i < n && o + 4 <= end; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\\')
			*o++ = '\\';
		if (c >= ' ' && c < 0x7f) {
			*o++ = (char)c;
		} else {
			*o++ = '\\';
			*o++ = 'x';
			*o++ = hex[c >> 4];
			*o++ = hex[c & 15];
		}
	}
	*o = '\0';
	if (i < n)
		snprintf(o, CUT_MARK, " ... (%zu bytes)", n);
}

void
transcript_addf(struct transcript *t, enum transcript_who who, const char *fmt, ...)
{
	struct buf text = BUF_INIT(65536);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	transcript_add(t, who, text.data, text.len);
	buf_free(&text);
}

void
transcript_format(const struct transcript *t, struct buf *out)
{
	const uint64_t kept = TRANSCRIPT_HEAD + TRANSCRIPT_TAIL;

	for (uint64_t i = 0; i < t->n; i++) {
		if (i == TRANSCRIPT_HEAD && t->n > kept) {
			buf_addf(out, "    -- %" PRIu64 " lines are left out here --\n", t->n - kept);
			i = t->n - TRANSCRIPT_TAIL;
		}
		buf_addf(out, "    %s\n", slot(t, i));
	}
}

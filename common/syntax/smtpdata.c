/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The DATA automaton, both ways: see smtpdata.h. RFC 5321 4.1.1.4 (the end), 4.5.2
 * (transparency). Ordinary lines go by memchr and memcpy; only what is near a CR, a bare LF or a
 * dot at the start of a line is looked at byte by byte. */
#include "syntax/smtpdata.h"

#include <string.h>

enum {
	LINE_START, /* after CRLF, or before the first byte */
	IN_LINE,    /* in a line */
	CR,         /* in a line, after a CR that is not yet given out */
	DOT,        /* after CRLF and a dot, which is never given out */
	DOT_CR,     /* after CRLF, a dot and a CR that is not yet given out */
};

void
smtpdata_init(struct smtpdata *d)
{
	*d = (struct smtpdata){ .state = LINE_START };
}

static void
count_line(struct smtpdata *d)
{
	if (d->line > d->longest)
		d->longest = d->line;
}

static char *
line_end(struct smtpdata *d, char *o)
{
	count_line(d);
	d->line = 0;
	d->state = LINE_START;
	*o++ = '\n';
	return o;
}

/* One byte, one case a state. Returns the end of the output. */
static char *
step(struct smtpdata *d, char c, char *o)
{
	switch (d->state) {
	case LINE_START:
		if (c == '.') {
			d->state = DOT;
			return o;
		}
		break;
	case DOT:
		if (c == '\r') {
			d->state = DOT_CR;
			return o;
		}
		break;
	case DOT_CR:
		if (c == '\n') {
			d->done = true;
			return o;
		}
		__attribute__((fallthrough)); /* the CR was a bare one */
	case CR:
		if (c == '\n')
			return line_end(d, o);
		d->bare_cr = true;
		d->line++;
		*o++ = '\r';
		break;
	case IN_LINE:
		break;
	}
	if (c == '\r') {
		d->state = CR;
		return o;
	}
	if (c == '\n')
		d->bare_lf = true;
	d->state = IN_LINE;
	d->line++;
	*o++ = c;
	return o;
}

/* The next CR and LF at or after the place looked at; kept, so that each byte is searched
 * once however many bare ones there are. */
struct ahead {
	const char *cr, *lf;
};

static const char *
next_byte(const char **known, const char *p, const char *end, char c)
{
	if (!*known || *known < p) {
		*known = memchr(p, c, (size_t)(end - p));
		if (!*known)
			*known = end;
	}
	return *known;
}

/* Copies a run of ordinary bytes at p and, when it is there, the CRLF after them. */
static const char *
run(struct smtpdata *d, struct ahead *a, const char *p, const char *end, char **o)
{
	const char *cr = next_byte(&a->cr, p, end, '\r'), *lf = next_byte(&a->lf, p, end, '\n');
	size_t n = (size_t)((cr < lf ? cr : lf) - p);

	if (n) {
		memcpy(*o, p, n);
		*o += n;
		d->line += n;
		d->state = IN_LINE;
	}
	if (lf < end && cr + 1 == lf) {
		*o = line_end(d, *o);
		return lf + 1;
	}
	return p + n;
}

/* Notes NUL and eight-bit bytes among n bytes that were used. */
static void
notice(struct smtpdata *d, const char *in, size_t n)
{
	uint64_t all = 0, word;
	size_t i = 0;

	if (!d->nul && memchr(in, '\0', n))
		d->nul = true;
	if (d->eight_bit)
		return;
	for (; i + sizeof word <= n; i += sizeof word) {
		memcpy(&word, in + i, sizeof word);
		all |= word;
	}
	for (; i < n; i++)
		all |= (unsigned char)in[i];
	if (all & 0x8080808080808080)
		d->eight_bit = true;
}

size_t
smtpdata_feed(struct smtpdata *d, const char *in, size_t n, char *out, size_t *out_len)
{
	const char *p = in, *end = in + n;
	struct ahead a = { NULL, NULL };
	char *o = out;

	while (p < end && !d->done) {
		if (d->state == IN_LINE || (d->state == LINE_START && *p != '.')) {
			const char *before = p;

			p = run(d, &a, p, end, &o);
			if (p != before)
				continue;
		}
		o = step(d, *p++, o);
	}
	count_line(d);
	n = (size_t)(p - in);
	notice(d, in, n);
	*out_len = (size_t)(o - out);
	d->size += *out_len;
	return n;
}

size_t
smtpdata_stuff(int *state, const char *in, size_t n, char *out)
{
	const char *p = in, *end = in + n;
	char *o = out;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;
		size_t len = (size_t)(stop - p);

		if (len) {
			if (*state == SMTPDATA_LINE_START && *p == '.')
				*o++ = '.';
			memcpy(o, p, len);
			o += len;
			*state = stop[-1] == '\r' ? SMTPDATA_AFTER_CR : SMTPDATA_IN_LINE;
		}
		p = stop;
		if (lf) {
			if (*state != SMTPDATA_AFTER_CR)
				*o++ = '\r';
			*o++ = '\n';
			*state = SMTPDATA_LINE_START;
			p++;
		}
	}
	return (size_t)(o - out);
}

const char *
smtpdata_end(int state)
{
	return state == SMTPDATA_LINE_START ? ".\r\n" : "\r\n.\r\n";
}

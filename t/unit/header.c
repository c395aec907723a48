/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The pull parser for headers. Every header is fed whole and cut in two everywhere. */
#include "syntax/header.h"
#include "tap.h"

#include <stdlib.h>

/* What the parser gave, as text: "name=value|" per field, "name!|" for a long one, then where
 * the body begins and whether an empty line came before it. */
static const struct header_case {
	const char *name, *in, *out;
} cases[] = {
	{ "an ordinary header", "From: a\nTo:b\n\nbody", "From=a|To=b|14 blank" },
	{ "with CRLF", "From: a\r\nTo:b\r\n\r\nbody", "From=a|To=b|17 blank" },
	{ "folds stay in the value", "A: b\n c\n\td\nE: f\n\n", "A=b\n c\n\td|E=f|17 blank" },
	{ "a fold of CRLF", "A: b\r\n c\r\n\r\n", "A=b\r\n c|12 blank" },
	{ "an empty value", "A:\nB: \n\n", "A=|B=|8 blank" },
	{ "a value that begins on the next line", "A:\n b\n\n", "A=b|7 blank" },
	{ "or on the one after it, with CRLF", "A: \r\n \r\n\tb\r\n\r\n", "A=b|14 blank" },
	{ "a value of folds alone", "A:\n \n\n", "A=|6 blank" },
	{ "a line of blanks only is a fold", "A: b\n \nC: d\n\n", "A=b\n |C=d|13 blank" },
	{ "blanks before the colon", "A : b\nC\t: d\n\n", "A=b|C=d|13 blank" },
	{ "a body at once", "\nbody", "1 blank" },
	{ "a body at once, CRLF", "\r\nbody", "2 blank" },
	{ "nothing at all", "", "0" },
	{ "no body", "A: b\n", "A=b|5" },
	{ "no last line end", "A: b", "A=b|4" },
	{ "no last line end in a fold", "A: b\n c", "A=b\n c|7" },
	{ "a line that is no field ends the header", "A: b\nbody: x y\nnot a field\n", "A=b|body=x y|15" },
	{ "a blank in the name", "A: b\nx y: z\n", "A=b|5" },
	{ "eight bit in the name", "A: b\n\xc3\xa9: z\n", "A=b|5" },
	{ "no name", "A: b\n: z\n", "A=b|5" },
	{ "a fold before any field", " x: y\nA: b\n", "0" },
	{ "a From_ line is no field", "From a@b Mon\nA: b\n", "0" },
	{ "a lone CR does not end the header", "A: b\n\rB: c\n\n", "A=b|5" },
	{ "a long field", "A: b\nLong: 0123456789012345678901234567890123456789\n more\n more\nB: c\n\n", "A=b|Long!|B=c|70 blank" },
	{ "a field that gets long by folding", "A: 0123456789012345678\n 0123456789\n x\nB: c\n\n", "A!|B=c|44 blank" },
	{ "a long field at the end", "Long: 0123456789012345678901234567890123456789", "Long!|46" },
	{ "a long line that is no field", "A: b\n0123456789012345678901234567890123456789: x\n", "A=b|5" },
};

static bool
parse_ok(const struct header_case *c, size_t n, size_t cut)
{
	struct buf got = BUF_INIT(1000);
	enum header_event e = HEADER_MORE;
	struct header h;
	bool same;

	header_init(&h, 32);
	for (int part = 0; part < 2 && e != HEADER_END; part++) {
		size_t len = part ? n - cut : cut, at = 0;
		char *exact = malloc(len + 1);

		memcpy(exact, c->in + (part ? cut : 0), len);
		while ((e = header_next(&h, exact, len, &at, part == 1)) == HEADER_FIELD || e == HEADER_LONG) {
			buf_add(&got, h.name, h.name_len);
			buf_addc(&got, e == HEADER_LONG ? '!' : '=');
			if (e == HEADER_FIELD)
				buf_add(&got, h.value, h.value_len);
			buf_addc(&got, '|');
		}
		free(exact);
	}
	buf_addf(&got, "%zu%s", h.rest, h.blank ? " blank" : "");
	same = e == HEADER_END && strcmp(got.data, c->out) == 0;
	if (!same)
		printf("# cut at %zu: %s\n", cut, got.data);
	buf_free(&got);
	header_free(&h);
	return same;
}

int
main(void)
{
	struct buf b = BUF_INIT(100);
	struct header h;
	size_t at = 0;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].in), bad = 0;

		for (size_t cut = 0; cut <= n; cut++)
			bad += !parse_ok(&cases[i], n, cut);
		ok(bad == 0, "%s", cases[i].name);
	}
	header_init(&h, 100);
	ok(header_next(&h, "mESSAGE-id: <a>\n\n", 17, &at, true) == HEADER_FIELD && header_is(&h, "Message-ID") &&
	    !header_is(&h, "Message") && !header_is(&h, "Message-ID2"), "names are compared without case, and whole");
	ok(header_next(&h, "mESSAGE-id: <a>\n\n", 17, &at, true) == HEADER_END, "then the end");
	ok(header_next(&h, "x", 1, &at, true) == HEADER_END, "and it stays the end");
	header_free(&h);
	header_unfold("a\n b\r\n\tc", 8, &b);
	is(b.data, "a b\tc", "unfolding removes line ends");
	buf_free(&b);
	return tap_done();
}

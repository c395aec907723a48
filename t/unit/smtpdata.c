/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The DATA automaton: the one true end of a message, all the false ones, and both ways
 * through dot-stuffing. Every input is fed whole, byte by byte and cut in two everywhere. */
#include "syntax/smtpdata.h"
#include "tap.h"

#include <stdlib.h>

static const struct data_case {
	const char *name, *in;
	size_t n;           /* 0: strlen(in) */
	const char *out;
	size_t out_n;       /* 0: strlen(out) */
	bool done, bare_lf, bare_cr, nul, eight_bit;
	size_t longest;
} cases[] = {
	{ .name = "an ordinary message", .in = "a\r\nbc\r\n.\r\nQUIT\r\n", .out = "a\nbc\n", .done = true, .longest = 2 },
	{ .name = "an empty message", .in = ".\r\n", .out = "", .done = true },
	{ .name = "an empty line", .in = "\r\n.\r\n", .out = "\n", .done = true },
	{ .name = "dots unstuffed", .in = "..\r\n...\r\n.a\r\na.b\r\n.\r\n", .out = ".\n..\na\na.b\n", .done = true, .longest = 3 },
	{ .name = "eight bit", .in = "\xc3\xa9\r\n.\r\n", .out = "\xc3\xa9\n", .done = true, .eight_bit = true, .longest = 2 },
	{ .name = "no end: LF.LF", .in = "a\n.\nb", .out = "a\n.\nb", .bare_lf = true, .longest = 5 },
	{ .name = "no end: CR.CR", .in = "a\r.\rb", .out = "a\r.\rb", .bare_cr = true, .longest = 5 },
	{ .name = "no end: CRLF.LF", .in = "a\r\n.\nb", .out = "a\n\nb", .bare_lf = true, .longest = 2 },
	{ .name = "no end: LF.CRLF", .in = "a\n.\r\nb", .out = "a\n.\nb", .bare_lf = true, .longest = 3 },
	{ .name = "no end: CRLF.CR", .in = "a\r\n.\rb", .out = "a\n\rb", .bare_cr = true, .longest = 2 },
	{ .name = "no end: CR.CRLF", .in = "a\r.\r\nb", .out = "a\r.\nb", .bare_cr = true, .longest = 3 },
	{ .name = "no end: LF.CR", .in = "a\n.\rb", .out = "a\n.\rb", .bare_lf = true, .bare_cr = true, .longest = 5 },
	{ .name = "no end: CR.LF", .in = "a\r.\nb", .out = "a\r.\nb", .bare_lf = true, .bare_cr = true, .longest = 5 },
	{ .name = "no end: CRLF.CRCRLF", .in = "a\r\n.\r\r\nb", .out = "a\n\r\nb", .bare_cr = true, .longest = 1 },
	{ .name = "no end: CRCRLF.CR", .in = "a\r\r\n.\rb", .out = "a\r\n\rb", .bare_cr = true, .longest = 2 },
	{ .name = "no end: CRLF NUL.CRLF", .in = "a\r\n\0.\r\nb", .n = 8, .out = "a\n\0.\nb", .out_n = 6, .nul = true, .longest = 2 },
	{ .name = "no end: CRLF.NUL CRLF", .in = "a\r\n.\0\r\nb", .n = 8, .out = "a\n\0\nb", .out_n = 5, .nul = true, .longest = 1 },
	{ .name = "no end: CRLF.CR NUL LF", .in = "a\r\n.\r\0\nb", .n = 8, .out = "a\n\r\0\nb", .out_n = 6, .nul = true,
	    .bare_cr = true, .bare_lf = true, .longest = 4 },
	{ .name = "no end: LFLF.LF", .in = "a\n\n.\n", .out = "a\n\n.\n", .bare_lf = true, .longest = 5 },
	{ .name = "no end: CRLF blank.CRLF", .in = "\r\n .\r\n", .out = "\n .\n", .longest = 2 },
	{ .name = "an end after CRCRLF", .in = "a\r\r\n.\r\n", .out = "a\r\n", .done = true, .bare_cr = true, .longest = 2 },
	{ .name = "NUL after the end is not the message's", .in = "a\r\n.\r\n\0\n\xff", .n = 9, .out = "a\n", .done = true, .longest = 1 },
	{ .name = "cut off in a CR", .in = "abc\r", .out = "abc", .longest = 3 },
	{ .name = "cut off in the end", .in = "abc\r\n.\r", .out = "abc\n", .longest = 3 },
};

/* Feeds c->in cut at the given places; true when all came out as c says. */
static bool
feed_ok(const struct data_case *c, size_t n, size_t cut1, size_t cut2)
{
	size_t cuts[4] = { 0, cut1, cut2, n }, total = 0, used = 0, out_n = c->out_n ? c->out_n : strlen(c->out);
	char out[100];
	struct smtpdata d;

	smtpdata_init(&d);
	for (int i = 0; i < 3 && !d.done; i++) {
		size_t len, part = cuts[i + 1] - cuts[i];
		char *room = malloc(part + 2), *exact = malloc(part + 1);

		memcpy(exact, c->in + cuts[i], part);
		used += smtpdata_feed(&d, exact, part, room, &len);
		if (total + len < sizeof out)
			memcpy(out + total, room, len);
		total += len;
		free(room);
		free(exact);
	}
	return total == out_n && memcmp(out, c->out, total) == 0 && d.done == c->done && d.bare_lf == c->bare_lf &&
	    d.bare_cr == c->bare_cr && d.nul == c->nul && d.eight_bit == c->eight_bit && d.longest == c->longest &&
	    d.size == total && (d.done || used == n) && (!d.done || memcmp(c->in + used - 3, ".\r\n", 3) == 0);
}

static void
unstuff(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct data_case *c = &cases[i];
		size_t n = c->n ? c->n : strlen(c->in), bad = 0;

		for (size_t a = 0; a <= n; a++)
			for (size_t b = a; b <= n; b++)
				bad += !feed_ok(c, n, a, b);
		ok(bad == 0, "%s", c->name);
	}
}

static void
stuff(void)
{
	static const struct { const char *in, *out, *end; } t[] = {
		{ "", "", ".\r\n" },
		{ "a\n", "a\r\n", ".\r\n" },
		{ "a", "a", "\r\n.\r\n" },
		{ ".\n..a\n.", "..\r\n...a\r\n..", "\r\n.\r\n" },
		{ "\n.\n", "\r\n..\r\n", ".\r\n" },
		{ "a\r\n.b\r\n", "a\r\n..b\r\n", ".\r\n" },
		{ "a\r.b\r", "a\r.b\r", "\r\n.\r\n" },
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		size_t n = strlen(t[i].in), bad = 0;

		for (size_t cut = 0; cut <= n; cut++) {
			char out[64];
			int state = SMTPDATA_LINE_START;
			size_t len = smtpdata_stuff(&state, t[i].in, cut, out);

			len += smtpdata_stuff(&state, t[i].in + cut, n - cut, out + len);
			bad += len != strlen(t[i].out) || memcmp(out, t[i].out, len) != 0 ||
			    strcmp(smtpdata_end(state), t[i].end) != 0;
		}
		ok(bad == 0, "content %zu to the wire, cut everywhere", i);
	}
}

/* Many bare CR or LF in one portion: the work stays linear (this would take minutes if not). */
static void
linear(void)
{
	size_t n = 4 << 20, len;
	char *in = malloc(n), *out = malloc(n + 2);
	struct smtpdata d;

	for (size_t i = 0; i < n; i++)
		in[i] = i % 2 ? 'x' : '\r';
	smtpdata_init(&d);
	ok(smtpdata_feed(&d, in, n, out, &len) == n && d.bare_cr && !d.done, "two million bare CR");
	memset(in, '\n', n);
	smtpdata_init(&d);
	ok(smtpdata_feed(&d, in, n, out, &len) == n && d.bare_lf && !d.done, "four million bare LF");
	free(in);
	free(out);
}

int
main(void)
{
	unstuff();
	stuff();
	linear();
	return tap_done();
}

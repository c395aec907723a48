/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The DATA automaton against a plain reading of RFC 5321 4.5.2: the end is the first
 * CRLF.CRLF (counting the CRLF before DATA's text), however the bytes are cut into portions;
 * content that is stuffed comes out of the automaton as it was. */
#include "syntax/smtpdata.h"

#include "fuzz.h"

/* What the automaton must say, found the slow way. */
struct expect {
	char *out;
	size_t n, used, longest;
	bool done, bare_lf, bare_cr, nul, eight_bit;
};

static void
plain(struct expect *e, const char *s, size_t n)
{
	bool start = true;
	size_t line = 0, i = 0;

	*e = (struct expect){ .out = malloc(n + 1) };
	while (i < n) {
		if (start && s[i] == '.') {
			if (n - i >= 3 && memcmp(s + i, ".\r\n", 3) == 0) {
				e->done = true;
				i += 3;
				break;
			}
			i++;
			start = false;
			continue;
		}
		if (s[i] == '\r' && i + 1 < n && s[i + 1] == '\n') {
			e->out[e->n++] = '\n';
			start = true;
			line = 0;
			i += 2;
			continue;
		}
		if (s[i] == '\r' && i + 1 == n) { /* not decided yet */
			i++;
			break;
		}
		e->bare_cr |= s[i] == '\r';
		e->bare_lf |= s[i] == '\n';
		e->out[e->n++] = s[i++];
		start = false;
		if (++line > e->longest)
			e->longest = line;
	}
	e->used = i;
	for (size_t j = 0; j < i; j++) {
		e->nul |= s[j] == '\0';
		e->eight_bit |= (unsigned char)s[j] > 127;
	}
}

static void
feed(const struct expect *e, const char *s, size_t n, size_t step)
{
	struct smtpdata d;
	size_t used = 0, given = 0;

	smtpdata_init(&d);
	while (used < n && !d.done) {
		size_t part = n - used < step ? n - used : step, len, k;
		char *exact = fuzz_copy(s + used, part), *out = malloc(part + 2);

		k = smtpdata_feed(&d, exact, part, out, &len);
		CHECK(len <= part + 2 && (k == part || d.done));
		CHECK(given + len <= e->n && memcmp(out, e->out + given, len) == 0);
		given += len;
		used += k;
		free(exact);
		free(out);
	}
	CHECK(used == e->used && given == e->n && d.size == given && d.done == e->done && d.longest == e->longest);
	CHECK(d.bare_lf == e->bare_lf && d.bare_cr == e->bare_cr && d.nul == e->nul && d.eight_bit == e->eight_bit);
}

/* Content to the wire and back. A CR before LF in content is part of the line end on the wire. */
static void
round_trip(const char *s, size_t n, size_t cut)
{
	char *wire = malloc(2 * n + 8), *back = malloc(2 * n + 10), *want = malloc(n + 2);
	int state = SMTPDATA_LINE_START;
	size_t len, got, want_n = 0;
	struct smtpdata d;

	len = smtpdata_stuff(&state, s, cut, wire);
	CHECK(len <= 2 * cut);
	len += smtpdata_stuff(&state, s + cut, n - cut, wire + len);
	CHECK(len <= 2 * n);
	for (size_t i = 0; i < len; i++)
		CHECK(wire[i] != '\n' || (i > 0 && wire[i - 1] == '\r'));
	strcpy(wire + len, smtpdata_end(state));
	len += strlen(smtpdata_end(state));
	for (size_t i = 0; i < n; i++)
		if (s[i] != '\r' || i + 1 == n || s[i + 1] != '\n')
			want[want_n++] = s[i];
	if (want_n && want[want_n - 1] != '\n')
		want[want_n++] = '\n';
	smtpdata_init(&d);
	CHECK(smtpdata_feed(&d, wire, len, back, &got) == len && d.done && !d.bare_lf);
	CHECK(got == want_n && memcmp(back, want, got) == 0);
	free(wire);
	free(back);
	free(want);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);
	struct expect e;

	plain(&e, s, n);
	feed(&e, s, n, n ? n : 1);
	feed(&e, s, n, 1);
	feed(&e, s, n, n ? 1 + data[0] % 16 : 1);
	round_trip(s, n, n ? data[n - 1] % (n + 1) : 0);
	free(e.out);
	free(s);
	return 0;
}

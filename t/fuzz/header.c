/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Headers: the same fields come out however the bytes are cut into portions; fields and line
 * ends add up to where the body begins; names are names. */
#include "syntax/header.h"

#include "fuzz.h"

enum { FIELD = 64, ALL = 1 << 22 };

/* Pulls everything, fed in portions of step bytes, as text into out. */
static void
pull(const char *s, size_t n, size_t step, size_t max, struct buf *out)
{
	enum header_event e = HEADER_MORE;
	struct header h;
	size_t fed = 0;

	header_init(&h, max);
	do {
		size_t part = n - fed < step ? n - fed : step, at = 0;
		char *exact = fuzz_copy(s + fed, part);

		fed += part;
		while ((e = header_next(&h, exact, part, &at, fed == n)) == HEADER_FIELD || e == HEADER_LONG) {
			CHECK(h.field.len <= max && at <= part && h.name_len > 0 && h.name == h.field.data);
			CHECK(h.value > h.name + h.name_len - 1 && h.value + h.value_len == h.field.data + h.field.len);
			for (size_t i = 0; i < h.name_len; i++)
				CHECK(h.name[i] > ' ' && h.name[i] <= '~' && h.name[i] != ':');
			buf_adds(out, e == HEADER_LONG ? "!" : "=");
			buf_add(out, h.name, h.name_len);
			if (e == HEADER_FIELD)
				buf_add(out, h.field.data, h.field.len);
		}
		CHECK(e == HEADER_END || at == part);
		free(exact);
	} while (e != HEADER_END && fed < n);
	CHECK(e == HEADER_END && h.rest <= n);
	if (h.blank)
		CHECK(h.rest > 0 && s[h.rest - 1] == '\n');
	else
		CHECK(h.rest + h.field.len <= n && memcmp(h.field.data, s + h.rest, h.field.len) == 0);
	buf_addf(out, "\n%zu %d", h.rest, h.blank);
	header_free(&h);
}

/* With room for all, the fields are the very bytes of the header. */
static void
whole(const char *s, size_t n)
{
	struct header h;
	enum header_event e;
	size_t at = 0, seen = 0;

	header_init(&h, n + 1);
	while ((e = header_next(&h, s, n, &at, true)) == HEADER_FIELD) {
		struct buf flat = BUF_INIT(ALL);

		CHECK(seen + h.field.len <= n && memcmp(s + seen, h.field.data, h.field.len) == 0);
		seen += h.field.len;
		seen += seen + 1 < n && s[seen] == '\r' && s[seen + 1] == '\n';
		seen += seen < n && s[seen] == '\n';
		header_unfold(h.value, h.value_len, &flat);
		CHECK(!memchr(flat.data, '\n', flat.len) && flat.len <= h.value_len);
		buf_free(&flat);
	}
	CHECK(e == HEADER_END);
	if (h.blank)
		seen += s[seen] == '\r' ? 2 : 1;
	CHECK(seen == h.rest || seen + 1 == n); /* a last CR without LF is cut with the line end */
	header_free(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf a = BUF_INIT(ALL), b = BUF_INIT(ALL), c = BUF_INIT(ALL);
	char *s = fuzz_copy(data, n);

	pull(s, n, n ? n : 1, FIELD, &a);
	pull(s, n, 1, FIELD, &b);
	pull(s, n, n ? 1 + data[0] % 32 : 1, FIELD, &c);
	CHECK(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	CHECK(a.len == c.len && memcmp(a.data, c.data, a.len) == 0);
	whole(s, n);
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	free(s);
	return 0;
}

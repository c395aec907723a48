/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Headers that local programs hand over: the same comes out however the bytes are cut;
 * an empty line ends the header; every recipient collected is an address. */
#include "mail/compose.h"

#include "fuzz.h"
#include "syntax/address.h"
#include "syntax/header.h"

static void
identity(void *arg, const char **addr, const char **name)
{
	(void)arg;
	*addr = "f@x";
	*name = "N \"q\" \xc3\xb6";
}

/* Feeds s in portions of step bytes; the result as text into out. */
static void
run(const char *s, size_t n, size_t step, unsigned mode, struct buf *out)
{
	struct compose_settings set = {
		.recipients = mode & 1, .sender = mode & 2, .drop = mode & 4 ? "bcc, resent-bcc" : NULL, .origin = mode & 8 ? "o.example" : NULL,
		.max_rcpts = 50, .host = mode & 16 ? "h.example" : NULL, .identity = identity, .now = 1000000000,
	};
	struct compose *c = compose_new(&set);
	struct buf err = BUF_INIT(4096);
	size_t fed = 0, used = 0, rcpts;
	int r;

	do {
		size_t part = n - fed < step ? n - fed : step;
		char *exact = fuzz_copy(s + fed, part);

		r = compose_feed(c, exact, part, fed + part == n, &used, &err);
		CHECK(used <= part || r <= 0);
		fed += r > 0 ? used : part;
		free(exact);
	} while (r == 0 && fed < n);
	if (r < 0) {
		CHECK(err.len > 0);
		buf_adds(out, "error");
	} else {
		char **list = compose_recipients(c, &rcpts);
		const struct buf *h = compose_header(c);

		CHECK(r == 1 && rcpts <= 50);
		CHECK(h->len > 0 && (h->data[0] == '\n' || memmem(h->data, h->len, "\n\n", 2)));
		if (!(mode & 16)) { /* Message-Id differs each time */
			buf_add(out, h->data, h->len);
			buf_add(out, s + fed, n - fed);
		}
		for (size_t i = 0; i < rcpts; i++) {
			struct address a;
			const char *why;

			address_init(&a);
			CHECK(address_parse(&a, list[i], strlen(list[i]), ADDRESS_UTF8 | ADDRESS_NODOMAIN, &why) == 0);
			CHECK(!(mode & 8) || a.domain.len);
			address_free(&a);
			buf_addf(out, "%s\n", list[i]);
		}
	}
	compose_free(&c);
	buf_free(&err);
}

static int
count(void *arg, const char *addr)
{
	CHECK(*addr && !strchr(addr, '\n'));
	++*(size_t *)arg;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf a = BUF_INIT(1 << 22), b = BUF_INIT(1 << 22), err = BUF_INIT(4096);
	unsigned mode = n ? data[0] : 0;
	size_t found = 0;
	char *s;

	if (n == 0)
		return 0;
	s = fuzz_copy(data + 1, --n);
	run(s, n, n ? n : 1, mode, &a);
	run(s, n, 1 + mode % 7, mode, &b);
	CHECK(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	if (compose_addresses(s, n, "o.example", count, &found, &err) < 0)
		CHECK(err.len > 0);
	buf_free(&a);
	buf_free(&b);
	buf_free(&err);
	free(s);
	return 0;
}

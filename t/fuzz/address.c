/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Addresses: what is accepted has no control characters, is no longer than ADDRESS_MAX, and its
 * canonical text means the same address and is its own canonical text. */
#include "syntax/address.h"

#include "fuzz.h"

static bool
clean(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] < 0x20 || b->data[i] == 0x7f)
			return false;
	return true;
}

static void
judge(const struct address *a, unsigned flags)
{
	struct buf text = BUF_INIT(ADDRESS_MAX), again = BUF_INIT(ADDRESS_MAX);
	struct address b;
	const char *err;

	CHECK(clean(&a->local) && clean(&a->domain));
	CHECK(a->local.len > 0 || (a->domain.len == 0 && flags & ADDRESS_NULL));
	CHECK(a->domain.len > 0 || a->local.len == 0 || flags & ADDRESS_NODOMAIN);
	CHECK(flags & ADDRESS_UTF8 ? utf8_ok(a->local.data, a->local.len) : true);
	if (a->domain.len)
		CHECK(address_domain_ok(a->domain.data, a->domain.len, flags & ADDRESS_UTF8) && a->domain.data[a->domain.len - 1] != '.');
	CHECK(address_format(a, &text) == 0);
	address_init(&b);
	CHECK(address_parse(&b, text.data, text.len, flags, &err) == 0);
	CHECK(strcmp(a->local.data, b.local.data) == 0 && strcmp(a->domain.data, b.domain.data) == 0);
	CHECK(address_format(&b, &again) == 0 && strcmp(text.data, again.data) == 0);
	address_free(&b);
	buf_free(&text);
	buf_free(&again);
}

/* The canonical text in brackets is a path, and nothing in it ends the path early. */
static void
as_path(const struct address *a, unsigned flags)
{
	struct buf text = BUF_INIT(2 * ADDRESS_MAX);
	struct address b;
	const char *err;
	size_t used;

	buf_addc(&text, '<');
	address_format(a, &text);
	buf_adds(&text, "> X=1");
	address_init(&b);
	CHECK(address_path(&b, text.data, text.len, flags & ~(unsigned)ADDRESS_BARE, &used, &err) == 0 && used == text.len - 4);
	CHECK(strcmp(a->local.data, b.local.data) == 0 && strcmp(a->domain.data, b.domain.data) == 0);
	address_free(&b);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned flags = n ? data[0] & 31U : 0;
	struct address a;
	const char *err = NULL;
	size_t used = 0;
	char *s;

	if (n == 0)
		return 0;
	s = fuzz_copy(data + 1, --n);
	address_init(&a);
	if (address_parse(&a, s, n, flags, &err) == 0) {
		judge(&a, flags);
		as_path(&a, flags);
	} else {
		CHECK(err);
	}
	if (address_path(&a, s, n, flags, &used, &err) == 0) {
		CHECK(used <= n);
		judge(&a, flags);
		as_path(&a, flags);
	} else {
		CHECK(err);
	}
	(void)address_domain_ok(s, n, flags & ADDRESS_UTF8);
	(void)utf8_ok(s, n);
	address_free(&a);
	free(s);
	return 0;
}

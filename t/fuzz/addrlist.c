/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Address lists: pulling ends, goes forward only, and every mailbox is a sound address that a
 * list of it alone gives again. */
#include "syntax/addrlist.h"

#include "fuzz.h"

/* The mailbox, printed, as a list of one. */
static void
again(const struct addrlist_item *item, unsigned flags)
{
	struct buf text = BUF_INIT(4096);
	struct addrlist_item other = { 0 };
	struct addrlist l;
	const char *err;

	buf_adds(&text, "x (c) <");
	CHECK(address_format(&item->addr, &text) == 0);
	buf_adds(&text, ">");
	addrlist_init(&l, text.data, text.len, flags);
	CHECK(addrlist_next(&l, &other, &err) == 1);
	CHECK(strcmp(other.addr.local.data, item->addr.local.data) == 0 && strcmp(other.addr.domain.data, item->addr.domain.data) == 0);
	CHECK(strcmp(other.name.data, "x") == 0 && other.start == 7 && other.end == text.len - 1);
	CHECK(addrlist_next(&l, &other, &err) == 0);
	addrlist_item_free(&other);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned flags = n ? data[0] & (ADDRESS_UTF8 | ADDRESS_NODOMAIN) : 0;
	struct addrlist_item item = { 0 };
	struct addrlist l;
	const char *err = NULL;
	size_t before = 0;
	char *s;
	int r;

	if (n == 0)
		return 0;
	s = fuzz_copy(data + 1, --n);
	addrlist_init(&l, s, n, flags);
	while ((r = addrlist_next(&l, &item, &err)) != 0) {
		CHECK(l.at <= n && (l.at > before || (r < 0 && l.at == before)));
		before = l.at;
		if (r < 0) {
			CHECK(err);
			err = NULL;
			continue;
		}
		CHECK(item.start < item.end && item.end <= n && item.name.len <= n);
		CHECK(item.addr.local.len > 0 && !memchr(item.addr.local.data, '\n', item.addr.local.len));
		again(&item, flags);
	}
	CHECK(l.at == n);
	addrlist_item_free(&item);
	free(s);
	return 0;
}

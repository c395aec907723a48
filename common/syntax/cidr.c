/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Addresses and networks in text: see cidr.h (RFC 4632, RFC 4291 2.2 and 2.3). */
#include "syntax/cidr.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

static int
fail(const char **err, const char *text)
{
	*err = text;
	return -1;
}

/* True when all bits of addr from bits on, up to total, are zero. */
static bool
zero_from(const unsigned char *addr, unsigned bits, unsigned total)
{
	for (unsigned i = bits; i < total; i++)
		if (addr[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

int
cidr_parse(struct cidr *c, const char *text, size_t n, const char **err)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const char *slash = memchr(text, '/', n);
	size_t len = slash ? (size_t)(slash - text) : n;
	char addr[INET6_ADDRSTRLEN + 1];
	struct cidr r = { .family = 4 };
	unsigned total;
	uint64_t bits;
	bool bracket = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (bracket)
		len -= 2;
	if (len == 0 || len >= sizeof addr || memchr(text, '\0', n))
		return fail(err, "malformed network address");
	memcpy(addr, text + bracket, len);
	addr[len] = '\0';
	if (memchr(addr, ':', len))
		r.family = 6;
	if ((bracket && r.family == 4) || inet_pton(r.family == 6 ? AF_INET6 : AF_INET, addr, r.addr) != 1)
		return fail(err, "malformed network address");
	bits = total = r.family == 6 ? 128 : 32;
	if (slash && num_u64n(slash + 1, (size_t)(text + n - slash - 1), total, &bits) < 0)
		return fail(err, "malformed prefix length");
	if (!zero_from(r.addr, (unsigned)bits, total))
		return fail(err, "non-null host address bits");
	if (r.family == 6 && bits >= 96 && memcmp(r.addr, mapped, sizeof mapped) == 0) {
		r.family = 4;
		bits -= 96;
		memmove(r.addr, r.addr + 12, 4);
		memset(r.addr + 4, 0, 12);
	}
	r.bits = (unsigned char)bits;
	*c = r;
	return 0;
}

bool
cidr_match(const struct cidr *net, const struct cidr *addr)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (net->family != addr->family || addr->bits < net->bits || memcmp(net->addr, addr->addr, whole) != 0)
		return false;
	return rest == 0 || ((net->addr[whole] ^ addr->addr[whole]) & (0xff00 >> rest)) == 0;
}

void
cidr_format(const struct cidr *c, char out[46])
{
	if (!inet_ntop(c->family == 6 ? AF_INET6 : AF_INET, c->addr, out, 46))
		out[0] = '\0';
}

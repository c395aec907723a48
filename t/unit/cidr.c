/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Addresses and networks in text. */
#include "syntax/cidr.h"
#include "tap.h"

static const struct {
	const char *text, *addr; /* addr NULL: an error */
	int family, bits;
} cases[] = {
	{ "192.0.2.1", "192.0.2.1", 4, 32 },
	{ "192.0.2.0/24", "192.0.2.0", 4, 24 },
	{ "0.0.0.0/0", "0.0.0.0", 4, 0 },
	{ "2001:db8::/32", "2001:db8::", 6, 32 },
	{ "[2001:db8::]/32", "2001:db8::", 6, 32 },
	{ "[::1]/128", "::1", 6, 128 },
	{ "[::1]", "::1", 6, 128 },
	{ "::/0", "::", 6, 0 },
	{ "::ffff:192.0.2.1", "192.0.2.1", 4, 32 },
	{ "[::ffff:192.0.2.0]/120", "192.0.2.0", 4, 24 },
	{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6, 128 },
	{ .text = "" }, { .text = "/8" }, { .text = "192.0.2.1/24" }, { .text = "192.0.2.0/33" }, { .text = "192.0.2.0/" },
	{ .text = "192.0.2.0/-1" }, { .text = "192.0.2.0/24/24" }, { .text = "192.0.2.0/ 24" }, { .text = "192.0.2" },
	{ .text = "192.0.2.256" }, { .text = "192.0.2.1 " }, { .text = "[192.0.2.1]" }, { .text = "[::1" }, { .text = "::1]" },
	{ .text = "[]" }, { .text = "[" }, { .text = "::1/129" }, { .text = "2001:db8::1/32" }, { .text = "fe80::1%lo" }, { .text = "host" },
	{ .text = "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc" },
};

static const struct { const char *net, *addr; bool match; } matches[] = {
	{ "192.0.2.0/24", "192.0.2.255", true }, { "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.128/25", "192.0.2.129", true },
	{ "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.2", false },
	{ "0.0.0.0/0", "8.8.8.8", true }, { "0.0.0.0/0", "::1", false }, { "::/0", "127.0.0.1", false }, { "::/0", "::1", true },
	{ "127.0.0.0/8", "::ffff:127.0.0.1", true }, { "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false }, { "[::1]/128", "::1", true }, { "10.0.0.0/7", "11.1.1.1", true },
};

int
main(void)
{
	struct cidr c, d;
	const char *err = NULL;
	char text[46];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int r = cidr_parse(&c, cases[i].text, strlen(cases[i].text), &err);

		if (!cases[i].addr) {
			ok(r < 0 && err, "refused: '%s'", cases[i].text);
			continue;
		}
		if (!ok(r == 0, "'%s'", cases[i].text))
			continue;
		cidr_format(&c, text);
		is(text, cases[i].addr, "its address");
		ok(c.family == cases[i].family && c.bits == cases[i].bits, "its family and prefix length");
	}
	cidr_parse(&c, "192.0.2.1/24", 12, &err);
	is(err, "non-null host address bits", "bits beyond the prefix are told as such");
	for (size_t i = 0; i < sizeof matches / sizeof matches[0]; i++)
		ok(cidr_parse(&c, matches[i].net, strlen(matches[i].net), &err) == 0 &&
		    cidr_parse(&d, matches[i].addr, strlen(matches[i].addr), &err) == 0 && cidr_match(&c, &d) == matches[i].match,
		    "%s %s %s", matches[i].addr, matches[i].match ? "is in" : "is not in", matches[i].net);
	return tap_done();
}

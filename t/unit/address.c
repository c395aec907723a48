/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5321 paths and mailboxes. */
#include "syntax/address.h"
#include "tap.h"

#include <stdlib.h>

enum { PATH = 1 << 16 }; /* try address_path, not address_parse */

static const struct {
	const char *text;
	unsigned flags;
	const char *local, *domain; /* local NULL: an error */
	const char *format;         /* NULL: text as it is */
	size_t used;                /* PATH: 0 means all */
} cases[] = {
	/* plain mailboxes */
	{ .text = "alice@example.com", .local = "alice", .domain = "example.com" },
	{ .text = "a.b+c=d@x.example", .local = "a.b+c=d", .domain = "x.example" },
	{ .text = "A@Example.COM", .local = "A", .domain = "Example.COM" },
	{ .text = "\"a b\"@c.de", .local = "a b", .domain = "c.de" },
	{ .text = "\"alice\"@c.de", .local = "alice", .domain = "c.de", .format = "alice@c.de" },
	{ .text = "\"a\\b\\\"c\\\\\"@d.e", .local = "ab\"c\\", .domain = "d.e", .format = "\"ab\\\"c\\\\\"@d.e" },
	{ .text = "\"a\".b@d.e", .local = "a.b", .domain = "d.e", .format = "a.b@d.e" },
	{ .text = "a..b@d.e", .local = "a..b", .domain = "d.e", .format = "\"a..b\"@d.e" },
	{ .text = ".a@d.e", .local = ".a", .domain = "d.e", .format = "\".a\"@d.e" },
	{ .text = "a.@d.e", .local = "a.", .domain = "d.e", .format = "\"a.\"@d.e" },
	{ .text = "-x@d.e", .local = "-x", .domain = "d.e" },
	{ .text = "../../x@d.e", .local = "../../x", .domain = "d.e", .format = "\"../../x\"@d.e" },
	{ .text = "a@localhost", .local = "a", .domain = "localhost" },
	{ .text = "a@x_y.example", .local = "a", .domain = "x_y.example" },
	{ .text = "a@3com.example", .local = "a", .domain = "3com.example" },
	/* what strangers try to be relayed with */
	{ .text = "u%d@us", .local = "u%d", .domain = "us" },
	{ .text = "@us:u@d", .local = "u", .domain = "d", .format = "u@d" },
	{ .text = "\"u@d\"@us", .local = "u@d", .domain = "us" },
	{ .text = "d!u", .flags = ADDRESS_NODOMAIN, .local = "d!u", .domain = "" },
	{ .text = "d!u@us", .local = "d!u", .domain = "us" },
	{ .text = "u@[127.0.0.1]", .local = "u", .domain = "[127.0.0.1]" },
	{ .text = "u@us@d" }, { .text = "u@127.0.0.1" }, { .text = "u@d:25" }, { .text = "u@d,v@d" },
	{ .text = "u@us.", .local = "u", .domain = "us", .format = "u@us" },
	{ .text = "u@us.." }, { .text = "u@." }, { .text = "u@.us" }, { .text = "u@a..b" },
	{ .text = ";cmd;", .flags = ADDRESS_NODOMAIN }, { .text = "u@;cmd;" }, { .text = "|cmd", .flags = ADDRESS_NODOMAIN,
	    .local = "|cmd", .domain = "" },
	/* literals */
	{ .text = "u@[IPv6:2001:db8::1]", .local = "u", .domain = "[IPv6:2001:db8::1]" },
	{ .text = "u@[ipv6:::1]", .local = "u", .domain = "[ipv6:::1]" },
	{ .text = "u@[IPv6:::ffff:192.0.2.1]", .local = "u", .domain = "[IPv6:::ffff:192.0.2.1]" },
	{ .text = "u@[::1]" }, { .text = "u@[1.2.3]" }, { .text = "u@[1.2.3.4" }, { .text = "u@[1.2.3.4]x" }, { .text = "u@[]" },
	{ .text = "u@[IPv6:1.2.3.4]" }, { .text = "u@[x:y]" }, { .text = "u@[1.2.3.400]" }, { .text = "u@[ 1.2.3.4]" },
	/* malformed */
	{ .text = "" }, { .text = "@" }, { .text = "@d" }, { .text = "u@" }, { .text = "u" }, { .text = "\"\"@d" }, { .text = "u v@d" },
	{ .text = " u@d" }, { .text = "u@d " }, { .text = "u@ d" }, { .text = "\"u@d" }, { .text = "\"u\\\"@d" }, { .text = "\"u\"v@d" },
	{ .text = "u\"v\"@d" }, { .text = "\"u\"\"v\"@d" }, { .text = "u\\v@d" }, { .text = "<u@d>" }, { .text = "u@d>" }, { .text = "(c)u@d" },
	{ .text = "u@-d" }, { .text = "u@d-.e" }, { .text = "u@d!e" }, { .text = "u@d/e" }, { .text = "@r u@d" }, { .text = "@r,u@d" }, { .text = "@:u@d" },
	/* controls, in and out of quotes */
	{ .text = "\"a\nb\"@d" }, { .text = "\"a\\\nb\"@d" }, { .text = "\"a\rb\"@d" }, { .text = "\"a\tb\"@d" }, { .text = "\"a\033b\"@d" },
	{ .text = "\"a\177b\"@d" }, { .text = "a\nb@d" }, { .text = "a@d\n" }, { .text = "a@d\re" }, { .text = "\"a\xc2\x9b" "b\"@d", .flags = ADDRESS_UTF8 },
	{ .text = "a\x9b@d", .flags = ADDRESS_UTF8 },
	/* UTF-8 */
	{ .text = "j\xc3\xb6rg@ex\xc3\xa4mple.org", .flags = ADDRESS_UTF8, .local = "j\xc3\xb6rg", .domain = "ex\xc3\xa4mple.org" },
	{ .text = "j\xc3\xb6rg@example.org" }, { .text = "a@ex\xc3\xa4mple.org" }, { .text = "\"\xc3\xb6\"@d.e" },
	{ .text = "\"j\xc3\xb6 rg\"@d.e", .flags = ADDRESS_UTF8, .local = "j\xc3\xb6 rg", .domain = "d.e" },
	{ .text = "a\xc0\xaf@d", .flags = ADDRESS_UTF8 }, { .text = "a\xe0\x80\xaf@d", .flags = ADDRESS_UTF8 },
	{ .text = "a\xed\xa0\x80@d", .flags = ADDRESS_UTF8 }, { .text = "a\xf4\x90\x80\x80@d", .flags = ADDRESS_UTF8 },
	{ .text = "a\xc3@d", .flags = ADDRESS_UTF8 }, { .text = "\"\xc3\\\xb6\"@d", .flags = ADDRESS_UTF8 },
	/* flags */
	{ .text = "", .flags = ADDRESS_NULL, .local = "", .domain = "" },
	{ .text = "root", .flags = ADDRESS_NODOMAIN, .local = "root", .domain = "" },
	{ .text = "root@", .flags = ADDRESS_NODOMAIN },
	/* paths */
	{ .text = "<a@b>", .flags = PATH, .local = "a", .domain = "b", .format = "a@b" },
	{ .text = "<a@b> SIZE=1", .flags = PATH, .local = "a", .domain = "b", .format = "a@b", .used = 5 },
	{ .text = "<\"a>b\"@c>", .flags = PATH, .local = "a>b", .domain = "c", .format = "\"a>b\"@c" },
	{ .text = "<@r1,@r2.x:a@b>", .flags = PATH, .local = "a", .domain = "b", .format = "a@b" },
	{ .text = "<>", .flags = PATH | ADDRESS_NULL, .local = "", .domain = "", .format = "" },
	{ .text = "<>", .flags = PATH }, { .text = "< >", .flags = PATH | ADDRESS_NULL },
	{ .text = "< >", .flags = PATH | ADDRESS_NULL | ADDRESS_PADDED, .local = "", .domain = "", .format = "" },
	{ .text = "  < a@b > X", .flags = PATH | ADDRESS_PADDED, .local = "a", .domain = "b", .format = "a@b", .used = 9 },
	{ .text = " <a@b>", .flags = PATH }, { .text = "< a@b>", .flags = PATH }, { .text = "<a@b >", .flags = PATH },
	{ .text = "a@b", .flags = PATH }, { .text = "a@b SIZE=1", .flags = PATH | ADDRESS_BARE, .local = "a", .domain = "b", .format = "a@b", .used = 3 },
	{ .text = "a@b>", .flags = PATH | ADDRESS_BARE }, { .text = "<a@b", .flags = PATH | ADDRESS_BARE }, { .text = "<a@b>x", .flags = PATH },
	{ .text = "<a@b>>", .flags = PATH }, { .text = "<<a@b>>", .flags = PATH }, { .text = "", .flags = PATH | ADDRESS_BARE | ADDRESS_NULL },
	{ .text = "<a@b c>", .flags = PATH | ADDRESS_PADDED }, { .text = "<a@b\r\nRCPT TO:<c@d>>", .flags = PATH },
	{ .text = "<postmaster>", .flags = PATH | ADDRESS_NODOMAIN, .local = "postmaster", .domain = "", .format = "postmaster" },
	{ .text = "<;cmd;>", .flags = PATH | ADDRESS_NODOMAIN }, { .text = "<@r:>", .flags = PATH | ADDRESS_NULL },
};

static void
table(void)
{
	struct address a;
	struct buf out = BUF_INIT(ADDRESS_MAX);

	address_init(&a);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].text), used = n;
		const char *err = "unset", *want = cases[i].format ? cases[i].format : cases[i].text;
		char *exact = malloc(n + 1);
		int r;

		memcpy(exact, cases[i].text, n);
		r = cases[i].flags & PATH ? address_path(&a, exact, n, cases[i].flags, &used, &err) :
		    address_parse(&a, exact, n, cases[i].flags, &err);
		free(exact);
		buf_clear(&out);
		if (!cases[i].local) {
			ok(r < 0 && err, "refused: case %zu: %s", i, err ? err : "accepted");
			continue;
		}
		ok(r == 0 && !err && strcmp(a.local.data, cases[i].local) == 0 && strcmp(a.domain.data, cases[i].domain) == 0 &&
		    used == (cases[i].used ? cases[i].used : n) && address_format(&a, &out) == 0 && strcmp(out.data, want) == 0,
		    "%s", cases[i].text);
	}
	address_free(&a);
	buf_free(&out);
}

static void
lengths(void)
{
	char text[3 * ADDRESS_MAX], domain[300];
	struct address a;
	const char *err;

	address_init(&a);
	memset(text, 'a', sizeof text);
	memcpy(text + 300, "@b.c", 4);
	ok(address_parse(&a, text, 304, 0, &err) == 0 && a.local.len == 300, "a local part of 300 bytes");
	memset(text, 'a', sizeof text);
	memcpy(text + ADDRESS_MAX - 2, "@b", 2);
	ok(address_parse(&a, text, ADDRESS_MAX, 0, &err) == 0, "an address of ADDRESS_MAX bytes");
	memset(text, 'a', sizeof text);
	memcpy(text + ADDRESS_MAX - 1, "@b", 2);
	ok(address_parse(&a, text, ADDRESS_MAX + 1, 0, &err) < 0, "one more is refused");
	text[0] = text[ADDRESS_MAX - 2] = '"';
	memset(text + 1, '.', ADDRESS_MAX - 3);
	ok(address_parse(&a, text, ADDRESS_MAX + 1, 0, &err) < 0, "also when its quotes make it too long");
	memset(domain, 'd', sizeof domain);
	ok(address_domain_ok(domain, 63, false) && !address_domain_ok(domain, 64, false), "labels up to 63 bytes");
	for (size_t i = 50; i < sizeof domain; i += 51)
		domain[i] = '.';
	ok(address_domain_ok(domain, 253, false) && !address_domain_ok(domain, 254, false), "domains up to 253 bytes");
	ok(address_parse(&a, "\"a\0b\"@c", 7, 0, &err) < 0, "NUL in quotes is refused");
	ok(address_parse(&a, "a\0b@c", 5, 0, &err) < 0, "NUL is refused");
	ok(address_parse(&a, "a@c\0", 4, 0, &err) < 0, "NUL after the domain is refused");
	ok(address_parse(&a, "a@[1.2.3.4\0]", 12, 0, &err) < 0, "NUL in a literal is refused");
	address_free(&a);
}

int
main(void)
{
	table();
	lengths();
	ok(utf8_ok("", 0) && utf8_ok("\xf0\x9f\x93\xa7", 4) && utf8_ok("\xef\xbf\xbd", 3), "well-formed UTF-8");
	ok(!utf8_ok("\xf0\x8f\xbf\xbf", 4) && !utf8_ok("\x80", 1) && !utf8_ok("\xe2\x82", 2) && !utf8_ok("\xff", 1), "ill-formed UTF-8");
	return tap_done();
}

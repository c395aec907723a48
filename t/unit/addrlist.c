/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5322 address lists, as people and programs write them. */
#include "syntax/addrlist.h"
#include "tap.h"

#include <stdlib.h>

/* What comes out, as text: "name<canonical>@start-end" a mailbox, "!" an error, blank-separated by '|'. */
static const struct list_case { const char *text, *out; } cases[] = {
	{ "a@b", "<a@b>0-3|" },
	{ "a@b, c@d", "<a@b>0-3|<c@d>5-8|" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	    "Mary Smith<mary@x.test>12-23|<jdoe@example.org>26-42|Who?<one@y.test>50-60|" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public<john.q.public@example.com>17-42|" },
	{ "Joe Q. Public <john@example.com>", "Joe Q. Public<john@example.com>15-31|" },
	{ "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", "Giant; \"Big\" Box<sysservices@example.net>22-45|" },
	{ "A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;", "Ed Jones<joe@where.test>18-32|<joe@where.test>34-48|John<jdoe@one.test>55-68|" },
	{ "Undisclosed recipients:;", "" },
	{ "undisclosed-recipients:", "" },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "" },
	{ "g: a@b;, c@d", "<a@b>3-6|<c@d>9-12|" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete<pete@silly.test>22-50|" },
	{ " jdoe @ example . org ", "<jdoe@example.org>1-21|" },
	{ "\"a\" . b . \"c d\" @ x.y", "<\"a.b.c d\"@x.y>0-21|" },
	{ "<@r1,@r2,,@r3:a@b>", "<a@b>14-17|" },
	{ "X <a@[192.0.2.1]>", "X<a@[192.0.2.1]>3-16|" },
	{ ",, a@b,,c@d,", "<a@b>3-6|<c@d>8-11|" },
	{ "a@b,\r\n\tc@d", "<a@b>0-3|<c@d>7-10|" },
	{ "=?UTF-8?Q?J=C3=B6rg?= <j@x>", "=?UTF-8?Q?J=C3=B6rg?=<j@x>23-26|" },
	{ "J\xc3\xb6rg <j@x>", "J\xc3\xb6rg<j@x>7-10|" },
	{ "j\xc3\xb6rg@x", "!" },
	{ "root", "!" },
	{ "", "" }, { " (x) ", "" }, { ",", "" },
	{ "<>", "!" }, { "a@", "!" }, { "@b", "!" }, { "<a@b", "!" }, { "a@b>", "!" }, { "a b@c", "!" }, { "\"a\"b@c", "!" }, { "a@b c", "!" },
	{ "a@b c@d, e@f", "!<e@f>9-12|" }, { "a@b@c, d@e", "!<d@e>7-10|" }, { "x <y, a@b", "!<a@b>6-9|" }, { "a@b; c@d", "!" },
	{ "g: h: a@b;", "!" }, { ":;", "!" }, { "g: a@b; x@y", "<a@b>3-6|<x@y>8-11|" }, { "[x]@y", "!" }, { "a@b\\", "!" }, { ")", "!" },
	{ "(open a@b", "!" }, { "\"open a@b, c@d", "!" }, { "a@[1.2.3.4", "!" }, { "a@b\001", "!" }, { "a@b..c", "!" },
	{ "\"a\nb\"@c", "<ab@c>0-7|" }, { "\"a\\\nb\"@c", "!" }, { "\"a\033\"@c", "!" }, { "\"x\\\r\ny\" <a@b>", "xy<a@b>9-12|" },
};

static const struct list_case flagged[] = {
	{ "j\xc3\xb6rg@x", "<j\xc3\xb6rg@x>0-7|" },
	{ "root", "<root>0-4|" },
	{ "root, <staff>, x y, a@b", "<root>0-4|<staff>7-12|!<a@b>20-23|" },
	{ "x\xff@y", "!" },
};

static void
table(const struct list_case *c, size_t count, unsigned flags)
{
	struct buf got = BUF_INIT(1000);
	struct addrlist_item item = { 0 };
	struct addrlist l;
	const char *err;
	int r;

	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(c[i].text);
		char *exact = malloc(n + 1);

		memcpy(exact, c[i].text, n);
		buf_clear(&got);
		addrlist_init(&l, exact, n, flags);
		while ((r = addrlist_next(&l, &item, &err)) != 0) {
			if (r < 0) {
				buf_addc(&got, '!');
				continue;
			}
			buf_addf(&got, "%s<", item.name.data);
			address_format(&item.addr, &got);
			buf_addf(&got, ">%zu-%zu|", item.start, item.end);
		}
		free(exact);
		if (!ok(strcmp(got.data, c[i].out) == 0, "list %zu: %.*s", i, (int)strcspn(c[i].text, "\r\n"), c[i].text))
			printf("# %s\n# got:  %s\n# want: %s\n", c[i].text, got.data, c[i].out);
	}
	addrlist_item_free(&item);
	buf_free(&got);
}

/* Hostile lists of a megabyte: this ends quickly or not at all. */
static void
linear(void)
{
	static const char *const pieces[] = { "(", "\",", "(,", "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((,",
	    "a ", "a.", "<", "@a,", "\"a\" ", "g:", "a@b,", "a\\," };
	size_t n = 1 << 20;
	char *text = malloc(n);

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct addrlist_item item = { 0 };
		struct addrlist l;
		size_t len = strlen(pieces[i]), calls = 0;
		const char *err;

		for (size_t at = 0; at < n; at++)
			text[at] = pieces[i][at % len];
		addrlist_init(&l, text, n, 0);
		while (addrlist_next(&l, &item, &err) != 0)
			calls++;
		ok(l.at == n && calls <= n, "a megabyte of '%s'", pieces[i]);
		addrlist_item_free(&item);
	}
	free(text);
}

int
main(void)
{
	table(cases, sizeof cases / sizeof cases[0], 0);
	table(flagged, sizeof flagged / sizeof flagged[0], ADDRESS_UTF8 | ADDRESS_NODOMAIN);
	linear();
	return tap_done();
}

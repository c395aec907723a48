/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* duplicate_filter_limit: who is the same recipient (as Postfix has it), the limit, and that work does not grow with the square. */
#include "mail/dupfilter.h"

#include "base/clock.h"

#include "tap.h"

#include <stdio.h>

/* Two recipients of one message: the second is the first again. */
static bool
same(const char *addr, const char *params, const char *addr2, const char *params2)
{
	struct dupfilter d;
	bool first, again;

	dupfilter_init(&d, 1000);
	first = dupfilter_again(&d, addr, params);
	again = dupfilter_again(&d, addr2, params2);
	dupfilter_free(&d);
	return !first && again;
}

static void
who_is_the_same(void)
{
	static const struct { const char *addr[2], *params[2]; bool same; const char *name; } rows[] = {
		{ { "a@b.org", "a@b.org" }, { "", "" }, true, "the same address" },
		{ { "a@b.org", "A@B.Org" }, { "", "" }, true, "in capitals" },
		{ { "a@b.org", "c@b.org" }, { "", "" }, false, "another address" },
		{ { "a@b.org", "a@b.org" }, { "", " orcpt=rfc822;A@b.org" }, true, "ORCPT that repeats the address" },
		{ { "a@b.org", "a@b.org" }, { "", " orcpt=rfc822;x@b.org" }, false, "another ORCPT" },
		{ { "a@b.org", "a@b.org" }, { " orcpt=rfc822;X@b.org", " orcpt=rfc822;x@b.org" }, true, "the same ORCPT in capitals" },
		{ { "a@b.org", "a@b.org" }, { " notify=SUCCESS,FAILURE", " notify=FAILURE,SUCCESS" }, true, "NOTIFY in another order" },
		{ { "a@b.org", "a@b.org" }, { " notify=FAILURE,DELAY", "" }, false, "NOTIFY and none" },
		{ { "a@b.org", "a@b.org" }, { " notify=NEVER", " notify=SUCCESS" }, false, "another NOTIFY" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		is_num(same(rows[i].addr[0], rows[i].params[0], rows[i].addr[1], rows[i].params[1]), rows[i].same, rows[i].name);
}

static void
limits(void)
{
	struct dupfilter d;
	int again = 0;
	char addr[40];

	dupfilter_init(&d, 2);
	dupfilter_again(&d, "a@x", "");
	dupfilter_again(&d, "b@x", "");
	ok(!dupfilter_again(&d, "c@x", "") && !dupfilter_again(&d, "c@x", ""), "past the limit none is remembered");
	ok(dupfilter_again(&d, "a@x", "") && dupfilter_again(&d, "b@x", ""), "those before still are");
	dupfilter_clear(&d);
	ok(!dupfilter_again(&d, "a@x", ""), "the next message knows nothing of them");
	dupfilter_free(&d);

	dupfilter_init(&d, 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 20000; i++) {
			snprintf(addr, sizeof addr, "user%d@example.com", i);
			again += dupfilter_again(&d, addr, "");
		}
	is_num(again, 20000, "limit 0: all of 20,000 are remembered");
	dupfilter_free(&d);
}

/* Seconds for n recipients. */
static double
cost(int n)
{
	struct dupfilter d;
	int64_t began = clock_mono();
	char addr[40];

	dupfilter_init(&d, 0);
	for (int i = 0; i < n; i++) {
		snprintf(addr, sizeof addr, "user%d@example.com", i);
		dupfilter_again(&d, addr, "");
	}
	dupfilter_free(&d);
	return (double)(clock_mono() - began) / 1e6;
}

int
main(void)
{
	double small, large;

	who_is_the_same();
	limits();
	small = cost(10000);
	large = cost(160000);
	ok(large < 0.2 + 80 * small, "16 times the recipients, about 16 times the work (%.3f s, %.3f s)", small, large);
	return tap_done();
}

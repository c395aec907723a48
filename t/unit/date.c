/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5322 dates. */
#include "syntax/date.h"
#include "tap.h"

#include <stdlib.h>
#include <time.h>

static const struct { const char *text; int64_t time; } good[] = {
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706 },
	{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557 },
	{ "1 Jul 2003 10:52:37 +0200", 1057049557 },
	{ "Tue 1 Jul 2003 10:52:37 +0200", 1057049557 },
	{ "21 Nov 97 09:55:06 GMT", 880106106 },
	{ "21 Nov 97 09:55:06 UT", 880106106 },
	{ "21 nov 97 09:55:06 EST", 880124106 },
	{ "21 Nov 97 09:55:06 PDT", 880131306 },
	{ "21 Nov 97 09:55:06 Z", 880106106 },
	{ "21 Nov 097 09:55:06 +0000", 880106106 },
	{ "21 Nov 97 09:55 +0000", 880106100 },
	{ "Fri, 21 Nov 1997 09(comment (nested\\))):   55  :  06 -0600 (CST)", 880127706 },
	{ "Fri,\r\n 21 Nov 1997 09:55:06 -0600", 880127706 },
	{ "1 Jan 1970 00:00:00 +0000", 0 },
	{ "31 Dec 1969 23:59:59 +0000", -1 },
	{ "29 Feb 2000 00:00:00 +0000", 951782400 },
	{ "1 Mar 2100 00:00:00 +0000", INT64_C(4107542400) },
	{ "19 Jan 2038 03:14:08 +0000", INT64_C(2147483648) },
	{ "31 Dec 1998 23:59:60 +0000", 915148800 },
	{ "1 Jan 2000 00:00:00", 946684800 },
};
static const char *const bad[] = {
	"", "Fri", "Fri,", "nonsense", "32 Jan 2000 00:00:00 +0000", "0 Jan 2000 00:00:00 +0000", "29 Feb 2100 00:00:00 +0000",
	"31 Apr 2000 00:00:00 +0000", "1 Foo 2000 00:00:00 +0000", "1 Jan 2000 24:00:00 +0000", "1 Jan 2000 00:60:00 +0000",
	"1 Jan 2000 00:00:61 +0000", "1 Jan 2000 00:00:00 +000", "1 Jan 2000 00:00:00 +00000", "1 Jan 2000 00:00:00 +0060",
	"1 Jan 2000 00:00:00 +0000 x", "1 Jan 20000 00:00:00 +0000", "1 Jan 1 00:00:00 +0000", "Xyz, 1 Jan 2000 00:00:00 +0000",
	"1 Jan 2000 00 +0000", "001 Jan 2000 00:00:00 +0000", "1 Jan 2000 00:00:00 +-100", "1 Jan 1899 00:00:00 +0000", "2000-01-01",
};

int
main(void)
{
	struct buf b = BUF_INIT(100);
	int64_t t, step, wrong = 0;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ok(date_parse(good[i].text, strlen(good[i].text), &t) == 0 && t == good[i].time, "read: %.*s", (int)strcspn(good[i].text, "\r"), good[i].text);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(date_parse(bad[i], strlen(bad[i]), &t) < 0, "refused: %s", bad[i]);
	setenv("TZ", "UTC", 1);
	tzset();
	ok(date_format(1795174633, &b) == 0, "written");
	is(b.data, "Fri, 20 Nov 2026 11:37:13 +0000 (UTC)", "in UTC");
	buf_clear(&b);
	setenv("TZ", "NST3:30NDT", 1);
	tzset();
	date_format(1768500000, &b);
	is(b.data, "Thu, 15 Jan 2026 14:30:00 -0330 (NST)", "in a zone with half hours");
	ok(date_parse(b.data, b.len, &t) == 0 && t == 1768500000, "and read back");
	for (t = -2000000000, step = 12345678; t < INT64_C(250000000000); t += step) {
		int64_t back = 0;

		buf_clear(&b);
		wrong += date_format(t, &b) < 0 || date_parse(b.data, b.len, &back) < 0 || back != t;
	}
	is_num(wrong, 0, "dates over 8000 years are read back as written");
	buf_clear(&b);
	ok(date_format(INT64_MAX, &b) < 0 && b.len == 0, "a time past the year 9999 is refused");
	buf_free(&b);
	return tap_done();
}

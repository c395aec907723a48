/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* syntax/maptext: logical lines, keys and values. */
#include "syntax/maptext.h"
#include "base/mem.h"
#include "tap.h"

#include <stdlib.h>

/* want: "key=value;" for each pair, "key;" without a value, "!" at an error (with its line number). */
static const struct { const char *name, *text; size_t n; const char *want; } tests[] = {
	{ "plain lines", "a 1\nb\t 2 \n", 0, "a=1;b=2;" },
	{ "comments and blank lines", "# x\n\n  # y\na 1\n", 0, "a=1;" },
	{ "continuation", "a 1\n 2\n\t3\nb 4\n", 0, "a=1 2 3;b=4;" },
	{ "comment and blank line inside a continued line", "a 1\n# x\n\n 2\n", 0, "a=1 2;" },
	{ "no newline at the end", "a 1", 0, "a=1;" },
	{ "CRLF", "a 1\r\nb 2\r\n", 0, "a=1;b=2;" },
	{ "quoted key", "\"a b\\\"c\" 1\n", 0, "a b\"c=1;" },
	{ "open quote", "x 1\n\"a b 1\n", 0, "x=1;!2" },
	{ "no value", "a\nb 1\n", 0, "a;b=1;" },
	{ "NUL", "a 1\nb \0 2\n", 10, "a=1;!2" },
	{ "begins with a continuation", " a 1\n", 0, "!1" },
	{ "nothing", "", 0, "" },
	{ "only a comment", "#", 0, "" },
};

int
main(void)
{
	struct buf got = BUF_INIT(4096);
	struct maptext t;
	const char *why;
	char *long_line;

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		char *key, *value;
		int r, v = 0;

		buf_clear(&got);
		maptext_init(&t, tests[i].text, tests[i].n ? tests[i].n : strlen(tests[i].text));
		while ((r = maptext_next(&t, &why)) > 0 && (v = maptext_pair(&t, &key, &value, &why)) >= 0)
			buf_addf(&got, v ? "%s=%s;" : "%s;", key, value);
		if (r < 0 || v < 0)
			buf_addf(&got, "!%u", t.line);
		is(got.data, tests[i].want, tests[i].name);
		maptext_free(&t);
	}
	long_line = mem_alloc(MAPTEXT_LINE_MAX + 2);
	memset(long_line, 'x', MAPTEXT_LINE_MAX + 2);
	maptext_init(&t, long_line, MAPTEXT_LINE_MAX + 2);
	is_num(maptext_next(&t, &why), -1, "a line that is too long is refused");
	maptext_free(&t);
	maptext_init(&t, long_line, 1 << 20);
	is_num(maptext_next(&t, &why), 1, "a line of a megabyte is taken");
	maptext_free(&t);
	free(long_line);
	buf_free(&got);
	return tap_done();
}

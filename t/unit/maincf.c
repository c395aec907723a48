/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Logical lines, lists and expansion of main.cf. */
#include "syntax/maincf.h"

#include "tap.h"

#include <stdlib.h>

/* Every entry of text as "LINE:name=value|"; an error as "LINE!". */
static void
entries(const char *text, size_t n, struct buf *out)
{
	struct maincf m;
	struct maincf_entry e = { 0 };
	const char *why = NULL;
	int r;

	buf_clear(out);
	maincf_init(&m, text, n);
	while ((r = maincf_next(&m, &e, &why)) != 0)
		if (r > 0)
			buf_addf(out, "%u:%s=%s|", e.line, e.name, e.value);
		else
			buf_addf(out, "%u!", e.line);
	maincf_free(&m);
}

static void
test_lines(void)
{
	static const struct { const char *name, *text, *want; } tests[] = {
		{ "name and value", "a = b\n", "1:a=b|" },
		{ "no blanks around =", "a=b", "1:a=b|" },
		{ "white space at the end is cut", "a = b \t \n", "1:a=b|" },
		{ "an empty value", "a =\nb=\n", "1:a=|2:b=|" },
		{ "a continued line", "a = b,\n\tc\n  d\n", "1:a=b, c d|" },
		{ "comments and empty lines do not end a logical line", "a = b\n# x\n\n  c\n", "1:a=b c|" },
		{ "an indented comment is a comment", "a = b\n  # x\n  c\n", "1:a=b c|" },
		{ "a comment after a value is part of it", "a = b # c\n", "1:a=b # c|" },
		{ "'=' in the value", "a = b=c\n", "1:a=b=c|" },
		{ "CRLF line ends", "a = b\r\n  c\r\nd = e\r\n", "1:a=b c|3:d=e|" },
		{ "a value that begins on the next line", "a =\n  b\n", "1:a=b|" },
		{ "a continuation of nothing", "  a = b\nc = d\n", "1!2:c=d|" },
		{ "no '='", "just text\na = b\n", "1!2:a=b|" },
		{ "no name", "= b\n", "1!" },
		{ "white space in the name", "a b = c\n", "1!" },
		{ "nothing", "", "" },
		{ "comments only", "# a\n\n", "" },
	};
	struct buf out = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		entries(tests[i].text, strlen(tests[i].text), &out);
		is(out.data, tests[i].want, tests[i].name);
	}
	entries("a = b\0c\nd = e\n", 14, &out);
	is(out.data, "1!2:d=e|", "a NUL byte");
	buf_free(&out);
}

static void
test_span(void)
{
	static const char text[] = "# one\na = b\n# in between\n  c\n# after\nd = e\n";
	struct maincf m;
	struct maincf_entry e = { 0 };
	const char *why = NULL;

	maincf_init(&m, text, strlen(text));
	ok(maincf_next(&m, &e, &why) == 1, "an entry");
	is_num((long long)e.start, 6, "it begins with its own line, not with the comment before");
	ok(strncmp(text + e.end, "# after", 7) == 0, "it ends after its last line, before the comment that follows");
	maincf_free(&m);
}

static void
test_words(void)
{
	static const struct { const char *list, *want; } tests[] = {
		{ "a, b c,,d", "[a][b][c][d]" },
		{ " \t\n", "" },
		{ "{a b}, c", "[a b][c]" },
		{ "{a {b c}} {}", "[a {b c}][]" },
		{ "inline:{a=b, {c = d}} e", "[inline:{a=b, {c = d}}][e]" },
		{ "${x?{a b}} c", "[${x?{a b}}][c]" },
		{ "{a}{b} {unclosed x", "[{a}{b}][{unclosed x]" },
		{ "a} b", "[a}][b]" },
	};
	struct buf word = BUF_INIT(65536), out = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		size_t at = 0;

		buf_clear(&out);
		while (maincf_word(tests[i].list, &at, &word) == 1)
			buf_addf(&out, "[%s]", word.data);
		ok(strcmp(out.data, tests[i].want) == 0, "list %zu has the members %s (got %s)", i, tests[i].want, out.data);
	}
	buf_free(&word);
	buf_free(&out);
}

static const char *
lookup(void *arg, const char *name, const char **err)
{
	(void)arg;
	if (strcmp(name, "a") == 0)
		return "A";
	if (strcmp(name, "e") == 0)
		return "";
	if (strcmp(name, "level") == 0)
		return "3.6";
	if (strcmp(name, "my-name.x") == 0)
		return "dashed";
	if (strcmp(name, "bad") == 0)
		*err = "it is bad";
	return NULL;
}

static void
test_expand(void)
{
	static const struct { const char *text, *want; } tests[] = {
		{ "no names", "no names" },
		{ "$a", "A" },
		{ "$a,$(a)-${a}b", "A,A-Ab" },
		{ "$unset.", "." },
		{ "100$$ $$a", "100$ $a" },
		{ "${my-name.x} ${ a }", "dashed A" },
		{ "${a?yes}${e?yes}${unset?yes}", "yes" },
		{ "${a:no}${e:no}${unset:no}", "nono" },
		{ "${a?{x y}:{z}}", "x y" },
		{ "${e?{x y}:{z}}", "z" },
		{ "${e ? {x} : {z}}", "z" },
		{ "${a?$a$a}", "AA" },
		{ "${e:${a?{${a}!}}}", "A!" },
		{ "${a?}", "" },
		{ "${{$a} == {A} ? {same} : {other}}", "same" },
		{ "${{$a} != {A} ? {other} : {same}}", "same" },
		{ "${{10} > {9} ? {number} : {text}}", "number" },
		{ "${{b} > {a} ? {text}}", "text" },
		{ "${{$level} <level {3.10} ? {older} : {newer}}", "older" },
		{ "${{$level} >=level {3.6} ? {yes} : {no}}", "yes" },
		{ "${{$level} <level {1} ? {yes} : {no}}", "no" },
		/* errors */
		{ "$", NULL }, { "a$ b", NULL }, { "${", NULL }, { "${}", NULL }, { "${a", NULL }, { "$(a", NULL }, { "${a b}", NULL },
		{ "${a?{x}y}", NULL }, { "${e?{x}:y}", NULL }, { "${{a} = {b} ? {c}}", NULL }, { "${{a} == b ? {c}}", NULL },
		{ "${{a} == {a}}", NULL }, { "$bad", NULL }, { "${bad?x}", NULL },
	};
	struct buf out = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		const char *why = NULL;
		int r;

		buf_clear(&out);
		r = maincf_expand(tests[i].text, strlen(tests[i].text), lookup, NULL, &out, &why);
		if (tests[i].want)
			ok(r == 0 && strcmp(out.data, tests[i].want) == 0, "%s becomes \"%s\" (got \"%s\")", tests[i].text, tests[i].want, out.data);
		else
			ok(r < 0 && why, "%s is an error: %s", tests[i].text, why ? why : "(none)");
	}
	buf_free(&out);
}

static void
test_bounds(void)
{
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(64);
	const char *why = NULL;

	for (int i = 0; i < 1000; i++)
		buf_adds(&text, "${a?");
	for (int i = 0; i < 1000; i++)
		buf_addc(&text, '}');
	ok(maincf_expand(text.data, text.len, lookup, NULL, &out, &why) < 0, "a thousand levels of ${ }: %s", why ? why : "(no reason)");
	buf_clear(&text);
	buf_clear(&out);
	for (int i = 0; i < 100; i++)
		buf_adds(&text, "$a");
	why = NULL;
	ok(maincf_expand(text.data, text.len, lookup, NULL, &out, &why) < 0, "a value over its bound: %s", why ? why : "(no reason)");
	buf_free(&text);
	buf_free(&out);
}

int
main(void)
{
	test_lines();
	test_span();
	test_words();
	test_expand();
	test_bounds();
	return tap_done();
}

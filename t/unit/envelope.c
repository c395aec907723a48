/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The envelope text of queue files. */
#include "syntax/envelope.h"
#include "tap.h"

#include <stdlib.h>

static void
first_line(void)
{
	char text[ENVELOPE_FIRST + 1];
	uint64_t offset = 1, size = 2;
	const char *err;

	envelope_first_format(text, 300, UINT64_C(5000000000));
	is(text, "mtaq1 00000000000000000300 00000000005000000000\n", "the first line has its fixed width");
	is_num((long long)strlen(text), ENVELOPE_FIRST, "the first line is ENVELOPE_FIRST bytes");
	ok(envelope_first_parse(text, ENVELOPE_FIRST, &offset, &size, &err) == 0 && offset == 300 &&
	    size == UINT64_C(5000000000), "the first line is read back");
	ok(envelope_first_parse(text, ENVELOPE_FIRST - 1, &offset, &size, &err) == 0, "without LF as well");
	ok(envelope_first_parse(text, 20, &offset, &size, &err) < 0, "a short first line is an error");
	text[0] = 'M';
	ok(envelope_first_parse(text, ENVELOPE_FIRST, &offset, &size, &err) < 0, "another word is an error");
	text[0] = 'm';
	text[10] = '-';
	ok(envelope_first_parse(text, ENVELOPE_FIRST, &offset, &size, &err) < 0, "a sign is an error");
	memset(text + 6, '9', 20);
	ok(envelope_first_parse(text, ENVELOPE_FIRST, &offset, &size, &err) < 0, "an offset above 2^63 is an error");
}

static const struct {
	const char *line;
	int kind; /* -1: an error */
	const char *value, *params;
	int64_t time;
	char status;
} lines[] = {
	{ .line = "", .kind = ENVELOPE_END },
	{ .line = "id 0DkXYZab12", .kind = ENVELOPE_ID, .value = "0DkXYZab12" },
	{ .line = "id short", .kind = -1 },
	{ .line = "id ../../etc/x", .kind = -1 },
	{ .line = "id", .kind = -1 },
	{ .line = "time 1763639833.000042", .kind = ENVELOPE_TIME, .time = INT64_C(1763639833000042) },
	{ .line = "time 1763639833", .kind = -1 },
	{ .line = "time 1.5", .kind = -1 },
	{ .line = "time -1.000000", .kind = -1 },
	{ .line = "time 99999999999999999999.000000", .kind = -1 },
	{ .line = "sender <alice@example.com>", .kind = ENVELOPE_SENDER, .value = "alice@example.com" },
	{ .line = "sender <>", .kind = ENVELOPE_SENDER, .value = "" },
	{ .line = "sender <\"a>\\\"b\"@example.com>", .kind = ENVELOPE_SENDER, .value = "\"a>\\\"b\"@example.com" },
	{ .line = "sender", .kind = -1 },
	{ .line = "sender ", .kind = -1 },
	{ .line = "sender alice@example.com", .kind = -1 },
	{ .line = "sender <alice@example.com", .kind = -1 },
	{ .line = "sender <a@b> x", .kind = -1 },
	{ .line = "opt body=8BITMIME smtputf8", .kind = ENVELOPE_OPT, .value = "body=8BITMIME smtputf8" },
	{ .line = "opt", .kind = ENVELOPE_OPT, .value = "" },
	{ .line = "from client=a helo=b", .kind = ENVELOPE_FROM, .value = "client=a helo=b" },
	{ .line = "rcpt T <bob@example.org> orcpt=x", .kind = ENVELOPE_RCPT, .value = "bob@example.org",
	    .params = " orcpt=x", .status = 'T' },
	{ .line = "rcpt D <bob@example.org>", .kind = ENVELOPE_RCPT, .value = "bob@example.org", .params = "", .status = 'D' },
	{ .line = "rcpt X <\"a b\"@example.org>", .kind = ENVELOPE_RCPT, .value = "\"a b\"@example.org", .params = "", .status = 'X' },
	{ .line = "rcpt Q <bob@example.org>", .kind = -1 },
	{ .line = "rcpt T <>", .kind = -1 },
	{ .line = "rcpt T <a@b>orcpt=x", .kind = -1 },
	{ .line = "rcpt T", .kind = -1 },
	{ .line = "rcpt", .kind = -1 },
	{ .line = "rcptT <a@b>", .kind = -1 },
	{ .line = "banana x", .kind = -1 },
	{ .line = "sender <a\rb@c>", .kind = -1 },
	{ .line = "sender <a\tb@c>", .kind = -1 },
};

static void
each_line(void)
{
	char *big = malloc(ENVELOPE_LINE_MAX + 2);
	struct envelope_line l;
	const char *err = NULL;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		const char *want = lines[i].value, *params = lines[i].params;
		int r = envelope_line_parse(&l, lines[i].line, strlen(lines[i].line), &err);

		if (lines[i].kind < 0) {
			ok(r < 0 && err, "refused: %s", lines[i].line[0] < ' ' ? "?" : lines[i].line);
			continue;
		}
		ok(r == 0 && (int)l.kind == lines[i].kind, "kind of: %s", lines[i].line);
		if (want)
			ok(l.value_len == strlen(want) && memcmp(l.value, want, l.value_len) == 0, "its value is %s", want);
		if (params)
			ok(l.params_len == strlen(params) && memcmp(l.params, params, l.params_len) == 0, "its parameters");
		if (lines[i].status)
			ok(l.status == lines[i].status && lines[i].line[l.status_at] == l.status, "its status and where it is");
		if (lines[i].time)
			is_num(l.time, lines[i].time, "its time");
	}
	memset(big, 'x', ENVELOPE_LINE_MAX + 1);
	memcpy(big, "opt ", 4);
	ok(envelope_line_parse(&l, big, ENVELOPE_LINE_MAX, &err) == 0, "a line of the greatest length");
	ok(envelope_line_parse(&l, big, ENVELOPE_LINE_MAX + 1, &err) < 0, "a longer one is refused");
	ok(envelope_line_parse(&l, "id a\0b123", 9, &err) < 0, "NUL in a line is refused");
	free(big);
}

static void
params(void)
{
	struct buf b = BUF_INIT(200), v = BUF_INIT(200), small = BUF_INIT(5);
	const char *err = NULL;

	envelope_param_add(&b, "body", "8BITMIME");
	envelope_param_add(&b, "smtputf8", NULL);
	envelope_param_add(&b, "helo", "a b+c=d");
	is(b.data, " body=8BITMIME smtputf8 helo=a+20b+2Bc+3Dd", "parameters are written as xtext");
	ok(envelope_param(b.data, b.len, "helo", &v, &err) == 1, "helo is found");
	is(v.data, "a b+c=d", "helo is decoded");
	buf_clear(&v);
	ok(envelope_param(b.data, b.len, "smtputf8", &v, &err) == 1 && v.len == 0, "a name alone has an empty value");
	ok(envelope_param(b.data, b.len, "smtputf8", NULL, &err) == 1, "a question without a place for the value");
	ok(envelope_param(b.data, b.len, "smtp", &v, &err) == 0, "the start of a name is not the name");
	ok(envelope_param(b.data, b.len, "8BITMIME", &v, &err) == 0, "a value is not a name");
	ok(envelope_param("x=+0A", 5, "x", &v, &err) < 0 && err, "an encoded LF is refused");
	ok(envelope_param("", 0, "x", &v, &err) == 0, "nothing in nothing");
	ok(envelope_param_add(&b, "helo", "a\nb") < 0, "a value with LF is never written");
	is(b.data, " body=8BITMIME smtputf8 helo=a+20b+2Bc+3Dd", "and leaves nothing behind");
	ok(envelope_param_add(&small, "name", "value") < 0 && small.len == 0, "no room: an error, nothing is cut");
	buf_free(&b);
	buf_free(&v);
	buf_free(&small);
}

int
main(void)
{
	first_line();
	each_line();
	params();
	return tap_done();
}

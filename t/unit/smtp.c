/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP commands, parameters, replies and xtext. */
#include "syntax/smtp.h"
#include "tap.h"

static bool
same(const char *s, size_t n, const char *want)
{
	return want && n == strlen(want) && memcmp(s, want, n) == 0;
}

static const struct {
	const char *line, *verb, *arg;
} commands[] = {
	{ "MAIL FROM:<a> SIZE=1", "MAIL", "FROM:<a> SIZE=1" },
	{ "mail from: <a>", "mail", "from: <a>" },
	{ "QUIT", "QUIT", "" },
	{ "QUIT \t ", "QUIT", "" },
	{ "  helo   there ", "helo", "there" },
	{ "NOOP\tx y", "NOOP", "x y" },
	{ "", "", "" },
	{ "   ", "", "" },
};

static void
command(void)
{
	static const struct { const char *line; size_t n; const char *name; } bad[] = {
		{ "MAIL FROM:<a\0b>", 15, "NUL" }, { "HELO a\rb", 8, "a bare CR" }, { "HELO a\nb", 8, "a bare LF" },
		{ "HELO \033[0m", 8, "ESC" }, { "HELO \177", 6, "DEL" },
	};
	struct smtp_command c;
	const char *err = NULL;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		ok(smtp_command_parse(&c, commands[i].line, strlen(commands[i].line), &err) == 0 &&
		    same(c.verb, c.verb_len, commands[i].verb) && same(c.arg, c.arg_len, commands[i].arg),
		    "command: %s", commands[i].line);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err = NULL;
		ok(smtp_command_parse(&c, bad[i].line, bad[i].n, &err) < 0 && err, "a command with %s is refused", bad[i].name);
	}
	smtp_command_parse(&c, "eHlO x", 6, &err);
	ok(smtp_verb_is(&c, "EHLO"), "verbs are compared without case");
	ok(!smtp_verb_is(&c, "EHL") && !smtp_verb_is(&c, "EHLOX"), "and whole");
}

static void
param(void)
{
	static const char text[] = " SIZE=12345  BODY=8BITMIME\tSMTPUTF8 AUTH=<> ENVID=a=b X= ";
	static const struct { const char *name, *value; } want[] = {
		{ "SIZE", "12345" }, { "BODY", "8BITMIME" }, { "SMTPUTF8", NULL }, { "AUTH", "<>" }, { "ENVID", "a=b" }, { "X", "" },
	};
	static const char *const bad[] = { "=x", "-A=1", "SI ZE=1 $", "SIZE=\001", "A=\xff\xfe", "A=\xc0\xaf", "A\xc3\xa9=1" };
	struct smtp_param p;
	const char *err = NULL;
	size_t at = 0;

	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		int r = smtp_param_next(&p, text, strlen(text), &at, &err);

		ok(r == 1 && same(p.name, p.name_len, want[i].name) &&
		    (want[i].value ? same(p.value, p.value_len, want[i].value) : !p.value), "parameter %s", want[i].name);
	}
	is_num(smtp_param_next(&p, text, strlen(text), &at, &err), 0, "then the end");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int r;

		at = 0;
		err = NULL;
		while ((r = smtp_param_next(&p, bad[i], strlen(bad[i]), &at, &err)) > 0)
			;
		ok(r < 0 && err, "malformed parameter %zu is refused", i);
	}
}

static const struct {
	const char *line;
	int code;
	bool more;
	const char *enhanced, *text;
} replies[] = {
	{ "250 2.1.0 Ok", 250, false, "2.1.0", "Ok" },
	{ "250-PIPELINING", 250, true, "", "PIPELINING" },
	{ "220", 220, false, "", "" },
	{ "354 ", 354, false, "", "" },
	{ "550-5.7.1", 550, true, "5.7.1", "" },
	{ "550 5.7.100 no", 550, false, "5.7.100", "no" },
	{ "550 5.7.1000 no", 550, false, "", "5.7.1000 no" },
	{ "450 5.7.1 class differs", 450, false, "", "5.7.1 class differs" },
	{ "220 2.example.com", 220, false, "", "2.example.com" },
	{ "250 2.1.0x", 250, false, "", "2.1.0x" },
	{ .line = "999 no", .code = -1 }, { .line = "100 no", .code = -1 }, { .line = "25", .code = -1 },
	{ .line = "2500", .code = -1 }, { .line = "", .code = -1 }, { .line = "HTTP/1.1 200", .code = -1 },
	{ .line = "-25 x", .code = -1 }, { .line = "250_", .code = -1 },
};

static void
reply(void)
{
	struct smtp_reply_line r;
	const char *err = NULL;

	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		int got = smtp_reply_parse(&r, replies[i].line, strlen(replies[i].line), &err);

		if (replies[i].code < 0)
			ok(got < 0 && err, "refused reply: %s", replies[i].line);
		else
			ok(got == 0 && r.code == replies[i].code && r.more == replies[i].more &&
			    strcmp(r.enhanced, replies[i].enhanced) == 0 && same(r.text, r.text_len, replies[i].text),
			    "reply: %s", replies[i].line);
	}
}

static void
xtext(void)
{
	struct buf b = BUF_INIT(100);
	static const char *const bad[] = { "+0A", "+0d", "+00", "+7F", "+", "+2", "+GG", "a b", "a\tb", "a\nb" };
	const char *err = NULL;

	ok(xtext_encode("a+b=c d\xc3\xa9", 9, &b) == 0, "xtext is encoded");
	is(b.data, "a+2Bb+3Dc+20d+C3+A9", "with '+', '=', blanks and eight-bit bytes as hexadecimal");
	buf_clear(&b);
	ok(xtext_decode("a+2Bb+3dc+20d+C3+A9=", 20, &b, &err) == 0, "xtext is decoded");
	is(b.data, "a+b=c d\xc3\xa9=", "to what it was");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		buf_clear(&b);
		err = NULL;
		ok(xtext_decode(bad[i], strlen(bad[i]), &b, &err) < 0 && err, "bad xtext %zu is refused", i);
	}
	buf_clear(&b);
	ok(xtext_encode("a\nb", 3, &b) < 0 && b.full, "a line end is not encoded");
	buf_free(&b);
}

int
main(void)
{
	command();
	param();
	reply();
	xtext();
	return tap_done();
}

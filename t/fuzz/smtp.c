/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP lines: pointers stay in the line, no control character is accepted, parameters end,
 * xtext comes back as it was encoded. */
#include "syntax/smtp.h"

#include "fuzz.h"
#include "syntax/address.h"

static bool
clean(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return false;
	return true;
}

static void
params(const char *s, size_t n)
{
	struct smtp_param p;
	const char *err = NULL;
	size_t at = 0, before = 0;
	int r;

	while ((r = smtp_param_next(&p, s, n, &at, &err)) > 0) {
		CHECK(at > before && at <= n && p.name_len > 0);
		CHECK(p.name >= s + before && p.name + p.name_len <= s + at);
		if (p.value)
			CHECK(p.value == p.name + p.name_len + 1 && p.value + p.value_len == s + at && utf8_ok(p.value, p.value_len));
		before = at;
	}
	CHECK(r == 0 ? at == n : err != NULL);
}

static void
command(const char *s, size_t n)
{
	struct smtp_command c, again;
	struct buf b = BUF_INIT(1 << 20);
	const char *err = NULL;

	if (smtp_command_parse(&c, s, n, &err) < 0) {
		CHECK(err && !clean(s, n));
		return;
	}
	CHECK(clean(s, n) && c.verb >= s && c.arg + c.arg_len <= s + n && c.verb + c.verb_len <= c.arg);
	buf_add(&b, c.verb, c.verb_len);
	buf_addc(&b, ' ');
	buf_add(&b, c.arg, c.arg_len);
	CHECK(smtp_command_parse(&again, b.data, b.len, &err) == 0);
	CHECK(again.verb_len == c.verb_len && again.arg_len == c.arg_len && memcmp(again.arg, c.arg, c.arg_len) == 0);
	params(c.arg, c.arg_len);
	buf_free(&b);
}

static void
reply(const char *s, size_t n)
{
	struct smtp_reply_line r;
	const char *err = NULL;

	if (smtp_reply_parse(&r, s, n, &err) < 0) {
		CHECK(err);
		return;
	}
	CHECK(r.code >= 200 && r.code <= 599 && atoi(s) == r.code);
	CHECK(r.text >= s + 3 && r.text + r.text_len == s + n);
	CHECK(r.enhanced[0] == '\0' || (r.enhanced[0] == s[0] && strlen(r.enhanced) >= 5 && memcmp(s + 4, r.enhanced, strlen(r.enhanced)) == 0));
}

static void
xtext(const char *s, size_t n)
{
	struct buf b = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
	const char *err = NULL;

	if (xtext_encode(s, n, &b) == 0) {
		for (size_t i = 0; i < b.len; i++)
			CHECK(b.data[i] > ' ' && b.data[i] < 0x7f && b.data[i] != '=');
		CHECK(xtext_decode(b.data, b.len, &back, &err) == 0);
		CHECK(back.len == n && memcmp(back.data, s, n) == 0);
	} else {
		CHECK(!clean(s, n) || memchr(s, '\t', n));
	}
	buf_clear(&back);
	if (xtext_decode(s, n, &back, &err) == 0)
		CHECK(clean(back.data, back.len) && back.len <= n);
	else
		CHECK(err);
	buf_free(&b);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);

	command(s, n);
	params(s, n);
	if (n > 3)
		reply(s, n);
	xtext(s, n);
	free(s);
	return 0;
}

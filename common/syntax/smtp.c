/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP command lines, their parameters, reply lines and xtext: see smtp.h.
 * RFC 5321 4.1.1 (commands), 4.1.2 (esmtp-param), 4.2 (replies); RFC 2034 4 (enhanced
 * codes in replies); RFC 3461 4 (xtext); RFC 6531 3.3 (UTF-8 in parameter values). */
#include "syntax/smtp.h"

#include "syntax/address.h"

#include <string.h>
#include <strings.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
alnum(char c)
{
	return digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool
control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* What is wrong with a control character that may not stand in a command. */
static const char *
control_error(char c)
{
	switch (c) {
	case '\0':
		return "NUL in command";
	case '\r':
		return "bare CR in command";
	case '\n':
		return "bare LF in command";
	default:
		return "control character in command";
	}
}

int
smtp_command_parse(struct smtp_command *c, const char *line, size_t n, const char **err)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		if (control(line[i]) && line[i] != '\t') {
			*err = control_error(line[i]);
			return -1;
		}
	while (n && blank(line[n - 1]))
		n--;
	while (at < n && blank(line[at]))
		at++;
	c->verb = line + at;
	while (at < n && !blank(line[at]))
		at++;
	c->verb_len = (size_t)(line + at - c->verb);
	while (at < n && blank(line[at]))
		at++;
	c->arg = line + at;
	c->arg_len = n - at;
	return 0;
}

bool
smtp_verb_is(const struct smtp_command *c, const char *verb)
{
	size_t n = strlen(verb);

	return c->verb_len == n && strncasecmp(c->verb, verb, n) == 0;
}

int
smtp_param_next(struct smtp_param *p, const char *text, size_t n, size_t *at, const char **err)
{
	size_t i = *at, start;

	while (i < n && blank(text[i]))
		i++;
	*at = i;
	if (i == n)
		return 0;
	for (start = i; i < n && (alnum(text[i]) || (text[i] == '-' && i > start)); i++)
		;
	*p = (struct smtp_param){ .name = text + start, .name_len = i - start };
	if (p->name_len == 0 || (i < n && text[i] != '=' && !blank(text[i]))) {
		*err = "malformed parameter name";
		return -1;
	}
	if (i < n && text[i] == '=') {
		for (start = ++i; i < n && !blank(text[i]); i++)
			if (control(text[i])) {
				*err = "control character in parameter";
				return -1;
			}
		p->value = text + start;
		p->value_len = i - start;
		if (!utf8_ok(p->value, p->value_len)) {
			*err = "parameter is not well-formed UTF-8";
			return -1;
		}
	}
	*at = i;
	return 1;
}

/* The enhanced code of class 2, 4 or 5 at the start of s: its length with what follows
 * being a blank or the end, or 0. */
static size_t
enhanced_code(const char *s, size_t n, char class)
{
	size_t i = 1;

	if (n < 5 || s[0] != class)
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (i >= n || s[i++] != '.')
			return 0;
		for (; i < n && digit(s[i]); i++)
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
	}
	return i == n || blank(s[i]) ? i : 0;
}

int
smtp_reply_parse(struct smtp_reply_line *r, const char *line, size_t n, const char **err)
{
	size_t at = 3, len;

	if (n < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2])) {
		*err = "reply does not begin with a code";
		return -1;
	}
	*r = (struct smtp_reply_line){ .code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0') };
	if (r->code < 200 || r->code > 599) {
		*err = "reply code is not within 200 to 599";
		return -1;
	}
	if (n > 3) {
		if (line[3] != '-' && !blank(line[3])) {
			*err = "neither a blank nor '-' after the reply code";
			return -1;
		}
		r->more = line[3] == '-';
		at = 4;
	}
	len = enhanced_code(line + at, n - at, line[0]);
	if (len) {
		memcpy(r->enhanced, line + at, len);
		for (at += len; at < n && blank(line[at]); at++)
			;
	}
	r->text = line + at;
	r->text_len = n - at;
	return 0;
}

int
xtext_encode(const char *s, size_t n, struct buf *out)
{
	static const char hex[16] = "0123456789ABCDEF";
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char code[3] = { '+', hex[c >> 4], hex[c & 15] };

		if (control(s[i])) { /* a line end must not even be hidden in an envelope */
			out->full = true;
			return -1;
		}
		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			continue;
		buf_add(out, s + run, i - run);
		buf_add(out, code, sizeof code);
		run = i + 1;
	}
	buf_add(out, s + run, n - run);
	return out->full ? -1 : 0;
}

static int
hex_value(char c)
{
	if (digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f') /* RFC 3461 wants capitals; some write small letters */
		return c - 'a' + 10;
	return -1;
}

int
xtext_decode(const char *s, size_t n, struct buf *out, const char **err)
{
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (control(s[i]) || s[i] == ' ') {
			*err = "blank or control character in xtext";
			return -1;
		}
		if (s[i] != '+')
			continue;
		hi = n - i > 2 ? hex_value(s[i + 1]) : -1;
		lo = n - i > 2 ? hex_value(s[i + 2]) : -1;
		if (hi < 0 || lo < 0) {
			*err = "'+' without two hexadecimal digits in xtext";
			return -1;
		}
		if (control((char)(hi << 4 | lo))) {
			*err = "encoded control character in xtext";
			return -1;
		}
		buf_add(out, s + run, i - run);
		buf_addc(out, (char)(hi << 4 | lo));
		i += 2;
		run = i + 1;
	}
	buf_add(out, s + run, n - run);
	if (out->full) {
		*err = "xtext too long";
		return -1;
	}
	return 0;
}

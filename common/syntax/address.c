/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5321 paths and mailboxes: see address.h. Grammar: RFC 5321 4.1.2 and 4.1.3, RFC 6531
 * 3.3. More than the RFC says is read where that is common and harmless: dots anywhere in a
 * local part (printed quoted), one dot after the domain (dropped), source routes (dropped). */
#include "syntax/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* The text being parsed; err is set once something was wrong. */
struct scan {
	const char *s;
	size_t n, at;
	unsigned flags;
	const char *err;
};

void
address_init(struct address *a)
{
	buf_init(&a->local, ADDRESS_MAX);
	buf_init(&a->domain, ADDRESS_MAX);
}

void
address_free(struct address *a)
{
	buf_free(&a->local);
	buf_free(&a->domain);
}

static bool
alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 5322 3.2.3 atext, and bytes of UTF-8 (RFC 6532 3.2), which are judged as a whole. */
static bool
atext(char c)
{
	return alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

bool
utf8_ok(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0, k; i < n; i += k) {
		unsigned low = 0x80, high = 0xbf; /* of the second byte */

		k = 1;
		if (s[i] < 0x80)
			continue;
		if (s[i] < 0xc2 || s[i] > 0xf4)
			return false;
		k = s[i] < 0xe0 ? 2 : s[i] < 0xf0 ? 3 : 4;
		if (k > n - i)
			return false;
		if (s[i] == 0xe0)
			low = 0xa0; /* overlong */
		else if (s[i] == 0xed)
			high = 0x9f; /* surrogates */
		else if (s[i] == 0xf0)
			low = 0x90; /* overlong */
		else if (s[i] == 0xf4)
			high = 0x8f; /* past U+10FFFF */
		if (s[i + 1] < low || s[i + 1] > high)
			return false;
		for (size_t j = 2; j < k; j++)
			if ((s[i + j] & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* What is wrong with the bytes over 127 in s, or NULL. The C1 controls are as bad as C0. */
static const char *
eight_bit_error(const char *s, size_t n, unsigned flags)
{
	size_t i = 0;

	while (i < n && (unsigned char)s[i] < 0x80)
		i++;
	if (i == n)
		return NULL;
	if (!(flags & ADDRESS_UTF8))
		return "non-ASCII address without SMTPUTF8";
	if (!utf8_ok(s, n))
		return "address is not well-formed UTF-8";
	for (; i + 1 < n; i++)
		if ((unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0)
			return "control character in address";
	return NULL;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]". General-address-literals have no registered tag. */
static bool
literal_ok(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN + 1];
	unsigned char addr[16];
	int family = AF_INET;

	if (n < 3 || s[0] != '[' || s[n - 1] != ']')
		return false;
	s++;
	n -= 2;
	if (n > 5 && strncasecmp(s, "IPv6:", 5) == 0) {
		family = AF_INET6;
		s += 5;
		n -= 5;
	}
	if (n >= sizeof text || memchr(s, '\0', n))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return inet_pton(family, text, addr) == 1;
}

/* One label. numeric: true when it is digits only. */
static bool
label_ok(const char *s, size_t n, bool *numeric)
{
	bool ascii = true;

	*numeric = true;
	if (n == 0 || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			ascii = false;
		else if (!alnum(s[i]) && s[i] != '-' && s[i] != '_') /* '_' is in use, if not in a host name */
			return false;
		if (s[i] < '0' || s[i] > '9')
			*numeric = false;
	}
	return n <= 63 || !ascii; /* a UTF-8 label is measured in its other form */
}

bool
address_domain_ok(const char *domain, size_t n, bool utf8)
{
	bool numeric = true;

	if (n == 0 || n > 253)
		return false;
	if (domain[0] == '[')
		return literal_ok(domain, n);
	if (eight_bit_error(domain, n, utf8 ? ADDRESS_UTF8 : 0))
		return false;
	for (size_t i = 0; i <= n; i++) {
		const char *dot = memchr(domain + i, '.', n - i);
		size_t len = dot ? (size_t)(dot - domain) - i : n - i;

		if (!label_ok(domain + i, len, &numeric))
			return false;
		i += len;
	}
	return !numeric; /* "192.0.2.1" without brackets is no domain: no top-level domain is a number */
}

static int
fail(struct scan *s, const char *err)
{
	s->err = err;
	return -1;
}

static bool
more(const struct scan *s)
{
	return s->at < s->n;
}

static bool
next_is(const struct scan *s, char c)
{
	return more(s) && s->s[s->at] == c;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip_blanks(struct scan *s)
{
	while (more(s) && blank(s->s[s->at]))
		s->at++;
}

static int
quoted_string(struct scan *s, struct buf *out)
{
	for (s->at++; more(s); s->at++) {
		char c = s->s[s->at];

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == '\\' && s->at + 1 < s->n)
			c = s->s[++s->at];
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return fail(s, "control character in quoted local part");
		buf_addc(out, c);
	}
	return fail(s, "missing '\"'");
}

/* word *("." word), with empty words let pass unless quoted ones touch others. */
static int
local_part(struct scan *s, struct buf *out)
{
	bool after_word = false;

	for (;;) {
		size_t start = s->at;

		while (more(s) && atext(s->s[s->at]))
			s->at++;
		buf_add(out, s->s + start, s->at - start);
		if (next_is(s, '.')) {
			buf_addc(out, '.');
			s->at++;
			after_word = false;
		} else if (next_is(s, '"') && s->at == start && !after_word) {
			if (quoted_string(s, out) < 0)
				return -1;
			after_word = true;
		} else if (s->at > start && after_word) {
			return fail(s, "text after quoted local part");
		} else {
			break;
		}
	}
	if (out->full)
		return fail(s, "address too long");
	return 0;
}

static int
domain_part(struct scan *s, struct buf *out)
{
	size_t start = s->at, n;

	if (next_is(s, '[')) {
		while (more(s) && s->s[s->at] != ']')
			s->at++;
		if (!more(s))
			return fail(s, "missing ']'");
		s->at++;
	} else {
		while (more(s) && (atext(s->s[s->at]) || s->s[s->at] == '.'))
			s->at++;
	}
	n = s->at - start;
	if (n > 1 && s->s[s->at - 1] == '.')
		n--; /* an absolute name is the same name */
	if (n == 0)
		return fail(s, "missing domain after '@'");
	s->err = eight_bit_error(s->s + start, n, s->flags);
	if (s->err)
		return -1;
	if (!address_domain_ok(s->s + start, n, s->flags & ADDRESS_UTF8))
		return fail(s, s->s[start] == '[' ? "malformed address literal" : "malformed domain name");
	buf_add(out, s->s + start, n);
	return 0;
}

/* "@r1,@r2:" before a mailbox: obsolete, checked and forgotten (RFC 5321 4.1.2 A-d-l, C). */
static int
source_route(struct scan *s)
{
	struct buf unused = BUF_INIT(ADDRESS_MAX);
	int r = 0;

	while (next_is(s, '@') && r == 0) {
		s->at++;
		buf_clear(&unused);
		r = domain_part(s, &unused);
		if (r == 0 && next_is(s, ','))
			s->at++;
		else if (r == 0 && !next_is(s, ':'))
			r = fail(s, "missing ':' after source route");
	}
	buf_free(&unused);
	if (r == 0 && !next_is(s, ':'))
		return fail(s, "missing ':' after source route");
	s->at++;
	return r;
}

static int
mailbox(struct scan *s, struct address *a)
{
	struct buf text = BUF_INIT(ADDRESS_MAX);
	size_t start;
	int r;

	if (next_is(s, '@') && source_route(s) < 0)
		return -1;
	start = s->at;
	if (local_part(s, &a->local) < 0)
		return -1;
	if (a->local.len == 0)
		return fail(s, more(s) && !next_is(s, '>') && !next_is(s, '@') ? "malformed local part" : "missing local part");
	s->err = eight_bit_error(s->s + start, s->at - start, s->flags);
	if (s->err)
		return -1;
	if (next_is(s, '@')) {
		s->at++;
		if (domain_part(s, &a->domain) < 0)
			return -1;
	} else if (more(s) && !next_is(s, '>') && !blank(s->s[s->at])) {
		return fail(s, "malformed local part");
	} else if (!(s->flags & ADDRESS_NODOMAIN)) {
		return fail(s, "missing domain");
	}
	if (a->local.len + a->domain.len < ADDRESS_MAX / 4)
		return 0; /* short enough however it is quoted */
	r = address_format(a, &text);
	buf_free(&text);
	return r < 0 ? fail(s, "address too long") : 0;
}

static int
path(struct scan *s, struct address *a)
{
	if (s->flags & ADDRESS_PADDED)
		skip_blanks(s);
	if (!next_is(s, '<')) {
		if (!more(s))
			return fail(s, "missing address");
		return s->flags & ADDRESS_BARE ? mailbox(s, a) : fail(s, "missing '<'");
	}
	s->at++;
	if (s->flags & ADDRESS_PADDED)
		skip_blanks(s);
	if (next_is(s, '>')) {
		s->at++;
		return s->flags & ADDRESS_NULL ? 0 : fail(s, "empty address");
	}
	if (mailbox(s, a) < 0)
		return -1;
	if (s->flags & ADDRESS_PADDED)
		skip_blanks(s);
	if (!next_is(s, '>'))
		return fail(s, more(s) ? "unexpected text before '>'" : "missing '>'");
	s->at++;
	return 0;
}

static void
begin(struct address *a, const char **err)
{
	buf_clear(&a->local);
	buf_clear(&a->domain);
	*err = NULL;
}

int
address_path(struct address *a, const char *text, size_t n, unsigned flags, size_t *used, const char **err)
{
	struct scan s = { .s = text, .n = n, .flags = flags };

	begin(a, err);
	if (path(&s, a) == 0 && more(&s) && !blank(text[s.at]))
		fail(&s, "unexpected text after address");
	*used = s.at;
	*err = s.err;
	return s.err ? -1 : 0;
}

int
address_parse(struct address *a, const char *text, size_t n, unsigned flags, const char **err)
{
	struct scan s = { .s = text, .n = n, .flags = flags };

	begin(a, err);
	if (n == 0)
		s.err = flags & ADDRESS_NULL ? NULL : "empty address";
	else if (mailbox(&s, a) == 0 && more(&s))
		fail(&s, "unexpected text after address");
	*err = s.err;
	return s.err ? -1 : 0;
}

/* A local part that needs no quotes: RFC 5321 Dot-string. */
static bool
dot_string(const char *s, size_t n)
{
	bool dot = true;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' ? dot : !atext(s[i]))
			return false;
		dot = s[i] == '.';
	}
	return !dot;
}

int
address_format(const struct address *a, struct buf *out)
{
	const struct buf *l = &a->local;

	if (l->len == 0 && a->domain.len == 0)
		return 0;
	if (dot_string(l->data, l->len)) {
		buf_add(out, l->data, l->len);
	} else {
		buf_addc(out, '"');
		for (size_t i = 0; i < l->len; i++) {
			if (l->data[i] == '"' || l->data[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, l->data[i]);
		}
		buf_addc(out, '"');
	}
	if (a->domain.len) {
		buf_addc(out, '@');
		buf_add(out, a->domain.data, a->domain.len);
	}
	return out->full ? -1 : 0;
}

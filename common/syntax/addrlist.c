/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5322 address lists: see addrlist.h. Grammar: 3.4 (address, group), 3.2.2 (CFWS), 3.2.4
 * (quoted strings), 4.4 (obsolete: blanks and comments around dots, routes, empty list members),
 * RFC 6532. A mailbox is read in one pass: words are gathered until '<' makes them a display
 * name, '@' the local part, ':' the name of a group. */
#include "syntax/addrlist.h"

#include <string.h>

enum { NEST_MAX = 64 };

void
addrlist_init(struct addrlist *l, const char *text, size_t n, unsigned flags)
{
	*l = (struct addrlist){ .text = text, .n = n, .flags = flags };
}

void
addrlist_item_free(struct addrlist_item *item)
{
	buf_free(&item->name);
	address_free(&item->addr);
}

static int
fail(const char **err, const char *text)
{
	*err = text;
	return -1;
}

static bool
more(const struct addrlist *l)
{
	return l->at < l->n;
}

static bool
next_is(const struct addrlist *l, char c)
{
	return more(l) && l->text[l->at] == c;
}

static bool
white(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
atext(char c)
{
	return c > ' ' ? c != 0x7f && !strchr("()<>[]:;@\\,.\"", c) : (unsigned char)c >= 0x80;
}

/* A comment; at stands on its '('. */
static int
comment(struct addrlist *l, const char **err)
{
	int depth = 0;

	for (; more(l); l->at++) {
		char c = l->text[l->at];

		if (c == '(' && ++depth > NEST_MAX)
			return fail(err, "comments nest too deeply");
		if (c == ')' && --depth == 0) {
			l->at++;
			return 0;
		}
		if (c == '\\' && l->at + 1 < l->n)
			l->at++;
	}
	return fail(err, "missing ')'");
}

/* Skips comments and blanks. 1 when there were any, 0, or -1. */
static int
skip(struct addrlist *l, const char **err)
{
	size_t start = l->at;

	while (more(l)) {
		if (white(l->text[l->at]))
			l->at++;
		else if (l->text[l->at] != '(')
			break;
		else if (comment(l, err) < 0)
			return -1;
	}
	return l->at > start;
}

/* The words before '@', '<', ':' or the end, gathered as what they may turn out to be. */
struct words {
	struct buf *name;         /* a phrase */
	struct buf *local;        /* a local part */
	int count;
	bool spoiled;             /* no local part: two words without a dot between them */
	size_t start, end;        /* in the text */
};

static void
add(struct words *w, char c)
{
	buf_addc(w->local, c);
	if (c != '\r' && c != '\n')
		buf_addc(w->name, c);
}

static int
quoted_string(struct addrlist *l, struct words *w, const char **err)
{
	for (l->at++; more(l); l->at++) {
		char c = l->text[l->at];

		if (c == '"') {
			l->at++;
			return 0;
		}
		if (c == '\r' || c == '\n') /* of a fold */
			continue;
		if (c == '\\' && l->at + 1 < l->n)
			c = l->text[++l->at];
		add(w, c);
	}
	return fail(err, "missing '\"'");
}

/* Takes words, dots, blanks and comments up to another special character. */
static int
gather(struct addrlist *l, struct words *w, const char **err)
{
	bool after_word = false;
	int gap = 0;

	w->start = w->end = l->at;
	while (more(l)) {
		char c = l->text[l->at];

		if (c != '.' && c != '"' && !atext(c))
			return 0;
		if (gap)
			buf_addc(w->name, ' ');
		if (c == '.') {
			add(w, c);
			l->at++;
		} else {
			w->count++;
			w->spoiled |= after_word;
			if (c == '"' && quoted_string(l, w, err) < 0)
				return -1;
			for (; c != '"' && more(l) && atext(l->text[l->at]); l->at++)
				add(w, l->text[l->at]);
		}
		after_word = c != '.';
		w->end = l->at;
		gap = skip(l, err);
		if (gap < 0)
			return -1;
	}
	return 0;
}

/* A domain, its comments and blanks left out; *end gets where its last part ends. */
static int
domain(struct addrlist *l, struct buf *out, size_t *end, const char **err)
{
	bool after_word = false;

	if (skip(l, err) < 0)
		return -1;
	if (next_is(l, '[')) {
		for (; more(l) && l->text[l->at] != ']'; l->at++)
			if (!white(l->text[l->at]))
				buf_addc(out, l->text[l->at]);
		if (!more(l))
			return fail(err, "missing ']'");
		buf_addc(out, ']');
		*end = ++l->at;
		return skip(l, err) < 0 ? -1 : 0;
	}
	while (more(l)) {
		char c = l->text[l->at];

		if (c == '.') {
			buf_addc(out, c);
			l->at++;
		} else if (atext(c) && !after_word) {
			for (; more(l) && atext(l->text[l->at]); l->at++)
				buf_addc(out, l->text[l->at]);
		} else {
			break;
		}
		after_word = c != '.';
		*end = l->at;
		if (skip(l, err) < 0)
			return -1;
	}
	return out->len || out->full ? 0 : fail(err, "missing domain after '@'");
}

/* The rest of a mailbox after its local part, checked as a whole. */
static int
addr_spec(struct addrlist *l, struct addrlist_item *item, struct words *w, const char **err)
{
	struct buf text = BUF_INIT(ADDRESS_MAX);
	int r = 0;

	item->start = w->start;
	item->end = w->end;
	if (w->count == 0)
		return fail(err, "missing local part");
	if (next_is(l, '@')) {
		l->at++;
		r = domain(l, &item->addr.domain, &item->end, err);
	}
	if (r == 0 && w->spoiled)
		r = fail(err, next_is(l, '@') || item->addr.domain.len ? "blank in local part" : "words without an address");
	if (r == 0 && (item->addr.local.full || item->addr.domain.full || address_format(&item->addr, &text) < 0))
		r = fail(err, "address too long");
	if (r == 0)
		r = address_parse(&item->addr, text.data, text.len, l->flags & (ADDRESS_UTF8 | ADDRESS_NODOMAIN), err);
	buf_free(&text);
	return r;
}

/* "@a,@b:" of an obsolete route; forgotten. */
static int
route(struct addrlist *l, struct buf *scratch, const char **err)
{
	size_t end;

	while (next_is(l, '@') || next_is(l, ',')) {
		if (l->text[l->at++] == '@' && domain(l, scratch, &end, err) < 0)
			return -1;
		if (skip(l, err) < 0)
			return -1;
	}
	if (!next_is(l, ':'))
		return fail(err, "missing ':' after source route");
	l->at++;
	buf_clear(scratch);
	return skip(l, err) < 0 ? -1 : 0;
}

/* "<...>" after a display name. */
static int
angle(struct addrlist *l, struct addrlist_item *item, const char **err)
{
	struct buf unused = BUF_INIT(ADDRESS_MAX);
	struct words w = { .name = &unused, .local = &item->addr.local };
	int r;

	l->at++;
	buf_clear(&item->addr.local);
	r = skip(l, err);
	if (r >= 0 && next_is(l, '@'))
		r = route(l, &item->addr.domain, err);
	if (r >= 0)
		r = gather(l, &w, err);
	buf_free(&unused);
	if (r < 0)
		return -1;
	if (w.count == 0 && next_is(l, '>'))
		return fail(err, "empty address");
	if (addr_spec(l, item, &w, err) < 0)
		return -1;
	if (!next_is(l, '>'))
		return fail(err, more(l) ? "unexpected text before '>'" : "missing '>'");
	l->at++;
	return skip(l, err) < 0 ? -1 : 0;
}

/* What separates mailboxes, up to the next one. 1 when there is one, 0 at the end, -1. */
static int
separators(struct addrlist *l, const char **err)
{
	for (;;) {
		if (skip(l, err) < 0)
			return -1;
		if (!more(l))
			return 0; /* also in a group: its ';' is often forgotten */
		if (next_is(l, ';') && l->in_group)
			l->in_group = false;
		else if (!next_is(l, ','))
			return 1;
		l->at++;
	}
}

/* One mailbox or the name of a group. 1, 0 for a group, -1. */
static int
member(struct addrlist *l, struct addrlist_item *item, const char **err)
{
	struct words w = { .name = &item->name, .local = &item->addr.local };
	int r;

	if (gather(l, &w, err) < 0)
		return -1;
	if (next_is(l, ':')) {
		if (w.count == 0 || l->in_group)
			return fail(err, "unexpected ':'");
		l->in_group = true;
		l->at++;
		return 0;
	}
	if (next_is(l, '<')) {
		r = angle(l, item, err);
	} else {
		buf_clear(&item->name);
		r = more(l) && !w.count && !next_is(l, '@') ? fail(err, "unexpected character") : addr_spec(l, item, &w, err);
	}
	if (r < 0)
		return -1;
	if (more(l) && !next_is(l, ',') && !(next_is(l, ';') && l->in_group))
		return fail(err, "missing ',' after address");
	return 1;
}

int
addrlist_next(struct addrlist *l, struct addrlist_item *item, const char **err)
{
	int r;

	if (l->bad) {
		while (more(l) && l->text[l->at] != ',')
			l->at++;
		l->bad = false;
	}
	do {
		item->name.max = l->n; /* no longer than what it stands in */
		item->addr.local.max = item->addr.domain.max = ADDRESS_MAX;
		if (!item->name.data) {
			buf_init(&item->name, l->n);
			address_init(&item->addr);
		}
		buf_clear(&item->name);
		buf_clear(&item->addr.local);
		buf_clear(&item->addr.domain);
		r = separators(l, err);
		if (r == 0)
			return 0;
		if (r > 0)
			r = member(l, item, err);
	} while (r == 0);
	l->bad = r < 0;
	return r;
}

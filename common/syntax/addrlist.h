/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5322 address lists (3.4 and the obsolete forms of 4.4): groups, comments, quoted
 * strings, encoded words left as they are, route-addr, UTF-8 (RFC 6532). */
#ifndef SYNTAX_ADDRLIST_H
#define SYNTAX_ADDRLIST_H
#include "base/buf.h"
#include "syntax/address.h"

/* One mailbox. */
struct addrlist_item {
	struct address addr;
	struct buf name;          /* display name, unquoted; "" when there is none */
	size_t start, end;        /* where the addr-spec stands in the text */
};

struct addrlist {
	const char *text;
	size_t n, at;
	unsigned flags;           /* ADDRESS_UTF8, ADDRESS_NODOMAIN */
	bool in_group;
	bool bad;                 /* private: the last mailbox was wrong */
};

void addrlist_init(struct addrlist *l, const char *text, size_t n, unsigned flags);
void addrlist_item_free(struct addrlist_item *item);
/* Pulls the next mailbox into item (zero-initialised before the first call, re-used after).
 * 1 found, 0 at the end, -1 with *err and l->at where the text is wrong; the text after the
 * next comma can then still be pulled. Work is linear in the text; comments nest at most 64. */
int addrlist_next(struct addrlist *l, struct addrlist_item *item, const char **err);
#endif

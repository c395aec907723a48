/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5321 paths and mailboxes (4.1.2, 4.1.3; RFC 6531 3.3 for UTF-8). */
#ifndef SYNTAX_ADDRESS_H
#define SYNTAX_ADDRESS_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 1024          /* bytes of a whole address; RFC 5321 4.5.3.1.3 asks for 256 */

enum {
	ADDRESS_UTF8 = 1,         /* SMTPUTF8: non-ASCII allowed (must be well formed) */
	ADDRESS_NULL = 2,         /* "<>" is allowed: the null reverse-path */
	ADDRESS_BARE = 4,         /* angle brackets may be missing: "mail from:abc@abc.com" */
	ADDRESS_NODOMAIN = 8,     /* a local part alone is allowed: "postmaster", "root" */
	ADDRESS_PADDED = 16,      /* white space before '<' and inside is allowed (not strict_rfc821_envelopes) */
};

/* An address in its plain form: local part without quotes and backslashes, one form
 * for one mailbox. Lookups and comparisons use local and domain; printing uses
 * address_format(), which quotes again. */
struct address {
	struct buf local;         /* may hold any byte but NUL, CR, LF and other controls */
	struct buf domain;        /* "" when there is none; "[192.0.2.1]" for a literal; no trailing dot */
};

void address_init(struct address *a);
void address_free(struct address *a);

/* Parses a Path at the start of text (n bytes): "<a@b>", "<@r1,@r2:a@b>" (source route
 * dropped), quoted local parts, address literals. *used gets the bytes consumed. Returns
 * 0, or -1 with *err a static text such as "missing '>'". */
int address_path(struct address *a, const char *text, size_t n, unsigned flags, size_t *used, const char **err);

/* Parses a whole text that is one mailbox without brackets: "a@b", "\"a b\"@c", with flags
 * ADDRESS_NULL "" as well. Queue files, maps, agents' and commands' arguments. 0 or -1. */
int address_parse(struct address *a, const char *text, size_t n, unsigned flags, const char **err);

/* Appends the canonical text, without brackets, local part quoted where RFC 5321 needs it. */
int address_format(const struct address *a, struct buf *out);

/* True when the bytes are a domain name that DNS could hold (labels 1-63, no empty label, at
 * most 253 octets; UTF-8 labels with utf8) or an address literal of RFC 5321 4.1.3. */
bool address_domain_ok(const char *domain, size_t n, bool utf8);

/* True when all n bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool utf8_ok(const char *s, size_t n);
#endif

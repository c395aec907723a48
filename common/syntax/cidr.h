/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Addresses and networks in text: "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "[::1]/128",
 * "[2001:db8::]/32". IPv4-mapped IPv6 addresses count as IPv4. */
#ifndef SYNTAX_CIDR_H
#define SYNTAX_CIDR_H
#include <stdbool.h>
#include <stddef.h>

struct cidr {
	unsigned char addr[16];   /* network order; first 4 bytes for IPv4 */
	unsigned char family;     /* 4 or 6 */
	unsigned char bits;       /* prefix length */
};

/* Whole text. -1 with *err: malformed, or bits set beyond the prefix ("non-null host address bits"). */
int cidr_parse(struct cidr *c, const char *text, size_t n, const char **err);
/* addr is a host (bits 32 or 128). */
bool cidr_match(const struct cidr *net, const struct cidr *addr);
/* Text of the address without prefix: at most 46 bytes with NUL. */
void cidr_format(const struct cidr *c, char out[46]);
#endif

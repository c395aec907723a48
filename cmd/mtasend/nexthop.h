/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The next hop in text, as relayhost, transport_maps and -n have it:
 *
 *   example.com  example.com:587    the mail exchangers of the domain (RFC 5321 5.1)
 *   [host]  [host]:port             the addresses of the host: no MX lookup
 *   [192.0.2.1]  [2001:db8::1]:port an address
 *   smtp:NEXTHOP  relay:NEXTHOP     the same by SMTP
 *   lmtp:NEXTHOP                    by LMTP (RFC 2033): host, [host], inet:host:port, unix:/path; never MX
 *   inet:host:port  unix:/path      LMTP
 */
#ifndef MTASEND_NEXTHOP_H
#define MTASEND_NEXTHOP_H
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct nexthop {
	bool lmtp;
	bool local;               /* host is the path of a Unix socket */
	bool mx;                  /* look for mail exchangers first */
	bool port_given;
	uint16_t port;
	struct buf host;          /* without brackets */
	struct buf text;          /* as in tables of policies and passwords: without "smtp:" */
};
void nexthop_init(struct nexthop *n);
void nexthop_free(struct nexthop *n);
/* lmtp: what is meant where the text does not say. Ports: the defaults. 0, or -1 with err. */
int nexthop_parse(struct nexthop *n, const char *text, bool lmtp, uint16_t smtp_port, uint16_t lmtp_port, struct buf *err);
#endif

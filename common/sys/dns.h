/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* DNS for mail: MX, A and AAAA records (RFC 1035; RFC 5321 5.1) by the system's resolver library, with
 * the servers of resolv.conf(5) or one that is named. Nothing is appended to names (no search list).
 * Aliases (CNAME) are followed at most 10 times where the server does not do it. */
#ifndef SYS_DNS_H
#define SYS_DNS_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Outcomes of a lookup. */
enum {
	DNS_FOUND = 1,
	DNS_NODATA = 0,           /* the name exists, without records of this type */
	DNS_NOTFOUND = -2,        /* the name does not exist (NXDOMAIN), or cannot exist */
	DNS_TEMPFAIL = -1,        /* no answer, or a server failure: ask again later */
};

#define DNS_RECORDS_MAX 512       /* more records of one answer are not looked at */

struct dns;

/* server: an IPv4 address, or address:port; "" or NULL: as in resolv.conf. NULL with err. */
struct dns *dns_new(const char *server, struct buf *err);
void dns_free(struct dns **d);

struct dns_mx { int preference; char *host; };       /* host "": the null MX (RFC 7505) */
struct dns_mx_list { struct dns_mx *mx; size_t n; };
/* The MX records of domain, by preference, those of equal preference in random order. DNS_*; err says why
 * for all but DNS_FOUND ("Name service error for name=example.com type=MX: Host not found"). */
int dns_mx(struct dns *d, const char *domain, struct dns_mx_list *out, struct buf *err);
void dns_mx_free(struct dns_mx_list *l);

struct dns_address { struct sockaddr_storage sa; socklen_t len; };   /* port 0 */
struct dns_address_list { struct dns_address *address; size_t n; };
/* Appends the addresses of host, IPv6 before IPv4. DNS_*: DNS_FOUND when at least one was found. */
int dns_addresses(struct dns *d, const char *host, bool ipv4, bool ipv6, struct dns_address_list *out, struct buf *err);
/* The same by getaddrinfo(3): hosts(5) and whatever nsswitch.conf(5) names. */
int dns_native_addresses(const char *host, bool ipv4, bool ipv6, struct dns_address_list *out, struct buf *err);
/* host is an address itself ("192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1"): appends it. True when it is. */
bool dns_literal(const char *host, struct dns_address_list *out);
void dns_addresses_free(struct dns_address_list *l);
#endif

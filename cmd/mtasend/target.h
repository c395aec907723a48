/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* From a next hop to the addresses to try, in order (RFC 5321 5.1). */
#ifndef MTASEND_TARGET_H
#define MTASEND_TARGET_H
#include "conn.h"
#include "nexthop.h"
#include "sys/dns.h"

struct config;

struct target {
	char *name;               /* "mx.example.org", or the address where there is no name */
	struct dns_address address;
	char ip[64];
	int preference;
};
struct target_list { struct target *t; size_t n; };
void target_free(struct target_list *l);

/* At most smtp_mx_address_limit addresses. *dns is opened when it is first needed. 0, or -1 with f. */
int target_find(struct target_list *out, const struct nexthop *n, struct config *c, struct dns **dns, struct failure *f);
/* The address is one of this host that mail is received on (inet_interfaces, proxy_interfaces), or loopback. */
bool target_is_self(const struct sockaddr_storage *sa, struct config *c);
#endif

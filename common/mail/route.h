/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Which class an address belongs to and which transport and next hop deliver it (trivial-rewrite's job; Postfix
 * ADDRESS_CLASS_README): used by mtasmtp to refuse unknown recipients and by mtaqmgr to deliver. */
#ifndef MAIL_ROUTE_H
#define MAIL_ROUTE_H
#include "base/buf.h"

#include <sys/types.h>

struct config;
struct route_maps;                /* the open tables of the configuration */

enum route_class { ROUTE_LOCAL, ROUTE_VIRTUAL_ALIAS, ROUTE_VIRTUAL_MAILBOX, ROUTE_RELAY, ROUTE_DEFAULT };

struct route {
	enum route_class class;
	struct buf transport;     /* "local", "virtual", "smtp", "relay", "lmtp", "error", ... */
	struct buf nexthop;       /* "[mx.example.com]:25", "example.com", "unix:/run/lmtp", error text */
	struct buf user;          /* local: system user; virtual: the address found in virtual_mailbox_maps */
	struct buf mailbox;       /* virtual: value of virtual_mailbox_maps */
	uid_t uid; gid_t gid;     /* local and virtual: deliver as; (uid_t)-1: not told (an alias, no virtual_uid_maps, remote) */
	struct buf home;          /* local: home directory */
};
void route_init(struct route *r);
void route_free(struct route *r);

struct route_maps *route_open(struct config *c, struct buf *err);
void route_close(struct route_maps **m);
/* The class of a domain. route_class, or -1 with err (a table failed: temporary). */
int route_domain(struct route_maps *m, const char *domain, struct buf *err);
/* Whether mail for address would be accepted: 1 known, 0 unknown (text says why: "User unknown in local recipient table"),
 * -1 temporary (err). Addresses of ROUTE_DEFAULT are always known. */
int route_recipient(struct route_maps *m, const char *address, struct buf *text, struct buf *err);
/* relocated_maps: 1 the user has moved (text: "User has moved to X"), 0 not, -1 temporary (err). */
int route_relocated(struct route_maps *m, const char *address, struct buf *text, struct buf *err);
/* Resolves an address for delivery: the class, its transport (local_transport, virtual_transport, relay_transport or
 * default_transport with relayhost), then transport_maps over all (user+ext@domain, user@domain, domain, .parent, *). A local
 * name that alias_maps or fallbacks of the agent (luser_relay, ...) may know comes back resolved with an empty user. 1 resolved, 0 unknown recipient (text; bounce 5.1.1), -1 temporary (err). */
int route_resolve(struct route_maps *m, const char *address, struct route *r, struct buf *text, struct buf *err);
#endif

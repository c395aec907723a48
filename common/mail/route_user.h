/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* For route.c: system users, remembered for a few seconds, and our own network addresses. */
#ifndef MAIL_ROUTE_USER_H
#define MAIL_ROUTE_USER_H
#include "base/buf.h"
#include "mail/route.h"

struct matchlist;
struct route_users;

struct route_users *route_users_new(void);
void route_users_free(struct route_users **u);
/* Sets user, uid, gid and home of r. 1 found, 0 there is no such user, -1 with err (the user database failed). */
int route_users_find(struct route_users *u, const char *name, struct route *r, struct buf *err);
/* The addresses of inet_interfaces ("all": those of the machine, "loopback-only", or names and addresses, of which only
 * addresses count) and proxy_interfaces. */
struct matchlist *route_own_addresses(const char *interfaces, const char *proxies, struct buf *err);
#endif

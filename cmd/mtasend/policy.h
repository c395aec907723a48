/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* How to speak to a server: TLS (Postfix's smtp_tls_security_level and smtp_tls_policy_maps) and AUTH
 * (smtp_sasl_password_maps). */
#ifndef MTASEND_POLICY_H
#define MTASEND_POLICY_H
#include "conn.h"
#include "nexthop.h"

struct config;
struct maplist;

enum tls_level { LEVEL_NONE, LEVEL_MAY, LEVEL_ENCRYPT, LEVEL_VERIFY, LEVEL_SECURE };

struct policy {
	enum tls_level level;
	bool wrapper;             /* TLS from the first byte */
	bool auth;                /* user and password are given */
	struct buf user, password;
	struct buf mechanisms;    /* blank-separated, those that may be used; "": any */
};
struct policy_tables { struct maplist *tls, *passwords; };

void policy_init(struct policy *p);
void policy_free(struct policy *p);      /* the password is wiped */
/* For one server of the next hop. 0, or -1 with f: a table failed, or is wrong (temporary). */
int policy_find(struct policy *p, struct policy_tables *tables, struct config *c, const struct nexthop *n,
    const char *host, struct failure *f);
void policy_tables_free(struct policy_tables *t);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Making connections: c is ready for the first MAIL afterwards. 0, or -1 with f (c is closed). */
#ifndef MTASEND_CONNECT_H
#define MTASEND_CONNECT_H
#include "conn.h"
#include "nexthop.h"
#include "policy.h"
#include "target.h"

/* SMTP: connection, greeting, EHLO, STARTTLS and AUTH by libcurl. host: "secure" verifies this name instead of the
 * target's. */
int connect_smtp(struct conn *c, struct config *config, const struct target *t, const struct nexthop *n,
    const struct policy *p, struct failure *f);
/* LMTP over TCP (t) or a Unix socket (t NULL: the path is n->host). */
int connect_lmtp(struct conn *c, struct config *config, const struct target *t, const struct nexthop *n,
    struct failure *f);
#endif

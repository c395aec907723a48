/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What an administrator has paused (mtaqueue pause): recipients wait in deferred/ without an attempt. */
#ifndef PAUSING_H
#define PAUSING_H
#include "message.h"

#include "mail/pauses.h"

void pausing_open(void);          /* reads the rules */
void pausing_changed(void);       /* reads them again; what waits in memory and is paused now is put away */
/* The rule by which a recipient waits that would go to nexthop by transport; NULL. */
const struct pause_rule *pausing_of(const char *addr, const char *nexthop, const char *transport);
/* The recipient waits by that rule. */
void pausing_set(struct message *m, struct rcpt *r, const struct pause_rule *rule);
#endif

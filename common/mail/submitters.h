/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* authorized_submit_users: which users of this host may send mail, by their names in the password file ("unknown" where a user ID has
 * none), in a list such as "!www, static:all". */
#ifndef MAIL_SUBMITTERS_H
#define MAIL_SUBMITTERS_H
#include "base/buf.h"

#include <sys/types.h>

struct config;
struct submitters;

/* NULL with err: the list is wrong, or a file that it names cannot be read. */
struct submitters *submitters_open(struct config *c, struct buf *err);
void submitters_close(struct submitters **s);
/* 1: may send. 0: may not, and why says so ("User www(33) is not allowed to submit mail"). -1: a table failed, why tells. */
int submitters_allow(struct submitters *s, uid_t uid, struct buf *why);
#endif

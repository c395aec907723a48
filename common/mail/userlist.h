/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* authorized_submit_users and the like: what users of this host may do, by their names in the password file ("unknown" where a user
 * ID has none), in a list such as "!www, static:all". */
#ifndef MAIL_USERLIST_H
#define MAIL_USERLIST_H
#include "base/buf.h"

#include <sys/types.h>

struct config;
struct userlist;

/* name: the parameter; action: what it is about ("submit mail"); both are kept. NULL with err: the list is wrong, or a file that it
 * names cannot be read. */
struct userlist *userlist_open(struct config *c, const char *name, const char *action, struct buf *err);
void userlist_close(struct userlist **s);
/* 1: may do it. 0: may not, and why says so ("User www(33) is not allowed to submit mail"). -1: a table failed, why tells. */
int userlist_allow(struct userlist *s, uid_t uid, struct buf *why);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtapasswd: changes of the database, and reading a password from a person. */
#ifndef MTAPASSWD_H
#define MTAPASSWD_H
#include "base/buf.h"

#include <stdbool.h>

/* Makes the new record of a user from the old one (NULL: there is none). 1 write it, 0 remove the user, -1 with err: no change. */
typedef int edit_fn(void *arg, const char *old, struct buf *record, struct buf *err);

/* Changes the record of user in NAME.tdb (made when missing and create is set, for owner when that is not NULL): a copy that replaces the database,
 * one process at a time. 0 or -1 with err. */
int db_edit(const char *name, const char *user, const char *owner, bool create, edit_fn *edit, void *arg, struct buf *err);

/* A password into out, from the terminal without echo (asked twice when confirm is set), or the first line of standard input. 0 or -1 with err. */
int ask_password(const char *prompt, bool from_stdin, bool confirm, struct buf *out, struct buf *err);
#endif

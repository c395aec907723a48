/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages that an administrator wants returned to their sender (mtaqueue expire; QUEUE_EXPIRE): their recipients are not tried
 * any more. */
#ifndef EXPIRE_H
#define EXPIRE_H
struct message;
struct rcpt;

/* For recipients of m, one after the other: each gets the result "deferred" with the reason of its last attempt, or if there was
 * none with one that says what happened; settle.c then returns them. */
void expire_begin(const struct message *m);
void expire_rcpt(struct message *m, struct rcpt *r);
void expire_end(void);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: an envelope that a user wrote, made into one that the mail system may believe. */
#ifndef VOUCH_H
#define VOUCH_H
#include "mail/queue.h"

/* to: a new envelope with the addresses of 'from' in their canonical form, and of its options those that a user may set (body,
 * smtputf8, ret, envid, notify, orcpt); where it came from is what the kernel says, uid. Statuses other than T, an
 * address that is none, and options that are wrong are refused: -1 with why, and to is empty. dup_limit: duplicate_filter_limit. */
int vouch_envelope(const struct queue_envelope *from, uid_t uid, size_t dup_limit, struct queue_envelope *to, struct buf *why);
#endif

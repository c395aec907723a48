/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The messages that wait in deferred/, in memory: when and which, 32 bytes each, so that a million of them are 32
 * megabytes. It is but a list of hints: a message that is no longer there when its time comes is passed over, and
 * one that has another time is put in again. */
#ifndef WAIT_H
#define WAIT_H
#include "mail/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void wait_add(const char *id, int64_t due);          /* due: seconds since 1970 */
/* The first whose time has come: true, and it is taken out. */
bool wait_take(int64_t now, char id[QUEUE_ID_MAX + 1]);
int64_t wait_next(void);                             /* when the first is due; INT64_MAX: none waits */
size_t wait_count(void);
/* A new scan of deferred/ collects beside what is there; at its end it takes the place of all that was known before it
 * began. What is added meanwhile stays. */
void wait_scan_begin(void);
void wait_scan_add(const char *id, int64_t due);
void wait_scan_end(void);
#endif

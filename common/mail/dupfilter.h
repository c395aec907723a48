/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* duplicate_filter_limit: a recipient that is named twice for one message gets it once. For the programs that put mail into the
 * queue; what stands in a queue file is never looked at again, so a message that is restored or requeued stays as it is. */
#ifndef MAIL_DUPFILTER_H
#define MAIL_DUPFILTER_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct strmap;

struct dupfilter {
	size_t limit;             /* recipients that are remembered; 0: all */
	struct buf first;         /* the first recipient: most messages have one, and need no table */
	struct strmap *seen;
	struct buf key;
};

/* Nothing is allocated yet. */
void dupfilter_init(struct dupfilter *d, size_t limit);
void dupfilter_free(struct dupfilter *d);

/* True when that recipient was here before; else it is remembered, while there is room. The same is, as in Postfix, the same
 * address whatever its case, with the same NOTIFY and ORCPT (params: as in the queue file, "orcpt=... notify=..."): who asks for
 * other reports is another recipient. ORCPT that repeats the address says nothing. */
bool dupfilter_again(struct dupfilter *d, const char *addr, const char *params);
/* Forgets all recipients: for the next message. */
void dupfilter_clear(struct dupfilter *d);
#endif

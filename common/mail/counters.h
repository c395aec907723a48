/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Deliveries as mtaqmgr has counted them, since the table queue/state/counters.tdb was begun: it is written now and then and replaced
 * by rename, not synced, so a loss of power may lose the last ones, or all, which then begin again at 0: a damaged table is noticed
 * (map/build.h). */
#ifndef MAIL_COUNTERS_H
#define MAIL_COUNTERS_H
#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct queue;

#define COUNTER_BUCKETS 13
#define COUNTER_RESULTS 3

extern const double counter_limits[COUNTER_BUCKETS - 1];     /* seconds; the last bucket has no limit */

struct counter {
	char *transport;
	uint64_t result[COUNTER_RESULTS]; /* sent, deferred, bounced (enum agent_status) */
	uint64_t bucket[COUNTER_BUCKETS]; /* of what was sent, by the time since the message came; each counts once */
	uint64_t microseconds;    /* sum of these times */
};

struct counters {
	int64_t since;            /* seconds since 1970; 0: nothing has been counted */
	struct counter *c;
	size_t n;
};

void counters_add(struct counters *c, const char *transport, unsigned result, int64_t microseconds);
/* 0, also when there is no table; -1 with err: it cannot be read, or is damaged. Then, too, all is 0. */
int counters_read(struct queue *q, struct counters *c, struct buf *err);
/* 0 or -1 with err. */
int counters_write(struct queue *q, const struct counters *c, struct buf *err);
void counters_free(struct counters *c);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See counting.h. The file is written a while after the first change, so seldom, however much is delivered. */
#include "counting.h"

#include "loop.h"
#include "manager.h"

#include "mail/counters.h"
#include "mail/log.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define WRITE_AFTER 10            /* seconds */

static struct counters counters;
static struct timer timer;
static bool dirty, told;

static void
write_out(struct timer *t)
{
	(void)t;
	dirty = false;
	if (counters_write(&manager.queue, &counters) == 0 || told)
		return;
	told = true;
	log_warn("write %s/state/counters: %s; deliveries are not counted on disk", manager.queue.dir, strerror(errno));
}

void
counting_open(void)
{
	timer.fire = write_out;
	if (counters_read(&manager.queue, &counters) < 0)
		log_warn("read %s/state/counters: %s", manager.queue.dir, strerror(errno));
}

void
counting_add(const char *transport, enum agent_status status, int64_t microseconds)
{
	counters_add(&counters, transport, status, microseconds);
	if (!dirty)
		timer_set(&timer, clock_deadline(WRITE_AFTER));
	dirty = true;
}

void
counting_close(void)
{
	if (dirty)
		write_out(NULL);
}

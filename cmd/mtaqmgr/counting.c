/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See counting.h. The file is written a while after the first change, so seldom, however much is delivered. */
#include "counting.h"

#include "loop.h"
#include "manager.h"

#include "mail/counters.h"
#include "mail/log.h"

#include "base/clock.h"

#define WRITE_AFTER 10            /* seconds */

static struct counters counters;
static struct timer timer;
static bool dirty, told;

static void
write_out(struct timer *t)
{
	struct buf err = BUF_INIT(65536);

	(void)t;
	dirty = false;
	if (counters_write(&manager.queue, &counters, &err) == 0) {
		told = false;
	} else if (!told) {
		told = true;
		log_warn("%s; deliveries are not counted on disk", err.data);
	}
	buf_free(&err);
}

void
counting_open(void)
{
	struct buf err = BUF_INIT(65536);

	timer.fire = write_out;
	if (counters_read(&manager.queue, &counters, &err) < 0)
		log_warn("%s; counting begins again", err.data);
	buf_free(&err);
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

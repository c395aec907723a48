/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Time in microseconds and absolute monotonic deadlines: see clock.h. */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

static int64_t
now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t
clock_real(void)
{
	return now(CLOCK_REALTIME);
}

int64_t
clock_deadline(int64_t seconds)
{
	int64_t t = clock_mono();

	if (seconds >= (INT64_MAX - t) / 1000000)
		return CLOCK_NEVER;
	return t + seconds * 1000000;
}

int
clock_left_ms(int64_t deadline)
{
	int64_t left;

	if (deadline == CLOCK_NEVER)
		return -1;
	left = deadline - clock_mono();
	if (left <= 0)
		return 0;
	left = (left + 999) / 1000; /* up, so that poll does not spin on the last millisecond */
	return left > INT_MAX ? INT_MAX : (int)left;
}

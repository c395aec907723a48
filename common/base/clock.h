/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Time: microseconds everywhere. A deadline is an absolute monotonic time, so that
 * a peer cannot stretch it by sending a little at a time and a changed wall clock
 * does not matter. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_mono(void);                            /* microseconds, monotonic */
int64_t clock_real(void);                            /* microseconds since 1970 UTC */
int64_t clock_deadline(int64_t seconds);             /* monotonic now + seconds */
int clock_left_ms(int64_t deadline);                 /* for poll(2): 0 when past, -1 for CLOCK_NEVER */
#endif

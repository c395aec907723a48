/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The event loop, the only one in the project: epoll, timers, and work in slices, so that a queue of a million
 * messages is gone through without making a delivery wait. */
#ifndef LOOP_H
#define LOOP_H
#include "heap.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
	int fd;
	void (*ready)(struct watch *w);      /* readable, or the other end is gone */
};

struct timer {
	struct heap_node node;
	void (*fire)(struct timer *t);
};

#define LOOP_SLICE 4000           /* microseconds of one slice of work */

void loop_open(void);             /* ends the program when the system has no epoll for us */
void loop_watch(struct watch *w); /* 0 or the program ends */
void loop_unwatch(struct watch *w);          /* an event of this turn that waits for it is dropped */
void timer_set(struct timer *t, int64_t when);       /* monotonic microseconds; again: another time */
void timer_clear(struct timer *t);
/* Work that is called once a turn; true: there is more to do at once. */
void loop_work(bool (*work)(void));
void loop_run(void);              /* until loop_end */
void loop_end(void);
#endif

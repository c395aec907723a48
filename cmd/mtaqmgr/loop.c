/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See loop.h. Linux: epoll. */
#include "loop.h"

#include "mail/log.h"

#include "base/clock.h"
#include "base/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>

#define EVENTS 64
#define WORKS 12
#define LONGEST_SLEEP 60000       /* ms: a wall clock that was set is noticed within a minute */

static int epoll = -1;
static struct heap timers;
static bool (*works[WORKS])(void);
static size_t work_count;
static struct epoll_event events[EVENTS];
static int event_count;
static bool ended;

void
loop_open(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		msg_die(EX_OSERR, "epoll_create: %s", strerror(errno));
}

void
loop_watch(struct watch *w)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = w };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, w->fd, &e) < 0)
		msg_die(EX_OSERR, "watch descriptor %d: %s", w->fd, strerror(errno));
}

void
loop_unwatch(struct watch *w)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < event_count; i++)
		if (events[i].data.ptr == w)
			events[i].data.ptr = NULL;
}

void
timer_set(struct timer *t, int64_t when)
{
	heap_remove(&timers, &t->node);
	heap_add(&timers, &t->node, when > 0 ? (uint64_t)when : 0);
}

void
timer_clear(struct timer *t)
{
	heap_remove(&timers, &t->node);
}

void
loop_work(bool (*work)(void))
{
	if (work_count == WORKS)
		msg_die(EX_SOFTWARE, "too many kinds of work");
	works[work_count++] = work;
}

static void
fire_timers(void)
{
	struct heap_node *first;
	int64_t now = clock_mono();

	while ((first = heap_first(&timers)) != NULL && (int64_t)first->key <= now) {
		struct timer *t = HOLDER(first, struct timer, node);

		heap_remove(&timers, first);
		t->fire(t);
	}
}

static int
sleep_ms(bool busy)
{
	struct heap_node *first = heap_first(&timers);
	int ms = LONGEST_SLEEP;

	if (busy)
		return 0;
	if (first)
		ms = clock_left_ms((int64_t)first->key);
	return ms < 0 || ms > LONGEST_SLEEP ? LONGEST_SLEEP : ms;
}

void
loop_run(void)
{
	while (!ended) {
		bool busy = false;

		for (size_t i = 0; i < work_count; i++)
			busy |= works[i]();
		if (ended) /* by one of them: there is nothing to wait for */
			break;
		log_flush();
		event_count = epoll_wait(epoll, events, EVENTS, sleep_ms(busy));
		if (event_count < 0 && errno != EINTR)
			msg_die(EX_OSERR, "epoll_wait: %s", strerror(errno));
		for (int i = 0; i < event_count && !ended; i++) {
			struct watch *w = events[i].data.ptr;

			if (w)
				w->ready(w);
		}
		event_count = 0;
		fire_timers();
	}
}

void
loop_end(void)
{
	ended = true;
}

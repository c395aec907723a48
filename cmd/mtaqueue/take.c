/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Work on a message that nobody else may work on meanwhile: by one rename it goes to hold/, out of the queue manager's
 * reach, and then we wait until no other process has its file open, because one that delivers it now would not know of what
 * we do. Should we end in between, the message is on hold: nothing is lost and nothing happens by itself. */
#include "take.h"

#include "base/clock.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define PATIENCE 2                /* seconds, for all messages of one command together */

/* A lease for writing is given only for a file that nobody else has open (fcntl(2)); where there are none we cannot ask. */
static bool
alone(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno != EAGAIN && errno != EBUSY;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return true;
}

bool
take_alone(int fd)
{
	static int64_t deadline;
	struct timespec pause = { .tv_nsec = 20000000 };

	if (!deadline)
		deadline = clock_deadline(PATIENCE);
	while (!alone(fd)) {
		if (clock_left_ms(deadline) == 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void
give_back(struct item *it, enum queue_name was)
{
	enum queue_name to = was == QUEUE_ACTIVE ? QUEUE_INCOMING : was;

	if (queue_move(&it->app->queue, QUEUE_HOLD, to, it->id) < 0)
		msg_warn("%s: put back into %s: %s; it is on hold", it->id, queue_names[to], strerror(errno));
}

/* The message is in hold/. */
static int
work(struct taking *t, struct item *it, enum queue_name was)
{
	enum queue_name to = QUEUE_HOLD;

	item_free(it);
	item_init(it, it->app, QUEUE_HOLD, it->id);
	if (!item_envelope(it)) {
		msg_warn("%s: %s", it->id, it->err.data);
		return -1;
	}
	if (!take_alone(it->fd)) {
		msg_warn("%s: another program is at work on it; try again", it->id);
		return -1;
	}
	/* what it did until now may have changed the envelope */
	item_free(it);
	item_init(it, it->app, QUEUE_HOLD, it->id);
	if (!item_envelope(it) || t->work(t->arg, it, was, &to) < 0)
		return -1;
	if (!it->gone && to != QUEUE_HOLD && queue_move(&it->app->queue, QUEUE_HOLD, to, it->id) < 0)
		msg_warn("%s: move to %s: %s; it is on hold", it->id, queue_names[to], strerror(errno));
	it->gone = false; /* it counts as one that was found */
	return 0;
}

static int
take(void *arg, struct item *it)
{
	const unsigned from = TAKE_DEFAULT | 1u << QUEUE_ACTIVE;
	enum queue_name was = it->where;
	struct taking *t = arg;

	if (!(from & 1u << was)) {
		msg_warn("%s: is in %s", it->id, queue_names[was]);
		t->failed++;
		return 0;
	}
	if (!t->s->dry && was != QUEUE_HOLD && queue_move(&it->app->queue, was, QUEUE_HOLD, it->id) < 0) {
		if (errno == ENOENT) { /* delivered, or moved on, while we looked */
			it->gone = true;
			return 0;
		}
		msg_warn("%s/%s/%s: %s", it->app->queue.dir, queue_names[was], it->id, strerror(errno));
		t->failed++;
		return errno == EACCES || errno == EPERM || errno == EROFS;
	}
	if (!t->s->dry && work(t, it, was) < 0) {
		t->failed++;
		if (was != QUEUE_HOLD)
			give_back(it, was);
		return 0;
	}
	t->done++;
	if (!t->quiet)
		printf("%s %s\n", t->s->dry ? t->would : t->did, it->id);
	return 0;
}

int
take_run(struct taking *t, struct selection *s)
{
	int status;

	signal(SIGIO, SIG_IGN); /* somebody opens a file while we ask for its lease */
	t->s = s;
	select_only(s, TAKE_DEFAULT | 1u << QUEUE_ACTIVE);
	status = select_run(s, take, t);
	if (!t->quiet)
		printf("%s %" PRIu64 " message%s\n", s->dry ? t->would : t->did, t->done, t->done == 1 ? "" : "s");
	if (t->failed)
		return EX_UNAVAILABLE;
	return t->done == 0 && status == EX_OK ? EX_NOINPUT : status;
}

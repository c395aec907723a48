/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See scan.h. New mail goes before mail that waited. Among new mail the oldest and the newest take turns, so that
 * whoever comes new does not wait behind a hundred thousand messages of somebody else. */
#include "scan.h"

#include "dest.h"
#include "loop.h"
#include "manager.h"
#include "message.h"
#include "notify.h"
#include "pausing.h"
#include "settle.h"
#include "wait.h"

#include "mail/log.h"
#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define NEW_FOR_OLD 8             /* one message in so many is an old one that is due */
#define FLOW_BACKLOG 100          /* new messages that wait behind a full active queue */
#define RETRY 1000000             /* microseconds until we try again what the system had no room for */

struct arrival {
	char id[QUEUE_ID_MAX + 1];
	bool is_new;              /* linked here by a program that adds mail: it was never tried */
	int64_t flushed;
};

/* Arrivals that are not taken yet: a ring. */
static struct arrival *ring;
static size_t ring_first, ring_n, ring_cap;
static bool newest;               /* the next one taken is the newest */
static struct watch notify;
static int state_wd = -1;         /* queue/state: somebody pauses or resumes */
static DIR *incoming, *deferred;
static bool incoming_again;
static struct timer due_timer, rescan_timer, retry_timer;
static bool short_of;             /* the system is short of something: nothing is taken until retry_timer */

static void
arrival_add(const char *id, bool is_new, int64_t flushed)
{
	struct arrival *a;

	if (ring_n == ring_cap) {
		size_t cap = ring_cap ? ring_cap * 2 : 256;
		struct arrival *bigger = mem_array(cap, sizeof *bigger);

		for (size_t i = 0; i < ring_n; i++)
			bigger[i] = ring[(ring_first + i) % ring_cap];
		free(ring);
		ring = bigger;
		ring_cap = cap;
		ring_first = 0;
	}
	a = &ring[(ring_first + ring_n++) % ring_cap];
	memcpy(a->id, id, strlen(id) + 1);
	a->is_new = is_new;
	a->flushed = flushed;
}

static struct arrival
arrival_take(void)
{
	struct arrival a;

	newest = !newest;
	if (!newest) {
		a = ring[ring_first];
		ring_first = (ring_first + 1) % ring_cap;
	} else {
		a = ring[(ring_first + ring_n - 1) % ring_cap];
	}
	ring_n--;
	return a;
}

static void
notify_ready(struct watch *w)
{
	static union { struct inotify_event event; char data[65536]; } in;
	ssize_t n = read(w->fd, in.data, sizeof in.data);
	int64_t now = clock_mono();
	bool pauses_changed = false;

	if (n < 0)
		return;
	for (char *p = in.data; p < in.data + n;) {
		struct inotify_event *e = (void *)p;

		p += sizeof *e + e->len;
		if (e->mask & IN_Q_OVERFLOW)
			incoming_again = pauses_changed = true;
		else if (e->wd == state_wd)
			pauses_changed |= e->len && strcmp(e->name, PAUSES_FILE) == 0;
		else if (e->len && envelope_id_ok(e->name, strlen(e->name)))
			arrival_add(e->name, (e->mask & IN_CREATE) != 0, e->mask & IN_MOVED_TO ? now : 0);
	}
	if (pauses_changed) /* before any of these messages is taken */
		pausing_changed();
}

void
scan_again(const char *id)
{
	arrival_add(id, false, clock_mono());
	timer_set(&due_timer, clock_mono()); /* without a sleep before */
}

static DIR *
open_dir(enum queue_name which)
{
	int fd = openat(manager.queue.fd[which], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		log_warn("open the directory %s: %s", queue_names[which], strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

/* The next queue file's name; NULL at the end. */
static const char *
next_id(DIR *dir)
{
	struct dirent *e;

	while ((e = readdir(dir)) != NULL)
		if (envelope_id_ok(e->d_name, strlen(e->d_name)))
			return e->d_name;
	return NULL;
}

static bool
scan_incoming(void)
{
	int64_t until = clock_mono() + LOOP_SLICE;
	const char *id;

	if (!incoming && incoming_again && !manager.stopping) {
		incoming_again = false;
		incoming = open_dir(QUEUE_INCOMING);
	}
	if (!incoming)
		return false;
	while ((id = next_id(incoming)) != NULL) {
		arrival_add(id, false, 0);
		if (clock_mono() > until)
			return true;
	}
	closedir(incoming);
	incoming = NULL;
	return false;
}

/* When a file in deferred/ is due. A time further away than any that we give is of a clock that was wrong: it is due. */
static void
found_deferred(const char *id)
{
	int64_t latest = clock_real() / 1000000 + manager.maximal_backoff;
	struct stat st;

	if (fstatat(manager.queue.fd[QUEUE_DEFERRED], id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISREG(st.st_mode)) {
		log_warn("deferred/%s: not a regular file: ignored", id);
		return;
	}
	wait_scan_add(id, st.st_mtime <= latest ? st.st_mtime : 0);
}

static bool
scan_deferred(void)
{
	int64_t until = clock_mono() + LOOP_SLICE;
	const char *id;

	if (!deferred)
		return false;
	while ((id = next_id(deferred)) != NULL) {
		found_deferred(id);
		if (clock_mono() > until)
			return true;
	}
	closedir(deferred);
	deferred = NULL;
	wait_scan_end();
	timer_set(&rescan_timer, clock_deadline(manager.queue_run_delay));
	return true; /* one more turn: what was found may be due */
}

static void
rescan(struct timer *t)
{
	settle_stranded();
	incoming_again |= ring_n == 0; /* for file systems whose changes by others are not told */
	deferred = manager.stopping ? NULL : open_dir(QUEUE_DEFERRED);
	if (deferred)
		wait_scan_begin();
	else
		timer_set(t, clock_deadline(manager.queue_run_delay));
}

static void
wake(struct timer *t)
{
	if (t == &retry_timer)
		short_of = false;
}

/* in_flow_delay: servers pause before they take more while a file says that more comes in than goes out. */
static void
tell_flow(void)
{
	static bool told;
	bool busy = ring_n > (told ? FLOW_BACKLOG / 2 : FLOW_BACKLOG) && !message_room() && !manager.stopping;
	int fd;

	if (busy == told)
		return;
	told = busy;
	if (!busy) {
		unlinkat(manager.queue.top, QUEUE_BUSY, 0);
		return;
	}
	fd = openat(manager.queue.top, QUEUE_BUSY, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
	log_info("more mail comes in than goes out: %zu messages wait behind a full active queue", ring_n);
}

/* Takes one message, new before old, but a few old ones however much comes new. False: there is none, or no room. */
static bool
take_one(void)
{
	static unsigned turn;
	char id[QUEUE_ID_MAX + 1];
	struct arrival a;

	if (short_of || !message_room())
		return false;
	if (ring_n && (turn++ % NEW_FOR_OLD || wait_next() > clock_real() / 1000000)) {
		a = arrival_take();
		if (message_take(a.id, QUEUE_INCOMING, a.is_new, a.flushed) == TAKEN)
			return true;
		arrival_add(a.id, a.is_new, a.flushed);
	} else if (wait_take(clock_real() / 1000000, id)) {
		if (message_take(id, QUEUE_DEFERRED, false, 0) == TAKEN)
			return true;
		wait_add(id, clock_real() / 1000000);
	} else {
		return false;
	}
	notify_trouble("resource", "the system has no room for a message to be taken from the queue", strerror(errno));
	short_of = true;
	timer_set(&retry_timer, clock_mono() + RETRY);
	return false;
}

static bool
take_messages(void)
{
	int64_t until = clock_mono() + LOOP_SLICE, due;

	tell_flow();
	if (!message_room() && !manager.stopping && (ring_n || wait_next() <= clock_real() / 1000000))
		dest_clogged();
	while (take_one())
		if (clock_mono() > until)
			return true;
	due = wait_next();
	if (due != INT64_MAX && !short_of && message_room()) {
		int64_t wait = due * 1000000 - clock_real();

		timer_set(&due_timer, clock_mono() + (wait > 0 ? wait : 0) + 1000);
	}
	return false;
}

/* What a manager before us had begun. */
static void
recover(void)
{
	DIR *dir = open_dir(QUEUE_ACTIVE);
	const char *id;

	if (!dir)
		return;
	while ((id = next_id(dir)) != NULL)
		if (queue_move(&manager.queue, QUEUE_ACTIVE, QUEUE_INCOMING, id) < 0 && errno != ENOENT)
			log_warn("move active/%s back to incoming: %s", id, strerror(errno));
	closedir(dir);
}

bool
scan_nothing_due(void)
{
	struct pollfd unread = { .fd = notify.fd, .events = POLLIN };

	/* where the kernel cannot say, nothing is taken to have come: it will be found by the next run */
	return !incoming && !incoming_again && !deferred && ring_n == 0 && wait_next() > clock_real() / 1000000 && poll(&unread, 1, 0) <= 0;
}

void
scan_open(void)
{
	struct buf path = BUF_INIT(65536);

	recover();
	unlinkat(manager.queue.top, QUEUE_BUSY, 0); /* of a manager before us */
	buf_addf(&path, "%s/%s", manager.queue.dir, queue_names[QUEUE_INCOMING]);
	notify.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (notify.fd < 0 || inotify_add_watch(notify.fd, path.data, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		msg_die(EX_OSERR, "watch %s: %s", path.data, strerror(errno));
	buf_clear(&path);
	buf_addf(&path, "%s/state", manager.queue.dir);
	if (queue_state_make(&manager.queue) == 0)
		state_wd = inotify_add_watch(notify.fd, path.data, IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	if (state_wd < 0)
		log_warn("watch %s: %s; pauses are read at the start only", path.data, strerror(errno));
	buf_free(&path);
	pausing_open();
	notify.ready = notify_ready;
	loop_watch(&notify);
	due_timer.fire = wake;
	retry_timer.fire = wake;
	rescan_timer.fire = rescan;
	loop_work(scan_incoming);
	loop_work(take_messages);
	loop_work(scan_deferred);
	incoming_again = true;
	rescan(&rescan_timer);
}

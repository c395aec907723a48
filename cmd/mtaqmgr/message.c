/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See message.h. Administrators and other programs work on the queue by rename at any moment, so a file that is not
 * where it was is no error: it is held, or deleted, and that is respected. */
#include "message.h"

#include "dest.h"
#include "manager.h"
#include "notify.h"
#include "park.h"
#include "resolve.h"
#include "scan.h"
#include "settle.h"
#include "wait.h"

#include "mail/log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH 500000              /* microseconds */
#define PORTION 1000              /* recipients of one message in memory at once */

static struct strmap *active;     /* by ID */
static size_t recipients;         /* in memory */
static size_t open_files, keep_files;
static struct buf err = BUF_INIT(65536);

bool
message_room(void)
{
	return !manager.stopping && (!active || strmap_count(active) < manager.active_limit) && recipients < manager.recipient_limit;
}

size_t
message_count(void)
{
	return active ? strmap_count(active) : 0;
}

static void
collect(const char *id, void *value, void *arg)
{
	struct message ***next = arg;

	(void)id;
	*(*next)++ = value;
}

void
message_each(void (*f)(struct message *m))
{
	size_t n = message_count();
	struct message **all = mem_array(n + 1, sizeof *all), **next = all;

	if (active)
		strmap_each(active, collect, &next);
	for (size_t i = 0; i < n; i++)
		f(all[i]);
	free(all);
}

/* How many files may stay open for messages that wait for their turn: half of what the system lets us have. */
static void
init(void)
{
	struct rlimit rl;

	active = strmap_new();
	keep_files = 64;
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur / 2 < 10000)
		keep_files = rl.rlim_cur / 2;
	else
		keep_files = 10000;
}

static void
close_files(struct message *m)
{
	if (m->fd >= 0) {
		close(m->fd);
		open_files--;
	}
	if (m->wfd >= 0)
		close(m->wfd);
	m->fd = m->wfd = -1;
}

int
message_fd(struct message *m)
{
	if (m->fd < 0 && m->gone) {
		errno = ENOENT;
		return -1;
	}
	if (m->fd < 0) {
		m->fd = queue_open_file(&manager.queue, QUEUE_ACTIVE, m->id, false);
		if (m->fd >= 0)
			open_files++;
	}
	return m->fd;
}

bool
message_there(struct message *m)
{
	struct stat st;

	/* one that has only just been taken is: asking for each would cost more than it is worth */
	if (m->gone || clock_real() - m->active_at < FRESH)
		return !m->gone;
	if (fstatat(manager.queue.fd[QUEUE_ACTIVE], m->id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	m->expire |= (queue_flags(st.st_mode) & QUEUE_EXPIRE) != 0;
	return true;
}

void
message_rest(struct message *m)
{
	if (!m->running && open_files > keep_files)
		close_files(m);
}

/* Marks go through the open file, wherever it has been moved to. */
static int
writable(struct message *m)
{
	char path[64];

	if (m->wfd >= 0 || message_fd(m) < 0)
		return m->wfd;
	snprintf(path, sizeof path, "/proc/self/fd/%d", m->fd);
	m->wfd = open(path, O_RDWR | O_CLOEXEC);
	if (m->wfd < 0)
		m->wfd = queue_open_file(&manager.queue, QUEUE_ACTIVE, m->id, true);
	return m->wfd;
}

int
message_letter(struct message *m, struct rcpt *r, char letter)
{
	r->marked = true; /* there is but one try */
	return writable(m) < 0 ? -1 : queue_mark(m->wfd, r->q->status_at, letter);
}

void
message_mark(struct message *m)
{
	for (size_t i = 0; i < m->e.rcpts; i++) {
		struct rcpt *r = &m->rcpt[i];

		if (r->marked || r->state != RCPT_SENT)
			continue;
		if (message_letter(m, r, 'D') < 0)
			log_warn("%s: mark <%s> as delivered: %s", m->id, r->q->addr, strerror(errno));
	}
}

static void
free_portion(struct message *m)
{
	for (size_t i = 0; m->rcpt && i < m->e.rcpts; i++) {
		free(m->rcpt[i].relay);
		free(m->rcpt[i].text);
	}
	if (m->rcpt)
		recipients -= m->e.rcpts;
	free(m->rcpt);
	m->rcpt = NULL;
}

static void
message_free(struct message *m)
{
	if (m->returned)
		scan_again(m->id);
	free_portion(m);
	close_files(m);
	queue_envelope_free(&m->e);
	strmap_remove(active, m->id);
	free(m);
}

static void
take_portion(struct message *m)
{
	m->rcpt = mem_array(m->e.rcpts, sizeof *m->rcpt);
	for (size_t i = 0; i < m->e.rcpts; i++)
		m->rcpt[i].q = &m->e.rcpt[i];
	m->open = m->e.rcpts;
	recipients += m->e.rcpts;
}

/* How many recipients of one message may come into memory now. */
static size_t
portion(void)
{
	size_t room = manager.recipient_limit > recipients ? manager.recipient_limit - recipients : 0;

	if (room < manager.recipient_minimum)
		room = manager.recipient_minimum;
	return room < PORTION ? room : PORTION;
}

/* The recipients that follow those of this portion. */
static bool
next_portion(struct message *m)
{
	free_portion(m);
	buf_clear(&err);
	if (message_fd(m) < 0 || queue_read_more(m->fd, &m->e, portion(), &m->more, &err) < 0) {
		log_warn("%s: read the recipients that follow: %s", m->id, err.len ? err.data : strerror(errno));
		m->more = false;
		m->deferred++; /* the file stays, and is read again later */
		return false;
	}
	take_portion(m);
	return m->e.rcpts > 0;
}

void
message_check(struct message *m)
{
	while (m->open == 0 && m->running == 0) {
		settle_portion(m);
		if (!m->more || m->gone || !next_portion(m)) {
			settle_message(m);
			message_free(m);
			return;
		}
		m->unparked = true; /* only a message as a whole is parked */
		(void)resolve_portion(m);
	}
	message_mark(m);
	message_rest(m);
}

void
message_vanished(struct message *m)
{
	log_info("%s: no longer in the active queue", m->id);
	m->gone = true;
	dest_forget(m);
	message_check(m);
}

/* What queue_open_file could not open. */
static enum take
not_opened(const char *id, enum queue_name from)
{
	int saved;

	switch (errno) {
	case ENOENT:
		return TAKEN;
	case ELOOP:
	case EINVAL:
	case ENXIO:
		log_warn("%s/%s: not a queue file (a regular file of its own, owned by the queue's owner): ignored",
		    queue_names[from], id);
		return TAKEN;
	case EACCES:
	case EPERM:
		log_warn("open %s/%s: %s", queue_names[from], id, strerror(errno));
		return TAKEN;
	default:
		saved = errno;
		log_warn("open %s/%s: %s; trying again", queue_names[from], id, strerror(saved));
		errno = saved;
		return TAKE_LATER;
	}
}

/* A deferred message whose time has not come, because someone else has worked on it since we knew its time. */
static bool
not_yet(const struct stat *st, const char *id, enum queue_name from)
{
	int64_t now = clock_real() / 1000000;

	if (from != QUEUE_DEFERRED || st->st_mtime <= now || st->st_mtime > now + manager.maximal_backoff)
		return false;
	wait_add(id, st->st_mtime);
	return true;
}

/* The file is in active/ but cannot be read as a message. */
static void
unreadable(const char *id, int why)
{
	enum queue_name to = why == EINVAL ? QUEUE_CORRUPT : QUEUE_DEFERRED;

	if (queue_move(&manager.queue, QUEUE_ACTIVE, to, id) < 0)
		log_warn("%s: %s; move to %s: %s", id, err.data, queue_names[to], strerror(errno));
	else
		log_warn("%s: moved to %s: %s", id, queue_names[to], err.data);
	if (to == QUEUE_CORRUPT)
		notify_trouble("software", "a file of the queue is damaged (see the directory corrupt)", err.data);
	if (to == QUEUE_DEFERRED)
		wait_add(id, clock_real() / 1000000 + manager.minimal_backoff);
}

static void
begin(struct message *m)
{
	struct park *park;

	if (!m->unparked)
		log_info("%s: from=<%s>, size=%llu, nrcpt=%zu (queue active)", m->id, m->e.sender, (unsigned long long)m->e.size,
		    m->e.todo);
	strmap_set(active, m->id, m);
	take_portion(m);
	park = resolve_portion(m);
	if (park) {
		park_add(park, m->id, !m->again, m->flushed);
		message_free(m);
	} else {
		message_check(m);
	}
}

enum take
message_take(const char *id, enum queue_name from, bool is_new, int64_t flushed)
{
	struct stat st = { 0 };
	struct message *m;
	int fd, saved;

	if (!active)
		init();
	m = strmap_get(active, id);
	if (m) { /* once we have let it go, what came back is taken */
		m->returned |= from == QUEUE_INCOMING;
		return TAKEN;
	}
	fd = queue_open_file(&manager.queue, from, id, false);
	if (fd < 0)
		return not_opened(id, from);
	if (fstat(fd, &st) == 0 && not_yet(&st, id, from)) {
		close(fd);
		return TAKEN;
	}
	if (from != QUEUE_ACTIVE && queue_move(&manager.queue, from, QUEUE_ACTIVE, id) < 0) {
		saved = errno;
		close(fd);
		if (saved != ENOENT)
			log_warn("move %s from %s to active: %s", id, queue_names[from], strerror(saved));
		errno = saved;
		return saved == ENOENT ? TAKEN : TAKE_LATER;
	}
	m = mem_zalloc(sizeof *m);
	buf_clear(&err);
	if (queue_read(fd, &m->e, portion(), &m->more, &err) < 0) {
		unreadable(id, errno);
		close(fd);
		free(m);
		return TAKEN;
	}
	snprintf(m->id, sizeof m->id, "%s", id);
	m->fd = fd;
	m->wfd = -1;
	open_files++;
	m->again = !is_new;
	m->unparked = from == QUEUE_ACTIVE;
	m->flushed = flushed;
	m->expire = queue_flags(st.st_mode) & QUEUE_EXPIRE;
	m->active_at = clock_real();
	begin(m);
	return TAKEN;
}

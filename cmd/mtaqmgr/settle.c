/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See settle.h. The order is what makes a crash harmless: a bounce is durable before its recipients are marked, reasons are
 * written before the file is in deferred/, the time of the next attempt is set before the rename. */
#include "settle.h"

#include "manager.h"
#include "message.h"
#include "notify.h"
#include "wait.h"

#include "mail/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What could not be moved to deferred/: not in memory, still in active/. */
static struct stranded { char id[QUEUE_ID_MAX + 1]; } *stranded;
static size_t stranded_n;

/* Seconds since the message came; a clock that was set back makes it new, not old. */
static int64_t
age_of(const struct message *m)
{
	int64_t age = (clock_real() - m->e.time) / 1000000;

	return age > 0 ? age : 0;
}

/* The time that passed between two attempts, as far as it is believed. The manager tries at least every maximal_backoff_time;
 * a longer gap means that it did not run, or that somebody set the clock, and counts as no more than a quarter of the lifetime. */
static int64_t
believed(int64_t gap, int64_t lifetime)
{
	if (gap <= 0)
		return 0;
	if (gap <= 2 * manager.maximal_backoff)
		return gap;
	return gap < lifetime / 4 ? gap : lifetime / 4;
}

/* The age that is believed: the sum of the gaps between the attempts on record. */
static int64_t
believed_age(const struct message *m, int64_t lifetime)
{
	int64_t last = m->e.time / 1000000, age = 0;
	struct queue_reason *list = NULL;
	size_t n = 0;

	if (m->again && queue_defer_read(&manager.queue, m->id, &list, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			age += believed(list[i].time - last, lifetime);
			last = list[i].time;
		}
		queue_reasons_free(&list, n);
	}
	return age + believed(clock_real() / 1000000 - last, lifetime);
}

static bool
too_old(const struct message *m)
{
	int64_t lifetime = *m->e.sender ? manager.queue_lifetime : manager.bounce_lifetime;

	return age_of(m) >= lifetime && believed_age(m, lifetime) >= lifetime;
}

static bool
has_flag(struct message *m, unsigned flag, bool otherwise)
{
	struct stat st;
	int fd = message_fd(m);

	return fd < 0 || fstat(fd, &st) < 0 ? otherwise : (queue_flags(st.st_mode) & flag) != 0;
}

/* Tells the sender, once a message, about what has waited for delay_warning_time. */
static void
warn_sender(struct message *m)
{
	if (m->warn == WARN_UNKNOWN)
		m->warn = manager.delay_warning && *m->e.sender && age_of(m) >= manager.delay_warning && !has_flag(m, QUEUE_WARNED, true) ? WARN : WARN_NOT;
	if (m->warn == WARN && notify_delayed(m) < 0)
		m->warn = WARN_NOT; /* at the next attempt */
}

static void
mark_warned(struct message *m)
{
	if (m->warn == WARN && queue_flag(message_fd(m), QUEUE_WARNED, 0) < 0)
		log_warn("%s: note that the sender was warned: %s", m->id, strerror(errno));
}

/* Writes the reasons of what is deferred, in one go. */
static void
write_reasons(struct message *m)
{
	struct buf b = BUF_INIT(16 << 20);
	int64_t now = clock_real() / 1000000;

	for (size_t i = 0; i < m->e.rcpts; i++) {
		struct rcpt *r = &m->rcpt[i];

		m->deferred += r->state == RCPT_DEFERRED || r->state == RCPT_PAUSED;
		if (r->state != RCPT_DEFERRED)
			continue;
		queue_defer_format(&b, now, r->q->addr, r->dsn, r->text);
	}
	if (b.len && queue_defer_append(&manager.queue, m->id, b.data, b.len) < 0)
		log_warn("%s: write the reasons of the deferral: %s", m->id, strerror(errno));
	buf_free(&b);
}

/* Marks what has bounced, in a message that stays. */
static void
mark_bounced(struct message *m)
{
	message_mark(m);
	for (size_t i = 0; i < m->e.rcpts; i++) {
		struct rcpt *r = &m->rcpt[i];

		if (r->state != RCPT_BOUNCED || r->marked)
			continue;
		if (message_letter(m, r, 'B') < 0)
			log_warn("%s: mark <%s> as bounced: %s", m->id, r->q->addr, strerror(errno));
	}
}

static size_t
count(const struct message *m, enum rcpt_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < m->e.rcpts; i++)
		n += m->rcpt[i].state == state;
	return n;
}

/* Changes every recipient in one state to another. */
static void
change(struct message *m, enum rcpt_state from, enum rcpt_state to)
{
	for (size_t i = 0; i < m->e.rcpts; i++)
		if (m->rcpt[i].state == from)
			m->rcpt[i].state = to;
}

void
settle_portion(struct message *m)
{
	if (!m->expire && count(m, RCPT_DEFERRED))
		m->expire = has_flag(m, QUEUE_EXPIRE, false);
	if (count(m, RCPT_DEFERRED) && (m->expire || too_old(m))) {
		log_info("%s: from=<%s>, status=%s, returned to sender", m->id, m->e.sender, m->expire ? "force-expired" : "expired");
		change(m, RCPT_DEFERRED, RCPT_BOUNCED);
	}
	if (count(m, RCPT_BOUNCED) && notify_failed(m) < 0)
		change(m, RCPT_BOUNCED, RCPT_DEFERRED);
	if (count(m, RCPT_SENT))
		notify_sent(m);
	if (count(m, RCPT_DEFERRED) || count(m, RCPT_PAUSED))
		warn_sender(m);
	write_reasons(m);
	if (m->deferred || m->more || m->gone || m->open)
		mark_bounced(m);
}

static void
remove_message(struct message *m)
{
	int r = m->again ? queue_remove(&manager.queue, QUEUE_ACTIVE, m->id) :
	    unlinkat(manager.queue.fd[QUEUE_ACTIVE], m->id, 0);

	if (r == 0) {
		log_info("%s: removed", m->id);
		return;
	}
	/* held or deleted by somebody in the meantime: should it ever come back, it must say what is done */
	if (errno != ENOENT)
		log_warn("%s: remove: %s", m->id, strerror(errno));
	mark_bounced(m);
}

/* When the next attempt is due: the message's age doubles from one to the next, within bounds. */
static int64_t
next_attempt(const struct message *m)
{
	int64_t wait = age_of(m), now = clock_real() / 1000000;

	if (m->paused && m->paused == m->deferred) /* nothing was tried: until the end of the pause */
		wait = m->paused_until > now ? m->paused_until - now : INT64_MAX;
	else if (wait < manager.minimal_backoff)
		wait = manager.minimal_backoff;
	if (wait > manager.maximal_backoff)
		wait = manager.maximal_backoff;
	return now + wait;
}

static void
strand(const char *id)
{
	stranded = mem_resize(stranded, stranded_n + 1, sizeof *stranded);
	snprintf(stranded[stranded_n++].id, sizeof stranded->id, "%s", id);
}

void
settle_stranded(void)
{
	size_t left = 0;

	for (size_t i = 0; i < stranded_n; i++) {
		if (queue_move(&manager.queue, QUEUE_ACTIVE, QUEUE_DEFERRED, stranded[i].id) == 0)
			wait_add(stranded[i].id, clock_real() / 1000000 + manager.minimal_backoff);
		else if (errno != ENOENT)
			stranded[left++] = stranded[i];
	}
	stranded_n = left;
}

/* mtaqueue expire sets the flag and then moves what it finds in deferred/; we have moved it and then look at the flag: one of us
 * sees that it is due now. */
static void
expired_meanwhile(const struct message *m)
{
	struct stat st;

	if (m->expire) /* it could not be returned: not again and again at once */
		return;
	if (fstatat(manager.queue.fd[QUEUE_DEFERRED], m->id, &st, AT_SYMLINK_NOFOLLOW) == 0 && queue_flags(st.st_mode) & QUEUE_EXPIRE)
		(void)queue_move(&manager.queue, QUEUE_DEFERRED, QUEUE_INCOMING, m->id);
}

static void
defer_message(struct message *m)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };

	mark_warned(m);
	times[1].tv_sec = next_attempt(m);
	if (utimensat(manager.queue.fd[QUEUE_ACTIVE], m->id, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		log_warn("%s: set the time of the next attempt: %s", m->id, strerror(errno));
	if (queue_move(&manager.queue, QUEUE_ACTIVE, QUEUE_DEFERRED, m->id) == 0) {
		wait_add(m->id, times[1].tv_sec);
		expired_meanwhile(m);
		return;
	}
	if (errno != ENOENT) {
		log_warn("%s: move to deferred: %s; it stays in active until that is possible", m->id, strerror(errno));
		strand(m->id);
	} else if (queue_find(&manager.queue, m->id) < 0) {
		queue_defer_remove(&manager.queue, m->id);
	}
}

void
settle_message(struct message *m)
{
	if (m->gone && queue_find(&manager.queue, m->id) < 0)
		queue_defer_remove(&manager.queue, m->id);
	else if (m->gone)
		return;
	else if (m->deferred)
		defer_message(m);
	else
		remove_message(m);
}

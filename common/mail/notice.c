/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See notice.h. */
#include "mail/notice.h"

#include "mail/config.h"
#include "mail/report.h"
#include "syntax/date.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define BUDGET_LINE 64
#define LOCK_TRIES 50             /* milliseconds; who has the lock needs microseconds */

static const char *const names[] = { "bounce", "data", "policy", "protocol", "resource", "software" };
enum { NAMES = sizeof names / sizeof names[0] };

unsigned
notice_class_find(const char *name, size_t n)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
			return 1u << i;
	return 0;
}

unsigned
notice_classes(struct config *c)
{
	unsigned classes = 0;

	for (unsigned i = 0; i < NAMES; i++)
		if (report_class(c, names[i]))
			classes |= 1u << i;
	return classes;
}

void
notice_class_names(unsigned classes, struct buf *out)
{
	const char *blank = "";

	for (unsigned i = 0; i < NAMES; i++)
		if (classes & 1u << i) {
			buf_addf(out, "%s%s", blank, names[i]);
			blank = " ";
		}
}

char *
notice_from(struct config *c)
{
	struct buf full = BUF_INIT(4096);

	report_qualify(c, &full, config_str(c, "double_bounce_sender"));
	return buf_steal(&full);
}

/* A message of ours that is no report. */
static int
write_message(struct queue *q, const struct buf *text, const char *from, const char *to, char id[QUEUE_ID_MAX + 1], struct buf *err)
{
	struct queue_envelope e = { .sender = mem_strdup(from), .from = mem_strdup(""), .opt = mem_strdup("") };
	struct queue_writer *w;
	int r = -1;

	queue_envelope_rcpt(&e, to, "");
	w = queue_write_begin(q, &e, err);
	if (w && queue_write(w, text->data, text->len) < 0) {
		buf_adds(err, strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		r = queue_write_commit(&w, QUEUE_INCOMING, id, err);
	queue_envelope_free(&e);
	return r;
}

int
notice_queue(struct config *c, struct queue *q, const char *to, const char *subject, const char *text, char id[QUEUE_ID_MAX + 1],
    struct buf *err)
{
	const char *notice = config_str(c, to), *host = config_str(c, "myhostname");
	struct buf rcpt = BUF_INIT(4096), mail = BUF_INIT(1 << 20);
	char *from;
	int r;

	if (!*notice)
		return 0;
	from = notice_from(c);
	report_qualify(c, &rcpt, notice);
	queue_id_new(id);
	buf_adds(&mail, "Date: ");
	date_format(clock_real() / 1000000, &mail);
	buf_adds(&mail, "\nFrom: Mail Delivery System <");
	report_qualify(c, &mail, "MAILER-DAEMON");
	buf_addf(&mail, ">\nTo: <%s>\nSubject: %s\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-generated\n\n"
	    "This is the mail system at %s.\n\n%s", rcpt.data, subject, id, host, host, text);
	if (mail.full) {
		buf_adds(err, "the notice is too long");
		r = -1;
	} else {
		r = write_message(q, &mail, from, rcpt.data, id, err);
	}
	free(from);
	buf_free(&rcpt);
	buf_free(&mail);
	return r < 0 ? -1 : 1;
}

/* The account of a budget: the time (microseconds since 1970) when it will be unspent again, and what was left out. Each notice moves
 * that time on by NOTICE_EVERY; one may be sent while it is less than NOTICE_BURST of them away. */
static int
account(int fd, uint64_t *left_out)
{
	const int64_t every = (int64_t)NOTICE_EVERY * 1000000, now = clock_real();
	char text[BUDGET_LINE + 1] = "";
	int64_t full = 0;
	uint64_t out = 0;
	int yes, n;

	if (pread(fd, text, BUDGET_LINE, 0) < 0)
		return -1;
	if (sscanf(text, "%" SCNd64 " %" SCNu64, &full, &out) != 2)
		full = 0, out = 0;
	if (full < now || full > now + NOTICE_BURST * every) /* later than it can be: the clock was set back */
		full = now;
	yes = full - now <= (NOTICE_BURST - 1) * every;
	*left_out = out;
	/* the line has one length, so that each write replaces the one before */
	n = snprintf(text, sizeof text, "%020" PRId64 " %020" PRIu64 "\n", yes ? full + every : full, yes ? 0 : out + 1);
	return pwrite(fd, text, (size_t)n, 0) == n ? yes : -1;
}

/* 1 locked, 0 another process has it all the time, -1. */
static int
lock(int fd)
{
	const struct timespec pause = { 0, 1000000 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 1;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int
notice_budget(struct queue *q, const char *name, uint64_t *left_out)
{
	char path[64];
	int fd, r, saved;

	snprintf(path, sizeof path, "state/notices-%s", name);
	if (queue_state_make(q) < 0)
		return -1;
	fd = openat(q->top, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (q->chown)
		(void)!fchown(fd, q->owner, q->group);
	r = lock(fd);
	if (r > 0)
		r = account(fd, left_out);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

void
notice_left_out(uint64_t left_out, struct buf *out)
{
	if (left_out)
		buf_addf(out, "\nSince the last notice of this kind, %" PRIu64 " more sessions with such errors were\nnot reported, "
		    "for notices are limited.\n", left_out);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One file of maildrop/ into the queue: see intake.h. The file belongs to a user, who may do to it whatever he likes while we
 * look; so every byte of the envelope is read once and checked after that (vouch.c), the content is copied, and what is
 * delivered is the copy. In this order:
 *
 *   write the copy, as yet without a name
 *   rename maildrop/NAME to maildrop/ID, the queue ID that the copy will have
 *   commit the copy to incoming/ID: named and durable
 *   unlink maildrop/ID
 *
 * Ended at any point in between, the next run finds in maildrop/ID a message that is in the queue already (and takes the file
 * away) or one that is not (and begins anew): nothing is lost, and it is there twice only if the queue manager has delivered it before
 * that next run. */
#include "intake.h"

#include "vouch.h"

#include "mail/compose.h"
#include "mail/log.h"
#include "mail/userlist.h"
#include "syntax/date.h"
#include "syntax/envelope.h"
#include "syntax/header.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#define ENVELOPE_SIZE (16 << 20)  /* 50,000 recipients with all their options */
#define UNFINISHED 86400          /* seconds after which a temporary name is of a writer that has ended */
#define SAID_MAX 50               /* reports */
#define SAID_WINDOW 10            /* in so many seconds */
#define SEEN_WINDOW 3600          /* and in so many at most INTAKE_SEEN of things that stay */

/* A file that is being taken. */
struct file {
	const char *name;
	const struct stat *st;    /* what we have opened */
	int fd;
	struct queue_envelope given, e;
	struct buf message_id;
	char last;                /* byte of the content */
	enum intake_result result; /* of a file that is not taken */
	struct buf why;
};

int
intake_configure(struct intake *in, struct config *c, struct buf *err)
{
	struct userlist *s = userlist_open(c, "authorized_submit_users", "submit mail", err);

	if (!s)
		return -1;
	userlist_close(&in->submitters);
	in->submitters = s;
	in->hostname = config_str(c, "myhostname");
	in->mail_name = config_str(c, "mail_name");
	in->size_limit = (uint64_t)config_size(c, "message_size_limit");
	in->min_free = (uint64_t)config_size(c, "queue_minfree");
	in->hop_limit = (int)config_int(c, "hopcount_limit");
	in->dup_limit = (size_t)config_int(c, "duplicate_filter_limit");
	return 0;
}

void
intake_free(struct intake *in)
{
	userlist_close(&in->submitters);
}

static void __attribute__((format(printf, 2, 3)))
report(struct intake *in, const char *fmt, ...)
{
	struct buf text = BUF_INIT(8192);
	va_list ap;

	if (in->said >= SAID_MAX) {
		in->unsaid++;
		return;
	}
	in->said++;
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	log_warn("%s", text.data);
	buf_free(&text);
}

void
intake_quiet(struct intake *in)
{
	int64_t now = clock_mono();

	if (in->said && now - in->said_since < SAID_WINDOW * (int64_t)1000000)
		return;
	if (in->unsaid)
		log_warn("maildrop: %" PRIu64 " more like these", in->unsaid);
	in->said = in->unsaid = 0;
	in->said_since = now;
}

/* Remembers what is left where it is, so that it is reported once. More of these than we can remember are not reported either. */
static bool
seen(struct intake *in, const struct stat *st)
{
	int64_t now = clock_mono();

	for (size_t i = 0; i < in->seen_n; i++)
		if (in->seen[i].ino == st->st_ino && in->seen[i].dev == st->st_dev)
			return true;
	if (in->seen_n == INTAKE_SEEN && now - in->seen_since < SEEN_WINDOW * (int64_t)1000000)
		return true;
	if (in->seen_n == INTAKE_SEEN)
		in->seen_n = 0;
	if (in->seen_n == 0)
		in->seen_since = now;
	in->seen[in->seen_n].ino = st->st_ino;
	in->seen[in->seen_n++].dev = st->st_dev;
	return false;
}

static enum intake_result
leave(struct intake *in, const char *name, const struct stat *st, const char *why)
{
	if (!seen(in, st))
		report(in, "maildrop/%s of user %ju: %s: left where it is", name, (uintmax_t)st->st_uid, why);
	return INTAKE_LEFT;
}

/* What is no message goes to corrupt/ under a name of ours, whatever it is: a rename does not look into it. */
static enum intake_result
refuse(struct intake *in, const char *name, const struct stat *st, const char *why)
{
	struct queue *q = &in->app->queue;
	char id[QUEUE_ID_MAX + 1];

	if (S_ISDIR(st->st_mode)) { /* what a user has in it we may not move */
		if (unlinkat(q->fd[QUEUE_MAILDROP], name, AT_REMOVEDIR) < 0)
			return leave(in, name, st, why);
		report(in, "maildrop/%s of user %ju: %s: removed", name, (uintmax_t)st->st_uid, why);
		return INTAKE_REFUSED;
	}
	for (int i = 0; i < 3; i++) {
		queue_id_new(id);
		if (renameat2(q->fd[QUEUE_MAILDROP], name, q->fd[QUEUE_CORRUPT], id, RENAME_NOREPLACE) == 0) {
			report(in, "maildrop/%s of user %ju: %s: moved to corrupt/%s", name, (uintmax_t)st->st_uid, why, id);
			return INTAKE_REFUSED;
		}
		if (errno != EEXIST)
			break;
	}
	if (errno == ENOENT)
		return INTAKE_NOTHING;
	return leave(in, name, st, why);
}

/* Sets why and the result by errno, which tells whether the file is wrong, or we could not read it, or nobody could do anything. A
 * user must not be able to make the last of his own file: it keeps all others waiting. */
static int
cannot(struct file *f, const char *what)
{
	static const struct { int error; enum intake_result result; } rows[] = {
		{ EINVAL, INTAKE_REFUSED }, { ELOOP, INTAKE_REFUSED }, { EACCES, INTAKE_REFUSED }, { ENXIO, INTAKE_REFUSED }, { ENODEV, INTAKE_REFUSED },
		{ ENOSPC, INTAKE_TROUBLE }, { EDQUOT, INTAKE_TROUBLE }, { EROFS, INTAKE_TROUBLE },
		{ EMFILE, INTAKE_TROUBLE }, { ENFILE, INTAKE_TROUBLE }, { ENOMEM, INTAKE_TROUBLE },
	};

	f->result = INTAKE_WAITS;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].error == errno)
			f->result = rows[i].result;
	if (!f->why.len)
		buf_addf(&f->why, "%s: %s", what, strerror(errno));
	return -1;
}

/* The first line says how long the envelope is: it is not read before that is known to be bounded. */
static int
check_sizes(struct intake *in, struct file *f)
{
	char first[ENVELOPE_FIRST];
	const char *text;
	uint64_t offset, size;
	ssize_t n;

	if (in->size_limit && (uint64_t)f->st->st_size > in->size_limit + ENVELOPE_SIZE) {
		buf_addf(&f->why, "%" PRIu64 " bytes are more than message_size_limit allows", (uint64_t)f->st->st_size);
		return -1;
	}
	do
		n = pread(f->fd, first, sizeof first, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return cannot(f, "read");
	if (n != sizeof first || first[ENVELOPE_FIRST - 1] != '\n' || envelope_first_parse(first, ENVELOPE_FIRST - 1, &offset, &size, &text) < 0)
		buf_adds(&f->why, "not a queue file: its first line is wrong");
	else if (offset > ENVELOPE_SIZE)
		buf_addf(&f->why, "its envelope is larger than %d bytes", ENVELOPE_SIZE);
	else if (in->size_limit && size > in->size_limit)
		buf_addf(&f->why, "message larger than message_size_limit (%" PRIu64 " bytes)", in->size_limit);
	return f->why.len ? -1 : 0;
}

static int
check_envelope(struct intake *in, struct file *f)
{
	bool more;
	int r;

	errno = 0;
	if (queue_read(f->fd, &f->given, COMPOSE_RCPT_MAX, &more, &f->why) < 0)
		return cannot(f, "read");
	if (f->given.content + f->given.size != (uint64_t)f->st->st_size)
		buf_adds(&f->why, "it changes while it is read");
	else if (more)
		buf_addf(&f->why, "more than %d recipients", COMPOSE_RCPT_MAX);
	else if (f->given.listed != f->given.todo)
		buf_adds(&f->why, "some of its recipients are said to be done");
	if (f->why.len)
		return -1;
	r = userlist_allow(in->submitters, f->st->st_uid, &f->why);
	if (r < 0)
		f->result = INTAKE_TROUBLE;
	if (r <= 0 || vouch_envelope(&f->given, f->st->st_uid, in->dup_limit, &f->e, &f->why) < 0)
		return -1;
	f->e.time = (int64_t)f->st->st_mtim.tv_sec * 1000000 + f->st->st_mtim.tv_nsec / 1000;
	if (f->e.time <= 0 || f->e.time > clock_real())
		f->e.time = clock_real();
	return 0;
}

/* Of a field of the header: the Message-Id to be logged, and whether the message has come round too often. */
static int
look_at_field(struct intake *in, struct file *f, const struct header *h, int *hops)
{
	if (header_is(h, "Message-Id") && !f->message_id.len)
		header_unfold(h->value, h->value_len, &f->message_id);
	if (header_is(h, "Received") && ++*hops > in->hop_limit) {
		buf_adds(&f->why, "too many hops: mail loop?");
		return -1;
	}
	return 0;
}

static int
check_header(struct intake *in, struct file *f)
{
	static char chunk[65536];
	struct header h;
	enum header_event event = HEADER_MORE;
	uint64_t at = 0, size = f->given.size;
	int hops = 0, r = 0;

	header_init(&h, 65536);
	while (event != HEADER_END && at < size && r == 0) {
		uint64_t left = size - at;
		ssize_t n = pread(f->fd, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk, (off_t)(f->given.content + at));
		size_t used = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = cannot(f, "read");
		if (n == 0) {
			buf_adds(&f->why, "it changes while it is read");
			r = -1;
		}
		for (event = HEADER_FIELD; n > 0 && r == 0 && (event == HEADER_FIELD || event == HEADER_LONG);) {
			event = header_next(&h, chunk, (size_t)n, &used, (uint64_t)n == left);
			if (event == HEADER_FIELD)
				r = look_at_field(in, f, &h, &hops);
		}
		at += n > 0 ? (uint64_t)n : 0;
		if (at > COMPOSE_HEADER_MAX && event != HEADER_END && r == 0) {
			buf_addf(&f->why, "its header is larger than %d bytes", COMPOSE_HEADER_MAX);
			r = -1;
		}
	}
	header_free(&h);
	return r;
}

/* Bytes that the queue's file system has to spare. */
static bool
has_room(struct intake *in, uint64_t size)
{
	struct statvfs fs;
	uint64_t space;

	if (fstatvfs(in->app->queue.top, &fs) < 0)
		return true; /* the write will tell */
	space = (uint64_t)fs.f_bavail > UINT64_MAX / fs.f_frsize ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
	return space >= in->min_free && space - in->min_free >= size;
}

/* A file that has been written to since we looked at it may be half of one message and half of another. */
static int
check_unchanged(struct file *f)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return cannot(f, "stat");
	if (st.st_size == f->st->st_size && st.st_nlink == 1 && st.st_uid == f->st->st_uid &&
	    st.st_mtim.tv_sec == f->st->st_mtim.tv_sec && st.st_mtim.tv_nsec == f->st->st_mtim.tv_nsec)
		return 0;
	buf_adds(&f->why, "it changes while it is read");
	return -1;
}

/* The copy: a Received field, and the content as it is, with an end to its last line. */
static struct queue_writer *
copy(struct intake *in, struct file *f)
{
	struct queue_writer *w = queue_write_begin(&in->app->queue, &f->e, &f->why);
	struct buf received = BUF_INIT(8192);
	uint64_t size = f->given.size;
	char last = '\n';

	if (!w) {
		cannot(f, "write");
		return NULL;
	}
	buf_addf(&received, "Received: by %s (%s, from userid %ju)\n\tid %s; ", in->hostname, in->mail_name, (uintmax_t)f->st->st_uid, f->e.id);
	date_format(f->e.time / 1000000, &received);
	buf_addc(&received, '\n');
	queue_write(w, received.data, received.len);
	if (size && (queue_write_fd(w, f->fd, (off_t)f->given.content, size) < 0 ||
	    pread(f->fd, &last, 1, (off_t)(f->given.content + size - 1)) != 1)) {
		int saved = errno;

		queue_write_abort(&w);
		if (check_unchanged(f) == 0) { /* else it has become shorter, and that is why */
			errno = saved;
			cannot(f, "copy");
			f->result = f->result == INTAKE_REFUSED ? INTAKE_WAITS : f->result;
		}
	} else if (last != '\n') {
		queue_write(w, "\n", 1);
	}
	buf_free(&received);
	return w;
}

static int
check_file(struct intake *in, struct file *f)
{
	if (check_sizes(in, f) < 0 || check_envelope(in, f) < 0 || check_header(in, f) < 0)
		return -1;
	if (has_room(in, f->given.size))
		return 0;
	buf_addf(&f->why, "no room: less than its %" PRIu64 " bytes and queue_minfree are free", f->given.size);
	f->result = INTAKE_WAITS; /* a smaller one may have */
	return -1;
}

static void
log_message(const struct file *f)
{
	log_info("%s: uid=%ju from=<%s> orig_id=%s", f->e.id, (uintmax_t)f->st->st_uid, f->e.sender, f->name);
	log_component("cleanup");
	log_info("%s: message-id=%s", f->e.id, f->message_id.data);
	log_component("pickup");
}

/* The last steps, in the order that the top of this file tells. */
static enum intake_result
commit(struct intake *in, struct file *f, struct queue_writer *w)
{
	struct queue *q = &in->app->queue;
	char claimed[QUEUE_ID_MAX + 1], id[QUEUE_ID_MAX + 1];

	memcpy(claimed, f->e.id, sizeof claimed);
	if (renameat2(q->fd[QUEUE_MAILDROP], f->name, q->fd[QUEUE_MAILDROP], claimed, RENAME_NOREPLACE) < 0 &&
	    (errno != EINVAL || renameat(q->fd[QUEUE_MAILDROP], f->name, q->fd[QUEUE_MAILDROP], claimed) < 0)) {
		int saved = errno;

		queue_write_abort(&w);
		if (saved == ENOENT) /* its owner took it back */
			return INTAKE_NOTHING;
		report(in, "maildrop/%s: rename: %s", f->name, strerror(saved));
		return INTAKE_TROUBLE;
	}
	log_message(f); /* before the queue manager can log what it does with it */
	if (queue_write_commit(&w, QUEUE_INCOMING, id, &f->why) < 0) {
		report(in, "maildrop/%s, now maildrop/%s: %s", f->name, claimed, f->why.data);
		return INTAKE_TROUBLE;
	}
	if (strcmp(id, claimed) != 0) /* its name was taken: a clock was set back */
		log_info("%s: renamed to %s", claimed, id);
	if (unlinkat(q->fd[QUEUE_MAILDROP], claimed, 0) == 0 || errno == ENOENT)
		return INTAKE_TAKEN;
	log_error("maildrop/%s is in the queue, but cannot be removed: %s", claimed, strerror(errno));
	return INTAKE_TROUBLE;
}

/* The file is wrong, or cannot be taken now. */
static enum intake_result
not_taken(struct intake *in, struct file *f)
{
	if (f->result == INTAKE_REFUSED)
		return refuse(in, f->name, f->st, f->why.data);
	if (!seen(in, f->st))
		report(in, "maildrop/%s of user %ju: %s: it will be tried again", f->name, (uintmax_t)f->st->st_uid, f->why.data);
	return f->result;
}

static enum intake_result
take(struct intake *in, struct file *f)
{
	struct queue_writer *w = NULL;

	if (check_file(in, f) == 0 && (w = copy(in, f)) != NULL && check_unchanged(f) < 0)
		queue_write_abort(&w);
	if (w)
		return commit(in, f, w);
	return not_taken(in, f);
}

/* A name that commit() gave to a file whose message it had just queued: ended before it could unlink the file. */
static bool
queued_before(struct intake *in, const char *name)
{
	struct queue *q = &in->app->queue;

	if (queue_id_time(name) < 0)
		return false;
	for (int i = 0; i < QUEUE_NAMES; i++)
		if (i != QUEUE_MAILDROP && q->fd[i] >= 0 && faccessat(q->fd[i], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			if (unlinkat(q->fd[QUEUE_MAILDROP], name, 0) == 0)
				log_info("maildrop/%s is in %s/ already: removed", name, queue_names[i]);
			return true;
		}
	return false;
}

/* Names with a dot in front are of writers that have not finished, unless they are a day old. */
static enum intake_result
unfinished(struct intake *in, const char *name, const struct stat *st)
{
	int64_t now = clock_real() / 1000000;

	if (!S_ISREG(st->st_mode))
		return refuse(in, name, st, "not a regular file");
	if (st->st_mtime + UNFINISHED < now && st->st_ctime + UNFINISHED < now)
		unlinkat(in->app->queue.fd[QUEUE_MAILDROP], name, 0);
	return INTAKE_NOTHING;
}

enum intake_result
intake_take(struct intake *in, const char *name, const struct stat *lst)
{
	struct file f = { .name = name, .result = INTAKE_REFUSED, .message_id = BUF_INIT(65536), .why = BUF_INIT(4096) };
	enum intake_result r;
	struct stat st;

	if (*name == '.')
		return unfinished(in, name, lst);
	if (!S_ISREG(lst->st_mode))
		return refuse(in, name, lst, "not a regular file");
	if (queued_before(in, name))
		return INTAKE_TAKEN;
	/* O_NONBLOCK: what was a file when we looked may be a FIFO now, or its owner may hold a lease on it */
	f.fd = openat(in->app->queue.fd[QUEUE_MAILDROP], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	f.st = &st;
	if (f.fd < 0 && errno == ENOENT)
		return INTAKE_NOTHING;
	if (f.fd < 0 || fstat(f.fd, &st) < 0) {
		f.st = lst;
		cannot(&f, "open");
	} else if (!S_ISREG(st.st_mode)) {
		buf_adds(&f.why, "not a regular file");
	} else if (st.st_nlink != 1) {
		buf_adds(&f.why, "it has more than one link");
	}
	if (f.why.len)
		r = f.fd >= 0 && f.st->st_nlink == 0 ? INTAKE_NOTHING : not_taken(in, &f);
	else
		r = take(in, &f);
	if (f.fd >= 0)
		close(f.fd);
	queue_envelope_free(&f.given);
	queue_envelope_free(&f.e);
	buf_free(&f.message_id);
	buf_free(&f.why);
	return r;
}

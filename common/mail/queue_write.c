/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Writing a queue file so that it is either durable and whole or not there (contract 2):
 *
 *   small    O_TMPFILE, write, linkat, fsync, close
 *   larger   O_TMPFILE, write ..., pwrite of the first line, linkat, fsync, close
 *
 * The name is given before the one fsync, which makes both the data and the name durable (tried with
 * power cuts on ext4 and xfs; file_sync knows the file systems). So a reader may see the file before
 * it is durable: it is whole then, and if the fsync fails it is taken away from wherever it has been moved. */
#include "mail/queue.h"

#include "syntax/envelope.h"
#include "sys/file.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_BUFFER 65536
#define ID_AT (ENVELOPE_FIRST + 3) /* offset of the ID: "id " comes first after the first line */
#define ID_TRIES 10

struct queue_writer {
	struct queue *q;
	int fd;                   /* -1 until the buffer overflows or the commit */
	int saved_errno;          /* of the first failure; nothing is written after it */
	char temp[40];            /* name in queue/tmp; "" with O_TMPFILE */
	char id[QUEUE_ID_MAX + 1];
	bool own_id;              /* made by queue_id_new: may be exchanged for another of its length */
	uint64_t head;            /* bytes of envelope, with the empty line */
	uint64_t size;            /* bytes of content */
	uint64_t flushed;         /* bytes in the file */
	size_t used;
	struct buf line;          /* for formatting */
	char data[WRITE_BUFFER];  /* bytes not yet in the file */
};

static int
failed(struct queue_writer *w)
{
	if (!w->saved_errno)
		w->saved_errno = errno ? errno : EIO;
	errno = w->saved_errno;
	return -1;
}

/* Where a file has its temporary name, if it needs one. */
static int
temp_dir(const struct queue *q)
{
	return q->drop ? q->fd[QUEUE_MAILDROP] : q->tmp >= 0 ? q->tmp : q->fd[QUEUE_INCOMING];
}

/* Who may read a file in maildrop/, whatever the umask: see queue_drop_open. */
static int
drop_mode(struct queue_writer *w)
{
	struct stat dir, st;

	if (fstat(w->q->fd[QUEUE_MAILDROP], &dir) < 0 || fstat(w->fd, &st) < 0)
		return -1;
	return fchmod(w->fd, st.st_gid == dir.st_gid ? 0640 : 0644);
}

static int
open_temp(struct queue_writer *w)
{
	struct queue *q = w->q;

	w->fd = file_temp(temp_dir(q), 0600, w->temp);
	if (w->fd < 0 || (q->drop && drop_mode(w) < 0))
		return failed(w);
	if (q->chown && fchown(w->fd, q->owner, q->group) < 0)
		return failed(w);
	return 0;
}

static int
put_out(struct queue_writer *w, const void *data, size_t n)
{
	if (n == 0)
		return 0;
	if (w->fd < 0 && open_temp(w) < 0)
		return -1;
	if (file_write_all(w->fd, data, n) < 0)
		return failed(w);
	w->flushed += n;
	return 0;
}

static int
flush(struct queue_writer *w)
{
	if (put_out(w, w->data, w->used) < 0)
		return -1;
	w->used = 0;
	return 0;
}

static int
put(struct queue_writer *w, const char *data, size_t n)
{
	if (w->saved_errno) {
		errno = w->saved_errno;
		return -1;
	}
	while (n > 0) {
		size_t k = WRITE_BUFFER - w->used;

		if (w->used == 0 && n >= WRITE_BUFFER)
			return put_out(w, data, n);
		if (k > n)
			k = n;
		memcpy(w->data + w->used, data, k);
		w->used += k;
		data += k;
		n -= k;
		if (w->used == WRITE_BUFFER && flush(w) < 0)
			return -1;
	}
	return 0;
}

/* Writes the envelope line in w->line, after a look at it with a reader's eyes: what cannot be read back
 * as it is (a control character in an address, a '>' that would end it, a line that is too long) must not be
 * written. addr: the line's address, or NULL. */
static int
put_line(struct queue_writer *w, const char *addr, struct buf *err)
{
	struct envelope_line l;
	const char *text = "line too long or broken";

	if (w->line.full || w->line.len > ENVELOPE_LINE_MAX ||
	    memchr(w->line.data, '\n', w->line.len) ||
	    envelope_line_parse(&l, w->line.data, w->line.len, &text) < 0 ||
	    (addr && (l.value_len != strlen(addr) || memcmp(l.value, addr, l.value_len) != 0))) {
		buf_addf(err, "cannot put into an envelope: %.200s: %s", w->line.data, text);
		errno = EINVAL;
		return -1;
	}
	buf_addc(&w->line, '\n');
	if (put(w, w->line.data, w->line.len) < 0) {
		buf_addf(err, "write %s: %s", w->q->dir, strerror(errno));
		return -1;
	}
	w->head += w->line.len;
	buf_clear(&w->line);
	return 0;
}

static int
put_text_line(struct queue_writer *w, const char *word, const char *text, struct buf *err)
{
	while (text && *text == ' ')
		text++;
	if (!text || !*text)
		return 0;
	buf_addf(&w->line, "%s %s", word, text);
	return put_line(w, NULL, err);
}

static int
put_rcpts(struct queue_writer *w, const struct queue_envelope *e, struct buf *err)
{
	for (size_t i = 0; i < e->rcpts; i++) {
		const struct queue_rcpt *r = &e->rcpt[i];
		const char *params = r->params ? r->params : "";

		/* the hottest loop of a large mailing: no printf */
		buf_adds(&w->line, "rcpt ");
		buf_addc(&w->line, r->status ? r->status : 'T');
		buf_adds(&w->line, " <");
		buf_adds(&w->line, r->addr);
		buf_addc(&w->line, '>');
		while (*params == ' ')
			params++;
		if (*params) {
			buf_addc(&w->line, ' ');
			buf_adds(&w->line, params);
		}
		if (put_line(w, r->addr, err) < 0)
			return -1;
	}
	return 0;
}

static int
put_envelope(struct queue_writer *w, const struct queue_envelope *e, struct buf *err)
{
	const char *sender = e->sender ? e->sender : "";

	memset(w->data, '0', ENVELOPE_FIRST); /* its place; no valid first line until the commit */
	w->used = w->head = ENVELOPE_FIRST;
	buf_addf(&w->line, "id %s", w->id);
	if (put_line(w, NULL, err) < 0)
		return -1;
	buf_addf(&w->line, "time %" PRId64 ".%06" PRId64, e->time / 1000000, e->time % 1000000);
	if (put_line(w, NULL, err) < 0)
		return -1;
	buf_addf(&w->line, "sender <%s>", sender);
	if (put_line(w, sender, err) < 0 || put_text_line(w, "opt", e->opt, err) < 0 ||
	    put_text_line(w, "from", e->from, err) < 0 || put_rcpts(w, e, err) < 0)
		return -1;
	return put_line(w, NULL, err); /* the empty one */
}

struct queue_writer *
queue_write_begin(struct queue *q, struct queue_envelope *e, struct buf *err)
{
	struct queue_writer *w = q->spare;
	bool own = !*e->id;
	int r = 0;

	if (e->rcpts == 0) {
		buf_adds(err, "a message without recipients cannot be queued");
		errno = EINVAL;
		return NULL;
	}
	if (own && q->drop)
		r = queue_drop_name(e->id);
	else if (own)
		queue_id_new(e->id);
	if (r < 0) {
		buf_addf(err, "a random name: %s", strerror(errno));
		return NULL;
	}
	if (e->time <= 0)
		e->time = clock_real();
	if (!w) {
		w = mem_alloc(sizeof *w);
		buf_init(&w->line, ENVELOPE_LINE_MAX + 1024);
	}
	q->spare = NULL;
	w->q = q;
	w->fd = -1;
	w->saved_errno = 0;
	*w->temp = '\0';
	strcpy(w->id, e->id);
	w->own_id = own;
	w->size = w->flushed = 0;
	buf_clear(&w->line);
	if (put_envelope(w, e, err) < 0) {
		int saved = errno;

		queue_write_abort(&w);
		errno = saved;
		return NULL;
	}
	return w;
}

int
queue_write(struct queue_writer *w, const void *data, size_t n)
{
	if (put(w, data, n) < 0)
		return -1;
	w->size += n;
	return 0;
}

int
queue_write_fd(struct queue_writer *w, int fd, off_t at, uint64_t n)
{
	if (w->saved_errno) {
		errno = w->saved_errno;
		return -1;
	}
	if (n <= WRITE_BUFFER - w->used) { /* one pread, and the whole file is still one write */
		for (uint64_t done = 0; done < n;) {
			ssize_t k = pread(fd, w->data + w->used, (size_t)(n - done), at + (off_t)done);

			if (k <= 0) {
				if (k < 0 && errno == EINTR)
					continue;
				if (k == 0)
					errno = EIO; /* shorter than it was said to be */
				return failed(w);
			}
			w->used += (size_t)k;
			done += (uint64_t)k;
		}
	} else {
		if (flush(w) < 0 || (w->fd < 0 && open_temp(w) < 0))
			return -1;
		if (file_copy(w->fd, fd, at, n) < 0)
			return failed(w);
		w->flushed += n;
	}
	w->size += n;
	return 0;
}

uint64_t
queue_write_size(const struct queue_writer *w)
{
	return w->size;
}

/* The writer's memory is kept for the next message of this queue. */
static void
release(struct queue_writer *w)
{
	struct queue *q = w->q;

	if (!q->spare) {
		q->spare = w;
		return;
	}
	buf_free(&w->line);
	free(w);
}

static void
drop_temp(struct queue_writer *w)
{
	if (w->fd >= 0 && *w->temp)
		unlinkat(temp_dir(w->q), w->temp, 0);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	*w->temp = '\0';
}

void
queue_write_abort(struct queue_writer **wp)
{
	struct queue_writer *w = *wp;

	if (!w)
		return;
	*wp = NULL;
	if (wp == &w->q->spare) { /* the queue is being closed */
		buf_free(&w->line);
		free(w);
		return;
	}
	drop_temp(w);
	release(w);
}

/* Puts the first line in front and everything into the file. */
static int
finish_content(struct queue_writer *w)
{
	char first[ENVELOPE_FIRST + 1];

	envelope_first_format(first, w->head, w->size);
	if (w->flushed == 0) {
		memcpy(w->data, first, ENVELOPE_FIRST);
		return flush(w);
	}
	if (flush(w) < 0)
		return -1;
	return file_pwrite_all(w->fd, first, ENVELOPE_FIRST, 0) < 0 ? failed(w) : 0;
}

static int
give_name(struct queue_writer *w, enum queue_name where)
{
	struct queue *q = w->q;

	for (int i = 0; i < ID_TRIES; i++) {
		if (file_link(w->fd, temp_dir(q), w->temp, q->fd[where], w->id) == 0) {
			*w->temp = '\0';
			return 0;
		}
		if (errno != EEXIST || !w->own_id || q->drop) /* 119 random bits do not meet twice */
			break;
		queue_id_new(w->id); /* as long as the one before */
		if (file_pwrite_all(w->fd, w->id, strlen(w->id), ID_AT) < 0)
			break;
	}
	return failed(w);
}

/* Takes the named file away again. The queue manager may have moved it on, always in this order. */
static void
take_back(struct queue_writer *w, enum queue_name where)
{
	static const enum queue_name order[] = { QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD };

	if (unlinkat(w->q->fd[where], w->id, 0) == 0)
		return;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if (unlinkat(w->q->fd[order[i]], w->id, 0) == 0)
			return;
}

/* 0 durable. -1: nothing is left; *what says at which step. */
static int
commit(struct queue_writer *w, enum queue_name where, const char **what)
{
	int fd;

	*what = "write";
	if (w->saved_errno)
		return failed(w);
	if (finish_content(w) < 0)
		return -1;
	*what = "name";
	if (give_name(w, where) < 0)
		return -1;
	*what = "sync"; /* once: after a failure the kernel may say "clean" of pages that it has dropped */
	if (w->q->name_synced < 0)
		w->q->name_synced = file_name_is_synced(w->q->fd[where]);
	if (file_sync(w->fd, w->q->name_synced ? -1 : w->q->fd[where]) < 0) {
		failed(w);
		take_back(w, where);
		return failed(w);
	}
	*what = "close";
	fd = w->fd;
	w->fd = -1;
	if (close(fd) < 0 && errno != EINTR) {
		failed(w);
		take_back(w, where);
		return failed(w);
	}
	return 0;
}

int
queue_write_commit(struct queue_writer **wp, enum queue_name where, char id[QUEUE_ID_MAX + 1], struct buf *err)
{
	struct queue_writer *w = *wp;
	const char *what;
	int saved = 0;

	*wp = NULL;
	if (commit(w, where, &what) < 0) {
		saved = w->saved_errno;
		buf_addf(err, "%s %s/%s/%s: %s", what, w->q->dir, queue_names[where], w->id, strerror(saved));
		drop_temp(w);
	} else {
		strcpy(id, w->id);
	}
	release(w);
	errno = saved;
	return saved ? -1 : 0;
}

/* The flags of the file that is to be replaced, and its time (that of the next attempt). */
static int
take_over(const struct queue_writer *w, enum queue_name where)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;

	if (fstatat(w->q->fd[where], w->id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	times[1] = st.st_mtim;
	return queue_flag(w->fd, queue_flags(st.st_mode), 0) < 0 ? -1 : futimens(w->fd, times);
}

/* 0 durable. -1: *what says at which step; unless that is the last one, the file there is the old one. */
static int
replace(struct queue_writer *w, enum queue_name where, const char **what)
{
	int tmp = temp_dir(w->q);
	char name[sizeof w->temp];

	*what = "write";
	if (w->saved_errno)
		return failed(w);
	if (finish_content(w) < 0)
		return -1;
	if (take_over(w, where) < 0 || file_sync(w->fd, -1) < 0)
		return failed(w);
	if (!*w->temp) { /* only what has a name can be renamed over another */
		snprintf(name, sizeof name, ".new.%s", w->id);
		(void)unlinkat(tmp, name, 0);
		if (file_link(w->fd, tmp, "", tmp, name) < 0)
			return failed(w);
		memcpy(w->temp, name, sizeof name);
	}
	*what = "replace";
	if (renameat(tmp, w->temp, w->q->fd[where], w->id) < 0)
		return failed(w);
	*w->temp = '\0';
	*what = "sync";
	return file_sync(w->fd, w->q->fd[where]) < 0 ? failed(w) : 0;
}

int
queue_write_replace(struct queue_writer **wp, enum queue_name where, struct buf *err)
{
	struct queue_writer *w = *wp;
	const char *what;
	int saved = 0;

	*wp = NULL;
	if (replace(w, where, &what) < 0) {
		saved = w->saved_errno;
		buf_addf(err, "%s %s/%s/%s: %s", what, w->q->dir, queue_names[where], w->id, strerror(saved));
	}
	drop_temp(w);
	release(w);
	errno = saved;
	return saved ? -1 : 0;
}

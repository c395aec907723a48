/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The queue's directories: opening them, finding, moving and scanning queue files. Each
 * step is one system call that either happens or does not: see queue.h. */
#include "mail/queue.h"

#include "sys/file.h"
#include "syntax/envelope.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const queue_names[QUEUE_NAMES] = { "incoming", "active", "deferred", "hold", "corrupt", "trash", "maildrop" };

static int
fail(struct buf *err, const char *what, const char *dir, const char *name)
{
	int e = errno;

	buf_addf(err, "%s %s%s%s: %s", what, dir, *name ? "/" : "", name, strerror(e));
	errno = e;
	return -1;
}

/* O_PATH: permission on the directory itself is asked for only when it is used. */
static int
open_dir(int at, const char *path)
{
	return openat(at, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int
open_sub(struct queue *q, const char *name, bool create, bool needed, int *fd, struct buf *err)
{
	*fd = open_dir(q->top, name);
	if (*fd < 0 && errno == ENOENT && create) {
		if (mkdirat(q->top, name, 0700) < 0 && errno != EEXIST)
			return fail(err, "create", q->dir, name);
		*fd = open_dir(q->top, name);
	}
	if (*fd < 0 && (needed || errno != ENOENT))
		return fail(err, "open", q->dir, name);
	return 0;
}

static int
open_all(struct queue *q, bool create, struct buf *err)
{
	struct stat st;

	if (create && mkdir(q->dir, 0755) < 0 && errno != EEXIST)
		return fail(err, "create", q->dir, "");
	q->top = open(q->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (q->top < 0)
		return fail(err, "open", q->dir, "");
	for (int i = 0; i < QUEUE_NAMES; i++)
		if (open_sub(q, queue_names[i], create && i != QUEUE_MAILDROP, i != QUEUE_TRASH && i != QUEUE_MAILDROP, &q->fd[i], err) < 0)
			return -1;
	if (open_sub(q, "tmp", create, false, &q->tmp, err) < 0 ||
	    open_sub(q, "defer", create, false, &q->defer, err) < 0)
		return -1;
	if (fstat(q->fd[QUEUE_INCOMING], &st) < 0)
		return fail(err, "stat", q->dir, queue_names[QUEUE_INCOMING]);
	q->owner = st.st_uid;
	q->group = st.st_gid;
	q->chown = geteuid() == 0 && q->owner != 0;
	return 0;
}

static void
init(struct queue *q, const char *dir)
{
	*q = (struct queue){ .dir = mem_strdup(dir), .tmp = -1, .defer = -1, .top = -1, .name_synced = -1 };
	for (int i = 0; i < QUEUE_NAMES; i++)
		q->fd[i] = -1;
}

static int
open_failed(struct queue *q)
{
	int e = errno;

	queue_close(q);
	errno = e;
	return -1;
}

int
queue_open(struct queue *q, const char *dir, bool create, struct buf *err)
{
	init(q, dir);
	return open_all(q, create, err) < 0 ? open_failed(q) : 0;
}

int
queue_drop_open(struct queue *q, const char *dir, struct buf *err)
{
	init(q, dir);
	q->drop = true;
	q->top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (q->top < 0)
		fail(err, "open", dir, "");
	else if (open_sub(q, queue_names[QUEUE_MAILDROP], false, true, &q->fd[QUEUE_MAILDROP], err) == 0)
		return 0;
	return open_failed(q);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
queue_close(struct queue *q)
{
	for (int i = 0; i < QUEUE_NAMES; i++)
		close_fd(&q->fd[i]);
	close_fd(&q->tmp);
	close_fd(&q->defer);
	close_fd(&q->top);
	queue_write_abort(&q->spare);
	free(q->dir);
	q->dir = NULL;
}

int
queue_state_make(struct queue *q)
{
	if (mkdirat(q->top, "state", 0755) < 0)
		return errno == EEXIST ? 0 : -1;
	if (q->chown)
		(void)!fchownat(q->top, "state", q->owner, q->group, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* Where files of users may lie, to be looked at and no more. */
static bool
anybodys(enum queue_name where)
{
	return where == QUEUE_MAILDROP || where == QUEUE_CORRUPT || where == QUEUE_TRASH;
}

int
queue_open_file(struct queue *q, enum queue_name where, const char *id, bool rw)
{
	struct stat st;

	return queue_open_known(q, where, id, rw, &st);
}

int
queue_open_known(struct queue *q, enum queue_name where, const char *id, bool rw, struct stat *st)
{
	/* O_NONBLOCK: opening a FIFO that somebody put here must not wait for its other end */
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd, e;

	if (!envelope_id_ok(id, strlen(id))) {
		errno = ENOENT;
		return -1;
	}
	fd = rw ? openat(q->fd[where], id, flags | O_RDWR) : file_open_quietly(q->fd[where], id, flags);
	if (fd < 0) {
		if (errno == EISDIR || errno == ENXIO || errno == ENODEV)
			errno = EINVAL;
		return -1;
	}
	e = fstat(fd, st) < 0 ? errno :
	    !S_ISREG(st->st_mode) || st->st_nlink > 1 || (st->st_uid != q->owner && !anybodys(where)) ? EINVAL :
	    st->st_nlink == 0 ? ENOENT : 0; /* unlinked since it was opened */
	if (e) {
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

int
queue_mark(int fd, uint64_t status_at, char status)
{
	ssize_t n;

	do
		n = pwrite(fd, &status, 1, (off_t)status_at);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

int
queue_move(struct queue *q, enum queue_name from, enum queue_name to, const char *id)
{
	if (from == to)
		return faccessat(q->fd[from], id, F_OK, AT_SYMLINK_NOFOLLOW);
	/* never over another message, even if somebody made one with the same name */
	if (renameat2(q->fd[from], id, q->fd[to], id, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(q->fd[from], id, q->fd[to], id);
}

int
queue_scan(struct queue *q, enum queue_name where, int (*f)(void *, const char *), void *arg, struct buf *err)
{
	int fd, r = 0;
	DIR *dir;

	if (q->fd[where] < 0) /* an optional one that does not exist */
		return 0;
	fd = openat(q->fd[where], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fail(err, "open", q->dir, queue_names[where]);
	}
	while (r == 0) {
		struct dirent *d;

		errno = 0;
		d = readdir(dir);
		if (!d) {
			if (errno)
				r = fail(err, "read", q->dir, queue_names[where]);
			break;
		}
		if (envelope_id_ok(d->d_name, strlen(d->d_name)))
			r = f(arg, d->d_name);
	}
	closedir(dir);
	return r;
}

int
queue_find(struct queue *q, const char *id)
{
	bool denied = false;

	errno = ENOENT;
	if (!envelope_id_ok(id, strlen(id)))
		return -1;
	/* A message may move from a queue that is looked at later to one that was looked at before: look twice. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < QUEUE_NAMES; i++)
			if (q->fd[i] >= 0 && faccessat(q->fd[i], id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				return i;
			else if (q->fd[i] >= 0)
				denied |= errno == EACCES;
	errno = denied ? EACCES : ENOENT;
	return -1;
}

int
queue_remove(struct queue *q, enum queue_name where, const char *id)
{
	if (unlinkat(q->fd[where], id, 0) < 0)
		return -1;
	queue_defer_remove(q, id);
	return 0;
}

void
queue_paths(struct queue_paths *p, const char *dir, const char *const *names)
{
	struct buf path = BUF_INIT(65536);
	int n = 0;

	for (int i = 0; i < QUEUE_PATHS_MAX; i++)
		free(p->text[i]);
	*p = (struct queue_paths){ 0 };
	for (; n < QUEUE_PATHS_MAX && names[n]; n++) {
		buf_addf(&path, "%s/%s", dir, names[n]);
		p->path[n] = p->text[n] = buf_steal(&path);
	}
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Maildir, the delivering side: see maildir.h. The walk below the base opens one component at a
 * time without following symbolic links, so that a path that is changed while it is walked leads
 * nowhere else. A delivery into a cached mailbox costs open, writev, linkat, fsync and close. */
#include "mail/maildir.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define RECHECK 1000000           /* microseconds a cached mailbox is trusted unseen */
#define PATH_BOUND 65536
#define NAME_BOUND 255

struct maildir {
	char *path;               /* key: base/path */
	int tmp, new;             /* directories */
	dev_t dev; ino_t ino;     /* of new/ */
	bool name_synced;         /* a file's fsync makes its name in new/ durable */
	int64_t checked;          /* when the path last led to new/ */
	struct maildir *older, *newer;
};

struct maildir_cache {
	struct strmap *map;
	struct maildir *oldest, *newest;
	size_t max;
	bool strict;
	pid_t pid;
	unsigned count;           /* messages delivered; like pid a part of the names */
	char *host;
	char *chunk;              /* CHUNK bytes, made when a message does not fit in its first portion */
};

/* The host's name as a part of a file name: no '/', ':' (flags begin there) and ',' (fields do). */
static char *
host_part(void)
{
	char name[256] = "localhost";
	char *p;

	gethostname(name, sizeof name - 1);
	for (p = name; *p; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p <= ' ' || *p == 127)
			*p = '-';
	name[64] = '\0';
	return mem_strdup(name[0] ? name : "localhost");
}

struct maildir_cache *
maildir_cache_new(size_t max, bool strict)
{
	struct maildir_cache *c = mem_zalloc(sizeof *c);

	c->map = strmap_new();
	c->max = max ? max : 1;
	c->strict = strict;
	c->host = host_part();
	c->pid = getpid();
	return c;
}

static void
lru_unlink(struct maildir_cache *c, struct maildir *m)
{
	*(m->older ? &m->older->newer : &c->oldest) = m->newer;
	*(m->newer ? &m->newer->older : &c->newest) = m->older;
	m->older = m->newer = NULL;
}

static void
lru_append(struct maildir_cache *c, struct maildir *m)
{
	m->older = c->newest;
	m->newer = NULL;
	*(c->newest ? &c->newest->newer : &c->oldest) = m;
	c->newest = m;
}

static void
maildir_close(struct maildir *m)
{
	if (m->tmp >= 0)
		close(m->tmp);
	if (m->new >= 0)
		close(m->new);
	free(m->path);
	free(m);
}

static void
forget(struct maildir_cache *c, struct maildir *m)
{
	strmap_remove(c->map, m->path);
	lru_unlink(c, m);
	maildir_close(m);
}

void
maildir_cache_free(struct maildir_cache **c)
{
	if (!*c)
		return;
	while ((*c)->oldest)
		forget(*c, (*c)->oldest);
	strmap_free(&(*c)->map, NULL);
	free((*c)->host);
	free((*c)->chunk);
	free(*c);
	*c = NULL;
}

/* Makes the new entry of directory dir durable: dir may be open as a path only. */
static int
sync_entry(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno == EACCES ? 0 : -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* Opens directory name in dir, making it where it is missing. */
static int
open_below(int dir, const char *name, int flags)
{
	int fd;

	flags |= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	fd = openat(dir, name, flags);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = openat(dir, name, flags);
	if (fd >= 0 && sync_entry(dir) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Walks path below dir (which is closed). The directory it names (O_PATH), or -1. */
static int
walk(int dir, const char *path)
{
	char name[NAME_BOUND + 1];
	const char *end;
	int next;

	for (; *path; path = end) {
		path += strspn(path, "/");
		end = path + strcspn(path, "/");
		if (end == path || (end - path == 1 && *path == '.'))
			continue;
		next = -1;
		if (end - path > NAME_BOUND) {
			errno = ENAMETOOLONG;
		} else if (end - path == 2 && path[0] == '.' && path[1] == '.') {
			errno = EINVAL;
		} else {
			memcpy(name, path, (size_t)(end - path));
			name[end - path] = '\0';
			next = open_below(dir, name, O_PATH);
		}
		if (next < 0) {
			int saved = errno;

			close(dir);
			errno = saved;
			return -1;
		}
		close(dir);
		dir = next;
	}
	return dir;
}

/* Opens the three directories of the mailbox in dir. */
static int
open_parts(struct maildir *m, int dir, bool strict, struct buf *err)
{
	struct stat st;
	int cur;

	if ((m->tmp = open_below(dir, "tmp", O_RDONLY)) < 0 ||
	    (m->new = open_below(dir, "new", O_RDONLY)) < 0 ||
	    (cur = open_below(dir, "cur", O_PATH)) < 0)
		return -1;
	close(cur);
	if (fstat(m->new, &st) < 0)
		return -1;
	if (strict && st.st_uid != geteuid()) {
		buf_addf(err, "mailbox %s belongs to uid %lu, not %lu", m->path,
		    (unsigned long)st.st_uid, (unsigned long)geteuid());
		errno = EPERM;
		return -1;
	}
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->name_synced = file_name_is_synced(m->new);
	return 0;
}

static int
open_fresh(struct maildir *m, const char *base, const char *path, bool strict, struct buf *err)
{
	int dir, rc, saved;

	dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		saved = errno;
		buf_addf(err, "open directory %s: %s", base, strerror(saved));
		errno = saved;
		return -1;
	}
	dir = walk(dir, path);
	rc = dir < 0 ? -1 : open_parts(m, dir, strict, err);
	saved = errno;
	if (rc < 0 && err->len == 0) {
		buf_addf(err, "open or create maildir %s: %s", m->path, strerror(saved));
		if (saved == EACCES || saved == EPERM) /* root's mail and default_privs: whose rights these are is not plain to see */
			buf_addf(err, " (as uid %lu)", (unsigned long)geteuid());
	}
	if (dir >= 0)
		close(dir);
	errno = saved;
	return rc;
}

/* True when the path of m still leads to the directory that is open. */
static bool
still_there(struct maildir *m)
{
	int64_t now = clock_mono();
	struct buf path = BUF_INIT(PATH_BOUND);
	struct stat st;
	bool same;

	if (now - m->checked < RECHECK)
		return true;
	m->checked = now;
	buf_addf(&path, "%s/new", m->path);
	same = !path.full && lstat(path.data, &st) == 0 && st.st_dev == m->dev && st.st_ino == m->ino;
	buf_free(&path);
	return same;
}

struct maildir *
maildir_open(struct maildir_cache *c, const char *base, const char *path, struct buf *err)
{
	struct buf key = BUF_INIT(PATH_BOUND);
	struct maildir *m;
	int saved;

	buf_addf(&key, "%s/%s", base, path);
	m = key.full ? NULL : strmap_get(c->map, key.data);
	if (m && !still_there(m)) {
		forget(c, m);
		m = NULL;
	}
	if (m) {
		buf_free(&key);
		lru_unlink(c, m);
		lru_append(c, m);
		return m;
	}
	if (key.full) {
		buf_free(&key);
		buf_adds(err, "mailbox path is too long");
		errno = ENAMETOOLONG;
		return NULL;
	}
	while (strmap_count(c->map) >= c->max)
		forget(c, c->oldest);
	m = mem_zalloc(sizeof *m);
	m->tmp = m->new = -1;
	m->path = buf_steal(&key);
	if (open_fresh(m, base, path, c->strict, err) < 0) {
		saved = errno;
		maildir_close(m);
		errno = saved;
		return NULL;
	}
	m->checked = clock_mono();
	strmap_set(c->map, m->path, m);
	lru_append(c, m);
	return m;
}

/* Line ends that are LF alone: each is one byte more with CRLF. *last is the byte before data. */
static uint64_t
count_bare_lf(const char *data, size_t n, char *last)
{
	const char *p = data, *end = data + n;
	uint64_t count = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		if ((p > data ? p[-1] : *last) != '\r')
			count++;
		p++;
	}
	if (n > 0)
		*last = data[n - 1];
	return count;
}

/* head and first by one system call, as a rule. */
static int
write_first(int fd, const struct maildir_message *msg)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)msg->head, msg->head_len },
		{ (void *)(uintptr_t)msg->first, msg->first_len },
	};
	size_t done;
	ssize_t n;

	do
		n = writev(fd, iov, 2);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	done = (size_t)n;
	if (done < msg->head_len) {
		if (file_write_all(fd, msg->head + done, msg->head_len - done) < 0)
			return -1;
		done = msg->head_len;
	}
	done -= msg->head_len;
	return done < msg->first_len ? file_write_all(fd, msg->first + done, msg->first_len - done) : 0;
}

/* Writes the message; *crlf gets its size with CRLF line ends. The content passes through memory, in
 * large portions, because it must be read for that in any case. */
static int
write_message(struct maildir_cache *c, int fd, const struct maildir_message *msg, uint64_t *crlf)
{
	uint64_t done = msg->first_len;
	char last = '\n';
	ssize_t n;

	if (write_first(fd, msg) < 0)
		return -1;
	*crlf = msg->head_len + msg->size + count_bare_lf(msg->head, msg->head_len, &last);
	*crlf += count_bare_lf(msg->first, msg->first_len, &last);
	if (done < msg->size && !c->chunk)
		c->chunk = mem_alloc(CHUNK);
	while (done < msg->size) {
		size_t want = msg->size - done < CHUNK ? (size_t)(msg->size - done) : CHUNK;

		n = pread(msg->fd, c->chunk, want, (off_t)(msg->at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;      /* shorter than its envelope says */
		if (n <= 0 || file_write_all(fd, c->chunk, (size_t)n) < 0)
			return -1;
		*crlf += count_bare_lf(c->chunk, (size_t)n, &last);
		done += (uint64_t)n;
	}
	return 0;
}

/* Gives the written file its name in new/. */
static int
name_message(struct maildir_cache *c, struct maildir *m, int fd, const char *temp, uint64_t size,
    uint64_t crlf, char name[NAME_BOUND + 1])
{
	int64_t now;
	int tries;

	for (tries = 0; tries < 10; tries++) {
		now = clock_real();
		snprintf(name, NAME_BOUND + 1, "%lld.M%06lldP%ldQ%u.%s,S=%llu,W=%llu", (long long)(now / 1000000),
		    (long long)(now % 1000000), (long)c->pid, ++c->count, c->host,
		    (unsigned long long)size, (unsigned long long)crlf);
		if (file_link(fd, m->tmp, temp, m->new, name) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* The mailbox was removed while it was open (kernels differ in what a new file there fails with). */
static bool
removed(const struct maildir *m)
{
	struct stat st;

	return (fstat(m->tmp, &st) == 0 && st.st_nlink == 0) || (fstat(m->new, &st) == 0 && st.st_nlink == 0);
}

int
maildir_deliver(struct maildir_cache *c, struct maildir *m, const struct maildir_message *msg, struct buf *err)
{
	char temp[40] = "", name[NAME_BOUND + 1] = "";
	const char *what = "create a file in";
	bool named = false;
	uint64_t crlf = 0;
	int fd, saved;

	fd = file_temp(m->tmp, 0600, temp);
	if (fd >= 0) {
		what = "write to";
		if (write_message(c, fd, msg, &crlf) == 0 && file_write_out(fd) == 0) { /* nobody ever sees a part of it */
			what = "add the message to";
			named = name_message(c, m, fd, temp, msg->head_len + msg->size, crlf, name) == 0;
		}
		if (named && file_sync(fd, m->name_synced ? -1 : m->new) == 0) {
			if (close(fd) == 0)
				return 0;
			fd = -1;
		}
	}
	saved = errno;
	if (named)
		what = "sync";
	buf_addf(err, "%s maildir %s: %s", what, m->path, strerror(saved));
	if (named)
		unlinkat(m->new, name, 0);
	else if (temp[0])
		unlinkat(m->tmp, temp, 0);
	if (fd >= 0)
		close(fd);
	if (saved == ENOENT || saved == ESTALE || removed(m)) {
		forget(c, m);
		saved = ENOENT;
	}
	errno = saved;
	return -1;
}

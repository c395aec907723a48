/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reading a Maildir: see maildir_read.h. A file name is UNIQUE[,S=bytes][,W=octets][:2,FLAGS]. */
#include "mail/maildir_read.h"

#include "base/mem.h"
#include "base/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_NEW = 1, SIZED = 2 };
enum { START, LINE, AFTER_CR };   /* of counting octets */

struct entry {
	uint32_t name;            /* offset in names */
	uint32_t flags;
	uint64_t size;
};

struct mailbox {
	int dir, new, cur;        /* -1: not there */
	struct entry *entry;
	size_t n, room;
	char *names;              /* one after the other, each with its NUL */
	size_t names_len, names_room;
	char *block;              /* for reading */
};

enum { BLOCK = 65536 };
#define SIZE_BELIEVED (UINT64_C(1) << 40) /* of a name: their sum is not to wrap */

static const char *
name_of(const struct mailbox *m, const struct entry *e)
{
	return m->names + e->name;
}

/* The length of the unique part. */
static size_t
unique(const char *name)
{
	return strcspn(name, ",:");
}

/* Keeps a name; *at is where. */
static int
add_name(struct mailbox *m, const char *name, uint32_t *at)
{
	size_t n = strlen(name) + 1;

	if (m->names_len + n > UINT32_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	if (m->names_len + n > m->names_room) {
		m->names_room = m->names_room ? m->names_room + m->names_room / 2 + n : 4096;
		m->names = mem_resize(m->names, m->names_room, 1);
	}
	memcpy(m->names + m->names_len, name, n);
	*at = (uint32_t)m->names_len;
	m->names_len += n;
	return 0;
}

static int
add(struct mailbox *m, const char *name, uint32_t flags)
{
	struct entry e = { .flags = flags };

	if (add_name(m, name, &e.name) < 0)
		return -1;
	if (m->n == m->room) {
		m->room = m->room ? m->room + m->room / 2 : 64;
		m->entry = mem_resize(m->entry, m->room, sizeof *m->entry);
	}
	m->entry[m->n++] = e;
	return 0;
}

/* Adds the files of a directory. */
static int
scan(struct mailbox *m, int fd, uint32_t flags)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = own < 0 ? NULL : fdopendir(own);
	struct dirent *e;

	if (!d) {
		if (own >= 0)
			close(own);
		return -1;
	}
	while (r == 0 && (errno = 0, e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && (e->d_type == DT_REG || e->d_type == DT_UNKNOWN))
			r = add(m, e->d_name, flags);
	if (r == 0 && errno != 0)
		r = -1;
	closedir(d);
	return r;
}

/* Time of delivery first (the number that names begin with), then the unique part. */
static int
compare(const void *a, const void *b, void *arg)
{
	const struct mailbox *m = arg;
	const struct entry *x = a, *y = b;
	const char *p = name_of(m, x), *q = name_of(m, y);
	size_t dp = strspn(p, "0123456789"), dq = strspn(q, "0123456789"), n = unique(p), k = unique(q);
	int r;

	if (dp != dq)
		return dp < dq ? -1 : 1;
	r = memcmp(p, q, n < k ? n : k);
	return r ? r : n < k ? -1 : n > k ? 1 : (int)(x->flags & IN_NEW) - (int)(y->flags & IN_NEW);
}

/* A message that moved from new/ to cur/ between the two scans was seen twice: the one in cur/ counts. */
static void
drop_doubles(struct mailbox *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		const char *name = name_of(m, &m->entry[i]), *last = kept ? name_of(m, &m->entry[kept - 1]) : "";
		size_t n = unique(name);

		if (kept && n == unique(last) && memcmp(name, last, n) == 0)
			continue;
		m->entry[kept++] = m->entry[i];
	}
	m->n = kept;
}

static int
open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct mailbox *
mailbox_open(const char *path, struct buf *err)
{
	struct mailbox *m = mem_zalloc(sizeof *m);
	int r = 0, e;

	m->new = m->cur = -1;
	m->dir = open_dir(AT_FDCWD, path);
	if (m->dir < 0) {
		r = errno == ENOENT ? 0 : -1;
	} else {
		m->new = open_dir(m->dir, "new");
		if (m->new < 0 && errno != ENOENT)
			r = -1;
		m->cur = r < 0 ? -1 : open_dir(m->dir, "cur");
		if (r == 0 && m->cur < 0 && errno != ENOENT)
			r = -1;
	}
	/* new/ first: nothing that moves on to cur/ meanwhile is missed */
	if (r == 0 && m->new >= 0)
		r = scan(m, m->new, IN_NEW);
	if (r == 0 && m->cur >= 0)
		r = scan(m, m->cur, 0);
	if (r < 0) {
		e = errno;
		buf_addf(err, "open mailbox %s: %s", path, strerror(e));
		mailbox_close(&m);
		errno = e;
		return NULL;
	}
	if (m->n > 0) {
		qsort_r(m->entry, m->n, sizeof *m->entry, compare, m);
		drop_doubles(m);
	}
	return m;
}

void
mailbox_close(struct mailbox **mp)
{
	struct mailbox *m = *mp;

	if (!m)
		return;
	if (m->dir >= 0)
		close(m->dir);
	if (m->new >= 0)
		close(m->new);
	if (m->cur >= 0)
		close(m->cur);
	free(m->entry);
	free(m->names);
	free(m->block);
	free(m);
	*mp = NULL;
}

size_t
mailbox_count(const struct mailbox *m)
{
	return m->n;
}

int
mailbox_lock(struct mailbox *m)
{
	return m->dir < 0 ? 0 : flock(m->dir, LOCK_EX | LOCK_NB);
}

/* Looks for the unique part of e's name in a directory. 0 and e has its new name, -1. */
static int
find_in(struct mailbox *m, struct entry *e, int dir, uint32_t where)
{
	size_t len = unique(name_of(m, e));
	int fd = dir < 0 ? -1 : open_dir(dir, "."), r = -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;

	while (d && r < 0 && (f = readdir(d)) != NULL)
		if (unique(f->d_name) == len && memcmp(f->d_name, name_of(m, e), len) == 0)
			r = add_name(m, f->d_name, &e->name);
	if (r == 0)
		e->flags = (e->flags & SIZED) | where;
	if (d)
		closedir(d);
	return r;
}

/* Another program has renamed the message. */
static int
find_again(struct mailbox *m, struct entry *e)
{
	if (find_in(m, e, m->cur, 0) == 0 || find_in(m, e, m->new, IN_NEW) == 0)
		return 0;
	errno = ENOENT;
	return -1;
}

static int
dir_of(const struct mailbox *m, const struct entry *e)
{
	return e->flags & IN_NEW ? m->new : m->cur;
}

int
mailbox_message(struct mailbox *m, size_t i)
{
	struct stat st;

	for (int tries = 0; tries < 3; tries++) {
		struct entry *e = &m->entry[i];
		int fd = openat(dir_of(m, e), name_of(m, e), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			return fd;
		if (fd >= 0) {
			close(fd);
			errno = EINVAL;
			return -1;
		}
		if (errno != ENOENT)
			return -1;
		if (find_again(m, e) < 0)
			return -1;
	}
	errno = ENOENT;
	return -1;
}

uint64_t
mailbox_octets(int *state, const char *data, size_t n)
{
	uint64_t octets = n;

	/* only a LF without CR before it is longer on the wire */
	for (const char *p = data, *end = data + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		octets += p > data ? p[-1] != '\r' : *state != AFTER_CR;
	if (n > 0)
		*state = data[n - 1] == '\n' ? START : data[n - 1] == '\r' ? AFTER_CR : LINE;
	return octets;
}

uint64_t
mailbox_octets_end(int state)
{
	return state == START ? 0 : 2;
}

static int
count_octets(struct mailbox *m, size_t i, uint64_t *octets)
{
	int fd = mailbox_message(m, i), state = START;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (!m->block)
		m->block = mem_alloc(BLOCK);
	*octets = 0;
	while ((n = read(fd, m->block, BLOCK)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			*octets += mailbox_octets(&state, m->block, (size_t)n);
	close(fd);
	*octets += mailbox_octets_end(state);
	return n < 0 ? -1 : 1;
}

int
mailbox_size(struct mailbox *m, size_t i, uint64_t *octets)
{
	struct entry *e = &m->entry[i];
	const char *name = name_of(m, e), *w;
	int r = 1;

	if (!(e->flags & SIZED)) {
		w = memmem(name, strcspn(name, ":"), ",W=", 3);
		if (!w || num_u64n(w + 3, strspn(w + 3, "0123456789"), SIZE_BELIEVED, &e->size) < 0) {
			uint64_t size = 0;

			r = count_octets(m, i, &size);
			e->size = size;
		}
		if (r > 0)
			e->flags |= SIZED;
	}
	*octets = e->size;
	return r;
}

static uint64_t
mix(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		h = (h ^ (unsigned char)s[i]) * 0x9fb21c651e98df25;
		h ^= h >> 29;
	}
	return h;
}

void
mailbox_uid(const struct mailbox *m, size_t i, struct buf *out)
{
	const char *name = name_of(m, &m->entry[i]);
	size_t n = unique(name);
	bool plain = n > 0 && n <= 70;

	for (size_t k = 0; plain && k < n; k++)
		plain = name[k] > 0x20 && name[k] < 0x7f;
	if (plain)
		buf_add(out, name, n);
	else
		buf_addf(out, "%016llx%016llx", (unsigned long long)mix(0x243f6a8885a308d3, name, n),
			 (unsigned long long)mix(0x13198a2e03707344, name, n));
}

int
mailbox_remove(struct mailbox *m, size_t i)
{
	for (int tries = 0; tries < 3; tries++) {
		struct entry *e = &m->entry[i];
		int fd;

		if (unlinkat(dir_of(m, e), name_of(m, e), 0) == 0)
			return 0;
		if (errno != ENOENT)
			return -1;
		fd = mailbox_message(m, i); /* finds its new name */
		if (fd < 0)
			return errno == ENOENT ? 0 : -1;
		close(fd);
	}
	return -1;
}

int
mailbox_seen(struct mailbox *m, size_t i)
{
	struct entry *e = &m->entry[i];
	const char *name = name_of(m, e), *flags = strstr(name, ":2,");
	struct buf to = BUF_INIT(4096);
	int r = 0, saved;

	if (m->cur < 0 && m->dir >= 0) {
		(void)mkdirat(m->dir, "cur", 0700);
		m->cur = open_dir(m->dir, "cur");
	}
	if (!flags)
		buf_addf(&to, "%s:2,S", name);
	else if (!strchr(flags + 3, 'S')) {
		/* flags stand in ASCII order */
		size_t before = strspn(flags + 3, "ABCDEFGHIJKLMNOPQR") + 3;

		buf_addf(&to, "%.*sS%s", (int)(flags - name) + (int)before, name, flags + before);
	}
	if (to.len > 0 && !to.full)
		r = renameat(dir_of(m, e), name, m->cur, to.data);
	saved = errno;
	buf_free(&to);
	errno = saved;
	return r;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Durable files: see file.h. Linux' O_TMPFILE, linkat of an open file, renameat2 and copy_file_range are used where
 * the file system has them; each has a plain fallback here. Locks belong to the open file (F_OFD_SETLK), so closing
 * another descriptor of the same file does not drop them, as it does with plain fcntl locks. */
#include "sys/file.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/vfs.h>
#include <unistd.h>

#define COPY_CHUNK 65536

/* File systems on which fsync of a new file makes its name durable too (linux/magic.h has the numbers, but not
 * everywhere all of them). */
static const unsigned long name_synced[] = {
	0xef53,     /* ext2, ext3, ext4 */
	0x58465342, /* xfs */
	0x9123683e, /* btrfs */
	0x01021994, /* tmpfs: nothing there outlives a power cut anyway */
};

/* A uniquely named new file in dirfd. */
static int
temp_named(int dirfd, mode_t mode, char name[40])
{
	for (int tries = 0; tries < 100; tries++) {
		uint64_t r;
		int fd;

		if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
			r = (uint64_t)clock_real() * 0x9e3779b97f4a7c15 + (uint64_t)getpid();
		snprintf(name, 40, ".tmp.%016llx", (unsigned long long)r);
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

int
file_temp(int dirfd, mode_t mode, char name[40])
{
	int fd;

	name[0] = '\0';
#ifdef O_TMPFILE
	fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	/* a kernel that does not know O_TMPFILE sees a directory opened for writing: EISDIR */
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
#endif
	fd = temp_named(dirfd, mode, name);
	if (fd < 0)
		name[0] = '\0';
	return fd;
}

/* Names an open file that has none. */
static int
link_unnamed(int fd, int dirfd, const char *name)
{
	static bool by_proc; /* the kernel wants a capability for AT_EMPTY_PATH (before Linux 6.10) */
	char path[40];

	if (!by_proc) {
		if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0)
			return 0;
		if (errno != ENOENT && errno != EINVAL && errno != EPERM)
			return -1;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	by_proc = true;
	return 0;
}

int
file_link(int fd, int tempdir, const char *tempname, int dirfd, const char *name)
{
	if (!tempname || !*tempname)
		return link_unnamed(fd, dirfd, name);
	if (renameat2(tempdir, tempname, dirfd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(tempdir, tempname, dirfd, name, 0) < 0)
		return -1;
	/* the name stands; a temporary name that stays as well harms nobody */
	(void)unlinkat(tempdir, tempname, 0);
	return 0;
}

/* Asked of the kernel once a file system. */
bool
file_name_is_synced(int dirfd)
{
	static struct { dev_t dev; bool used, synced; } cache[8];
	static unsigned next;
	struct statfs fs;
	struct stat st;
	bool synced = false;

	if (fstat(dirfd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof cache / sizeof cache[0]; i++)
		if (cache[i].used && cache[i].dev == st.st_dev)
			return cache[i].synced;
	if (fstatfs(dirfd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof name_synced / sizeof name_synced[0]; i++)
		if (((unsigned long)fs.f_type & 0xffffffff) == name_synced[i])
			synced = true;
	next %= sizeof cache / sizeof cache[0];
	cache[next].dev = st.st_dev;
	cache[next].synced = synced;
	cache[next++].used = true;
	return synced;
}

/* fsync may be interrupted before it began (on network file systems); any other failure is final. ext4 that is shut down (its
 * device is gone) while it syncs drops the transaction, and then says of it that there is nothing left to wait for: 0. That the
 * file cannot be read any more tells. */
static int
sync_once(int fd)
{
	char c;
	int r;

	do
		r = fsync(fd);
	while (r < 0 && errno == EINTR);
	if (r == 0 && pread(fd, &c, 1, 0) < 0 && errno == EIO)
		return -1;
	return r;
}

int
file_write_out(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE
	int r;

	do
		r = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	while (r < 0 && errno == EINTR);
	/* an error of writing is told once: here, and not by fsync again */
	return r < 0 && errno != ENOSYS && errno != EINVAL && errno != ESPIPE && errno != EPERM ? -1 : 0;
#else
	(void)fd;
	return 0;
#endif
}

int
file_sync(int fd, int dirfd)
{
	int dir, r, saved;

	if (sync_once(fd) < 0)
		return -1;
	if (dirfd < 0 || file_name_is_synced(dirfd))
		return 0;
	dir = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* dirfd may be O_PATH */
	if (dir < 0 && errno == EACCES) /* one that we may write but not read: all of its file system, then */
		return syncfs(fd);
	if (dir < 0)
		return -1;
	r = sync_once(dir);
	saved = errno;
	close(dir);
	errno = saved;
	return r;
}

int
file_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int
file_pwrite_all(int fd, const void *data, size_t n, off_t at)
{
	const char *p = data;

	while (n) {
		ssize_t k = pwrite(fd, p, n, at);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += k;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

/* The last resort of file_copy: any two descriptors. */
static int
copy_by_hand(int out, int in, off_t at, uint64_t n)
{
	char *buf = mem_alloc(COPY_CHUNK);
	int r = 0;

	while (n && r == 0) {
		ssize_t k = pread(in, buf, n < COPY_CHUNK ? (size_t)n : COPY_CHUNK, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k == 0)
			errno = EIO; /* the file is shorter than the caller was told */
		if (k <= 0) {
			r = -1;
			break;
		}
		r = file_write_all(out, buf, (size_t)k);
		at += k;
		n -= (uint64_t)k;
	}
	free(buf);
	return r;
}

/* Errors that say "not between these two descriptors", as opposed to "the disk is full". */
static bool
other_way(int e)
{
	return e == EXDEV || e == EINVAL || e == ENOSYS || e == EOPNOTSUPP || e == EBADF || e == EPERM;
}

int
file_copy(int out, int in, off_t at, uint64_t n)
{
	const size_t most = 1 << 30;
	bool kernel_range = true;

	while (n) {
		size_t want = n < most ? (size_t)n : most;
		ssize_t k = kernel_range ? copy_file_range(in, &at, out, NULL, want, 0) : sendfile(out, in, &at, want);

		if (k > 0) {
			n -= (uint64_t)k;
			continue;
		}
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && !other_way(errno))
			return -1;
		/* 0 is the end of the file, or a file that only read(2) understands */
		if (!kernel_range)
			return copy_by_hand(out, in, at, n);
		kernel_range = false;
	}
	return 0;
}

int
file_open_quietly(int dirfd, const char *path, int flags)
{
#ifdef O_NOATIME
	int fd = openat(dirfd, path, flags | O_RDONLY | O_NOATIME);

	if (fd >= 0 || errno != EPERM) /* it is for the owner and root */
		return fd;
#endif
	return openat(dirfd, path, flags | O_RDONLY);
}

int
file_read(int dirfd, const char *path, struct buf *out)
{
	int fd = file_open_quietly(dirfd, path, O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int saved, r = -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto done;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto done;
	}
	for (;;) {
		size_t room = out->max - out->len, want;
		ssize_t k;

		/* one byte more than the size says, so that a file that does not grow takes one read */
		want = st.st_size > 0 && (uint64_t)st.st_size < SIZE_MAX - 1 ? (size_t)st.st_size + 1 : 4096;
		if (want > room)
			want = room;
		if (want == 0) {
			char c;

			r = read(fd, &c, 1) == 0 ? 0 : -1;
			if (r < 0)
				errno = EFBIG;
			break;
		}
		buf_reserve(out, want);
		k = read(fd, out->data + out->len, want);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			r = (int)k;
			break;
		}
		out->len += (size_t)k;
		out->data[out->len] = '\0';
		if ((size_t)k < want) { /* a regular file gives less only at its end */
			r = 0;
			break;
		}
		st.st_size = st.st_size > k ? st.st_size - k : 0;
	}
done:
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

/* Writes the new content beside name in dirfd and renames it. */
static int
replace_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode)
{
	struct stat old;
	bool exists = fstatat(dirfd, name, &old, 0) == 0;
	char temp[40];
	int fd, saved;

	if (exists && !S_ISREG(old.st_mode)) {
		errno = S_ISDIR(old.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	fd = temp_named(dirfd, exists ? 0600 : mode, temp);
	if (fd < 0)
		return -1;
	if (exists && (old.st_uid != geteuid() || old.st_gid != getegid()) && fchown(fd, old.st_uid, old.st_gid) < 0)
		goto fail;
	if (exists && fchmod(fd, old.st_mode & 07777) < 0)
		goto fail;
	if (file_write_all(fd, data, n) < 0 || sync_once(fd) < 0)
		goto fail;
	saved = close(fd);
	fd = -1;
	if (saved < 0 || renameat(dirfd, temp, dirfd, name) < 0)
		goto fail;
	return sync_once(dirfd);
fail:
	saved = errno;
	if (fd >= 0)
		close(fd);
	unlinkat(dirfd, temp, 0);
	errno = saved;
	return -1;
}

int
file_replace(const char *path, const void *data, size_t n, mode_t mode)
{
	char *real = realpath(path, NULL); /* a symbolic link stays, what it names is replaced */
	char *slash, *where = real ? real : mem_strdup(path);
	const char *name = where;
	int dirfd, saved, r = -1;

	slash = strrchr(where, '/');
	if (slash)
		name = slash + 1;
	if (slash == where) {
		dirfd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		if (slash)
			*slash = '\0';
		dirfd = open(slash ? where : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dirfd >= 0) {
		r = replace_at(dirfd, name, data, n, mode);
		saved = errno;
		close(dirfd);
		errno = saved;
	}
	saved = errno;
	free(where);
	errno = saved;
	return r;
}

int
file_lock(const char *path, mode_t mode, bool wait)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
		struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		struct stat mine, there;
		int r, saved;

		if (fd < 0)
			return -1;
		do
			r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &whole);
		while (r < 0 && errno == EINTR);
		/* a lock on a file that was removed or replaced meanwhile keeps nobody out */
		if (r == 0 && fstat(fd, &mine) == 0) {
			if (stat(path, &there) == 0 && there.st_dev == mine.st_dev && there.st_ino == mine.st_ino)
				return fd;
			close(fd);
			continue;
		}
		saved = errno == EACCES ? EWOULDBLOCK : errno;
		close(fd);
		errno = saved;
		return -1;
	}
}

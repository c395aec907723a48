/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Flags of a message as a whole, kept in the mode of its queue file: one system call sets them, they go wherever the file is
 * moved to, and they cost no write of the file. The bits are execute bits of the owner and the group, which mean nothing for
 * a file that is no program. A file whose mode lets the group or others do anything else was not made by us (a restored backup,
 * a careless chmod): its bits mean nothing. */
#include "mail/queue.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_TRIES 100            /* 1 ms apart */

unsigned
queue_flags(mode_t mode)
{
	return mode & (S_IRWXO | S_IRGRP | S_IWGRP) ? 0 : mode & (QUEUE_WARNED | QUEUE_EXPIRE);
}

/* Setting a flag is reading the mode and writing it: the lock is held for just these two, so that two flags that are set at the
 * same time are both there in the end. */
static int
lock(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -1;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return 0;
}

int
queue_flag(int fd, unsigned set, unsigned clear)
{
	struct stat st;
	unsigned flags;
	int r, e;

	if (lock(fd) < 0)
		return -1;
	r = fstat(fd, &st);
	if (r == 0) {
		flags = (queue_flags(st.st_mode) | set) & ~clear;
		if ((st.st_mode & 07777) != (S_IRUSR | S_IWUSR | flags))
			r = fchmod(fd, S_IRUSR | S_IWUSR | flags);
	}
	e = errno;
	flock(fd, LOCK_UN);
	errno = e;
	return r;
}

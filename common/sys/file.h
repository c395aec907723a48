/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Durable files (STYLE 9): written, fsync'd, close checked, visible by one atomic step.
 * A failed fsync is final: the data is treated as lost (never fsync again and hope). */
#ifndef SYS_FILE_H
#define SYS_FILE_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* An unnamed file in directory dirfd (O_TMPFILE), or a uniquely named one in it where the file system has
 * none (name then gets its name; else name is emptied). -1 with errno. */
int file_temp(int dirfd, mode_t mode, char name[40]);
/* Gives an open file_temp file its name in dirfd (linkat, or rename of tempname in tempdir); EEXIST when it is taken. */
int file_link(int fd, int tempdir, const char *tempname, int dirfd, const char *name);
/* Waits until the data is written, before the file gets its name: so a power cut never leaves the name with less than the data (the
 * file system's journal keeps their order). It makes nothing durable, and fsync has that much less to do. Without effect where the
 * system cannot do it. 0, or -1 with errno when writing failed: then it is lost. */
int file_write_out(int fd);
/* fsync of the file, and of the directory on file systems where a file's fsync is not known to make its new name
 * durable (known: ext2/3/4, xfs, btrfs, tmpfs; a directory that we may not read: the whole file system). dirfd -1: the file alone. 0 or -1 with errno. */
int file_sync(int fd, int dirfd);
/* The file system of dirfd is one of those: who writes many files there may ask once and give file_sync -1 from then on. */
bool file_name_is_synced(int dirfd);
int file_write_all(int fd, const void *data, size_t n);           /* 0 or -1 with errno; EINTR and short writes handled */
int file_pwrite_all(int fd, const void *data, size_t n, off_t at);
/* Copies n bytes from in at offset to out's position: copy_file_range, sendfile or read/write. 0 or -1 with errno
 * (EIO when in is shorter). */
int file_copy(int out, int in, off_t at, uint64_t n);
/* Whole regular file into out (bounded by out->max). 0 or -1 with errno (EFBIG past max). */
int file_read(int dirfd, const char *path, struct buf *out);
/* openat(2) for reading, with more flags, that leaves the time of the last access as it is where the caller may do so: who
 * looks through very many files does not have each of their inodes written. */
int file_open_quietly(int dirfd, const char *path, int flags);
/* Replaces path by content: temporary file beside it, fsync, rename, directory fsync. Mode and owner of an existing file are
 * kept, else mode is used. 0 or -1 with errno. */
int file_replace(const char *path, const void *data, size_t n, mode_t mode);
/* Exclusive lock on path (created with mode): the descriptor to keep, or -1 (EWOULDBLOCK when held and wait is false). */
int file_lock(const char *path, mode_t mode, bool wait);
#endif

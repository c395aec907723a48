/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Durable files. */
#include "sys/file.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int
exists(const char *name)
{
	return access(name, F_OK) == 0;
}

static void
temporary_files(int dir)
{
	char name[40], again[40];
	int fd = file_temp(dir, 0640, name), other;
	struct stat st;

	ok(fd >= 0, "a temporary file can be made");
	is_num(file_write_all(fd, "hello", 5), 0, "and written");
	is_num(file_write_out(fd), 0, "its data can be written out before it has its name");
	is_num(file_link(fd, dir, name, dir, "one"), 0, "and given a name");
	is_num(file_sync(fd, dir), 0, "and made durable");
	ok(exists("one") && (!*name || !exists(name)), "it stands under that name alone");
	is_num(fstat(fd, &st) == 0 ? st.st_mode & 0777 : 0, 0640, "it has the mode that was asked for");
	other = file_temp(dir, 0600, again);
	errno = 0;
	ok(file_link(other, dir, again, dir, "one") == -1 && errno == EEXIST, "a name that is taken is refused (EEXIST)");
	close(other);
	close(fd);
	/* the same where the file system has no unnamed files */
	fd = openat(dir, "named", O_RDWR | O_CREAT | O_EXCL, 0600);
	errno = 0;
	ok(file_link(fd, dir, "named", dir, "one") == -1 && errno == EEXIST, "a named temporary file does not replace another");
	is_num(file_link(fd, dir, "named", dir, "two"), 0, "it gets a free name");
	ok(!exists("named") && exists("two"), "and loses its own");
	close(fd);
}

static void
whole_files(void)
{
	struct buf b = BUF_INIT(100), small = BUF_INIT(3);
	struct stat st;

	is_num(file_replace("three", "first", 5, 0604), 0, "a file is made");
	is_num(chmod("three", 0640), 0, "its mode is changed");
	is_num(file_replace("three", "second", 6, 0600), 0, "it is replaced");
	is_num(file_read(AT_FDCWD, "three", &b), 0, "and read");
	is(b.data, "second", "the new content is there");
	is_num(stat("three", &st) == 0 ? st.st_mode & 0777 : 0, 0640, "the mode was kept");
	ok(symlink("three", "link") == 0 && file_replace("link", "3rd", 3, 0600) == 0, "a symbolic link is followed");
	ok(lstat("link", &st) == 0 && S_ISLNK(st.st_mode), "and stays a link");
	buf_clear(&b);
	is_num(file_read(AT_FDCWD, "link", &b), 0, "it can be read through the link");
	is(b.data, "3rd", "with the new content");
	is_num(file_read(AT_FDCWD, "three", &small), 0, "a file that just fits is read");
	is_num(file_replace("three", "four", 4, 0600), 0, "one byte more");
	buf_clear(&small);
	errno = 0;
	ok(file_read(AT_FDCWD, "three", &small) == -1 && errno == EFBIG, "is too big (EFBIG)");
	errno = 0;
	ok(file_read(AT_FDCWD, ".", &b) == -1 && errno == EISDIR, "a directory is not read");
	errno = 0;
	ok(mkfifo("fifo", 0600) == 0 && file_read(AT_FDCWD, "fifo", &b) == -1 && errno == EINVAL, "nor a FIFO, without waiting");
	errno = 0;
	ok(file_replace("none/file", "x", 1, 0600) == -1 && errno == ENOENT, "a missing directory is an error");
	errno = 0;
	ok(file_replace("fifo", "x", 1, 0600) == -1 && errno == EINVAL, "a FIFO is not replaced");
	buf_free(&b);
	buf_free(&small);
}

static void
copies(void)
{
	enum { SIZE = 200000 };
	char *data = malloc(SIZE), *back = malloc(SIZE);
	int in, out, p[2];

	if (!data || !back)
		return;
	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7 + i / 251);
	is_num(file_replace("src", data, SIZE, 0600), 0, "a larger file is made");
	in = open("src", O_RDONLY);
	out = open("dst", O_RDWR | O_CREAT, 0600);
	file_write_all(out, "head", 4);
	is_num(file_copy(out, in, 1000, SIZE - 1000), 0, "it is copied from an offset");
	ok(pread(out, back, SIZE, 4) == SIZE - 1000 && memcmp(back, data + 1000, SIZE - 1000) == 0, "byte for byte");
	errno = 0;
	ok(file_copy(out, in, SIZE - 10, 20) == -1 && errno == EIO, "a source that is too short is an error");
	ok(pipe(p) == 0 && file_copy(p[1], in, 5, 4096) == 0, "it is copied into a pipe");
	ok(read(p[0], back, 4096) == 4096 && memcmp(back, data + 5, 4096) == 0, "byte for byte");
	is_num(file_pwrite_all(out, "HEAD", 4, 0), 0, "the beginning is overwritten");
	ok(pread(out, back, 5, 0) == 5 && memcmp(back, "HEAD", 4) == 0 && back[4] == data[1000], "and only that");
	close(p[0]);
	close(p[1]);
	close(in);
	close(out);
	free(data);
	free(back);
}

static void
locks(void)
{
	int a = file_lock("lock", 0600, false), b;

	ok(a >= 0, "a lock is taken");
	errno = 0;
	b = file_lock("lock", 0600, false);
	ok(b == -1 && errno == EWOULDBLOCK, "a second time it is not (EWOULDBLOCK)");
	unlink("lock");
	b = file_lock("lock", 0600, false);
	ok(b >= 0, "when its file was removed, it can be taken anew");
	close(b);
	close(a);
	a = file_lock("lock", 0600, true);
	ok(a >= 0, "closing the descriptor gives it back");
	close(a);
}

int
main(void)
{
	char dir[] = "/tmp/mtakit-file.XXXXXX";
	int fd;

	umask(022);
	if (!mkdtemp(dir) || chdir(dir) < 0) {
		puts("Bail out! no temporary directory");
		return 1;
	}
	fd = open(".", O_RDONLY | O_DIRECTORY);
	temporary_files(fd);
	whole_files();
	copies();
	locks();
	close(fd);
	for (const char *const *f = (const char *const[]){ "one", "two", "three", "link", "fifo", "src", "dst", "lock", NULL }; *f; f++)
		unlink(*f);
	ok(chdir("/") == 0 && rmdir(dir) == 0, "no temporary file was left behind");
	return tap_done();
}

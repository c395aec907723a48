/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mail/maildir_read: order, sizes, unique names, messages that move, disappear, come twice; a large mailbox. */
#include "mail/maildir_read.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
put(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

static const struct { const char *text; size_t n, octets; const char *name; } sizes[] = {
	{ "", 0, 0, "empty" },
	{ "a\n", 2, 3, "one line" },
	{ "a\r\n", 3, 3, "CRLF counts as it is" },
	{ "a", 1, 3, "a missing line end is added" },
	{ "a\r", 2, 4, "also after CR" },
	{ "\n\n\r\r\n", 5, 7, "empty lines, CR CR LF" },
	{ "\0\n", 2, 3, "NUL" },
};

static void
test_octets(void)
{
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int state = 0, parts = 0;
		uint64_t whole = mailbox_octets(&state, sizes[i].text, sizes[i].n), split = 0;

		whole += mailbox_octets_end(state);
		for (size_t k = 0; k < sizes[i].n; k++)
			split += mailbox_octets(&parts, sizes[i].text + k, 1);
		split += mailbox_octets_end(parts);
		ok(whole == sizes[i].octets && split == sizes[i].octets, "octets: %s", sizes[i].name);
	}
}

static const char *
uid(struct mailbox *m, size_t i)
{
	static struct buf b = BUF_INIT(256);

	buf_clear(&b);
	mailbox_uid(m, i, &b);
	return b.data;
}

static void
test_messages(void)
{
	char name[400], path[500];
	struct buf err = BUF_INIT(512);
	struct mailbox *m;
	uint64_t octets = 0;
	int fd;

	m = mailbox_open("absent", &err);
	ok(m && mailbox_count(m) == 0, "a Maildir that does not exist is empty");
	mailbox_close(&m);
	mkdir("box", 0700);
	m = mailbox_open("box", &err);
	ok(m && mailbox_count(m) == 0, "so is one without new and cur");
	mailbox_close(&m);
	mkdir("box/new", 0700);
	mkdir("box/cur", 0700);
	mkdir("box/cur/1.directory", 0700);
	put("box/new/1700000010.b.h", "x\n", 2);
	put("box/cur/1700000002.a.h,S=2,W=77:2,FS", "x\n", 2);
	put("box/new/999999999.old.h,W=5", "x\n", 2);
	put("box/new/.hidden", "x", 1);
	put("box/new/1700000002.a.h,S=2,W=77", "x\n", 2);
	memset(name, 'n', 100);
	strcpy(name + 100, ".h");
	snprintf(path, sizeof path, "box/cur/1700000011.%s:2,", name);
	put(path, "y", 1);
	put("box/cur/1700000012.a b\303\274:2,T", "y", 1);
	m = mailbox_open("box", &err);
	is_num((long long)mailbox_count(m), 5, "files count; directories, hidden files and doubles do not");
	is(uid(m, 0), "999999999.old.h", "in order of time");
	is(uid(m, 1), "1700000002.a.h", "UIDL is the unique part");
	is(uid(m, 2), "1700000010.b.h", "whatever directory they are in");
	is_num((long long)strlen(uid(m, 3)), 32, "a long name is hashed");
	is_num((long long)strlen(uid(m, 4)), 32, "so is one that is not printable");
	ok(mailbox_size(m, 1, &octets) == 1 && octets == 77, "size from the name");
	ok(mailbox_size(m, 2, &octets) == 1 && octets == 3, "size counted");
	rename("box/new/1700000010.b.h", "box/cur/1700000010.b.h:2,F");
	fd = mailbox_message(m, 2);
	ok(fd >= 0, "a message that was renamed is found");
	close(fd);
	is_num(mailbox_seen(m, 2), 0, "and marked");
	ok(access("box/cur/1700000010.b.h:2,FS", F_OK) == 0, "flags in order");
	is_num(mailbox_seen(m, 0), 0, "a new message is marked");
	ok(access("box/cur/999999999.old.h,W=5:2,S", F_OK) == 0, "in cur");
	ok(mailbox_remove(m, 2) == 0 && access("box/cur/1700000010.b.h:2,FS", F_OK) < 0, "removed under its newest name");
	is_num(mailbox_message(m, 2), -1, "a removed message is gone");
	is_num(mailbox_remove(m, 2), 0, "to remove it again is no error");
	mailbox_close(&m);
	buf_free(&err);
}

static void
test_large(void)
{
	enum { N = 20000 };
	struct buf err = BUF_INIT(512);
	char path[200];
	struct mailbox *m;
	size_t before, used;
	uint64_t octets, sum = 0;

	mkdir("large", 0700);
	mkdir("large/new", 0700);
	for (int i = 0; i < N; i++) {
		snprintf(path, sizeof path, "large/new/17000%05d.M123456P789Q%d.host.example.com,S=1234,W=1270", i, i);
		put(path, "", 0);
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	m = mailbox_open("large", &err);
	used = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	for (size_t i = 0; i < mailbox_count(m); i++)
		if (mailbox_size(m, i, &octets) == 1)
			sum += octets;
	is_num((long long)sum, N * 1270LL, "a large mailbox");
	printf("# %zu bytes a message\n", used / N);
	ok(used / N < 160, "takes little memory for each message");
	mailbox_close(&m);
	buf_free(&err);
}

static int
gone(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

int
main(void)
{
	char dir[] = "/tmp/mailbox.XXXXXX";

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	test_octets();
	test_messages();
	test_large();
	if (chdir("/") < 0 || nftw(dir, gone, 8, FTW_DEPTH | FTW_PHYS) < 0)
		printf("# %s was not removed\n", dir);
	return tap_done();
}

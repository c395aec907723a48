/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The queue library: what is written is read back, what is damaged or foreign is refused,
 * what fails leaves nothing. */
#include "mail/queue.h"
#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct queue q;
static char dir[] = "/tmp/mtaqueue.XXXXXX";
static struct buf err = BUF_INIT(10000);

/* Files in queue 'where' and in tmp/. */
static int
count(enum queue_name where)
{
	int n = 0;

	for (int i = 0; i < 2; i++) {
		int fd = openat(i ? q.tmp : q.fd[where], ".", O_RDONLY | O_DIRECTORY);
		DIR *d = fdopendir(fd);

		for (struct dirent *e; (e = readdir(d));)
			n += e->d_name[0] != '.';
		closedir(d);
	}
	return n;
}

static void
empty(enum queue_name where)
{
	DIR *d = fdopendir(openat(q.fd[where], ".", O_RDONLY | O_DIRECTORY));

	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && unlinkat(q.fd[where], e->d_name, 0) < 0)
			unlinkat(q.fd[where], e->d_name, AT_REMOVEDIR);
	closedir(d);
}

/* Queues a message with n recipients and text; 0 or -1. */
static int
add(size_t n, const char *text, size_t len, char id[QUEUE_ID_MAX + 1])
{
	struct queue_envelope e = { .sender = mem_strdup("alice@example.com") };
	struct queue_writer *w;
	char addr[64];
	int r = -1;

	for (size_t i = 0; i < n; i++) {
		snprintf(addr, sizeof addr, "user%zu@example.org", i);
		queue_envelope_rcpt(&e, addr, "");
	}
	buf_clear(&err);
	w = queue_write_begin(&q, &e, &err);
	if (w) {
		queue_write(w, text, len);
		r = queue_write_commit(&w, QUEUE_INCOMING, id, &err);
	}
	queue_envelope_free(&e);
	return r;
}

static void
test_ids(void)
{
	enum { N = 100000 };
	struct strmap *seen = strmap_new();
	char id[QUEUE_ID_MAX + 1], last[QUEUE_ID_MAX + 1] = "";
	bool sorted = true;
	int repeated = 0;
	int64_t before = clock_real(), t;
	int fds[2], status;
	char child[QUEUE_ID_MAX + 1] = "";

	for (int i = 0; i < N; i++) {
		queue_id_new(id);
		sorted = sorted && strncmp(id, last, 10) > 0;
		repeated += strmap_set(seen, id + 10, seen) != NULL;
		strcpy(last, id);
	}
	strmap_free(&seen, NULL);
	ok(strlen(id) == 17 && envelope_id_ok(id, 17), "an ID has 17 letters and digits: %s", id);
	ok(sorted, "%d IDs sort in the order they were made", N);
	/* 40 bits: of 100,000 two are alike in one run of 200, and the time before them still makes the IDs differ */
	ok(repeated < 4, "their random parts differ, but for %d", repeated);
	t = queue_id_time(id);
	ok(t >= before && t < clock_real() + N + 1000000, "the time can be read from an ID");
	is_num(queue_id_time("short"), -1, "a foreign ID has no time");
	is_num(queue_id_time("0AEIOU0000AEIOU00"), -1, "vowels are not ours");
	if (pipe(fds) == 0 && fork() == 0) {
		queue_id_new(id);
		_exit(write(fds[1], id, 17) != 17);
	}
	(void)!read(fds[0], child, 17);
	wait(&status);
	queue_id_new(id);
	ok(strcmp(child + 10, id + 10) != 0, "a forked process makes other IDs than its parent");
	close(fds[0]);
	close(fds[1]);
}

static void
test_round_trip(void)
{
	struct queue_envelope e = { .sender = mem_strdup(""), .opt = mem_strdup("body=8BITMIME ret=HDRS"),
		.from = mem_strdup("client=host[192.0.2.1] helo=h") }, r;
	const char text[] = "Subject: x\n\nbody \0 with \377\n";
	char id[QUEUE_ID_MAX + 1], content[100];
	struct queue_writer *w;
	struct stat st;
	int fd;

	queue_envelope_rcpt(&e, "bob@example.org", "orcpt=rfc822;bob@example.org notify=NEVER");
	queue_envelope_rcpt(&e, "\"a > b\"@example.org", "");
	queue_envelope_rcpt(&e, "gr\303\274n@example.org", NULL);
	w = queue_write_begin(&q, &e, &err);
	ok(w != NULL, "a message is begun %s", err.data);
	is_num(count(QUEUE_INCOMING), 0, "nothing is visible before the commit");
	queue_write(w, text, sizeof text - 1);
	is_num((long long)queue_write_size(w), sizeof text - 1, "size so far");
	is_num(queue_write_commit(&w, QUEUE_INCOMING, id, &err), 0, "commit");
	is(err.data, "", "without a message");
	is(id, e.id, "the ID is the one given at the beginning");
	is_num(queue_find(&q, id), QUEUE_INCOMING, "it stands in incoming/");
	fd = queue_open_file(&q, QUEUE_INCOMING, id, true);
	ok(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600, "mode 0600");
	is_num(queue_read(fd, &r, 0, NULL, &err), 0, "the envelope is read");
	is(r.id, e.id, "id");
	is_num(r.time, e.time, "time");
	is(r.sender, "", "null sender");
	is(r.opt, e.opt, "options");
	is(r.from, e.from, "origin");
	is_num((long long)r.rcpts, 3, "three recipients");
	for (size_t i = 0; i < 3; i++) {
		is(r.rcpt[i].addr, e.rcpt[i].addr, "recipient");
		is(r.rcpt[i].params, e.rcpt[i].params, "and its parameters");
	}
	is_num((long long)r.todo, 3, "all to do");
	is_num((long long)r.size, sizeof text - 1, "size of the content");
	ok(pread(fd, content, sizeof content, (off_t)r.content) == sizeof text - 1 &&
	    memcmp(content, text, sizeof text - 1) == 0, "content byte for byte");
	is_num(queue_mark(fd, r.rcpt[1].status_at, 'D'), 0, "a recipient is marked as delivered");
	queue_envelope_free(&r);
	is_num(queue_read(fd, &r, 0, NULL, &err), 0, "and read again");
	ok(r.rcpt[0].status == 'T' && r.rcpt[1].status == 'D' && r.todo == 2, "only that one has changed");
	close(fd);
	queue_envelope_free(&r);
	queue_envelope_free(&e);
	is_num(queue_remove(&q, QUEUE_INCOMING, id), 0, "remove");
}

/* Contents of all sizes around the buffer's, in pieces and from a file. */
static void
test_large(void)
{
	static char data[300000], back[300000];
	static const struct { size_t n, piece; bool from_fd; } rows[] = {
		{ 0, 1, false }, { 1, 1, false }, { 65300, 65300, false }, { 65536, 4096, false }, { 131072, 65536, false },
		{ 300000, 300000, false }, { 300000, 999, false }, { 1000, 1000, true }, { 65300, 65300, true },
		{ 300000, 300000, true }, { 300000, 100000, true },
	};
	FILE *f = tmpfile();

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 7 + i / 251);
	fwrite(data, 1, sizeof data, f);
	fflush(f);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct queue_envelope e = { .sender = mem_strdup("a@b") }, r;
		char id[QUEUE_ID_MAX + 1];
		struct queue_writer *w;
		bool good;
		int fd;

		queue_envelope_rcpt(&e, "c@d", NULL);
		w = queue_write_begin(&q, &e, &err);
		for (size_t at = 0; at < rows[i].n; at += rows[i].piece) {
			size_t n = rows[i].n - at < rows[i].piece ? rows[i].n - at : rows[i].piece;

			if (rows[i].from_fd)
				queue_write_fd(w, fileno(f), (off_t)at, n);
			else
				queue_write(w, data + at, n);
		}
		good = queue_write_commit(&w, QUEUE_HOLD, id, &err) == 0;
		fd = queue_open_file(&q, QUEUE_HOLD, id, false);
		good = good && queue_read(fd, &r, 0, NULL, &err) == 0 && r.size == rows[i].n &&
		    pread(fd, back, sizeof back, (off_t)r.content) == (ssize_t)rows[i].n && memcmp(back, data, rows[i].n) == 0;
		ok(good, "content of %zu bytes in pieces of %zu%s %s", rows[i].n, rows[i].piece,
		    rows[i].from_fd ? " from a file" : "", err.data);
		close(fd);
		queue_envelope_free(&r);
		queue_envelope_free(&e);
	}
	fclose(f);
	empty(QUEUE_HOLD);
}

static void
test_many_recipients(void)
{
	char id[QUEUE_ID_MAX + 1];
	struct queue_envelope e;
	int64_t start = clock_mono();
	bool more;
	int fd;

	is_num(add(50000, "x\n", 2, id), 0, "a message with 50,000 recipients");
	fd = queue_open_file(&q, QUEUE_INCOMING, id, true);
	is_num(queue_read(fd, &e, 0, &more, &err), 0, "is read");
	ok(e.rcpts == 50000 && e.todo == 50000 && !more, "with all of them");
	is(e.rcpt[49999].addr, "user49999@example.org", "the last one is right");
	ok(clock_mono() - start < 2000000, "in %lld ms", (long long)(clock_mono() - start) / 1000);
	for (size_t i = 0; i < 1000; i++)
		queue_mark(fd, e.rcpt[i].status_at, 'D');
	queue_envelope_free(&e);
	is_num(queue_read(fd, &e, 100, &more, &err), 0, "read again with room for 100");
	ok(e.rcpts == 100 && e.todo == 49000 && more, "gives 100 and says that there are more");
	is(e.rcpt[0].addr, "user1000@example.org", "beginning with the first that is to do");
	queue_envelope_free(&e);
	close(fd);
	empty(QUEUE_INCOMING);
}

static void
test_refused(void)
{
	static char huge[9000];
	static const struct { const char *name, *sender, *opt, *rcpt, *params; } rows[] = {
		{ "LF in a recipient", "a@b", "", "c@d\nrcpt T <evil@x", "" },
		{ "'>' in a recipient", "a@b", "", "c@d> <e@f", "" },
		{ "ESC in a recipient", "a@b", "", "\033c@d", "" },
		{ "DEL in a sender", "a\177@b", "", "c@d", "" },
		{ "LF in the sender", "a@b\nid x", "", "c@d", "" },
		{ "LF in an option", "a@b", "envid=x\nrcpt T <e@f>", "c@d", "" },
		{ "LF in a parameter", "a@b", "", "c@d", "orcpt=x\n" },
		{ "CR in a parameter", "a@b", "", "c@d", "orcpt=x\r" },
		{ "an empty recipient", "a@b", "", "", "" },
		{ "a huge recipient", "a@b", "", huge, "" },
	};
	struct queue_envelope none = { .sender = (char *)"a@b" };

	memset(huge, 'x', sizeof huge - 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct queue_envelope e = { .sender = mem_strdup(rows[i].sender), .opt = mem_strdup(rows[i].opt) };

		queue_envelope_rcpt(&e, rows[i].rcpt, rows[i].params);
		buf_clear(&err);
		ok(queue_write_begin(&q, &e, &err) == NULL && err.len, "refused: %s", rows[i].name);
		queue_envelope_free(&e);
	}
	ok(queue_write_begin(&q, &none, &err) == NULL, "refused: no recipients");
	is_num(count(QUEUE_INCOMING), 0, "nothing of them is left");
	buf_clear(&err);
}

/* Every shorter file, a longer one, and each byte of the envelope flipped. */
static void
test_damaged(void)
{
	char id[QUEUE_ID_MAX + 1], file[2000], path[200];
	static const char *const firsts[] = {
		"mtaq1 18446744073709551615 00000000000000000001\n", "mtaq1 00000000000000000000 00000000000000000153\n",
		"mtaq1 09223372036854775807 09223372036854775807\n", "mtaq2 00000000000000000148 00000000000000000005\n",
	};
	struct queue_envelope e;
	ssize_t size;
	int fd, bad = 0, lies = 0;

	add(2, "text\n", 5, id);
	fd = queue_open_file(&q, QUEUE_INCOMING, id, true);
	size = pread(fd, file, sizeof file, 0);
	close(fd);
	snprintf(path, sizeof path, "%s/damaged", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (ssize_t n = 0; n <= size + 1; n++) {
		if (ftruncate(fd, 0) < 0 || pwrite(fd, file, (size_t)n, 0) != n)
			break;
		if (queue_read(fd, &e, 0, NULL, &err) == 0) {
			bad += n != size;
			queue_envelope_free(&e);
		} else {
			bad += n == size;
		}
	}
	ok(bad == 0 && size > 100, "a queue file cut anywhere, or one byte too long, is not believed");
	for (ssize_t i = 0; i < size - 5; i++)
		for (int bit = 0; bit < 8; bit++) {
			char c = (char)(file[i] ^ 1 << bit);

			(void)!ftruncate(fd, size);
			(void)!pwrite(fd, file, (size_t)size, 0);
			(void)!pwrite(fd, &c, 1, i);
			if (queue_read(fd, &e, 0, NULL, &err) < 0)
				continue;
			lies += e.content != (uint64_t)size - 5 || e.size != 5 || e.rcpts != 2;
			queue_envelope_free(&e);
		}
	is_num(lies, 0, "a flipped bit never changes where the content is or how many recipients there are");
	bad = 0;
	for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
		(void)!pwrite(fd, file, (size_t)size, 0);
		(void)!pwrite(fd, firsts[i], ENVELOPE_FIRST, 0);
		bad += queue_read(fd, &e, 0, NULL, &err) == 0;
	}
	is_num(bad, 0, "sizes that wrap around and unknown versions are refused");
	close(fd);
	unlink(path);
	empty(QUEUE_INCOMING);
	buf_clear(&err);
}

static void
test_foreign_files(void)
{
	char id[QUEUE_ID_MAX + 1];
	int in = q.fd[QUEUE_INCOMING];

	add(1, "x\n", 2, id);
	is_num(symlinkat(id, in, "SYMLINK1"), 0, "a symbolic link");
	ok(queue_open_file(&q, QUEUE_INCOMING, "SYMLINK1", false) < 0 && errno == ELOOP, "is not opened");
	is_num(mkfifoat(in, "FIFO001", 0600), 0, "a FIFO");
	ok(queue_open_file(&q, QUEUE_INCOMING, "FIFO001", false) < 0 && errno == EINVAL, "is not opened (reading)");
	ok(queue_open_file(&q, QUEUE_INCOMING, "FIFO001", true) < 0 && errno == EINVAL, "is not opened (writing)");
	is_num(mkdirat(in, "DIRECT1", 0700), 0, "a directory");
	ok(queue_open_file(&q, QUEUE_INCOMING, "DIRECT1", false) < 0 && errno == EINVAL, "is not opened");
	ok(queue_open_file(&q, QUEUE_INCOMING, "../incoming/x", false) < 0 && errno == ENOENT, "no path is an ID");
	ok(queue_open_file(&q, QUEUE_INCOMING, "", false) < 0 && errno == ENOENT, "nor is an empty name");
	is_num(linkat(in, id, in, "HARDLINK1", 0), 0, "a hard link");
	ok(queue_open_file(&q, QUEUE_INCOMING, "HARDLINK1", false) < 0 && errno == EINVAL, "is not opened");
	empty(QUEUE_INCOMING);
}

static int
count_id(void *arg, const char *id)
{
	(void)id;
	return ++*(int *)arg == 1000;
}

static void
test_moves(void)
{
	char id[QUEUE_ID_MAX + 1], other[QUEUE_ID_MAX + 1];
	int n = 0, fd;

	add(1, "x\n", 2, id);
	add(1, "y\n", 2, other);
	fd = openat(q.fd[QUEUE_INCOMING], "not-an-id", O_CREAT | O_WRONLY, 0600);
	close(fd);
	is_num(queue_scan(&q, QUEUE_INCOMING, count_id, &n, &err), 0, "scan");
	is_num(n, 2, "passes over what is no ID");
	is_num(queue_move(&q, QUEUE_INCOMING, QUEUE_HOLD, id), 0, "move to hold");
	is_num(queue_find(&q, id), QUEUE_HOLD, "it is there");
	ok(queue_move(&q, QUEUE_INCOMING, QUEUE_HOLD, id) < 0 && errno == ENOENT, "moving it again fails");
	is_num(renameat(q.fd[QUEUE_INCOMING], other, q.fd[QUEUE_INCOMING], id), 0, "another message with the same ID");
	ok(queue_move(&q, QUEUE_INCOMING, QUEUE_HOLD, id) < 0 && errno == EEXIST, "never replaces the first");
	is_num(queue_find(&q, other), -1, "a message that is nowhere is not found");
	empty(QUEUE_INCOMING);
	empty(QUEUE_HOLD);
}

/* maildrop/ of a user who may write nothing else. */
static void
test_drop(void)
{
	struct queue_envelope e = { .sender = mem_strdup("a@b.example") };
	struct queue_writer *w;
	struct queue drop;
	struct stat st, parent;
	char id[QUEUE_ID_MAX + 1];
	mode_t mask = umask(077);

	buf_clear(&err);
	ok(queue_drop_open(&drop, q.dir, &err) < 0 && errno == ENOENT, "no maildrop/: it cannot be opened");
	buf_clear(&err);
	ok(mkdirat(q.top, "maildrop", 0700) == 0 && fchmodat(q.top, "maildrop", 03733, 0) == 0, "maildrop/ is made");
	is_num(queue_drop_open(&drop, q.dir, &err), 0, "and opened");
	queue_envelope_rcpt(&e, "c@d.example", "");
	w = queue_write_begin(&drop, &e, &err);
	ok(w && queue_write(w, "x\n", 2) == 0 && queue_write_commit(&w, QUEUE_MAILDROP, id, &err) == 0, "a message is put there");
	ok(strlen(id) == 20 && queue_id_time(id) < 0, "under a name of 20 characters that says no time");
	ok(fstatat(drop.fd[QUEUE_MAILDROP], id, &st, 0) == 0 && fstat(drop.fd[QUEUE_MAILDROP], &parent) == 0, "it is there");
	is_num(st.st_mode & 07777, st.st_gid == parent.st_gid ? 0640 : 0644, "its mode is that for the queue's owner, whatever the umask");
	ok(unlinkat(drop.fd[QUEUE_MAILDROP], id, 0) == 0 && unlinkat(q.top, "maildrop", AT_REMOVEDIR) == 0, "and nothing else is");
	queue_envelope_free(&e);
	queue_close(&drop);
	umask(mask);
}

static void
test_failures(void)
{
	static char data[200000];
	struct rlimit old, small;
	struct queue_envelope e = { .sender = mem_strdup("a@b") }, r;
	struct queue_writer *w;
	char id[QUEUE_ID_MAX + 1], first[QUEUE_ID_MAX + 1];
	int fd;

	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	for (rlim_t limit = 0; limit <= 100000; limit += 33333) {
		small.rlim_cur = limit;
		setrlimit(RLIMIT_FSIZE, &small);
		ok(add(1, data, sizeof data, id) < 0 && errno == EFBIG, "no room after %d bytes: %s", (int)limit, err.data);
		setrlimit(RLIMIT_FSIZE, &old);
	}
	is_num(count(QUEUE_INCOMING), 0, "nothing of them is left");
	queue_envelope_rcpt(&e, "c@d", NULL);
	w = queue_write_begin(&q, &e, &err);
	queue_write(w, data, sizeof data);
	queue_write_abort(&w);
	ok(w == NULL && count(QUEUE_INCOMING) == 0, "an aborted message leaves nothing");

	*e.id = '\0';
	w = queue_write_begin(&q, &e, &err);
	close(openat(q.fd[QUEUE_INCOMING], e.id, O_CREAT | O_WRONLY, 0600));
	is_num(queue_write_commit(&w, QUEUE_INCOMING, first, &err), 0, "the ID is taken when the message is committed");
	ok(strcmp(first, e.id) != 0, "so it gets another one");
	fd = queue_open_file(&q, QUEUE_INCOMING, first, false);
	ok(queue_read(fd, &r, 0, NULL, &err) == 0 && strcmp(r.id, first) == 0, "which its envelope says too");
	queue_envelope_free(&r);
	close(fd);
	strcpy(e.id, first);
	w = queue_write_begin(&q, &e, &err);
	ok(queue_write_commit(&w, QUEUE_INCOMING, id, &err) < 0 && errno == EEXIST, "an ID that was asked for and is taken is an error");
	queue_envelope_free(&e);
	empty(QUEUE_INCOMING);
	buf_clear(&err);
}

static void
test_reasons(void)
{
	struct queue_reason *list;
	char text[1000], id[] = "REASON1";
	size_t n;
	int fd;

	is_num(queue_defer_read(&q, id, &list, &n), 0, "no reasons");
	is_num((long long)n, 0, "are an empty list");
	queue_defer_add(&q, id, "a@b", "4.4.1", "connect to b[192.0.2.1]:25: timed\nout\033[2J");
	queue_defer_add(&q, id, "\"x > y\"@b", "4.2.0", "");
	fd = openat(q.defer, id, O_WRONLY | O_APPEND);
	(void)!write(fd, "garbage\n1 2 3\n1763638633 4.0.0 <cut@o", 37);
	close(fd);
	is_num(queue_defer_read(&q, id, &list, &n), 0, "read reasons among garbage");
	if (is_num((long long)n, 2, "two")) {
		is(list[0].addr, "a@b", "address");
		is(list[0].dsn, "4.4.1", "status");
		is(list[0].text, "connect to b[192.0.2.1]:25: timed?out?[2J", "text, without control characters");
		is(list[1].addr, "\"x > y\"@b", "a quoted address");
		is(list[1].text, "", "an empty text");
		ok(list[0].time > 1000000000, "time");
	}
	queue_reasons_free(&list, n);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	for (int i = 0; i < 13000; i++)
		queue_defer_add(&q, id, "a@b", "4.4.1", text);
	queue_defer_read(&q, id, &list, &n);
	ok(n > 4000 && n < 9000, "13,000 attempts of 1 KB keep the last %zu", n);
	queue_reasons_free(&list, n);
	queue_defer_remove(&q, id);
	is_num(faccessat(q.defer, "REASON1.old", F_OK, 0), -1, "all are removed together");
	queue_defer_read(&q, id, &list, &n);
	is_num((long long)n, 0, "and gone");
}

int
main(void)
{
	struct queue none;
	char path[200];

	signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/q", dir);
	ok(queue_open(&none, path, false, &err) < 0 && strstr(err.data, path), "no queue: %s", err.data);
	buf_clear(&err);
	is_num(queue_open(&q, path, true, &err), 0, "a queue is made");
	test_ids();
	test_round_trip();
	test_large();
	test_many_recipients();
	test_refused();
	test_damaged();
	test_foreign_files();
	test_moves();
	test_drop();
	test_failures();
	test_reasons();
	queue_close(&q);
	snprintf(path, sizeof path, "rm -rf %s", dir);
	(void)!system(path);
	return tap_done();
}

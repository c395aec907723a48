/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The small files of the queue that people and other programs may touch: defer/ID (what is read is sound, what is written is read back as
 * it was) and state/pauses (the rules that were understood survive being written and read again); and password records. */
#include "base/mem.h"
#include "mail/authclient.h"
#include "mail/cred.h"
#include "mail/pauses.h"
#include "mail/queue.h"

#include "fuzz.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static struct queue q;

/* Files are written in place: nothing else reads them. */
static void
put(int dir, const char *name, const char *s, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, s, n) == (ssize_t)n && close(fd) == 0);
}

static void
start(void)
{
	char dir[] = "/dev/shm/mta-fuzz.XXXXXX", other[] = "/tmp/mta-fuzz.XXXXXX", *at = mkdtemp(dir);

	if (!at)
		at = mkdtemp(other);
	CHECK(at);
	q.dir = mem_strdup(at);
	q.top = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	q.owner = geteuid();
	q.group = getegid();
	CHECK(q.top >= 0 && mkdirat(q.top, "defer", 0700) == 0 && mkdirat(q.top, "state", 0700) == 0);
	q.defer = openat(q.top, "defer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(q.defer >= 0);
}

static void
stop(void)
{
	unlinkat(q.defer, "ID", 0);
	unlinkat(q.top, "state/" PAUSES_FILE, 0);
	unlinkat(q.top, "state", AT_REMOVEDIR);
	unlinkat(q.top, "defer", AT_REMOVEDIR);
	rmdir(q.dir);
}

static void
reasons(const char *s, size_t n)
{
	struct queue_reason *list;
	struct buf line = BUF_INIT(1 << 20);
	size_t count;
	char *text = mem_strndup(s, n);

	put(q.defer, "ID", s, n);
	CHECK(queue_defer_read(&q, "ID", &list, &count) == 0);
	for (size_t i = 0; i < count; i++)
		CHECK(list[i].time >= 0 && strlen(list[i].dsn) < sizeof list[i].dsn && !strchr(list[i].addr, '\n') && !strchr(list[i].text, '\n'));
	queue_reasons_free(&list, count);
	/* whatever the other side said is one line of ours */
	CHECK(queue_defer_format(&line, 1, "\"a>b\"@c.example", "4.4.1", text) == 0);
	CHECK(line.len > 0 && memchr(line.data, '\n', line.len) == line.data + line.len - 1);
	put(q.defer, "ID", line.data, line.len);
	CHECK(queue_defer_read(&q, "ID", &list, &count) == 0 && count == 1);
	CHECK(list[0].time == 1 && strcmp(list[0].addr, "\"a>b\"@c.example") == 0 && strcmp(list[0].dsn, "4.4.1") == 0);
	queue_reasons_free(&list, count);
	buf_free(&line);
	free(text);
}

static void
pauses(const char *s, size_t n)
{
	struct buf err = BUF_INIT(1 << 20);
	struct pauses p, again;
	bool good;

	put(q.top, "state/" PAUSES_FILE, s, n);
	good = pauses_read(&q, 1000, &p, &err) == 0;
	CHECK(good || err.len > 0);
	for (size_t i = 0; i < p.n; i++)
		CHECK(p.rule[i].kind < PAUSE_KINDS && p.rule[i].pattern && p.rule[i].reason);
	pauses_match(&p, 1000, "example.com", "[relay.example.net]:25", "smtp");
	buf_clear(&err);
	CHECK(pauses_write(&q, &p, &err) == 0);
	CHECK(pauses_read(&q, 1000, &again, &err) == 0 && again.n == p.n);
	for (size_t i = 0; i < p.n; i++)
		CHECK(again.rule[i].kind == p.rule[i].kind && strcmp(again.rule[i].pattern, p.rule[i].pattern) == 0 &&
		    again.rule[i].until == p.rule[i].until);
	pauses_free(&p);
	pauses_free(&again);
	buf_free(&err);
}

/* A record of a password database, and the fields of mtaauth's answers. */
static void
records(const char *s, size_t n)
{
	struct buf out = BUF_INIT(1 << 20);
	char *text = mem_strndup(s, n);
	struct cred c;

	cred_parse(&c, text);
	CHECK(!strchr(c.password, '\t'));
	cred_user_ok(text);
	cred_locked(c.password);
	if (*text) /* an empty one takes its time */
		CHECK(cred_verify("{PLAIN}x", text) == (strcmp(text, "x") == 0 ? CRED_MATCH : CRED_WRONG));
	if (auth_field(text, "mail", &out) == 1)
		CHECK(out.len <= n);
	cred_free(&c);
	buf_free(&out);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);

	if (!q.dir) {
		start();
		atexit(stop);
	}
	reasons(s, n);
	pauses(s, n);
	if (n < 500)
		records(s, n);
	free(s);
	return 0;
}

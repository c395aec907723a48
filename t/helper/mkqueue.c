/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mkqueue DIR COUNT DOMAIN DELAY - fills DIR/deferred with COUNT messages to userN@hostM.DOMAIN (1,000 hosts), next attempt
 * DELAY seconds from now, each with its reason in DIR/defer, as fast as the file system makes files: nothing is synced.
 * For benchmarks and tests of large queues. */
#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"
#include "mail/queue.h"
#include "syntax/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define HOSTS 1000

static void
put(int dirfd, const char *name, const struct buf *b, const struct timespec *mtime, const struct stat *owner)
{
	struct timespec t[2] = { *mtime, *mtime };
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, b->data, b->len) != (ssize_t)b->len || futimens(fd, t) < 0 ||
	    (geteuid() == 0 && fchown(fd, owner->st_uid, owner->st_gid) < 0) || close(fd) < 0)
		msg_die(EX_IOERR, "write %s: %s", name, strerror(errno));
}

int
main(int argc, char **argv)
{
	static const char content[] = "Subject: waits\nFrom: sender@example.com\n\nA message that waits.\n";
	struct buf b = BUF_INIT(65536), err = BUF_INIT(1024);
	uint64_t count, delay;
	struct timespec next;
	struct stat owner;
	struct queue q;

	msg_init(argv[0]);
	if (argc != 5 || num_u64(argv[2], 100000000, &count) < 0 || num_u64(argv[4], 1000000000, &delay) < 0)
		msg_die(EX_USAGE, "usage: mkqueue dir count domain delay");
	if (queue_open(&q, argv[1], true, &err) < 0)
		msg_die(EX_IOERR, "%s", err.data);
	if (fstat(q.fd[QUEUE_DEFERRED], &owner) < 0)
		msg_die(EX_IOERR, "stat: %s", strerror(errno));
	next = (struct timespec){ (time_t)(clock_real() / 1000000 + (int64_t)delay), 0 };
	for (uint64_t i = 0; i < count; i++) {
		char id[QUEUE_ID_MAX + 1], first[ENVELOPE_FIRST + 1], rcpt[128];
		int64_t now = clock_real();

		queue_id_new(id);
		snprintf(rcpt, sizeof rcpt, "user%" PRIu64 "@host%" PRIu64 ".%.60s", i, i % HOSTS, argv[3]);
		buf_clear(&b);
		buf_addf(&b, "%*s", ENVELOPE_FIRST, "");
		buf_addf(&b, "id %s\ntime %" PRId64 ".%06" PRId64 "\nsender <bulk%" PRIu64 "@example.com>\nrcpt T <%s>\n\n", id, now / 1000000,
			 now % 1000000, i % 50, rcpt);
		envelope_first_format(first, b.len, sizeof content - 1);
		memcpy(b.data, first, ENVELOPE_FIRST);
		buf_add(&b, content, sizeof content - 1);
		put(q.fd[QUEUE_DEFERRED], id, &b, &next, &owner);
		buf_clear(&b);
		buf_addf(&b, "%" PRId64 " 4.4.1 <%s> connect to host%" PRIu64 ".%.60s[127.0.0.1]:25: Connection refused\n", now / 1000000, rcpt,
			 i % HOSTS, argv[3]);
		put(q.defer, id, &b, &next, &owner);
		if (isatty(STDERR_FILENO) && i % 10000 == 0)
			fprintf(stderr, "\r%" PRIu64, i);
	}
	buf_free(&b);
	queue_close(&q);
	return 0;
}

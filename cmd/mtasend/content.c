/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The message on the wire: CRLF line ends, dots stuffed (RFC 5321 4.5.2), in large portions. The last portion and the final
 * dot go in one write, so a small message is one segment. */
#include "transaction.h"

#include "base/clock.h"
#include "base/mem.h"
#include "syntax/smtpdata.h"

#include <errno.h>
#include <unistd.h>

#define PORTION (128 * 1024)
#define SLOWEST 500               /* bytes a second that a portion must make beyond its time limit */

/* Reads a portion at offset done of the content. */
static ssize_t
read_portion(const struct agent_job *j, char *to, uint64_t done)
{
	size_t want = j->size - done < PORTION ? (size_t)(j->size - done) : PORTION, got = 0;
	ssize_t n;

	while (got < want) {
		n = pread(j->fd, to + got, want - got, (off_t)(j->content + done + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;      /* shorter than its envelope says */
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int
content_send(struct transaction *t, bool *local)
{
	const struct agent_job *j = t->sending->job;
	int state = SMTPDATA_LINE_START;
	uint64_t done = 0;
	int64_t limit;
	ssize_t n;

	*local = false;
	do {
		n = read_portion(j, t->content, done);
		if (n < 0) {
			*local = true;
			return -1;
		}
		done += (uint64_t)n;
		buf_clear(&t->out);
		buf_reserve(&t->out, 2 * (size_t)n + 8);
		/* at most 2 n bytes, and the room is there */
		t->out.len = smtpdata_stuff(&state, t->content, (size_t)n, t->out.data);
		if (done == j->size) {
			buf_adds(&t->out, smtpdata_end(state));
			t->dotted = true;
		}
		limit = t->timeouts.data_xfer + (int64_t)t->out.len / SLOWEST;
		if (conn_send(t->conn, t->out.data, t->out.len, clock_deadline(limit)) < 0)
			return -1;
	} while (done < j->size);
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Delivery for root: a process of its own becomes the owner of the mailbox for good, delivers, and sends
 * the result back as one result line through a pipe. */
#include "deliver.h"

#include "sys/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536

static void __attribute__((noreturn))
child(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r, int out)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct outcome o;
	size_t at = 0;
	ssize_t n;

	if (proc_become(d->box.user.len ? d->box.user.data : NULL, d->box.uid, d->box.gid) < 0) {
		buf_addf(&d->err, "become uid %lu: %s", (unsigned long)d->box.uid, strerror(errno));
		o = (struct outcome){ AGENT_DEFERRED, "4.3.0", d->err.data };
	} else {
		d->cache = deliver_new_cache(d->config);
		o = deliver_mailbox(d, j, r);
	}
	agent_result_format(&line, o.status, o.dsn, r->addr, NULL, NULL, o.text);
	while (at < line.len) {
		n = write(out, line.data + at, line.len - at);
		if (n < 0 && errno != EINTR)
			_exit(1);
		at += n > 0 ? (size_t)n : 0;
	}
	_exit(0);
}

static void
read_all(int fd, struct buf *out)
{
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof part)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			buf_add(out, part, (size_t)n);
}

/* The child's line as an outcome; its text moves to d->err. */
static struct outcome
take_line(struct deliver *d, struct buf *line, int status)
{
	struct agent_result res = { 0 };
	struct outcome o = { AGENT_DEFERRED, "4.3.0", NULL };
	const char *err;

	buf_clear(&d->err);
	if (line->len > 0 && status == 0 && agent_result_parse(&res, line->data, line->len - 1, &err) == 0) {
		memcpy(d->dsn, res.dsn, sizeof d->dsn);
		o.status = res.status;
		o.dsn = d->dsn;
		buf_adds(&d->err, res.text);
	} else if (WIFSIGNALED(status)) {
		buf_addf(&d->err, "the delivery process was killed by signal %d", WTERMSIG(status));
	} else {
		buf_adds(&d->err, "the delivery process failed");
	}
	agent_result_free(&res);
	o.text = d->err.data;
	return o;
}

struct outcome
deliver_as_owner(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct outcome o;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0 || (pid = fork()) < 0) {
		buf_addf(&d->err, "start a process: %s", strerror(errno));
		return (struct outcome){ AGENT_DEFERRED, "4.3.0", d->err.data };
	}
	if (pid == 0) {
		close(ends[0]);
		child(d, j, r, ends[1]);
	}
	close(ends[1]);
	read_all(ends[0], &line);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	o = take_line(d, &line, status);
	buf_free(&line);
	return o;
}

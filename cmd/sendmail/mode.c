/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What sendmail does that is not sending: each is the work of another program of the kit. */
#include "sendmail.h"

#include "sys/proc.h"
#include "sys/sock.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

struct words { char *word[16 + 1]; size_t n; };

static void
add(struct words *w, const char *text)
{
	if (w->n < 16)
		w->word[w->n++] = mem_strdup(text);
}

/* The options of the kit go on to the other program. */
static void
run(struct job *j, struct words *tail)
{
	size_t n = 0;
	char **argv = mem_array(tail->n + 2 * j->options.n + 4, sizeof *argv);
	static char opt_c[] = "-C", opt_o[] = "-o";

	argv[n++] = tail->word[0];
	if (j->options.dir) {
		argv[n++] = opt_c;
		argv[n++] = mem_strdup(j->options.dir);
	}
	for (size_t i = 0; i < j->options.n; i++) {
		argv[n++] = opt_o;
		argv[n++] = j->options.overrides[i];
	}
	for (size_t i = 1; i < tail->n; i++)
		argv[n++] = tail->word[i];
	proc_exec(argv);
	msg_warn("run %s: %s", argv[0], strerror(errno));
}

/* -qIid, -qRpart, -qSpart: some messages; anything else (an interval): all. */
static void
flush_words(struct words *w, const char *arg)
{
	struct buf pattern = BUF_INIT(4096);

	add(w, "mtaqueue");
	add(w, "flush");
	add(w, "-q");
	if (*arg == 'I' && arg[1])
		add(w, arg + 1);
	if ((*arg == 'R' || *arg == 'S') && arg[1]) {
		add(w, *arg == 'R' ? "--to" : "--from");
		buf_addf(&pattern, "*%s*", arg + 1);
		add(w, pattern.data);
	}
	buf_free(&pattern);
}

int
mode_other(struct job *j)
{
	struct words w = { .n = 0 };

	switch (j->mode) {
	case 'p':
		add(&w, "mtaqueue");
		add(&w, "list");
		add(&w, "--mailq");
		break;
	case 'i':
		add(&w, "mtaalias");
		break;
	case 'd':
		add(&w, "mta");
		add(&w, "start");
		break;
	case 'q':
		flush_words(&w, j->queue_arg);
		break;
	default: /* -bh, -bH: Sendmail's host status, which there is none of here */
		return EX_OK;
	}
	run(j, &w);
	return errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR;
}

/* Moves what one side sends to the other. 1, 0 at the end, -1. */
static int
shuttle(int from, int to)
{
	static char data[65536];
	ssize_t n = read(from, data, sizeof data);

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN) ? 1 : (int)n;
	for (ssize_t at = 0; at < n;) {
		ssize_t k = write(to, data + at, (size_t)(n - at));

		if (k > 0)
			at += k;
		else if (errno == EAGAIN) {
			struct pollfd p = { .fd = to, .events = POLLOUT };

			poll(&p, 1, -1);
		} else if (errno != EINTR)
			return -1;
	}
	return 1;
}

/* A session with the submission service, byte for byte, as long as both sides are there. */
static int
relay(int sock)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = sock, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			msg_die(EX_OSERR, "poll: %s", strerror(errno));
		if (p[1].revents) {
			int r = shuttle(sock, STDOUT_FILENO);

			if (r <= 0)
				return r == 0 ? EX_OK : EX_IOERR;
		}
		if (p[0].revents && shuttle(STDIN_FILENO, sock) <= 0) {
			shutdown(sock, SHUT_WR);
			p[0].fd = -1;
		}
	}
}

int
mode_smtp(struct job *j)
{
	struct buf where = BUF_INIT(8192), err = BUF_INIT(8192);
	struct words w = { .n = 0 };
	int sock;

	/* Whoever may write the queue runs a server of his own; others speak with the one that may. */
	buf_addf(&where, "%s/incoming", config_str(j->config, "queue_directory"));
	if (faccessat(AT_FDCWD, where.data, W_OK | X_OK, AT_EACCESS) == 0) {
		add(&w, "mtasmtp");
		run(j, &w);
		return EX_UNAVAILABLE;
	}
	buf_clear(&where);
	buf_addf(&where, "unix:%s/public/submit", config_str(j->config, "queue_directory"));
	sock = sock_connect(where.data, clock_deadline(60), &err);
	if (sock < 0) {
		msg_warn("the mail system cannot be reached; try again later (%s)", err.data);
		return EX_TEMPFAIL;
	}
	return relay(sock);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The client of mtaqueue serve: for a caller who may not read the queue the verb is done by the server, and what it prints
 * comes out here. Options were looked at before, so a mistake in them is told without the server. */
#include "showq.h"

#include "sys/sock.h"

#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECT_SECONDS 10

struct answer {
	int fd;
	int64_t deadline;
	size_t start, end;        /* what of data is not yet taken */
	char data[65536];
};

bool
ask_needed(const struct app *app, bool change)
{
	int fd = app->queue.fd[change ? QUEUE_DEFERRED : QUEUE_INCOMING];

	return !app->guest && faccessat(fd, ".", R_OK | X_OK | (change ? W_OK : 0), AT_EACCESS) < 0 && errno == EACCES;
}

int
terminal_width(const struct app *app)
{
	static int width = -1;
	struct winsize size;

	if (app->guest)
		return app->guest->request->width;
	if (width < 0 && !isatty(STDOUT_FILENO))
		width = 0;
	else if (width < 0)
		width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
	return width;
}

/* 0, or -1 with errno. */
static int
wait_for(const struct answer *a, short events)
{
	struct pollfd p = { .fd = a->fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_left_ms(a->deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

/* A server that refuses does not read to the end: what it says is read, whatever became of the request. */
static void
send_request(const struct answer *a, const struct buf *text)
{
	for (size_t at = 0; at < text->len;) {
		ssize_t n = send(a->fd, text->data + at, text->len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EINTR && (errno != EAGAIN || wait_for(a, POLLOUT) < 0))
			return;
	}
}

/* More of the answer: true, or false with errno, 0 at its end. What came before is written first: nobody waits for it, and
 * when nobody reads any more this is where we end. */
static bool
more(struct answer *a)
{
	ssize_t n;

	check_output();
	if (a->start == a->end)
		a->start = a->end = 0;
	if (a->end == sizeof a->data) {
		memmove(a->data, a->data + a->start, a->end - a->start);
		a->end -= a->start;
		a->start = 0;
	}
	while ((n = recv(a->fd, a->data + a->end, sizeof a->data - a->end, 0)) < 0)
		if (errno != EINTR && (errno != EAGAIN || wait_for(a, POLLIN) < 0))
			return false;
	if (n == 0)
		errno = 0;
	a->end += (size_t)n;
	return n > 0;
}

static void __attribute__((noreturn))
incomplete(void)
{
	int e = errno;

	fflush(stdout);
	msg_die(EX_TEMPFAIL, "the answer of the mail system is not complete: %s", e == ETIMEDOUT ? "timed out" : e ? strerror(e) : "it ended the connection");
}

/* "out 123", "err 123", "exit 0": the word and its number. */
static char
heading(struct answer *a, uint64_t *number)
{
	char *line, *lf;

	while (!(lf = memchr(a->data + a->start, '\n', a->end - a->start))) {
		errno = EPROTO;
		if (a->end - a->start > 64 || !more(a))
			incomplete();
	}
	*lf = '\0';
	line = a->data + a->start;
	a->start = (size_t)(lf - a->data) + 1;
	if (strncmp(line, "exit ", 5) == 0 && num_u64(line + 5, 255, number) == 0)
		return 'x';
	if ((strncmp(line, "out ", 4) == 0 || strncmp(line, "err ", 4) == 0) && num_u64(line + 4, SHOWQ_DATA_MAX, number) == 0)
		return *line;
	errno = EPROTO;
	incomplete();
}

/* Copies n bytes. */
static void
copy(struct answer *a, FILE *to, uint64_t n)
{
	while (n > 0) {
		size_t k = a->end - a->start;

		if (k == 0) {
			if (!more(a))
				incomplete();
			continue;
		}
		k = k < n ? k : (size_t)n;
		if (to == stderr)
			fflush(stdout);
		if (fwrite(a->data + a->start, 1, k, to) < k && to == stdout)
			check_output(); /* ends, while errno tells why */
		a->start += k;
		n -= k;
	}
}

static int
connect_server(struct app *app, bool change)
{
	struct buf where = BUF_INIT(65536), err = BUF_INIT(65536);
	int fd;

	buf_addf(&where, "unix:%s", config_str(app->config, "showq_socket"));
	fd = sock_connect(where.data, clock_deadline(CONNECT_SECONDS), &err);
	if (fd < 0)
		msg_die(errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE, "%s%s - mail system is down (%s)", request_fatal(msg_program),
		    change ? "Cannot flush mail queue" : "Queue report unavailable", err.data);
	buf_free(&where);
	buf_free(&err);
	return fd;
}

int
ask(struct app *app, const struct selection *s, int argc, char **argv)
{
	static struct answer a;
	struct request r = { .arg = argv, .args = (size_t)argc, .id = s->given.text, .ids = s->given.n,
	    .program = msg_program, .tz = getenv("TZ"), .width = terminal_width(app) };
	struct buf text = BUF_INIT(SHOWQ_REQUEST_MAX), err = BUF_INIT(4096);
	uint64_t number;
	char what;

	if (request_write(&r, &text, &err) < 0)
		msg_die(EX_USAGE, "%s", err.data);
	a.fd = connect_server(app, strcmp(argv[0], "flush") == 0);
	a.deadline = clock_deadline(SHOWQ_SECONDS + 60);
	send_request(&a, &text);
	while ((what = heading(&a, &number)) != 'x')
		copy(&a, what == 'e' ? stderr : stdout, number);
	close(a.fd);
	buf_free(&text);
	buf_free(&err);
	return (int)number;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Buffered I/O with deadlines, plain. */
#include "sys/io.h"
#include "tap.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int peer;

static struct io
fresh(void)
{
	struct io io;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		exit(1);
	peer = pair[1];
	io_init(&io, pair[0], pair[0]);
	io_set_deadline(&io, clock_deadline(10));
	return io;
}

static void
say(const char *text)
{
	if (write(peer, text, strlen(text)) < 0)
		exit(1);
}

static bool
next_is(struct io *io, const char *want, size_t max)
{
	char *line;
	size_t n;

	return io_line(io, &line, &n, max) == 1 && n == strlen(want) && memcmp(line, want, n) == 0;
}

static void
lines(void)
{
	struct io io = fresh();
	char *line;
	size_t n;

	say("one\r\ntwo\n\nlast");
	ok(next_is(&io, "one\r\n", 100), "a line comes with its line end");
	ok(next_is(&io, "two\n", 4), "a line may be as long as the limit");
	ok(next_is(&io, "\n", 100), "an empty line is a line");
	shutdown(peer, SHUT_WR);
	ok(next_is(&io, "last", 100), "a last line without its end is given as it is");
	is_num(io_line(&io, &line, &n, 100), 0, "then comes the end");
	is_num(io.error, IO_EOF, "which is called so");
	is_num(io_line(&io, &line, &n, 100), 0, "and stays");
	close(peer);
	io_close(&io);
}

static void
long_lines(void)
{
	struct io io = fresh();
	char *big = malloc(300001), *line;
	size_t n;
	pid_t pid;

	say("12345\nok\n");
	is_num(io_line(&io, &line, &n, 5), -1, "a line over the limit is refused");
	is_num(io.error, IO_LONG, "as too long");
	ok(next_is(&io, "ok\n", 5), "and the next one is read");
	if (!big)
		return;
	memset(big, 'x', 300000);
	big[300000] = '\0';
	pid = fork();
	if (pid == 0) {
		say(big);
		say("\nnext\n");
		_exit(0);
	}
	is_num(io_line(&io, &line, &n, 1000), -1, "a line of 300,000 bytes is refused");
	is_num(io.error, IO_LONG, "as too long, once");
	ok(next_is(&io, "next\n", 1000), "what follows it is read, with the same buffer");
	waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		say(big + 300000 - 65535);
		say("\n");
		_exit(0);
	}
	ok(io_line(&io, &line, &n, IO_BUFFER) == 1 && n == IO_BUFFER, "a line that just fills the buffer is read");
	waitpid(pid, NULL, 0);
	say(big + 300000 - 1000);
	is_num(io_line(&io, &line, &n, 1000), -1, "a line without an end is refused at the limit");
	shutdown(peer, SHUT_WR);
	is_num(io_line(&io, &line, &n, 1000), 0, "and its end is the end of input, never a line");
	free(big);
	close(peer);
	io_close(&io);
}

static void
flushing(void)
{
	struct io io = fresh();
	char got[100], *line;
	size_t n;

	say("a\nb\n");
	next_is(&io, "a\n", 100);
	io_puts(&io, "reply a\n");
	next_is(&io, "b\n", 100);
	io_printf(&io, "reply %c\n", 'b');
	is_num(recv(peer, got, sizeof got, MSG_DONTWAIT), -1, "replies are kept while commands are there");
	io_set_deadline(&io, clock_mono() + 50000);
	is_num(io_line(&io, &line, &n, 100), -1, "a read that waits too long ends");
	is_num(io.error, IO_TIMEOUT, "as timed out");
	ok(recv(peer, got, sizeof got, MSG_DONTWAIT) == 16 && memcmp(got, "reply a\nreply b\n", 16) == 0, "before it waited, both replies went out");
	say("c\n");
	io_set_deadline(&io, clock_deadline(10));
	ok(next_is(&io, "c\n", 100), "with a new deadline reading goes on");
	ok(!io_input_waits(&io), "no input waits");
	say("d\ne");
	ok(io_input_waits(&io), "now it does");
	is_num(io_peek(&io, &line, &n), 1, "one can look at it");
	is_num((long long)n, 3, "all of it");
	io_consume(&io, 1);
	is_num((long long)io_pending(&io), 2, "take a part");
	io_discard_input(&io);
	ok(!io_input_waits(&io), "or throw it away");
	close(peer);
	ok(io_input_waits(&io), "the end of input does not block either");
	io_puts(&io, "nobody hears\n");
	is_num(io_flush(&io), -1, "writing to nobody fails and does not kill");
	is(io_strerror(&io), "Broken pipe", "and says why");
	io_close(&io);
}

static void
deadlines(void)
{
	struct io io = fresh();
	int64_t start = clock_mono();
	char *line, *big = calloc(1, 4 << 20);
	size_t n;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;) {
			if (write(peer, "x", 1) < 0)
				_exit(0);
			usleep(1000);
		}
	}
	io_set_deadline(&io, clock_mono() + 200000);
	is_num(io_line(&io, &line, &n, IO_BUFFER), -1, "a peer that sends a byte now and then is cut off");
	is_num(io.error, IO_TIMEOUT, "at the deadline");
	ok(clock_mono() - start < 1000000, "and not later");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	io_set_deadline(&io, clock_mono() + 100000);
	is_num(big ? io_write(&io, big, 4 << 20) : 0, -1, "a peer that does not read is cut off");
	is_num(io.error, IO_TIMEOUT, "at the deadline");
	free(big);
	close(peer);
	io_close(&io);
}

static void
big_output(void)
{
	struct io io = fresh();
	size_t total = 0, bad = 0, want = 0;
	char part[3000];
	pid_t pid;
	int status;

	for (size_t i = 0; i < sizeof part; i++)
		part[i] = (char)i;
	pid = fork();
	if (pid == 0) {
		char *all = malloc(1 << 20);

		for (int i = 0; all && i < 1 << 20; i++)
			all[i] = (char)(i % 3000);
		close(peer);
		for (int i = 0; i < 100; i++)
			io_write(&io, part, sizeof part);
		io_write(&io, all, 1 << 20);
		_exit(io_flush(&io) < 0);
	}
	close(io.rfd);
	for (;;) {
		char got[5000];
		ssize_t n = read(peer, got, sizeof got);

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			bad += got[i] != (char)(want % 3000);
			want = total + (size_t)i == 299999 ? 0 : want + 1;
		}
		total += (size_t)n;
	}
	waitpid(pid, &status, 0);
	is_num((long long)total, 300000 + (1 << 20), "large output arrives whole");
	is_num((long long)bad, 0, "and in order");
	is_num(status, 0, "and is reported as written");
	io.rfd = io.wfd = -1;
	io_free(&io);
	close(peer);
}

static bool stop;

static bool
stopping(void)
{
	return stop;
}

static void
on_signal(int sig)
{
	(void)sig;
	stop = true;
}

static void
stops(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct io io = fresh();
	char *line;
	size_t n;

	sigaction(SIGALRM, &sa, NULL);
	io.stopping = stopping;
	say("one\n");
	ok(next_is(&io, "one\n", 100), "before a signal all is usual");
	ualarm(50000, 0);
	is_num(io_line(&io, &line, &n, 100), -1, "a signal ends waiting for input");
	is_num(io.error, IO_STOPPED, "as an order to stop");
	say("two\n");
	ok(next_is(&io, "two\n", 100), "what is there is still read");
	close(peer);
	io_close(&io);
}

static void
files_and_pipes(void)
{
	struct io io;
	int in[2], out[2];
	char got[100], *line;
	size_t n;

	if (pipe(in) < 0 || pipe(out) < 0)
		return;
	(void)!write(in[1], "EHLO me\r\nQUIT\r\n", 15);
	close(in[1]);
	io_init(&io, in[0], out[1]);
	io_set_deadline(&io, clock_deadline(5));
	ok(next_is(&io, "EHLO me\r\n", 100) && next_is(&io, "QUIT\r\n", 100), "lines are read from a pipe");
	io_puts(&io, "221 bye\r\n");
	ok(!(fcntl(in[0], F_GETFL) & O_NONBLOCK), "which keeps its mode");
	io_close(&io);
	ok(read(out[0], got, sizeof got) == 9, "replies go to a pipe; closing writes what was left");
	close(out[0]);
	io_init(&io, open("/etc/passwd", O_RDONLY), -1);
	ok(io_line(&io, &line, &n, 1000) == 1 && n > 5 && memcmp(line, "root:", 5) == 0, "lines are read from a file");
	io_close(&io);
}

int
main(void)
{
	lines();
	long_lines();
	flushing();
	deadlines();
	big_output();
	stops();
	files_and_pipes();
	return tap_done();
}

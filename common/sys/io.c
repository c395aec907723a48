/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Buffered I/O with absolute deadlines: see io.h. Few system calls on the usual way: sockets are read with
 * MSG_DONTWAIT, so a read needs neither O_NONBLOCK nor a poll before it; only one that finds nothing is
 * followed by flush, poll and read. While output waits the peer most likely waits for it, so then the flush comes first.
 * On a plain socket recv does the waiting itself, bounded by SO_RCVTIMEO: set once a connection, somewhat shorter than the
 * time there is, so that the many waits of about the same length need no other call; the rest of the time is poll's. */
#include "sys/io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sys/tls.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define OUT_FULL 65536            /* output is written when it has grown to this */

static int
fail(struct io *io, enum io_error e)
{
	io->error = e;
	if (e == IO_SYSTEM)
		io->saved_errno = errno;
	return -1;
}

static void
set_text(struct io *io, const char *text)
{
	snprintf(io->error_text, sizeof io->error_text, "%s", text);
}

static int
fail_tls(struct io *io, const char *text)
{
	set_text(io, text);
	return fail(io, IO_TLS);
}

static void
begin(struct io *io, int rfd, int wfd)
{
	io->rfd = rfd;
	io->wfd = wfd;
	io->tls = NULL;
	io->in_start = io->in_end = 0;
	buf_clear(&io->out);
	io->deadline = CLOCK_NEVER;
	io->recv_ms = 0;
	io->error = io->ended = IO_OK;
	io->saved_errno = 0;
	io->skipping = io->plain_file = io->plain_out = false;
	io->error_text[0] = '\0';
	io->stopping = NULL;
}

void
io_init(struct io *io, int rfd, int wfd)
{
	memset(io, 0, sizeof *io);
	buf_init(&io->out, SIZE_MAX - 1);
	/* only the pages that lines really reach become memory */
	io->in = mem_alloc(IO_BUFFER);
	begin(io, rfd, wfd);
}

void
io_set_deadline(struct io *io, int64_t deadline)
{
	io->deadline = deadline;
}

/* Has the connection failed in a way that makes more writing pointless? */
static bool
broken(const struct io *io)
{
	return io->error == IO_SYSTEM || io->error == IO_TLS || io->error == IO_TIMEOUT;
}

static void
end(struct io *io)
{
	if (io->out.len && !broken(io))
		(void)io_flush(io);
	if (io->tls) {
		if (!broken(io))
			(void)tls_shutdown(io->tls);
		tls_free(&io->tls);
	}
}

void
io_free(struct io *io)
{
	end(io);
	free(io->in);
	io->in = NULL;
	buf_free(&io->out);
}

void
io_close(struct io *io)
{
	io_free(io);
	if (io->rfd >= 0)
		close(io->rfd);
	if (io->wfd >= 0 && io->wfd != io->rfd)
		close(io->wfd);
	io->rfd = io->wfd = -1;
}

void
io_reset(struct io *io, int rfd, int wfd)
{
	end(io);
	begin(io, rfd, wfd);
}

/* Waits for events on fd until the deadline. 0 or -1. A signal that makes stopping() true ends a wait for input. */
static int
wait_for(struct io *io, int fd, short events, bool may_stop)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int r;

		if (may_stop && io->stopping && io->stopping())
			return fail(io, IO_STOPPED);
		r = poll(&p, 1, clock_left_ms(io->deadline));
		if (r > 0)
			return 0;
		if (r == 0)
			return fail(io, IO_TIMEOUT);
		if (errno != EINTR)
			return fail(io, IO_SYSTEM);
	}
}

/* May recv wait, and will it end before the deadline? */
static bool
recv_may_wait(struct io *io)
{
	int left = clock_left_ms(io->deadline);

	/* a wait that a signal must be able to end needs the timer: without it recv would be restarted (signal(7)) */
	if (io->tls || io->plain_file || left <= 0 || (io->stopping && io->stopping()))
		return false;
	if (!io->recv_ms) {
		int ms = left - left / 8;
		struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

		if (ms == 0 || setsockopt(io->rfd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
			ms = INT_MAX;
		io->recv_ms = ms;
	}
	return io->recv_ms <= left;
}

/* Reads what is there into free space; waits for it only where wait is set, for a while. Bytes; 0 nothing now; -1 the end
 * or an error (io->ended says which, for good). */
static ssize_t
read_now(struct io *io, bool wait, short *wait_events)
{
	char *at = io->in + io->in_end;
	size_t room = IO_BUFFER - io->in_end;
	ssize_t n;

	*wait_events = POLLIN;
	if (io->ended) {
		io->error = io->ended;
		return -1;
	}
	if (io->tls) {
		n = tls_read(io->tls, at, room);
		if (n == TLS_WANT_READ || n == TLS_WANT_WRITE) {
			*wait_events = n == TLS_WANT_READ ? POLLIN : POLLOUT;
			return 0;
		}
		if (n < 0)
			fail_tls(io, tls_error(io->tls));
	} else {
		do
			n = io->plain_file ? read(io->rfd, at, room) : recv(io->rfd, at, room, wait ? 0 : MSG_DONTWAIT);
		while (n < 0 && errno == EINTR && !wait);
		if (n < 0 && errno == ENOTSOCK && !io->plain_file) {
			io->plain_file = true;
			return 0; /* it may block: poll first, from now on */
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
			if (wait && errno != EINTR) /* the timer, or O_NONBLOCK: either way it is not worth the call */
				io->recv_ms = INT_MAX;
			return 0;
		}
		if (n < 0)
			fail(io, IO_SYSTEM);
	}
	if (n == 0)
		io->error = IO_EOF;
	if (n <= 0) {
		io->ended = io->error;
		return -1;
	}
	io->in_end += (size_t)n;
	return n;
}

static void
make_room(struct io *io)
{
	if (io->in_start == io->in_end) {
		io->in_start = io->in_end = 0;
	} else if (io->in_end == IO_BUFFER && io->in_start > 0) {
		memmove(io->in, io->in + io->in_start, io->in_end - io->in_start);
		io->in_end -= io->in_start;
		io->in_start = 0;
	}
}

/* At least one byte more, waiting for it. 0, or -1 (IO_EOF as well). There is room: callers take care. */
static int
fill(struct io *io)
{
	bool polled = false, waited = false;
	short events = POLLIN;

	make_room(io);
	for (;;) {
		bool wait = !waited && !io->out.len && recv_may_wait(io);
		ssize_t n = 0;

		/* a peer that always has one byte ready never makes us wait: the clock counts all the same */
		if (io->deadline != CLOCK_NEVER && clock_mono() >= io->deadline)
			return fail(io, IO_TIMEOUT);
		if (polled || (!io->out.len && !io->plain_file) || (io->tls && tls_pending(io->tls)))
			n = read_now(io, wait, &events);
		if (n > 0)
			return 0;
		waited |= wait;
		/* a peer that closed after sending still gets the replies it has not read */
		if (n < 0 && io->error != IO_EOF)
			return -1;
		if (io->out.len) {
			enum io_error why = io->error;

			if (io_flush(io) < 0)
				return -1;
			io->error = why;
			if (n == 0 && !waited)
				continue;
		}
		if (n < 0)
			return -1;
		if (wait_for(io, io->rfd, events, true) < 0)
			return -1;
		polled = true;
	}
}

/* Drops the rest of a line that was too long. 0 or -1. */
static int
skip_line(struct io *io)
{
	for (;;) {
		size_t n = io->in_end - io->in_start;
		char *lf = n ? memchr(io->in + io->in_start, '\n', n) : NULL;

		if (lf) {
			io->in_start = (size_t)(lf + 1 - io->in);
			io->skipping = false;
			return 0;
		}
		io->in_start = io->in_end = 0;
		if (fill(io) < 0)
			return -1;
	}
}

int
io_line(struct io *io, char **line, size_t *n, size_t max)
{
	size_t seen = 0;

	io->error = IO_OK;
	if (max > IO_BUFFER)
		max = IO_BUFFER;
	if (io->skipping && skip_line(io) < 0)
		return io->error == IO_EOF ? 0 : -1;
	for (;;) {
		size_t have = io->in_end - io->in_start;
		char *start = io->in + io->in_start;
		char *lf = have > seen ? memchr(start + seen, '\n', have - seen) : NULL;
		size_t len = lf ? (size_t)(lf + 1 - start) : have;

		if (len > max || (!lf && len == max)) {
			io->skipping = !lf;
			io->in_start += len;
			return fail(io, IO_LONG);
		}
		if (lf) {
			*line = start;
			*n = len;
			io->in_start += len;
			return 1;
		}
		seen = have;
		if (fill(io) < 0)
			break;
	}
	if (io->error != IO_EOF)
		return -1;
	*line = io->in + io->in_start;
	*n = io->in_end - io->in_start;
	io->in_start = io->in_end;
	if (*n == 0)
		return 0;
	io->error = IO_OK;
	return 1;
}

int
io_peek(struct io *io, char **data, size_t *n)
{
	io->error = IO_OK;
	if ((io->skipping && skip_line(io) < 0) || (io->in_start == io->in_end && fill(io) < 0))
		return io->error == IO_EOF ? 0 : -1;
	*data = io->in + io->in_start;
	*n = io->in_end - io->in_start;
	return 1;
}

void
io_consume(struct io *io, size_t n)
{
	size_t have = io->in_end - io->in_start;

	io->in_start += n < have ? n : have;
}

size_t
io_pending(const struct io *io)
{
	return io->in_end - io->in_start;
}

bool
io_input_waits(struct io *io)
{
	struct pollfd p = { .fd = io->rfd, .events = POLLIN };
	short events;

	if (io->in_end > io->in_start)
		return true;
	make_room(io);
	if (io->plain_file)
		return poll(&p, 1, 0) > 0;
	/* of TLS only reading tells whether a record is there; errors and the end are kept for the next read */
	if (read_now(io, false, &events) != 0)
		return true;
	return io->plain_file && poll(&p, 1, 0) > 0;
}

void
io_discard_input(struct io *io)
{
	io->in_start = io->in_end = 0;
	io->skipping = false;
}

/* Writes now what can be written of two pieces. Bytes, 0 none now, -1 an error. */
static ssize_t
write_now(struct io *io, const struct iovec v[2], short *wait_events)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = 2 };
	const struct iovec *first = v[0].iov_len ? &v[0] : &v[1];
	ssize_t n;

	*wait_events = POLLOUT;
	if (io->tls) {
		n = tls_write(io->tls, first->iov_base, first->iov_len);
		if (n == TLS_WANT_READ || n == TLS_WANT_WRITE) {
			*wait_events = n == TLS_WANT_READ ? POLLIN : POLLOUT;
			return 0;
		}
		if (n < 0)
			return fail_tls(io, tls_error(io->tls));
		return n;
	}
	do {
		if (!io->plain_out) {
			if (!v[1].iov_len)
				n = send(io->wfd, v[0].iov_base, v[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
			else
				n = sendmsg(io->wfd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno == ENOTSOCK) {
				io->plain_out = true;
				return 0;
			}
		} else {
			/* a writable pipe takes PIPE_BUF bytes without blocking, and more only perhaps */
			n = write(io->wfd, first->iov_base, first->iov_len < PIPE_BUF ? first->iov_len : PIPE_BUF);
		}
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n < 0 ? fail(io, IO_SYSTEM) : n;
}

/* Writes the buffered output and then n bytes of data. 0 or -1 (what was not written is lost with the connection). */
static int
write_out(struct io *io, const void *data, size_t n)
{
	struct iovec v[2] = { { io->out.data, io->out.len }, { (void *)(uintptr_t)data, n } };
	short events;
	int r = 0;

	while (r == 0 && v[0].iov_len + v[1].iov_len > 0) {
		ssize_t k = 0;

		if (!io->plain_out)
			k = write_now(io, v, &events);
		if (k == 0) {
			int fd = io->tls && events == POLLIN ? io->rfd : io->wfd;

			r = wait_for(io, fd, io->plain_out ? POLLOUT : events, false);
			if (r == 0 && io->plain_out)
				k = write_now(io, v, &events);
		} else if (k > 0 && io->deadline != CLOCK_NEVER && clock_mono() >= io->deadline) {
			if ((size_t)k < v[0].iov_len + v[1].iov_len)
				r = fail(io, IO_TIMEOUT);
		}
		if (k < 0)
			r = -1;
		for (int i = 0; i < 2 && k > 0; i++) {
			size_t part = (size_t)k < v[i].iov_len ? (size_t)k : v[i].iov_len;

			v[i].iov_base = (char *)v[i].iov_base + part;
			v[i].iov_len -= part;
			k -= (ssize_t)part;
		}
	}
	buf_clear(&io->out);
	return r;
}

int
io_write(struct io *io, const void *data, size_t n)
{
	if (n <= OUT_FULL && io->out.len + n <= OUT_FULL)
		return buf_add(&io->out, data, n);
	if (n < OUT_FULL / 4) { /* small pieces are gathered: a copy is cheaper than a call */
		size_t part = OUT_FULL - io->out.len;

		buf_add(&io->out, data, part);
		if (write_out(io, NULL, 0) < 0)
			return -1;
		return buf_add(&io->out, (const char *)data + part, n - part);
	}
	return write_out(io, data, n);
}

int
io_puts(struct io *io, const char *s)
{
	return io_write(io, s, strlen(s));
}

int
io_printf(struct io *io, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vaddf(&io->out, fmt, ap);
	va_end(ap);
	if (r < 0) {
		errno = EINVAL;
		return fail(io, IO_SYSTEM);
	}
	return io->out.len > OUT_FULL ? write_out(io, NULL, 0) : 0;
}

int
io_flush(struct io *io)
{
	return io->out.len ? write_out(io, NULL, 0) : 0;
}

const char *
io_strerror(const struct io *io)
{
	switch (io->error) {
	case IO_OK: return "no error";
	case IO_EOF: return "connection closed";
	case IO_TIMEOUT: return "timed out";
	case IO_LONG: return "line too long";
	case IO_STOPPED: return "shutting down";
	case IO_SYSTEM: return strerror(io->saved_errno);
	case IO_TLS: return io->error_text;
	}
	return "unknown error";
}

static int
handshake(struct io *io, struct tls_context *ctx, bool server, const char *name)
{
	const char *err = NULL;
	struct tls *t;
	int r;

	if (io_flush(io) < 0)
		return -1;
	io->error = IO_OK;
	if (io->tls)
		return fail_tls(io, "TLS is active already");
	/* bytes that came in plaintext must never count as sent under TLS */
	if (io->in_end > io->in_start)
		return fail_tls(io, "plaintext in front of the TLS handshake");
	if (io->rfd != io->wfd)
		return fail_tls(io, "TLS needs a socket");
	t = tls_new(ctx, io->rfd, server, name, &err);
	if (!t)
		return fail_tls(io, err ? err : "out of memory");
	while ((r = tls_handshake(t)) != 1) {
		if (r == TLS_FAIL)
			fail_tls(io, tls_error(t));
		else if (wait_for(io, io->rfd, r == TLS_WANT_READ ? POLLIN : POLLOUT, false) == 0)
			continue;
		tls_free(&t);
		io->ended = io->error;
		return -1;
	}
	io->tls = t;
	io->skipping = false;
	return 0;
}

int
io_tls_accept(struct io *io, struct tls_context *ctx)
{
	return handshake(io, ctx, true, NULL);
}

int
io_tls_connect(struct io *io, struct tls_context *ctx, const char *name)
{
	return handshake(io, ctx, false, name);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP over the local submission socket: see submit.h. Not built on sys/io, which brings OpenSSL. */
#include "mail/submit.h"

#include "syntax/smtp.h"
#include "syntax/smtpdata.h"
#include "sys/sock.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_SIZE 65536
#define OUT_MAX (1 << 20)          /* a window of the longest commands */
#define IN_SIZE 8192              /* the longest reply line, and more */
#define REPLY_MAX 4096            /* text of a reply, all lines */
#define RCPT_WINDOW 200           /* recipients whose replies may be outstanding: they fit into a socket's buffer */

struct submit {
	int fd;
	int64_t deadline;
	int code;
	long refused;
	bool busy;                /* within a transaction, or broken: no QUIT */
	bool pipelining, size, eight_bit, dsn, utf8;
	int dot_state;            /* of smtpdata_stuff */
	size_t in_start, in_end;
	struct buf reply;         /* text of the last reply, lines joined by blanks */
	struct buf err;           /* why the connection failed */
	struct buf out;
	char in[IN_SIZE];
};

static int
broken(struct submit *s, const char *what, const char *why)
{
	if (!s->err.len)
		buf_addf(&s->err, "%s: %s", what, why);
	s->code = 0;
	return -1;
}

/* Waits until fd is ready. 0, or -1 with errno. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_left_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

static int
flush(struct submit *s)
{
	size_t at = 0;

	while (at < s->out.len) {
		ssize_t n = send(s->fd, s->out.data + at, s->out.len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno == EAGAIN && wait_for(s->fd, POLLOUT, s->deadline) == 0)
			continue;
		else
			return broken(s, "send to submission socket", strerror(errno));
	}
	buf_clear(&s->out);
	return 0;
}

/* One line of a reply, without CRLF. */
static int
read_line(struct submit *s, char **line, size_t *n)
{
	for (;;) {
		char *lf = memchr(s->in + s->in_start, '\n', s->in_end - s->in_start);
		ssize_t k;

		if (lf) {
			*line = s->in + s->in_start;
			*n = (size_t)(lf - *line);
			s->in_start += *n + 1;
			if (*n && (*line)[*n - 1] == '\r')
				--*n;
			return 0;
		}
		memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
		s->in_end -= s->in_start;
		s->in_start = 0;
		if (s->in_end == IN_SIZE)
			return broken(s, "read from submission socket", "reply line too long");
		k = recv(s->fd, s->in + s->in_end, IN_SIZE - s->in_end, 0);
		if (k > 0)
			s->in_end += (size_t)k;
		else if (k == 0)
			return broken(s, "read from submission socket", "connection closed");
		else if (errno != EINTR && (errno != EAGAIN || wait_for(s->fd, POLLIN, s->deadline) < 0))
			return broken(s, "read from submission socket", strerror(errno));
	}
}

/* A whole reply into s->code and s->reply ("5.1.1 text", lines joined). ehlo: notes the extensions. */
static int
read_reply(struct submit *s, bool ehlo)
{
	struct smtp_reply_line r;
	const char *err;
	char *line;
	size_t n;

	buf_clear(&s->reply);
	do {
		if (read_line(s, &line, &n) < 0)
			return -1;
		if (smtp_reply_parse(&r, line, n, &err) < 0)
			return broken(s, "reply on the submission socket", err);
		if (ehlo) {
			s->pipelining |= r.text_len >= 10 && strncasecmp(r.text, "PIPELINING", 10) == 0;
			s->size |= r.text_len >= 4 && strncasecmp(r.text, "SIZE", 4) == 0;
			s->eight_bit |= r.text_len >= 8 && strncasecmp(r.text, "8BITMIME", 8) == 0;
			s->dsn |= r.text_len == 3 && strncasecmp(r.text, "DSN", 3) == 0;
			s->utf8 |= r.text_len >= 8 && strncasecmp(r.text, "SMTPUTF8", 8) == 0;
		} else {
			if (!s->reply.len && *r.enhanced)
				buf_adds(&s->reply, r.enhanced);
			if (s->reply.len)
				buf_addc(&s->reply, ' ');
			buf_add(&s->reply, r.text, r.text_len);
		}
	} while (r.more);
	s->code = r.code;
	return 0;
}

static int
connect_path(const char *path, int64_t deadline)
{
	struct sockaddr_un sa;
	socklen_t len;
	int dir = sock_unix_addr(path, &sa, &len), fd = -1, r = -1, saved;

	if (dir != -2)
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* EAGAIN: the server's backlog is full */
	while (fd >= 0 && (r = connect(fd, (struct sockaddr *)&sa, len)) < 0 && (errno == EAGAIN || errno == EINTR) &&
	    clock_left_ms(deadline) > 0)
		poll(NULL, 0, 20);
	saved = errno;
	if (dir >= 0)
		close(dir);
	if (r < 0 && fd >= 0)
		close(fd);
	errno = saved;
	return r < 0 ? -1 : fd;
}

static int
greet(struct submit *s, const char *helo)
{
	if (read_reply(s, false) < 0 || s->code != 220)
		return -1;
	buf_addf(&s->out, "EHLO %s\r\n", helo);
	return flush(s) < 0 || read_reply(s, true) < 0 || s->code != 250 ? -1 : 0;
}

struct submit *
submit_open(const char *path, const char *helo, int64_t deadline, struct buf *err)
{
	int fd = connect_path(path, deadline);
	struct submit *s;

	if (fd < 0) {
		int saved = errno;

		buf_addf(err, "connect to %s: %s", path, strerror(errno));
		errno = saved;
		return NULL;
	}
	s = mem_zalloc(sizeof *s);
	s->fd = fd;
	s->busy = true;
	s->deadline = deadline;
	buf_init(&s->reply, REPLY_MAX);
	buf_init(&s->err, REPLY_MAX);
	buf_init(&s->out, OUT_MAX);
	if (greet(s, helo) < 0) {
		if (s->code)
			buf_addf(err, "%s: %d %s", path, s->code, s->reply.data);
		else
			buf_addf(err, "%s: %s", path, s->err.data);
		submit_close(&s);
		return NULL;
	}
	s->busy = false;
	return s;
}

void
submit_close(struct submit **sp)
{
	struct submit *s = *sp;

	if (!s)
		return;
	if (!s->busy)
		(void)!send(s->fd, "QUIT\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(s->fd);
	buf_free(&s->reply);
	buf_free(&s->err);
	buf_free(&s->out);
	free(s);
	*sp = NULL;
}

static void
put_mail(struct submit *s, const struct submit_message *m)
{
	buf_addf(&s->out, "MAIL FROM:<%s>", m->sender);
	if (s->size && m->size)
		buf_addf(&s->out, " SIZE=%" PRIu64, m->size);
	if (s->eight_bit && m->eight_bit)
		buf_adds(&s->out, " BODY=8BITMIME");
	if (s->utf8 && m->utf8)
		buf_adds(&s->out, " SMTPUTF8");
	if (s->dsn && m->ret)
		buf_addf(&s->out, " RET=%s", m->ret);
	if (s->dsn && m->envid)
		buf_addf(&s->out, " ENVID=%s", m->envid);
	buf_adds(&s->out, "\r\n");
}

static void
put_rcpt(struct submit *s, const struct submit_rcpt *r)
{
	buf_addf(&s->out, "RCPT TO:<%s>%s%s\r\n", r->addr, s->dsn && *r->params ? " " : "", s->dsn ? r->params : "");
}

/* The reply was not the one hoped for; err gets it. */
static int
refused(struct submit *s, const char *what, struct buf *err)
{
	if (s->code)
		buf_addf(err, "%s: %d %s", what, s->code, s->reply.data);
	else
		buf_addf(err, "%s", s->err.len ? s->err.data : "request too long");
	return -1;
}

/* MAIL, RCPT and DATA go out in windows, and their replies are read behind each. */
static int
transact(struct submit *s, const struct submit_message *m, size_t *taken, struct buf *err)
{
	size_t window = s->pipelining ? RCPT_WINDOW : 1, sent = 0, answered = 0;
	bool full = false;

	put_mail(s, m);
	if (!s->pipelining && (flush(s) < 0 || read_reply(s, false) < 0 || s->code != 250))
		return refused(s, "sender", err);
	for (bool first = s->pipelining; answered < m->rcpts && !full; first = false) {
		while (sent < m->rcpts && sent - answered < window)
			put_rcpt(s, &m->rcpt[sent++]);
		if (sent == m->rcpts && s->pipelining)
			buf_adds(&s->out, "DATA\r\n");
		if (s->out.full || flush(s) < 0 || (first && (read_reply(s, false) < 0 || s->code != 250)))
			return refused(s, "sender", err);
		for (; answered < sent; answered++) {
			if (read_reply(s, false) < 0)
				return refused(s, "recipient", err);
			if (s->code == 452 && answered > 0)
				full = true;
			else if (s->code / 100 != 2) {
				s->refused = (long)answered;
				return refused(s, m->rcpt[answered].addr, err);
			} else if (!full)
				*taken = answered + 1;
			else /* refused one and took a later one: not what 452 means */
				return refused(s, "recipients", err);
		}
	}
	if (!s->pipelining || sent < m->rcpts)
		buf_adds(&s->out, "DATA\r\n");
	if (flush(s) < 0 || read_reply(s, false) < 0 || s->code != 354)
		return refused(s, "DATA", err);
	return 0;
}

int
submit_begin(struct submit *s, const struct submit_message *m, size_t *taken, struct buf *err)
{
	s->busy = true;
	s->refused = -1;
	*taken = 0;
	s->dot_state = SMTPDATA_LINE_START;
	if ((m->eight_bit && !s->eight_bit) || (m->utf8 && !s->utf8)) {
		buf_addf(err, "the submission service does not take %s messages", m->utf8 && !s->utf8 ? "UTF-8" : "8-bit");
		s->code = 554;
		return -1;
	}
	return transact(s, m, taken, err);
}

int
submit_data(struct submit *s, const char *data, size_t n)
{
	while (n > 0) {
		size_t k = n < OUT_SIZE / 2 ? n : OUT_SIZE / 2;

		if (s->out.len >= OUT_SIZE && flush(s) < 0)
			return -1;
		if (buf_reserve(&s->out, 2 * k) < 0)
			return broken(s, "message", "buffer full");
		s->out.len += smtpdata_stuff(&s->dot_state, data, k, s->out.data + s->out.len);
		data += k;
		n -= k;
	}
	return 0;
}

int
submit_end(struct submit *s, struct buf *reply, struct buf *err)
{
	buf_adds(&s->out, smtpdata_end(s->dot_state));
	if (s->err.len || flush(s) < 0 || read_reply(s, false) < 0 || s->code != 250)
		return refused(s, "message", err);
	s->busy = false;
	buf_add(reply, s->reply.data, s->reply.len);
	return 0;
}

int
submit_code(const struct submit *s)
{
	return s->code;
}

long
submit_refused(const struct submit *s)
{
	return s->refused;
}

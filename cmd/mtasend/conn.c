/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Lines out and replies in over either kind of connection: see conn.h. Replies are those of RFC 5321 4.2,
 * bounded in size and by an absolute deadline. */
#include "conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "syntax/smtp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IN_SIZE 16384             /* also the longest line of a reply */

void
conn_init(struct conn *c)
{
	*c = (struct conn){ .fd = -1 };
	buf_init(&c->key, 4096);
	buf_init(&c->peer, 1024);
	buf_init(&c->relay, 1024);
	c->in = mem_alloc(IN_SIZE);
}

void
conn_free(struct conn *c)
{
	conn_close(c);
	buf_free(&c->key);
	buf_free(&c->peer);
	buf_free(&c->relay);
	transcript_free(&c->said);
	free(c->in);
}

void
conn_said(struct conn *c, enum transcript_who who, const char *text, size_t n)
{
	if (c->recording)
		transcript_add(&c->said, who, text, n);
}

void
conn_close(struct conn *c)
{
	if (!c->channel)
		return;
	if (!c->broken)
		c->channel->send(c, "QUIT\r\n", 6, clock_mono());
	c->channel->close(c);
	c->channel = NULL;
	c->handle = NULL;
	c->fd = -1;
	c->broken = c->reset = false;
	c->used = 0;
	c->in_start = c->in_end = 0;
	conn_forget_capabilities(c);
}

bool
conn_quiet(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return c->channel && !c->broken && c->in_start == c->in_end && poll(&p, 1, 0) == 0;
}

void
conn_forget_capabilities(struct conn *c)
{
	c->pipelining = c->eightbit = c->smtputf8 = c->dsn = c->size_known = false;
	c->size = 0;
}

void
conn_capability(struct conn *c, const char *line, size_t n)
{
	size_t word = 0, rest;

	while (word < n && line[word] != ' ' && line[word] != '\r')
		word++;
#define IS(name) (word == sizeof name - 1 && strncasecmp(line, name, word) == 0)
	if (IS("PIPELINING")) {
		c->pipelining = true;
	} else if (IS("8BITMIME")) {
		c->eightbit = true;
	} else if (IS("SMTPUTF8")) {
		c->smtputf8 = true;
	} else if (IS("DSN")) {
		c->dsn = true;
	} else if (IS("SIZE")) {
		c->size_known = true;
		rest = word < n ? word + 1 : n;
		while (n > rest && (line[n - 1] == '\r' || line[n - 1] == ' '))
			n--;
		if (num_u64n(line + rest, n - rest, UINT64_MAX, &c->size) < 0)
			c->size = 0;
	}
#undef IS
}

int
conn_send(struct conn *c, const void *data, size_t n, int64_t deadline)
{
	if (c->channel->send(c, data, n, deadline) == (ssize_t)n)
		return 0;
	c->broken = true;
	return -1;
}

/* The next line without its line end; it stays in c->in until the next call. */
static int
next_line(struct conn *c, char **line, size_t *n, int64_t deadline)
{
	char *lf;
	ssize_t got;

	for (;;) {
		lf = memchr(c->in + c->in_start, '\n', c->in_end - c->in_start);
		if (lf)
			break;
		if (c->in_start > 0) {
			memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
			c->in_end -= c->in_start;
			c->in_start = 0;
		}
		if (c->in_end == IN_SIZE) {
			errno = EPROTO;
			return -1;
		}
		got = c->channel->recv(c, c->in + c->in_end, IN_SIZE - c->in_end, deadline);
		if (got <= 0) {
			if (got == 0)
				errno = ECONNRESET;
			return -1;
		}
		c->in_end += (size_t)got;
	}
	*line = c->in + c->in_start;
	*n = (size_t)(lf - *line);
	c->in_start += *n + 1;
	if (*n > 0 && (*line)[*n - 1] == '\r')
		(*n)--;
	return 0;
}

/* The reply's code: the enhanced one where it agrees with the class, else class.0.0. */
static void
set_dsn(struct reply *r, const char *enhanced)
{
	if (enhanced[0] && enhanced[0] == '0' + r->code / 100)
		memcpy(r->dsn, enhanced, strlen(enhanced) + 1);
	else
		memcpy(r->dsn, (char[]){ (char)('0' + r->code / 100), '.', '0', '.', '0', 0 }, 6);
}

int
conn_reply(struct conn *c, struct reply *r, int64_t deadline, void (*line)(struct conn *c, const char *text, size_t n))
{
	struct smtp_reply_line l = { .more = true };
	const char *err;
	size_t n, total = 0;
	char *text;

	r->code = 0;
	buf_clear(&r->text);
	while (l.more) {
		if (next_line(c, &text, &n, deadline) < 0)
			break;
		total += n;
		conn_said(c, TRANSCRIPT_SERVER, text, n);
		errno = EPROTO;
		if (total > REPLY_MAX || smtp_reply_parse(&l, text, n, &err) < 0 || (r->code && r->code != l.code)) {
			l.more = true;
			break;
		}
		if (!r->code) {
			r->code = l.code;
			set_dsn(r, l.enhanced);
			buf_add(&r->text, text, n);
			if (r->text.len > 3)
				r->text.data[3] = ' ';
		} else {
			buf_addc(&r->text, ' ');
			buf_add(&r->text, l.text, l.text_len);
		}
		if (line && n > 4)
			line(c, text + 4, n - 4);
	}
	if (l.more) {
		c->fault = c->fault || errno == EPROTO;
		c->broken = true;
		r->code = 0;
		return -1;
	}
	if (r->code == 421)
		c->broken = true;
	return 0;
}

void
failure_set(struct failure *f, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	f->status = dsn[0] == '5' ? AGENT_BOUNCED : AGENT_DEFERRED;
	memcpy(f->dsn, dsn, strlen(dsn) + 1);
	buf_clear(&f->text);
	va_start(ap, fmt);
	buf_vaddf(&f->text, fmt, ap);
	va_end(ap);
}

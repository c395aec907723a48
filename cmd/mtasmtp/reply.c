/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Replies to the client, the count of its errors and the delay for those who make many: see reply.h. */
#include "reply.h"

#include "settings.h"

#include "mail/log.h"

#include "base/msg.h"

#include <time.h>

/* Makes a client that keeps making errors wait. SIGTERM cuts the wait short. */
static void
tarpit(struct session *s)
{
	struct timespec wait = { .tv_sec = s->set->error_sleep };

	if (s->errors <= s->set->soft_errors || s->set->error_sleep <= 0 || s->closing)
		return;
	io_flush(s->io);
	nanosleep(&wait, NULL);
}

/* The one place where a reply is put together. The text stands in s->scratch. The class of the enhanced code
 * is always that of the code (RFC 2034 4). */
static void
send_reply(struct session *s, int code, const char *dsn)
{
	char number[4] = { (char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10), ' ' };
	struct buf *text = &s->scratch;

	s->code = code;
	io_write(s->io, number, 4);
	if (dsn) {
		io_write(s->io, number, 1);
		io_puts(s->io, dsn + 1);
		io_write(s->io, " ", 1);
	}
	msg_clean(text->data, text->len);
	io_write(s->io, text->data, text->len);
	io_write(s->io, "\r\n", 2);
}

static int
soften(const struct session *s, int code)
{
	return s->set->soft_bounce && code >= 500 ? code - 100 : code;
}

static void
count_error(struct session *s)
{
	s->errors++;
	tarpit(s);
}

void
reply(struct session *s, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	if (code >= 400)
		count_error(s);
	code = soften(s, code);
	buf_clear(&s->scratch);
	va_start(ap, fmt);
	buf_vaddf(&s->scratch, fmt, ap);
	va_end(ap);
	send_reply(s, code, dsn);
}

void
reply_trouble(struct session *s, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&s->scratch);
	va_start(ap, fmt);
	buf_vaddf(&s->scratch, fmt, ap);
	va_end(ap);
	send_reply(s, code, dsn);
}

void
reply_reject(struct session *s, const char *rcpt, int code, const char *dsn, const char *fmt, ...)
{
	struct buf *text = &s->scratch;
	struct buf to = BUF_INIT(ADDRESS_MAX + 16), from = BUF_INIT(ADDRESS_MAX + 16);
	va_list ap;

	if (code >= 500)
		count_error(s);
	code = soften(s, code);
	buf_clear(text);
	va_start(ap, fmt);
	buf_vaddf(text, fmt, ap);
	va_end(ap);
	if (s->tx.open)
		buf_addf(&from, " from=<%s>", s->tx.sender.data);
	if (rcpt)
		buf_addf(&to, " to=<%s>", rcpt);
	log_info("NOQUEUE: reject: %s from %s: %d %d%s %s;%s%s proto=%s%s%s%s", s->doing, s->client.data, code, code / 100, dsn + 1, text->data,
	    from.data, to.data, session_proto(s), s->helo.len ? " helo=<" : "", s->helo.data, s->helo.len ? ">" : "");
	buf_free(&from);
	buf_free(&to);
	send_reply(s, code, dsn);
}

void
reply_goodbye(struct session *s, int code, const char *dsn, const char *text)
{
	s->closing = true;
	buf_clear(&s->scratch);
	buf_addf(&s->scratch, "%s %s", s->set->hostname, text);
	send_reply(s, code, dsn);
}

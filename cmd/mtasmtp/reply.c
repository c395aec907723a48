/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Replies to the client, the count of its errors and the delay for those who make many: see reply.h. */
#include "reply.h"

#include "record.h"
#include "settings.h"

#include "mail/log.h"

#include "base/msg.h"

#include <string.h>
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

/* Makes the text of a reply, in s->scratch. */
static void make_text(struct session *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void
make_text(struct session *s, const char *fmt, va_list ap)
{
	buf_clear(&s->scratch);
	buf_vaddf(&s->scratch, fmt, ap);
	msg_clean(s->scratch.data, s->scratch.len);
}

/* The one place where a reply is put together. The text stands in s->scratch. The class of the enhanced code
 * is always that of the code (RFC 2034 4). */
static void
send_reply(struct session *s, int code, const char *dsn)
{
	char start[16] = { (char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10), ' ' };
	size_t n = 4;

	s->code = code;
	if (dsn) {
		start[n++] = start[0];
		n = (size_t)(stpcpy(start + n, dsn + 1) - start);
		start[n++] = ' ';
	}
	io_write(s->io, start, n);
	io_write(s->io, s->scratch.data, s->scratch.len);
	io_write(s->io, "\r\n", 2);
	record_reply(s, start, n, s->scratch.data, s->scratch.len);
}

void
reply(struct session *s, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	if (code >= 400)
		count_error(s);
	record_error(s, false, code, dsn);
	va_start(ap, fmt);
	make_text(s, fmt, ap);
	va_end(ap);
	send_reply(s, soften(s, code), dsn);
}

void
reply_trouble(struct session *s, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	record_error(s, true, code, dsn);
	va_start(ap, fmt);
	make_text(s, fmt, ap);
	va_end(ap);
	send_reply(s, code, dsn);
}

void
reply_reject(struct session *s, const char *rcpt, int code, const char *dsn, const char *fmt, ...)
{
	struct buf to = BUF_INIT(ADDRESS_MAX + 16), from = BUF_INIT(ADDRESS_MAX + 16);
	va_list ap;

	if (code >= 500)
		count_error(s);
	record_error(s, false, code, dsn);
	code = soften(s, code);
	va_start(ap, fmt);
	make_text(s, fmt, ap);
	va_end(ap);
	if (s->tx.open)
		buf_addf(&from, " from=<%s>", s->tx.sender.data);
	if (rcpt)
		buf_addf(&to, " to=<%s>", rcpt);
	log_info("%s: reject: %s from %s: %d %d%s %s;%s%s proto=%s%s%s%s", *s->tx.env.id ? s->tx.env.id : "NOQUEUE", s->doing,
	    s->client.data, code, code / 100, dsn + 1, s->scratch.data, from.data, to.data, session_proto(s),
	    s->helo.len ? " helo=<" : "", s->helo.data, s->helo.len ? ">" : "");
	buf_free(&from);
	buf_free(&to);
	send_reply(s, code, dsn);
}

void
reply_goodbye(struct session *s, int code, const char *dsn, const char *text)
{
	s->closing = true;
	record_error(s, false, code, dsn);
	buf_clear(&s->scratch);
	buf_addf(&s->scratch, "%s %s", s->set->hostname, text);
	send_reply(s, code, dsn);
}

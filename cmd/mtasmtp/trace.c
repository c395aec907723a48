/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Header fields that the server makes: see trace.h. */
#include "trace.h"

#include "settings.h"

#include "syntax/date.h"

#include "base/clock.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* The names of RFC 3848 and RFC 6531 4.3. */
static void
add_protocol(const struct session *s, struct buf *out)
{
	if (s->tx.utf8)
		buf_adds(out, "UTF8SMTP");
	else
		buf_adds(out, session_proto(s));
	if (s->esmtp && s->io->tls)
		buf_addc(out, 'S');
	if (s->esmtp && s->sasl_sender)
		buf_addc(out, 'A');
}

static void
add_client(struct session *s, struct buf *out)
{
	const char *tag = s->peer->addr.ss_family == AF_INET6 && strchr(s->peer->text, ':') ? "IPv6:" : "";

	buf_addf(out, "from %s (%s [%s%s])\n", s->helo.len ? s->helo.data : s->name.data, s->name.data, tag, s->peer->text);
	if (s->io->tls && s->set->tls_received_header)
		buf_addf(out, "\t(using %s)\n\t(No client certificate requested)\n", s->tls_text.data);
	if (s->sasl_sender && s->set->auth_header) {
		buf_adds(out, "\t(Authenticated sender: ");
		for (size_t i = 0; i < s->sasl_user.len; i++) {
			char c = s->sasl_user.data[i];

			buf_addc(out, (unsigned char)c < ' ' || c == 0x7f || strchr("()\\", c) ? '?' : c);
		}
		buf_adds(out, ")\n");
	}
}

void
trace_received(struct session *s, const char *id, struct buf *out)
{
	const struct queue_envelope *e = &s->tx.env;

	buf_adds(out, "Received: ");
	if (s->local) {
		buf_addf(out, "by %s (%s, from userid %ld)\n\tid %s; ", s->set->hostname, s->set->mail_name, (long)s->uid, id);
	} else {
		add_client(s, out);
		buf_addf(out, "\tby %s (%s) with ", s->set->hostname, s->set->mail_name);
		add_protocol(s, out);
		buf_addf(out, " id %s", id);
		if (e->rcpts == 1) /* with more, it would tell each of the others (RFC 5321 7.2) */
			buf_addf(out, "\n\tfor <%s>; ", e->rcpt[0].addr);
		else
			buf_adds(out, ";\n\t");
	}
	date_format(e->time / 1000000, out);
	buf_addc(out, '\n');
}

void
trace_missing(struct session *s, const char *id, int fields, struct buf *out, struct buf *message_id)
{
	time_t seconds = (time_t)(s->tx.env.time / 1000000);
	struct tm tm;

	if (fields & TRACE_DATE) {
		buf_adds(out, "Date: ");
		date_format(seconds, out);
		buf_addc(out, '\n');
	}
	if (fields & TRACE_MESSAGE_ID) {
		gmtime_r(&seconds, &tm);
		buf_clear(message_id);
		buf_addf(message_id, "<%04d%02d%02d%02d%02d%02d.%s@%s>", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		    tm.tm_hour, tm.tm_min, tm.tm_sec, id, s->set->hostname);
		buf_addf(out, "Message-Id: %s\n", message_id->data);
	}
	if (fields & TRACE_FROM) {
		if (s->tx.sender.len)
			buf_addf(out, "From: %s\n", s->tx.sender.data);
		else
			buf_addf(out, "From: MAILER-DAEMON@%s\n", s->set->origin);
	}
}

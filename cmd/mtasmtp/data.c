/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* DATA (RFC 5321 4.1.1.4). The automaton of smtpdata.h finds the one end, CRLF.CRLF. */
#include "commands.h"
#include "content.h"
#include "reply.h"
#include "settings.h"

#include "syntax/smtpdata.h"

#include "base/clock.h"

#include <string.h>

/* Feeds n bytes as they are. Bytes used, or -1 to hang up. */
static ssize_t
feed(struct session *s, struct smtpdata *d, const char *data, size_t n)
{
	size_t len, used = smtpdata_feed(d, data, n, s->chunk, &len);

	return content_add(s, s->chunk, len, used) < 0 ? -1 : (ssize_t)used;
}

/* From a terminal or a pipe: LF ends a line as well as CRLF does. */
static ssize_t
feed_typed(struct session *s, struct smtpdata *d, const char *data, size_t n)
{
	const char *p = data, *end = data + n;

	while (p < end && !d->done) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;

		if (lf && lf > p && lf[-1] == '\r')
			stop--;
		if (stop > p && feed(s, d, p, (size_t)(stop - p)) < 0)
			return -1;
		if (!lf)
			return (ssize_t)n;
		if (feed(s, d, "\r\n", 2) < 0)
			return -1;
		p = lf + 1;
	}
	return p - data;
}

/* Reads to the end of the message. 0, or -1: the connection is lost or given up. */
static int
receive(struct session *s, struct smtpdata *d)
{
	int64_t began = clock_mono();
	uint64_t bytes = 0;

	smtpdata_init(d);
	while (!d->done) {
		ssize_t used;
		char *data;
		size_t n;
		int r;

		content_deadline(s, began, bytes);
		r = io_peek(s->io, &data, &n);
		if (r <= 0) {
			session_lost(s, r);
			return -1;
		}
		used = s->peer->terminal ? feed_typed(s, d, data, n) : feed(s, d, data, n);
		if (used < 0) {
			reply_goodbye(s, 552, "5.3.4", "Error: message size exceeds fixed limit");
			return -1;
		}
		io_consume(s->io, (size_t)used);
		bytes += (uint64_t)used;
	}
	return 0;
}

void
command_data(struct session *s, const struct smtp_command *c)
{
	struct smtpdata d;

	(void)c;
	if (s->tx.env.rcpts == 0) {
		reply(s, 554, "5.5.1", "Error: no valid recipients");
		return;
	}
	if (content_begin(s) < 0)
		return;
	reply(s, 354, NULL, "End data with <CR><LF>.<CR><LF>");
	if (receive(s, &d) < 0) {
		content_abort(s);
		session_reset_tx(s);
		return;
	}
	content_found(s, d.bare_lf, d.bare_cr, d.nul);
	content_finish(s);
}

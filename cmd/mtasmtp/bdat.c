/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* BDAT (RFC 3030): chunks of announced sizes. There is no dot to find or to undo; line ends become LF as with DATA.
 * The bytes of a chunk are read even when the command is refused, or the next command could not be found. */
#include "commands.h"
#include "content.h"
#include "reply.h"
#include "settings.h"

#include "base/clock.h"
#include "base/num.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* "size [LAST]". 0 or -1. */
static int
parse(const struct smtp_command *c, uint64_t *size, bool *last)
{
	const char *p = memchr(c->arg, ' ', c->arg_len);
	size_t n = p ? (size_t)(p - c->arg) : c->arg_len, rest = c->arg_len - n;

	*last = false;
	if (n == 0 || num_u64n(c->arg, n, INT64_MAX, size) < 0)
		return -1;
	for (; rest && *p == ' '; p++, rest--)
		;
	if (rest == 0)
		return 0;
	*last = rest == 4 && strncasecmp(p, "LAST", 4) == 0;
	return *last ? 0 : -1;
}

/* n bytes of a chunk to LF line ends in s->chunk (with room for n + 1). A CR at the end of a portion waits for what
 * follows. Returns the bytes there. */
static size_t
lines(struct tx *t, const char *in, size_t n, char *out)
{
	char *o = out;

	for (size_t i = 0; i < n; i++) {
		char c = in[i];

		if (t->cr && c != '\n') {
			t->bare_cr = true;
			*o++ = '\r';
		} else if (!t->cr && c == '\n') {
			t->bare_lf = true;
		}
		if (c == '\0')
			t->nul = true;
		t->cr = c == '\r';
		if (!t->cr)
			*o++ = c;
	}
	if (o > out)
		t->line_end = o[-1] == '\n';
	return (size_t)(o - out);
}

/* Reads the chunk, into the message unless it is refused. 0, or -1: the connection is lost or given up. */
static int
receive(struct session *s, uint64_t size, bool keep)
{
	int64_t began = clock_mono();

	for (uint64_t done = 0; done < size;) {
		char *data;
		size_t n;
		int r;

		content_deadline(s, began, done);
		r = io_peek(s->io, &data, &n);
		if (r <= 0) {
			session_lost(s, r);
			return -1;
		}
		if (n > size - done)
			n = (size_t)(size - done);
		if (keep && content_add(s, s->chunk, lines(&s->tx, data, n, s->chunk), n) < 0)
			keep = false;
		io_consume(s->io, n);
		done += n;
	}
	return 0;
}

/* The end of the message: what was left open in the line automaton. */
static void
end(struct session *s)
{
	struct tx *t = &s->tx;

	if (t->cr) {
		t->bare_cr = true;
		content_add(s, "\r", 1, 0);
		t->line_end = false;
	}
	if (!t->line_end)
		content_add(s, "\n", 1, 0);
	content_found(s, t->bare_lf, t->bare_cr, t->nul);
	content_finish(s);
}

/* A chunk that is not wanted. Read and dropped when that is worth it, else the connection ends. */
static void
discard(struct session *s, uint64_t size, int code, const char *dsn, const char *text)
{
	if (size > 2 * s->set->size_limit + (1u << 20)) {
		s->errors++;
		reply_goodbye(s, code, dsn, text);
	} else if (receive(s, size, false) == 0) {
		reply(s, code, dsn, "%s", text);
	}
}

static void
chunk(struct session *s, uint64_t size, bool last)
{
	if (!s->tx.chunking) {
		if (content_begin(s) < 0) {
			s->closing = true; /* the chunk is not worth reading: the reply is sent */
			return;
		}
		s->tx.chunking = s->tx.line_end = true;
		s->tx.cr = s->tx.bare_lf = s->tx.bare_cr = s->tx.nul = false;
	}
	if (s->set->size_limit && size > 2 * s->set->size_limit + (1u << 20)) {
		s->errors++;
		reply_goodbye(s, 552, "5.3.4", "Error: message size exceeds fixed limit");
		return;
	}
	if (receive(s, size, true) < 0)
		return;
	if (last)
		end(s);
	else if (content_refused(s))
		content_refuse(s);
	else
		reply(s, 250, "2.0.0", "Ok: %" PRIu64 " bytes", size);
}

void
command_bdat(struct session *s, const struct smtp_command *c)
{
	uint64_t size;
	bool last;

	if (s->set->hidden & EHLO_CHUNKING) {
		/* what follows the command cannot be told from commands */
		reply_goodbye(s, 502, "5.5.1", "Error: command not implemented");
	} else if (parse(c, &size, &last) < 0) {
		reply_goodbye(s, 501, "5.5.4", "Syntax: BDAT count [LAST]");
	} else if (!s->tx.open) {
		discard(s, size, 503, "5.5.1", "Error: need MAIL command");
	} else if (s->tx.env.rcpts == 0) {
		discard(s, size, 554, "5.5.1", "Error: no valid recipients");
	} else {
		chunk(s, size, last);
	}
}

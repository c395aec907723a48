/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The content of a message to the client (RFC 1939 3): lines end in CRLF, a dot at the beginning of one is doubled, a line
 * with a dot ends it. In blocks, so the size of the message does not matter. */
#include "base/clock.h"
#include "base/mem.h"
#include "mail/maildir_read.h"
#include "mtapop.h"
#include "syntax/smtpdata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 32768 };

/* Where TOP ends: after the empty line that ends the header, and so many lines more. */
struct cut {
	int64_t left;             /* lines of the body still to come; < 0: all */
	bool body;
	bool empty;               /* nothing but CR in this line so far */
};

/* How much of a block belongs to what is asked for; *done when all does. */
static size_t
cut_at(struct cut *c, const char *data, size_t n, bool *done)
{
	if (c->left < 0)
		return n;
	for (size_t i = 0; i < n; i++) {
		if (c->body && c->left == 0) {
			*done = true;
			return i;
		}
		if (data[i] == '\n') {
			if (c->body)
				c->left--;
			else if (c->empty)
				c->body = true;
			c->empty = true;
		} else if (data[i] != '\r') {
			c->empty = false;
		}
	}
	*done = c->body && c->left == 0;
	return n;
}

int
send_message(struct session *s, int fd, int64_t lines, uint64_t *sent)
{
	static char *block, *wire;
	struct cut cut = { .left = lines, .empty = true };
	int stuff = SMTPDATA_LINE_START, count = 0, r = 0;
	bool done = false;
	ssize_t n = 0;

	if (!block) {
		block = mem_alloc(BLOCK);
		wire = mem_alloc(2 * BLOCK);
	}
	*sent = 0;
	while (r == 0 && !done && ((n = read(fd, block, BLOCK)) > 0 || (n < 0 && errno == EINTR))) {
		size_t len = n > 0 ? cut_at(&cut, block, (size_t)n, &done) : 0;

		if (s->p->no_nuls)
			for (char *p = block; len > 0 && (p = memchr(p, '\0', (size_t)(block + len - p))) != NULL;)
				*p = (char)0x80;
		*sent += mailbox_octets(&count, block, len);
		/* a slow client is a client as long as it takes something */
		io_set_deadline(&s->io, clock_deadline(s->p->timeout));
		r = io_write(&s->io, wire, smtpdata_stuff(&stuff, block, len, wire));
	}
	if (n < 0)
		return -1; /* the client must not take a part for the whole */
	*sent += mailbox_octets_end(count);
	return r < 0 ? -1 : io_puts(&s->io, smtpdata_end(stuff));
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The header of a message that a local program hands over (sendmail, mtaqueue add): recipients are collected
 * from it, fields that must not travel are dropped, bare addresses get a domain, missing fields are added
 * (RFC 5322 3.6; RFC 6409 8). Pure text; nothing is read or written. */
#ifndef MAIL_COMPOSE_H
#define MAIL_COMPOSE_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPOSE_HEADER_MAX (8 << 20)  /* bytes of a whole header */

struct compose_settings {
	bool recipients;          /* collect them from To, Cc, Bcc, or from Resent-To, -Cc, -Bcc where there are any */
	bool sender;              /* collect the sender: Resent-Sender, Resent-From, Sender, From (the first one of these) */
	const char *drop;         /* names of fields to drop, "bcc, resent-bcc, return-path"; NULL: none */
	const char *origin;       /* domain for bare addresses in the header; NULL: they stay as they are */
	size_t max_rcpts;         /* more are an error */
	/* What is added where it is missing; host NULL: nothing is. */
	const char *host;         /* for Message-Id: */
	int64_t now;              /* unix seconds, for Date: */
	/* For From:, asked only where it is missing: gives the address, and a display name in UTF-8 ("": none). */
	void (*identity)(void *arg, const char **addr, const char **name);
	void *identity_arg;
};

#define COMPOSE_RCPT_MAX 50000        /* recipients that the programs here take at once */

struct compose;

struct compose *compose_new(const struct compose_settings *s);
void compose_free(struct compose **c);
/* Feeds n bytes of the message from its beginning (LF line ends); last: no more will follow. 1: the header is complete and
 * *used bytes belonged to it: the rest is body. 0: all n bytes were taken, more is needed. -1 with err. */
int compose_feed(struct compose *c, const char *data, size_t n, bool last, size_t *used, struct buf *err);

/* After compose_feed has said 1: */
const struct buf *compose_header(const struct compose *c);   /* with the empty line that ends it */
/* Collected addresses, each once, with the domain added; the list is the caller's to change, the strings belong to c. */
char **compose_recipients(const struct compose *c, size_t *n);
const char *compose_sender(const struct compose *c);         /* NULL: none was found */
const char *compose_message_id(const struct compose *c);     /* "<...>" as it stands; "" when there is none */

/* Takes an argument apart that holds one or more addresses ("bob, Carol <carol@example.org>"): calls add for each, in
 * canonical form, with @origin where there was no domain. 0, or -1 with err. */
int compose_addresses(const char *text, size_t n, const char *origin, int (*add)(void *arg, const char *addr), void *arg, struct buf *err);
/* One address from an argument ("bob@example.org", "<bob@example.org>"; "" and "<>" are the null sender) into out. 0 or -1 with err. */
int compose_address(const char *text, const char *origin, struct buf *out, struct buf *err);

/* Line ends of a message that is read in portions: CRLF becomes LF. out has room for n + 1 bytes; returns the bytes in it.
 * *cr keeps a CR at the end of a portion; false at the beginning. At the end of the message n is 0: gives the CR that is left. */
size_t compose_line_ends(bool *cr, const char *in, size_t n, char *out);
#endif

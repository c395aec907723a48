/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The client of the local submission socket ($queue_directory/public/submit): SMTP (RFC 5321), pipelined
 * (RFC 2920), over a Unix socket, where the server knows the caller's user from the kernel. No TLS, so
 * that a program which only hands a message over stays small. */
#ifndef MAIL_SUBMIT_H
#define MAIL_SUBMIT_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct submit;

struct submit_rcpt {
	const char *addr;         /* without brackets */
	const char *params;       /* "NOTIFY=NEVER ORCPT=...", or "" */
};

struct submit_message {
	const char *sender;       /* without brackets; "" the null sender */
	const struct submit_rcpt *rcpt;
	size_t rcpts;
	uint64_t size;            /* bytes, as far as known; 0 unknown */
	bool eight_bit;           /* BODY=8BITMIME */
	bool utf8;                /* SMTPUTF8 */
	const char *ret;          /* "FULL", "HDRS", NULL */
	const char *envid;        /* xtext, NULL */
};

/* Connects to the socket (a path of any length), waits for the greeting, says EHLO. NULL with err: no service there (nothing was sent). */
struct submit *submit_open(const char *path, const char *helo, int64_t deadline, struct buf *err);
void submit_close(struct submit **s);                /* without waiting; an unfinished message is given up */

/* Starts a transaction: MAIL, recipients, DATA. 0: content may follow, and *taken recipients (the first ones) are
 * in it; fewer than m->rcpts only when the server takes no more of them at once (452): they need another transaction.
 * -1 with err: refused, its text is that of the reply ("bob@example.org: 550 5.1.1 ..."), or the connection failed. All or
 * nothing: one refused recipient refuses the transaction; the session cannot be used further then. */
int submit_begin(struct submit *s, const struct submit_message *m, size_t *taken, struct buf *err);
/* Content with LF line ends, in any portions. 0 or -1 (submit_end tells why). */
int submit_data(struct submit *s, const char *data, size_t n);
/* The end of the content. 0: the server has it safe, reply its answer ("2.0.0 Ok: queued as 1A2B"); -1 with err. */
int submit_end(struct submit *s, struct buf *reply, struct buf *err);
/* Code of the last reply (550); 0 when the connection failed: then it is to be tried again later. */
int submit_code(const struct submit *s);
/* The recipient whose refusal ended submit_begin: its index, or -1. */
long submit_refused(const struct submit *s);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Delivery status notifications: RFC 3464 reports in RFC 6522 multipart/report, RFC 3461 for what the sender asked
 * for, RFC 6533 where addresses are not ASCII. The first part is for people: what happened, what to do, what the other
 * server said. */
#ifndef MAIL_BOUNCE_H
#define MAIL_BOUNCE_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bounce_templates;
struct queue_writer;

enum bounce_action { BOUNCE_FAILED, BOUNCE_DELAYED, BOUNCE_DELIVERED, BOUNCE_RELAYED, BOUNCE_EXPANDED };

struct bounce_rcpt {
	const char *addr;
	const char *params;       /* orcpt= notify= of the queue file */
	enum bounce_action action;
	const char *dsn;          /* "5.1.1" */
	const char *relay;        /* "host[192.0.2.1]:25"; "" or "none": the other side said nothing */
	const char *text;         /* what it or we said */
	int64_t tried;            /* seconds since 1970: when it was tried last; 0: not known */
};

struct bounce {
	const char *hostname;     /* of the reporting system */
	const char *from;         /* address of the report's From: */
	const char *to;           /* who gets it */
	const char *postmaster;   /* whom people can ask */
	const char *sender;       /* of the message that the report is about; "" when that was a report itself */
	const char *id;           /* its queue ID */
	const char *opt;          /* its opt line: envid= ret= body= smtputf8 */
	int64_t arrival, now;     /* seconds since 1970 */
	int64_t retry_until;      /* BOUNCE_DELAYED: until when it is tried */
	const struct bounce_rcpt *rcpt;
	size_t rcpts;
	int fd;                   /* its file */
	uint64_t content, size;   /* where the content is in it */
	uint64_t size_limit;      /* a larger message is not returned, only its header */
	bool copy;                /* for the postmaster: with the header only */
	const struct bounce_templates *templates;    /* NULL: the built-in texts */
};

/* Whether a recipient's notify= asks for a report: "FAILURE", "DELAY", "SUCCESS". Without notify=: failures and delays. */
bool bounce_wanted(const char *params, const char *what);
/* True when the report needs SMTPUTF8, or eight bit transport: for the opt line of the report. */
bool bounce_utf8(const struct bounce *b);
bool bounce_8bit(const struct bounce *b);
/* Appends the words that a report begins with: those of the template, or the built-in ones. Of b these are used: hostname, sender,
 * copy, retry_until, templates, and the action of the first recipient. */
void bounce_words(const struct bounce *b, struct buf *text);
/* Writes the whole report, with its header. 0, or -1 (errno): reading the message or writing the report failed. */
int bounce_write(struct queue_writer *w, const struct bounce *b);
#endif

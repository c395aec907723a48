/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One mail transaction over a connection (RFC 5321 3.3, RFC 2920 PIPELINING, RFC 2033 LMTP). */
#ifndef MTASEND_TRANSACTION_H
#define MTASEND_TRANSACTION_H
#include "conn.h"
#include "mail/agent.h"

#include <stdbool.h>

struct config;

/* What became of one recipient so far. */
struct outcome {
	bool final;               /* no other server is to be tried */
	enum agent_status status;
	char dsn[12];
	const char *action;       /* of AGENT_SENT: see agent.h */
	char *text;
	char *relay;              /* "" none */
	char *delays;
};

struct sending {
	const struct agent_job *job;
	struct outcome *out;      /* one a recipient of the job */
	size_t open;              /* those that are not final */
};
void sending_init(struct sending *s, const struct agent_job *j);
void sending_free(struct sending *s);
/* A result for recipient i, unless it has a final one. c may be NULL. */
void sending_note(struct sending *s, size_t i, const struct conn *c, const struct failure *f, const char *delays, bool final);
/* The same for all recipients that are not final; final: they are now. */
void sending_fail(struct sending *s, const struct conn *c, const struct failure *f, bool final);

struct transaction_timeouts { int64_t mail, rcpt, data_init, data_xfer, data_done, rset; };   /* seconds */

/* What may be kept from one transaction to the next. */
struct transaction {
	struct transaction_timeouts timeouts;
	struct buf out;           /* commands, or content on its way */
	char *content;
	struct reply reply;
	struct failure failure;
	/* of the transaction under way */
	struct conn *conn;
	struct sending *sending;
	size_t *index;            /* the recipients of this transaction */
	bool *accepted;
	size_t n, good;
	bool mail_ok, data_ok;
	bool answered;            /* some reply has come */
	bool dotted;              /* the end of the message was sent */
	int64_t began;
};
void transaction_init(struct transaction *t, struct config *c);
void transaction_free(struct transaction *t);
/* Sends the message to all recipients of s that are not final. Results go to s. -1: the connection was lost before
 * any reply came (an idle connection that the server had closed: nothing was noted, try a new one); else 0. */
int transaction_run(struct transaction *t, struct conn *c, struct sending *s);

/* command.c: appends a command to out. MAIL and RCPT with the parameters that the server knows. */
void command_mail(struct buf *out, const struct conn *c, const struct agent_job *j);
void command_rcpt(struct buf *out, const struct conn *c, const struct agent_rcpt *r);
/* True when an address may go over the wire: parses, and has neither '>' nor a control character. */
bool command_address_ok(const char *addr);
/* True when the message cannot be sent without SMTPUTF8 (RFC 6531): an address, or its header (the first n bytes of the
 * content), is not ASCII. */
bool command_needs_utf8(const struct agent_job *j, const char *content, size_t n);
/* content.c: sends the content and the final dot. 0, or -1 with errno; *local: it was the message that could not be read. */
int content_send(struct transaction *t, bool *local);
#endif

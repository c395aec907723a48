/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One SMTP session and, within it, one mail transaction at a time. */
#ifndef MTASMTP_SESSION_H
#define MTASMTP_SESSION_H
#include "mail/dupfilter.h"
#include "mail/queue.h"
#include "mail/transcript.h"
#include "syntax/address.h"
#include "syntax/smtp.h"
#include "sys/io.h"
#include "sys/server.h"

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct authclient;
struct content;
struct settings;

/* From MAIL to the reply to the end of data, RSET, EHLO or QUIT. */
struct tx {
	bool open;                /* MAIL was accepted */
	bool utf8;                /* SMTPUTF8 */
	bool eight_bit;           /* BODY=8BITMIME */
	bool chunking;            /* BDAT has begun: only BDAT and RSET may follow */
	bool cr, line_end;        /* BDAT: the last byte was a CR not yet given out; the content so far ends in LF */
	bool bare_lf, bare_cr, nul; /* BDAT: were seen */
	uint64_t size;            /* SIZE=; 0: not given */
	struct buf sender;        /* without brackets; "" is the null sender */
	struct buf opt;           /* "body=8BITMIME smtputf8 ret=... envid=...", for the queue file */
	struct queue_envelope env;
	struct dupfilter named;   /* recipients that are in it */
	size_t accepted;          /* RCPTs, also those that named a recipient again */
	size_t refused;           /* recipients past the limit */
};

/* What the postmaster may be told about the session: see record.h. */
struct record {
	struct transcript said;
	unsigned errors;          /* NOTICE_* bits */
	bool ours;                /* it carried a notice: it is not the subject of one */
	bool login;               /* AUTH was tried */
	bool in_doubt;            /* a message was asked for: what comes may be part of one */
	bool out_of_step;         /* something came that was no command then */
};

#define SESSION_COMMANDS 20       /* room for the command table */

struct session {
	struct settings *set;
	const struct server_peer *peer;
	struct io *io;
	struct queue *queue;
	struct authclient *auth;

	/* the client */
	struct buf name;          /* host name, "unknown" or "localhost" */
	struct buf client;        /* "name[address]", for the log */
	bool local;               /* on a Unix socket or a pipe: a user of this host, known by uid */
	uid_t uid;                /* with local */
	bool bare_newline;        /* LF alone ends a line, too */
	int in_networks;          /* 1 in mynetworks, 0 not, -1 not yet looked up */

	/* the session */
	struct buf helo;
	bool esmtp;               /* EHLO, not HELO */
	struct buf tls_text;      /* "TLSv1.3 with cipher ...", once there is TLS */
	struct buf sasl_method, sasl_user;
	bool sasl_sender;         /* sasl_user is set */
	bool closing;             /* after the reply under way */
	int errors, junk;
	const char *doing;        /* verb of the command under way, upper case, for the log */
	int code;                 /* of the last reply */
	int64_t ends;             /* deadline of the whole session */
	struct { unsigned ok, all; } count[SESSION_COMMANDS];
	struct buf scratch;       /* for one function at a time */
	struct address addr;      /* the path of the command under way */
	struct buf addr_text;     /* and its text, with a domain */
	struct content *content;  /* the message of tx once DATA or BDAT has begun */
	char *chunk;              /* IO_BUFFER + 2 bytes: content between the wire and the queue */

	struct record record;
	struct tx tx;
};

/* Prepares a session whose buffers are then re-used for one connection after the other. */
void session_init(struct session *s, struct settings *set, struct queue *q, struct io *io, struct authclient *auth);
void session_free(struct session *s);
/* Serves one connection from the greeting to the end. */
void session_serve(struct session *s, const struct server_peer *peer);

/* Forgets the transaction (RSET); aborts the message under way. */
void session_reset_tx(struct session *s);
/* Deadline for reading one command or answer: smtpd_timeout, and never past the end of the session. */
void session_set_deadline(struct session *s);
/* Reads a line that is no command (the answer to an AUTH challenge): as io_line, without its line end, at most
 * max bytes. 1; 0 the line was refused and a reply sent; -1 the connection is at its end (s->closing). */
int session_read_line(struct session *s, char **line, size_t *n, size_t max);
/* The connection broke, timed out or ended: says so in the log (and to a client that is still there). */
void session_lost(struct session *s, int r);
/* "ESMTP" or "SMTP". */
const char *session_proto(const struct session *s);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A connection to one server, past its greeting: SMTP by libcurl (curlconn.c), LMTP by our own I/O
 * (lmtpconn.c). From there on both are lines out and replies in. */
#ifndef MTASEND_CONN_H
#define MTASEND_CONN_H
#include "base/buf.h"
#include "mail/agent.h"
#include "mail/transcript.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REPLY_MAX 65536           /* bytes of one reply, all its lines */

struct conn;
struct conn_channel {
	/* Sends all n bytes, or receives at least one, before the deadline. Bytes; 0 the peer has closed; -1 with errno
	 * (ETIMEDOUT). */
	ssize_t (*send)(struct conn *c, const void *data, size_t n, int64_t deadline);
	ssize_t (*recv)(struct conn *c, void *data, size_t n, int64_t deadline);
	void (*close)(struct conn *c);
};

struct conn {
	const struct conn_channel *channel;   /* NULL: not connected */
	void *handle;
	int fd;                   /* for poll(2) */
	bool lmtp;
	bool broken;              /* no more commands: the stream is out of step, or closing */
	bool reset;               /* a transaction was begun and not ended: RSET comes first */
	/* what the server said in its reply to EHLO or LHLO */
	bool pipelining, eightbit, smtputf8, dsn, size_known;
	uint64_t size;            /* largest message; 0: no limit told */
	struct buf key;           /* the next hop it was made for */
	struct buf peer;          /* "mx.example.org[192.0.2.1]" */
	struct buf relay;         /* "mx.example.org[192.0.2.1]:25" */
	unsigned used;            /* transactions */
	int64_t opened;           /* monotonic */
	int64_t connect_time, setup_time;     /* microseconds: till connected, till ready */
	char *in;                 /* bytes read and not yet used */
	size_t in_start, in_end;
	/* for the postmaster (notify_classes): */
	bool recording;           /* 'said' is kept: of the last connection, also when that is closed */
	bool fault;               /* somebody has not kept to the protocol */
	struct transcript said;
};
void conn_init(struct conn *c);
void conn_free(struct conn *c);
/* Says QUIT where that makes sense, without waiting for the answer, and closes. */
void conn_close(struct conn *c);
/* Nothing has come since the last reply: not closed, no 421. */
bool conn_quiet(const struct conn *c);
/* Notes one line of the reply to EHLO (without its code). */
void conn_capability(struct conn *c, const char *line, size_t n);
void conn_forget_capabilities(struct conn *c);

/* A line for the transcript, where one is kept. What must not be seen in it is the caller's business. */
void conn_said(struct conn *c, enum transcript_who who, const char *text, size_t n);

struct reply {
	int code;                 /* 0: none came */
	char dsn[12];             /* enhanced code, or class.0.0 */
	struct buf text;          /* all lines as one, with code and enhanced code */
};
/* Sends bytes. 0, or -1: lost or timed out; errno; c->broken is set. */
int conn_send(struct conn *c, const void *data, size_t n, int64_t deadline);
/* Reads one reply. 0, or -1 with errno: EPROTO not a reply, or longer than REPLY_MAX; ETIMEDOUT; ECONNRESET. line
 * (may be NULL) is called for each of its lines, without code and line end. */
int conn_reply(struct conn *c, struct reply *r, int64_t deadline, void (*line)(struct conn *c, const char *text, size_t n));

/* Why a connection could not be made. */
struct failure {
	enum agent_status status;
	char dsn[12];
	struct buf text;
};
void failure_set(struct failure *f, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif

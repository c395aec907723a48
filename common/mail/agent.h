/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Contract 3, the resident form (agent(7)): jobs and results over a SOCK_SEQPACKET socket. A job is
 * one packet of text lines, with the open message file as SCM_RIGHTS:
 *
 *   job 1
 *   id 0DkXYZ...
 *   sender <alice@example.com>
 *   content <offset> <size>
 *   opt name=value ...          body=8BITMIME smtputf8 ret= envid= client= helo= proto= auth= (xtext)
 *   set name=value ...          transport= nexthop= user= home= mailbox= ... (xtext): what mtaqmgr knows already
 *   rcpt <bob@example.org> name=value ...     orcpt= notify= (xtext)
 *
 * and the answer one or more packets of result lines, in any order, then "done":
 *
 *   sent 2.0.0 <bob@example.org> relay=mx.example.org[192.0.2.1]:25 delays=0.1/0.2/0.3 250 2.0.0 Ok: queued as 1A2B
 *   deferred 4.4.1 <carol@example.org> connect to mx.example.org[192.0.2.1]:25: timed out
 *   bounced 5.1.1 <dave@example.org> 550 5.1.1 no such user
 *   done
 *
 * "relay=", "delays=c/s/t" (connection, setup, transmission seconds) and "action=" are optional and come first in the text, in
 * this order. action= says what "sent" means to a sender who asked to be told (RFC 3461 5.2): "delivered" (so it is without
 * action=), "relayed" to where no report can be hoped for, "expanded" into several addresses, or "passed" on together with
 * the sender's request: the next server reports. Before done there may
 * be a notice for the postmaster, in one packet with the lines of what was said; class is a word of notify_classes, the address
 * that of the server:
 *
 *   notice protocol mx.example.org[192.0.2.1]:25
 *   said C: MAIL FROM:<alice@example.com>
 *   said S: 500 5.5.2 what?
 *
 * One job at a time on a connection. A packet is at most AGENT_PACKET bytes:
 * mtaqmgr gives no job that is larger. */
#ifndef MAIL_AGENT_H
#define MAIL_AGENT_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_PACKET 65536
#define AGENT_TEXT 4000           /* the text of a result is cut after that many bytes */

enum agent_status { AGENT_SENT, AGENT_DEFERRED, AGENT_BOUNCED };
extern const char *const agent_status_names[];       /* "sent", "deferred", "bounced" */

struct agent_rcpt { char *addr; char *params; };

struct agent_job {
	char *id, *sender, *opt, *set;
	uint64_t content, size;
	struct agent_rcpt *rcpt;
	size_t rcpts;
	int fd;                   /* the message; -1: none */
	char *block;              /* private: what was parsed; the strings above then point into it */
	size_t block_size, rcpt_cap;
};
#define AGENT_JOB_INIT { .fd = -1 }

struct agent_result {
	enum agent_status status;
	char dsn[12];             /* "2.0.0" */
	char *addr;
	char *relay;              /* "" when not given */
	char *delays;
	char *action;             /* "" when not given */
	char *text;
	char *block;              /* private: holds the strings */
};

/* Closes fd; frees what a parse made (the strings of a job that the caller filled in are the caller's). */
void agent_job_free(struct agent_job *j);
/* Appends the text of a job to out (max AGENT_PACKET); NULL strings count as "". -1: it does not fit, or a line feed or
 * control character stands in a string (out is then as it was). */
int agent_job_format(const struct agent_job *j, struct buf *out);
/* The other way. j is AGENT_JOB_INIT or of an earlier parse: its memory is used again, its fd is left alone. -1 with *err. */
int agent_job_parse(struct agent_job *j, const char *text, size_t n, const char **err);
/* A result line with its LF (also what an agent run by hand prints), and back (n without LF). Control characters in text
 * become blanks; the first digit of dsn is made to agree with status (4.7.1 for a deferral by 5.7.1); a dsn that is none
 * becomes X.0.0. relay, delays and text may be NULL. r of an earlier parse, or zeroes. */
int agent_result_format(struct buf *out, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays, const char *text);
int agent_result_parse(struct agent_result *r, const char *line, size_t n, const char **err);
void agent_result_free(struct agent_result *r);

/* The agent's side. Waits for a job on sock (blocking). j as for agent_job_parse; the message of the job before is closed.
 * 1, 0 at the end, -1 error (errno; EBADMSG: not a job). */
int agent_receive(int sock, struct agent_job *j);
/* Collects results; sends packets as they fill, and the rest with "done" in agent_reply_done. */
struct agent_reply { int sock; struct buf packet; bool failed; int worst; };
void agent_reply_init(struct agent_reply *r, int sock);              /* sock -1: prints to standard output */
int agent_reply_add(struct agent_reply *r, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays, const char *text);
/* The same for one that is sent, with its action. */
int agent_reply_sent(struct agent_reply *r, const char *action, const char *dsn, const char *addr, const char *relay, const char *delays, const char *text);
/* A notice; said: lines of text. A resident agent's only: who runs one by hand sees what happens. Nothing becomes of one that does not
 * fit a packet. */
void agent_reply_notice(struct agent_reply *r, const char *class, const char *about, const char *said);
/* Ends the job; returns the exit status of the one-shot form (sysexits): 0 all sent, EX_TEMPFAIL when any is deferred or the
 * results could not be written, EX_NOUSER when all that failed are unknown (5.1.1), EX_UNAVAILABLE. r is ready for the next job. */
int agent_reply_done(struct agent_reply *r);
void agent_reply_free(struct agent_reply *r);
#endif

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
 * "relay=" and "delays=c/s/t" (connection, setup, transmission seconds) are optional and come first in the text. One job at a
 * time on a connection. A packet is at most AGENT_PACKET bytes: mtaqmgr gives no job that is larger. */
#ifndef MAIL_AGENT_H
#define MAIL_AGENT_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_PACKET 65536

enum agent_status { AGENT_SENT, AGENT_DEFERRED, AGENT_BOUNCED };
extern const char *const agent_status_names[];       /* "sent", "deferred", "bounced" */

struct agent_rcpt { char *addr; char *params; };

struct agent_job {
	char *id, *sender, *opt, *set;
	uint64_t content, size;
	struct agent_rcpt *rcpt;
	size_t rcpts;
	int fd;                   /* the message; -1: none */
};

struct agent_result {
	enum agent_status status;
	char dsn[12];             /* "2.0.0" */
	char *addr;
	char *relay;              /* "" when not given */
	char *delays;
	char *text;
};

void agent_job_free(struct agent_job *j);            /* closes fd */
/* Text of a job into out (max AGENT_PACKET), and back. -1 with *err. */
int agent_job_format(const struct agent_job *j, struct buf *out);
int agent_job_parse(struct agent_job *j, const char *text, size_t n, const char **err);
/* A result line (also what an agent run by hand prints), and back. Control characters in text become blanks. */
int agent_result_format(struct buf *out, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays, const char *text);
int agent_result_parse(struct agent_result *r, const char *line, size_t n, const char **err);
void agent_result_free(struct agent_result *r);

/* The agent's side. Waits for a job on sock (blocking). 1, 0 at the end, -1 error. */
int agent_receive(int sock, struct agent_job *j);
/* Collects results; sends packets as they fill, and "done" with agent_done. */
struct agent_reply { int sock; struct buf packet; bool failed; int worst; };
void agent_reply_init(struct agent_reply *r, int sock);              /* sock -1: prints to standard output */
int agent_reply_add(struct agent_reply *r, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays, const char *text);
int agent_reply_done(struct agent_reply *r);         /* returns the exit status of the one-shot form (sysexits) */
#endif

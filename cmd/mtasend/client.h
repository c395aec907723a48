/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs to servers: finds the hosts of the next hop, connects, sends, and keeps the connection for the next job. */
#ifndef MTASEND_CLIENT_H
#define MTASEND_CLIENT_H
#include "conn.h"
#include "policy.h"
#include "target.h"
#include "transaction.h"

struct client {
	struct config *config;
	bool lmtp;                        /* -L: LMTP where the next hop does not say */
	const char *nexthop;              /* -n: for jobs that do not name one; NULL: the recipient's domain */
	uint16_t smtp_port, lmtp_port;
	struct dns *dns;
	struct policy_tables tables;
	struct conn conn;                 /* open between jobs, or not */
	struct transaction transaction;
	struct nexthop hop;
	struct policy policy;
	struct failure failure;
	struct buf text;
	struct buf fault, said;   /* the first server of the job that is worth a notice, and what was said */
};
/* 0, or -1 with err (a parameter is wrong). */
int client_init(struct client *cl, struct config *c, struct buf *err);
void client_free(struct client *cl);
void client_job(struct client *cl, const struct agent_job *j, struct agent_reply *reply);
/* Seconds that the open connection may still be kept idle; -1: there is none. */
int64_t client_idle(const struct client *cl);
#endif

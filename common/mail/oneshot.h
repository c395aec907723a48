/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Contract 3, the one-shot form (agent(7)), as mtasend and mtadeliver take it:
 *
 *   agent -f sender [-o name=value ...] rcpt ... < message
 *
 * makes the same job of it that mtaqmgr would send to a resident agent. */
#ifndef MAIL_ONESHOT_H
#define MAIL_ONESHOT_H
#include "base/buf.h"
#include "mail/agent.h"

#include <stdbool.h>

struct oneshot {
	struct agent_job job;     /* for the agent's use after oneshot_job */
	struct buf opt, set;      /* options of the message, as they come */
	struct buf text;
};
void oneshot_init(struct oneshot *o);
void oneshot_free(struct oneshot *o);
/* Takes an argument of -o: true when it is a word about the message (body= smtputf8 ret= envid= client= helo= proto=
 * auth=) or about its delivery (id= transport= nexthop= user= home= mailbox=); false: it is a parameter's. */
bool oneshot_option(struct oneshot *o, const char *arg);
/* Makes the job: addresses are checked and brought to their canonical form; the message is what stands on descriptor in
 * from where it is now; what cannot be read twice (a pipe) is copied to an unnamed file first. 0, or -1 with err. *usage: it
 * was an address that is wrong, not the system. */
int oneshot_job(struct oneshot *o, const char *sender, char *const *rcpt, size_t rcpts, int in, struct buf *err, bool *usage);
#endif

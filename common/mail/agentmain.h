/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The program around an agent: the command line and the two forms of agent(7), by hand and resident (-b). */
#ifndef MAIL_AGENTMAIN_H
#define MAIL_AGENTMAIN_H
#include "mail/agent.h"
#include "mail/config.h"

struct agentmain {
	const char *usage;        /* see program.h */
	const char *letters;      /* for getopt(3): the agent's own options, besides -b -C -f -o -V */
	void (*option)(void *arg, int letter, const char *value);            /* one of them; NULL when there are none */
	void (*start)(void *arg, struct config *config);                     /* opens the log and what the agent needs */
	void (*deliver)(void *arg, const struct agent_job *job, struct agent_reply *reply);
	/* Resident: waits until sock is readable, and does what is due meanwhile. NULL: there is nothing to do */
	void (*wait)(void *arg, int sock);
	void (*end)(void *arg);                                              /* gives back what start opened */
};

/* main(): returns the exit status. Ends with EX_USAGE or EX_CONFIG where there is no going on. */
int agentmain(const struct agentmain *m, void *arg, int argc, char **argv);
#endif

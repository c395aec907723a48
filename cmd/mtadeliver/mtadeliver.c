/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtadeliver: delivery to the mailboxes of this system. By hand: one message on standard input, result lines on
 * standard output. Resident (-b): jobs on the socket that is standard input, as mtaqmgr sends them. Both
 * forms are those of agent(7). */
#include "deliver.h"

#include "mail/agentmain.h"
#include "mail/log.h"

static void
start(void *arg, struct config *config)
{
	log_open(config, "local");
	deliver_init(arg, config);
}

static void
deliver(void *arg, const struct agent_job *job, struct agent_reply *reply)
{
	deliver_job(arg, job, reply);
}

static void
end(void *arg)
{
	deliver_free(arg);
}

int
main(int argc, char **argv)
{
	static const struct agentmain program = {
		.usage = "mtadeliver [-C dir] [-o name=value] -f sender recipient ... < message\n"
		         "       mtadeliver [-C dir] [-o name=value] -b",
		.letters = "",
		.start = start,
		.deliver = deliver,
		.end = end,
	};
	struct deliver d;

	return agentmain(&program, &d, argc, argv);
}

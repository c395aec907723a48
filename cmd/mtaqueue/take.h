/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: work on a message that nobody else may work on meanwhile. */
#ifndef TAKE_H
#define TAKE_H
#include "select.h"

struct taking {
	const char *did, *would;  /* "bounced", "would bounce" */
	/* Does it: the message is in hold/, and its envelope is read. 0; -1: it has said why not, and the message goes back. It sets
	 * gone when the file is there no more, or else says where the message goes (QUEUE_HOLD: it stays). */
	int (*work)(void *arg, struct item *it, enum queue_name was, enum queue_name *to);
	void *arg;
	bool quiet;
	struct selection *s;
	uint64_t done, failed;
};

/* Runs work on each message that is selected, in incoming/, active/, deferred/ and hold/. Prints, and gives the exit status. */
int take_run(struct taking *t, struct selection *s);
/* Waits, a little, until no other process has this file open; SIGIO must be ignored. False: one still has. */
bool take_alone(int fd);
#define TAKE_DEFAULT (1u << QUEUE_INCOMING | 1u << QUEUE_DEFERRED | 1u << QUEUE_HOLD)
#endif

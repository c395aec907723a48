/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: moving messages from queue to queue. */
#ifndef ACT_H
#define ACT_H
#include "select.h"

#define BIT(queue) (1u << (queue))

struct action {
	const char *did;          /* "held" */
	const char *would;        /* "would hold" */
	unsigned from;            /* the queues it works on */
	enum queue_name to;
	bool forget;              /* the reasons of earlier attempts go */
	bool expire;              /* is flagged, and tried if it waits in deferred/ */
	bool release;             /* expire: what is on hold, too, is let go */
	bool now;                 /* to the trash means away */
	bool quiet;               /* prints nothing */
	const char *log;          /* what the log says of each, in Postfix's words: "placed on hold"; NULL: nothing */
	const char *postsuper;    /* prints as postsuper(1) does: "placed on hold" */
	struct selection *s;
	uint64_t done, failed;
};

/* Performs it on what is selected. The exit status. */
int act_run(struct action *a, struct selection *s);
/* The trash is made when it is first needed. */
void act_need_trash(struct app *app);
#endif

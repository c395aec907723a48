/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: postsuper -p and -s, what crashes and restored backups leave behind. */
#ifndef REPAIR_H
#define REPAIR_H
#include "mtaqueue.h"

struct repair {
	struct app *app;
	bool running;             /* a queue manager is at work: what is in active/ is its */
	uint64_t renamed, repaired, dropped, corrupt, purged;
	unsigned failed;
};

/* One entry of a queue that is to be repaired. */
struct entry {
	struct repair *r;
	enum queue_name where;
	const char *name;
	int fd;
	struct stat st;
	struct queue_envelope e;
};

/* repair.c. queues: bits of those that are looked through. An exit status. repair_directories comes before the queue is opened. */
int repair_directories(struct app *app);
int repair_structure(struct app *app, unsigned queues);
void repair_say(const struct entry *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* repairid.c: the name, the id line, and other messages with the same ID are put right. 0; -1: said why not. */
int repair_id(struct entry *n);
/* Writes the file anew, under another ID: newid, or "" for one that is made. On the way it is on hold. 0; -1: said why not. */
int repair_rewrite(struct entry *n, const char *newid);
/* purge.c */
int purge(struct app *app, unsigned queues);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: one file of maildrop/ into the queue. */
#ifndef INTAKE_H
#define INTAKE_H
#include "mtaqueue.h"

#include <sys/stat.h>

struct userlist;

#define INTAKE_SEEN 256           /* things that stay where they are, of which we know that they were reported */

struct intake {
	struct app *app;
	struct userlist *submitters;
	const char *hostname, *mail_name;
	uint64_t size_limit, min_free; /* 0: none */
	int hop_limit;
	size_t dup_limit;
	uint64_t said, unsaid;    /* reports, and those that were only counted, */
	int64_t said_since;       /* since then (monotonic) */
	struct { dev_t dev; ino_t ino; } seen[INTAKE_SEEN];
	unsigned seen_n;
	int64_t seen_since;
};

enum intake_result {
	INTAKE_TAKEN,             /* a message is in incoming/ */
	INTAKE_REFUSED,           /* it is in corrupt/, or gone */
	INTAKE_LEFT,              /* stays where it is; reported */
	INTAKE_WAITS,             /* it may be taken later, and others now; reported */
	INTAKE_TROUBLE,           /* it may be taken later, and so may others: the system is short of something; reported */
	INTAKE_NOTHING,           /* it is gone, or not finished */
};

/* Reads main.cf. 0, or -1 with err: what was stays. */
int intake_configure(struct intake *in, struct config *c, struct buf *err);
void intake_free(struct intake *in);
/* Deals with one name; st is what lstat said of it. Logs. */
enum intake_result intake_take(struct intake *in, const char *name, const struct stat *st);
/* After a pass: tells how much was not said, if anything. Nobody can fill the log: so many reports in so many seconds, the rest is
 * counted; of what stays where it is so many an hour. */
void intake_quiet(struct intake *in);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: one message, of which only as much is read as is asked for. */
#ifndef ITEM_H
#define ITEM_H
#include "mtaqueue.h"

#include <sys/stat.h>

struct item {
	struct app *app;
	enum queue_name where;
	const char *id;
	int fd;                   /* the open file, or -1 */
	bool looked, gone;        /* opened or tried to; it is not there any more */
	struct stat st;
	bool good;                /* e was read */
	struct queue_envelope e;
	struct buf err;           /* why it was not */
	struct queue_reason *reason;
	size_t reasons;
	bool history;             /* all of them were read, not only the recent ones, */
	struct queue_reason *recent; /* which are here then, valid until item_free */
	size_t recents;
	struct strmap *last;      /* the last reason of each address, once they were read */
};

void item_init(struct item *it, struct app *app, enum queue_name where, const char *id);
void item_free(struct item *it);
/* Opens the file and reads its envelope, once. True when e can be used. */
bool item_envelope(struct item *it);
/* The time it arrived, microseconds; from the ID where that tells it. */
int64_t item_arrival(struct item *it);
/* Size of the content, as far as it can be known. */
uint64_t item_size(struct item *it);
/* An administrator wants it returned (mtaqueue expire). */
bool item_expire(struct item *it);
/* When it is tried next, unix seconds; 0: now, or it is not known. */
int64_t item_next(struct item *it);
void item_reasons(struct item *it);
/* The last reason of a recipient; NULL. */
const struct queue_reason *item_reason(struct item *it, const char *addr);
/* A value of the from or opt line into out: 1, or 0 when there is none. */
int item_from(struct item *it, const char *name, struct buf *out);
int item_opt(struct item *it, const char *name, struct buf *out);
#endif

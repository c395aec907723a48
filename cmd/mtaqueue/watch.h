/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: what the two halves of watch share. */
#ifndef WATCH_H
#define WATCH_H
#include "select.h"

struct results;

struct watching {
	struct selection s;
	bool everything;          /* no selection: all that happens */
	bool json, over;          /* over: --limit is reached */
	int64_t seconds;          /* 0: until interrupted */
	int fd;
	int watch[QUEUE_NAMES];
	struct strmap *seen, *seen_before; /* messages that were selected: what is told of them later counts */
	struct results *results;
};

/* Whether a message was selected when it was last looked at. */
bool watch_seen(const struct watching *w, const char *id);
/* "12:34:56", as each line begins. */
void watch_time(void);
/* A line was told: --limit. */
void watch_told(struct watching *w);

/* results.c: deliveries, from the log as it grows. Begins at its end; NULL: there is no log that can be read. */
struct results *results_open(struct watching *w);
/* Tells what has come since. */
void results_read(struct results *r);
void results_close(struct results *r);
#endif

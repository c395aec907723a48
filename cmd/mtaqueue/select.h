/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: which messages a verb is for. One language for every verb (mtaqueue(1), SELECTION). */
#ifndef SELECT_H
#define SELECT_H
#include "item.h"

#include <getopt.h>

struct route_maps;

enum select_kind {
	SELECT_FROM, SELECT_TO, SELECT_DOMAIN, SELECT_NEXTHOP, SELECT_TRANSPORT, SELECT_REASON, SELECT_CLIENT, SELECT_UID,
	SELECT_KINDS,
};

struct patterns { char **text; size_t n; };

/* "<2h", ">=10k", "3d" (at least), and several of them: match_compare. */
struct comparison { char op; bool equal; uint64_t value; };
struct comparisons { struct comparison *c; size_t n; };

struct selection {
	struct app *app;
	struct patterns pattern[SELECT_KINDS];
	struct comparisons age, size;
	unsigned queues;          /* bits of the queues that were named; 0: none was */
	unsigned all_queues;      /* bits of those that the verb looks through otherwise */
	uint64_t limit;           /* 0: none */
	int sort;                 /* a letter, 0: as they come */
	bool reverse;
	bool all;                 /* --all */
	bool dry;                 /* -n */
	bool nothing;             /* see select_only */
	struct patterns ids;
	bool listed;              /* "-": those on standard input, and when there is none, none */
	struct patterns given;    /* what was there, also among ids */
	struct route_maps *routes;
	int64_t now;              /* microseconds */
	bool lenient;             /* as Postfix: nothing about an ID that is not there, a warning for what is no ID */
	bool missing;             /* an ID that was named is not there */
	uint64_t matched;
};

/* The verb's own options: short ones as for getopt(3), and more long ones with values from 1000 up. option() is called
 * for each: 0, or -1 for a usage error. The arguments that are left are IDs. */
struct verb_options {
	const char *letters;
	const struct option *more;
	int (*option)(void *arg, int letter, char *value);
	void *arg;
};

/* Ends the program with a usage message for what it cannot understand. queues: bits, e.g. 1 << QUEUE_HOLD. */
void select_parse(struct selection *s, struct app *app, unsigned queues, int argc, char **argv, const struct verb_options *own);
/* For those who do not have our options: an empty selection, and an ID ("ALL": all; "-": from standard input). */
void select_init(struct selection *s, struct app *app, unsigned queues);
void select_add(struct selection *s, char *id);
void select_add_pattern(struct selection *s, enum select_kind kind, const char *pattern);
/* For a verb that works on these queues (bits) alone: others that --queue names are left out, and when there
 * are no others nothing matches. */
void select_only(struct selection *s, unsigned queues);
/* Without IDs, patterns or --all: for verbs that must not mean everything by accident. */
bool select_everything(const struct selection *s);
/* Calls f for each message that matches until it returns non-zero. EX_OK, EX_NOINPUT when nothing matched or a
 * named ID is not there, or another status with a message printed. */
int select_run(struct selection *s, int (*f)(void *arg, struct item *it), void *arg);
void select_free(struct selection *s);
#endif

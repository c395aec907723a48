/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: what its verbs share. */
#ifndef MTAQUEUE_H
#define MTAQUEUE_H
#include "mail/config.h"
#include "mail/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct guest;
struct pauses;
struct route_maps;

struct app {
	struct config *config;
	struct queue queue;
	const char *verb;         /* for usage messages */
	const char *usage;        /* its line of options */
	bool damaged;             /* postsuper -s: what it could not put right before the queue was opened */
	struct route_maps *routes; /* likewise; NULL: not needed yet */
	struct pauses *pauses;    /* see pause.h */
	const struct config_options *options; /* of the command line */
	const struct guest *guest; /* for whom the server works (showq.h); NULL: for its caller */
};

/* One verb, or one of the compatibility names. Returns the exit status. */
struct verb {
	const char *name;
	int (*run)(struct app *app, int argc, char **argv);
	const char *usage;
	bool create;              /* makes missing directories of the queue */
	enum { OWN, VIEW, FLUSH } guest; /* what the server does for others: VIEW to authorized_mailq_users, FLUSH to authorized_flush_users */
};

/* The verb of this name; NULL. */
const struct verb *verb_find(const char *name);

int verb_add(struct app *app, int argc, char **argv);
int verb_pickup(struct app *app, int argc, char **argv);
int verb_list(struct app *app, int argc, char **argv);
int verb_show(struct app *app, int argc, char **argv);
int verb_stat(struct app *app, int argc, char **argv);
int verb_trace(struct app *app, int argc, char **argv);
int verb_watch(struct app *app, int argc, char **argv);
int verb_flush(struct app *app, int argc, char **argv);
int verb_hold(struct app *app, int argc, char **argv);
int verb_release(struct app *app, int argc, char **argv);
int verb_expire(struct app *app, int argc, char **argv);
int verb_requeue(struct app *app, int argc, char **argv);
int verb_delete(struct app *app, int argc, char **argv);
int verb_undelete(struct app *app, int argc, char **argv);
int verb_bounce(struct app *app, int argc, char **argv);
int verb_reroute(struct app *app, int argc, char **argv);
int verb_pause(struct app *app, int argc, char **argv);
int verb_resume(struct app *app, int argc, char **argv);
int verb_serve(struct app *app, int argc, char **argv);

/* Prints what was wrong, if anything, and the usage line; ends with EX_USAGE. */
void usage(const struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* Ends with the status for a failed write to standard output, or does nothing. */
void check_output(void);
#endif

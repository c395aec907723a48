/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the files of mta(8) share. */
#ifndef MTA_H
#define MTA_H
#include "base/buf.h"
#include "mail/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* services.c: the services that main.cf names. */
struct service {
	char *name;
	char **argv;              /* expanded, with -C */
	pid_t pid;                /* 0: not running */
	int64_t started;          /* monotonic */
	int64_t retry;            /* when to start it again (monotonic); CLOCK_NEVER: not */
	int deaths;               /* in a row, each within a minute of its start */
	bool ready;               /* accepts connections */
	bool hup;                 /* gets SIGHUP as soon as it can take one */
	bool wanted;              /* still named after a reload */
	int err;                  /* its standard error, when that is a pipe; -1 */
	struct buf said;          /* the last it wrote there */
	off_t log_at;             /* size of maillog_file when it was started */
};
struct services { struct service *s; size_t n; };

/* Reads them from c; overrides (may be NULL) go to each as -o. 0, or -1 with err. */
int services_read(struct services *l, struct config *c, char *const *overrides, struct buf *err);
void services_free(struct services *l);
/* What keeps them from starting, or from being of use, as far as main.cf tells (a line each by warn). Returns the number of errors. */
int services_check(const struct services *l, struct config *c, void (*warn)(const char *line));
struct service *services_find(struct services *l, const char *name);
/* Starts one; notify: path of the socket where it may say that it is ready, or NULL; log_fd: descriptor of maillog_file, or -1: its standard error is then a pipe. 0, or -1 with err. */
int service_spawn(struct service *s, struct config *c, const char *notify, int log_fd, struct buf *err);
/* For a program that does not say when it is ready: whether it has lived for a moment, and all addresses of its -l options
 * accept a connection; why tells what does not. */
bool service_ready(const struct service *s, struct config *c, struct buf *why);
/* Whether it has said that it is ready, or has had time enough to: before that a signal might end it. */
bool service_settled(const struct service *s);
/* Why a service is gone: its exit status and the last it said, there or in maillog_file. */
void service_epitaph(const struct service *s, struct config *c, pid_t pid, int status, struct buf *out);
/* Writes or removes its pid file. */
void service_pidfile(const struct service *s, struct config *c);

/* layout.c: directories of the queue, their owners and rights. */
/* Makes what is missing (a line each by warn); wrong owners and rights are put right when fix, else they are errors (a line each).
 * Returns the number of errors. */
int layout_check(struct config *c, bool fix, void (*warn)(const char *line));

/* control.c: the lock that tells whether a system runs. */
/* The lock of a system that is about to start: a descriptor, or -1 with err. */
int control_lock(struct config *c, struct buf *err);
/* Process ID of the running supervisor, 0 when there is none, -1 with err. */
pid_t control_running(struct config *c, struct buf *err);
/* Waits until it runs no more. False when it still runs at the deadline. */
bool control_wait(struct config *c, int64_t deadline);
/* After a crash the services of the run before, which got SIGTERM then, may still be ending: waits a few seconds for them. */
void control_wait_leftovers(struct config *c, const struct services *l);
int control_status(struct config *c);                /* prints the table; an exit status */

/* supervise.c: never returns. Starts the services, writes "" (all run) or why not to report, keeps them running. */
void supervise(struct config *c, const struct config_options *o, struct services *l, int lock, int report) __attribute__((noreturn));

/* Warns of all that mtaconf(8) check finds. */
void findings_warn(struct config *c);
#endif

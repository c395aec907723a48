/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The pool of workers: what server.c, pool.c (the parent) and worker.c share. For these alone.
 *
 * Parent and workers share one anonymous page or two, the board: a slot for each worker says what it does and for
 * whom, so the parent learns of the pool's state, and a worker of a client's other connections, without
 * a system call. A worker wakes the parent (one byte in a pipe) only when it leaves fewer than min_idle idle. */
#ifndef SYS_POOL_H
#define SYS_POOL_H
#include "sys/listen.h"
#include "sys/proc.h"
#include "sys/server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY };

struct slot {
	_Atomic int state;
	_Atomic int retired;               /* the parent wants it to end; no longer counted */
	_Atomic uint64_t ticket;           /* of the session under way: order of arrival */
	_Atomic uint64_t client[2];        /* whom it is for; 0, 0: not counted */
	_Atomic uint64_t group;            /* server_count: hash of the key; 0: none */
	_Atomic uint64_t joined;           /* ticket of that */
};

struct board {
	_Atomic uint64_t tickets;          /* sessions begun since the start */
	_Atomic int kicked;                /* the parent was woken and has not looked yet, or can do nothing */
	_Atomic int low;                   /* fewest idle workers since the parent last looked */
	struct slot slot[];
};

struct pool {
	struct server *s;
	struct listeners listeners;
	const struct server_peer *single;  /* one session, by one worker; NULL: accept loop */
	bool on_loan;                      /* inetd wait: end when nobody came for max_idle */
	struct board *board;
	int slots;                         /* of board and pid; after those the board has one for each child */
	pid_t *pid;                        /* the parent's: of each slot; 0 free */
	pid_t *child;                      /* made by server_fork; 0 free */
	int children;
	int kick[2];                       /* workers write, the parent reads */
	int ask[2];                        /* server_ask: SOCK_SEQPACKET; [0] the parent's, [1] the workers' */
	sigset_t usual;                    /* signal mask at the start */
	struct proc_user user;             /* limits.user, looked up; without groups: no change */
};

extern volatile sig_atomic_t pool_stopping;      /* SIGTERM or SIGINT has come (in parent, workers and server_fork's) */

/* Forks workers and looks after them until SIGTERM. A sysexits status. */
int pool_run(struct pool *p);
/* log, printf-like. */
void pool_log(const struct server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The life of a worker. */
void worker_run(struct pool *p, int slot, pid_t parent) __attribute__((noreturn));
/* Looks limits.user up (when root). 0, or a sysexits status after a line in the log. */
int worker_find_user(struct pool *p);
/* Becomes that user, for good. The same. */
int worker_drop(const struct pool *p);
/* The worker callback, then the sandbox. The same. */
int worker_confine(const struct server *s);
/* Who is at fd? */
void worker_peer(struct server_peer *peer, int fd);
/* Sets a handler; calls that wait for events return all the same (poll(2) and its kind never restart). */
void worker_handle(int sig, void (*handler)(int));
extern int worker_connection;                     /* in a worker: of the session; -1 when server_ask has given it away */
extern struct slot *pool_own_slot;                /* in a worker or server_fork's: where server_count counts it */
extern struct pool *pool_current;                 /* for the signal handler, server_ask and server_fork */
#endif

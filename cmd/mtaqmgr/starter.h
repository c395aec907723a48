/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Starting agents: by ourselves, or (mtaqmgr was started as root) by asking the privileged parent. */
#ifndef STARTER_H
#define STARTER_H
#include <stddef.h>
#include <sys/types.h>

struct config;
struct buf;
struct identity;

/* A process; part of what the caller keeps for it, until exited was called, or started with an error. */
struct child {
	pid_t pid;                /* 0 until it has been started */
	unsigned long turn;       /* private */
	struct child *next;
	/* sock: a resident agent's connection, now the callee's; or -1 with the reason. May be called before starter_* returns. */
	void (*started)(struct child *c, int sock, const char *error);
	void (*exited)(struct child *c, int status);     /* as of waitpid(2) */
};

#define STARTER_ATTRS 60000       /* bytes of attributes that a request may have */
#define STARTER_REQUEST (STARTER_ATTRS + 4096)       /* and of the whole of it */

void starter_resident(struct child *c, const char *transport, const struct identity *who);
/* attrs: "name=value" strings, n bytes with their NULs. in and out: the command's; they stay the caller's. started gets sock -1
 * and no error. */
void starter_oneshot(struct child *c, const char *transport, const struct identity *who, const char *attrs, size_t n, int in, int out);
void starter_kill(struct child *c, int sig);
/* At the end of the manager: one-shot commands that still run are killed, with all that they have started. They must not go on
 * delivering when nobody is left to hear of it. (A resident agent learns it from its connection.) */
void starter_end(void);
/* A one-shot command with all that it has started; of a resident agent the process alone. */
void starter_signal(pid_t pid, int sig);

void starter_open(int parent);    /* parent: the connection to it; -1: none, children are ours */
void starter_reap(void);          /* after SIGCHLD */

/* What both ways do in the end. NAME_agent of c is run for a resident agent (*sock gets our end) or once. Pid, or -1 with err. */
pid_t starter_run(struct config *c, const char *transport, const struct identity *who, const char *attrs, size_t n, int in, int out,
    int *sock, struct buf *err);
/* Packets between child and parent, with at most two descriptors; flags are those of send(2). Bytes, 0 at the end, -1. */
ssize_t starter_send(int sock, const void *data, size_t n, const int *fds, size_t count, int flags);
ssize_t starter_receive(int sock, void *data, size_t n, int fds[2], int flags);
#endif

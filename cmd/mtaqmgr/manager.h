/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the whole of mtaqmgr works with: the queue, the configuration, and the parameters that are asked for so
 * often that they are kept as numbers. */
#ifndef MANAGER_H
#define MANAGER_H
#include "mail/queue.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bounce_templates;
struct config;
struct route_maps;

struct manager {
	struct config *config;
	struct queue queue;
	struct route_maps *routes;
	struct bounce_templates *templates;  /* NULL: none */
	size_t active_limit, recipient_limit, recipient_minimum;
	int64_t queue_run_delay;  /* seconds, as all below */
	int64_t minimal_backoff, maximal_backoff;
	int64_t queue_lifetime, bounce_lifetime;
	int64_t delay_warning;    /* 0: none */
	int64_t transport_retry, max_idle, clog_warning;
	int64_t max_use;          /* jobs of an agent; 0: no limit */
	int64_t fork_delay;
	unsigned fork_attempts;
	bool soft_bounce;         /* what would be returned waits */
	bool stopping;            /* SIGTERM: nothing new is begun */
	uid_t default_uid;        /* default_privs */
	gid_t default_gid;
};
extern struct manager manager;

/* Sets default_uid and default_gid from default_privs. */
void manager_default_privs(struct config *c);
/* Reads parameters, opens maps. 0; or -1 with err, and what was stays as it was. Takes c over when it succeeds. */
int manager_configure(struct config *c, struct buf *err);
#endif

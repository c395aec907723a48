/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One job: each recipient's copy into its mailbox. */
#ifndef MTADELIVER_DELIVER_H
#define MTADELIVER_DELIVER_H
#include "mail/agent.h"
#include "mail/maildir.h"
#include "mailbox.h"
#include "message.h"

#include <sys/types.h>

struct deliver {
	struct config *config;
	struct route_maps *maps;          /* opened when a job does not say where */
	struct maildir_cache *cache;
	struct message message;
	struct mailbox box;
	struct buf head, err, orig;
	struct refusal no;
	char dsn[12];
	uid_t self;
};
void deliver_init(struct deliver *d, struct config *c);
void deliver_free(struct deliver *d);
/* Delivers to all recipients of the job and tells the results; the caller ends the reply. */
void deliver_job(struct deliver *d, const struct agent_job *j, struct agent_reply *reply);

/* For a process that was forked. */
struct maildir_cache *deliver_new_cache(struct config *c);

/* What became of one recipient. */
struct outcome {
	enum agent_status status;
	const char *dsn;
	const char *text;                 /* lives as long as d, until the next recipient */
};
/* Into the mailbox d->box, with the rights of the process. */
struct outcome deliver_mailbox(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r);
/* The same by a process of its own that has become the mailbox's owner first (d->box.uid). */
struct outcome deliver_as_owner(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r);
#endif

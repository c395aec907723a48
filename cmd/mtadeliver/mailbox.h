/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Where the mail of a recipient goes. */
#ifndef MTADELIVER_MAILBOX_H
#define MTADELIVER_MAILBOX_H
#include "base/buf.h"
#include "mail/agent.h"

#include <stdbool.h>
#include <sys/types.h>

struct config;
struct route_maps;

struct mailbox {
	struct buf transport;     /* "local", "virtual": the name in relay= */
	struct buf base;          /* directory that must exist: virtual_mailbox_base, or the home directory */
	struct buf path;          /* below base; ends in '/' for a Maildir */
	struct buf user;          /* local: the system user; else "" */
	uid_t uid;                /* deliver as; (uid_t)-1: as this process */
	gid_t gid;
};
void mailbox_init(struct mailbox *m);
void mailbox_free(struct mailbox *m);

/* Why there is no mailbox: a result for the recipient. */
struct refusal {
	enum agent_status status;
	const char *dsn;
	struct buf text;
};

/* From what the job says (home= or mailbox= of the recipient or of the whole job). 1, 0 when it says nothing, -1 refused. */
int mailbox_from_job(struct mailbox *m, struct config *c, const struct agent_job *j, const struct agent_rcpt *r,
    struct refusal *no);
/* From the tables of the configuration; *maps is opened when it is first needed. 0, or -1 refused. */
int mailbox_from_tables(struct mailbox *m, struct config *c, struct route_maps **maps, const char *address,
    struct refusal *no);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The user that an agent runs as. Who asks for an agent names a recipient; what user that is, if any, is found out here, by the
 * process that becomes it. */
#ifndef IDENTITY_H
#define IDENTITY_H
#include "base/buf.h"

#include <sys/types.h>

struct agent_command;
struct config;
struct proc;

enum identity_kind { IDENTITY_NONE, IDENTITY_LOCAL, IDENTITY_VIRTUAL };
extern const char *const identity_kinds[];   /* "none", "local", "virtual" */

struct identity {
	enum identity_kind kind;
	const char *name;         /* a user of this system, or an address of virtual_uid_maps; NONE: "" */
};

/* The configuration is a new one. */
void identity_reload(struct config *c);
/* Sets uid, gid and user of p: those of user= and gid= of the command; else the recipient's; else mail_owner's for a resident agent
 * and default_privs' for any other. Never root, root's group or auth_user (unless that is mail_owner): default_privs. Started by
 * another user than root it sets none. 0; -1 with err: there is no such user, or the tables do not tell. */
int identity_set(struct proc *p, struct config *c, const struct agent_command *a, const struct identity *who, struct buf *err);
#endif

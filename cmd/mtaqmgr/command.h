/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* NAME_agent of main.cf: [user=NAME[:GROUP]] [uid=N] [gid=N] [flags=...] [argv=]command argument ... A command with
 * the argument -b is a resident agent; any other one is run once for each job (agent(7)). */
#ifndef COMMAND_H
#define COMMAND_H
#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct config;

struct agent_command {
	bool resident;
	char **words;             /* of the whole line */
	char **argv;              /* into words: where the command begins */
	uid_t uid;                /* of user=; (uid_t)-1: not given */
	gid_t gid;
	char *user;               /* its name, for its other groups; NULL */
	char flags[16];
};

/* NULL with err: NAME_agent is not set or malformed. */
struct agent_command *command_get(struct config *c, const char *transport, struct buf *err);
void command_free(struct agent_command **c);
/* The arguments with ${name} expanded, each by itself: from attrs ("name=value" strings, each with its NUL, n bytes in all), then
 * main.cf. An argument with ${recipient} or ${user}, ... of a job with several recipients stands for each of them once. Free with
 * command_free_argv. NULL with err. */
char **command_expand(struct config *c, const struct agent_command *a, const char *attrs, size_t n, struct buf *err);
/* These are strings to their end, and none is an address (or a user's part of one) that a command would take for an option. */
bool command_attrs_safe(const char *attrs, size_t n);
void command_free_argv(char ***argv);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The privileged parent of a manager that was started as root. It never touches the queue or a message: it starts
 * agents under the right user, by the command that its own copy of main.cf has under their transport's name. */
#ifndef PARENT_H
#define PARENT_H
#include <sys/types.h>

struct config;
struct config_options;

/* Serves the unprivileged child over sock until the child ends; its exit status. */
int parent_run(struct config *c, const struct config_options *options, int sock, pid_t child);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Resident agents: kept in pools by transport, user and group; one job at a time each. */
#ifndef AGENTS_H
#define AGENTS_H
#include <stdbool.h>

struct job;

bool agents_free(const struct job *j);       /* there is an idle agent for j, or one may be started */
void agents_start(struct job *j);            /* j, which has been started, gets its agent; its end is told by dest_job_* */
void agents_reload(void);         /* idle ones end, the others after their job */
void agents_stop(void);           /* idle ones end */
#endif

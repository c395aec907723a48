/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One-shot agents: a command of main.cf run for each job, message on standard input, results on standard output or by
 * its exit status (agent(7)). */
#ifndef ONESHOT_H
#define ONESHOT_H
struct job;

void oneshot_start(struct job *j);           /* the end of j is told by dest_job_* */
#endif

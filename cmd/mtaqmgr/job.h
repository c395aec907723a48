/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What dest.c and job.c have in common. */
#ifndef JOB_H
#define JOB_H
#include "dest.h"

/* The pause that d is under, its own or its transport's; NULL: none. */
const struct pause *dest_paused(const struct dest *d);
/* Something about d has changed: is it ready? */
void dest_update(struct dest *d);
void dest_pause(struct dest *d, int64_t seconds, const char *dsn, const char *text);
void dest_start_later(struct transport *t, int64_t microseconds);    /* nothing of t is started until then */
void dest_sweep(void);            /* now and then: forgets destinations without work */
/* d is paused and has jobs: they will be deferred, in slices. */
void job_drain(struct dest *d);
#endif

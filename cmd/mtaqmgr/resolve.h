/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* From recipients to jobs: each recipient of the portion in memory is routed, and gets a result at once (error:, retry:,
 * discard:, unknown users) or a place in a destination's queue. */
#ifndef RESOLVE_H
#define RESOLVE_H
struct message;
struct park;

/* Not NULL: m is to be let go, and its ID put there. */
struct park *resolve_portion(struct message *m);
#endif

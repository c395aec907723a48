/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* From recipients to jobs: each recipient of the portion in memory is routed, and gets a result at once (error:, retry:,
 * discard:, unknown users) or a place in a destination's queue. */
#ifndef RESOLVE_H
#define RESOLVE_H
struct message;

void resolve_portion(struct message *m);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Compiling NAME into NAME.tdb: written beside it, checked, synced, renamed (readers see the old or the new one). */
#ifndef MAP_BUILD_H
#define MAP_BUILD_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct map_build;

/* Starts NAME.tdb; entries: about how many are expected (sets the hash size), 0 unknown. NULL with err. */
struct map_build *map_build_begin(const char *name, size_t entries, struct buf *err);
/* Adds one; key is folded to lower case unless keep_case. 1 added, 0 duplicate key (the first one stays), -1 err. */
int map_build_add(struct map_build *b, const char *key, const char *value, bool keep_case, struct buf *err);
int map_build_commit(struct map_build **b, struct buf *err);   /* 0, or -1: nothing has changed */
/* The same for a table that a loss of power may take away or damage (which is noticed): written out, not synced. */
int map_build_commit_unsynced(struct map_build **b, struct buf *err);
void map_build_abort(struct map_build **b);
#endif

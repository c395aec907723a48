/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Files behind tables, read again when they change: see driver.h. */
#include "base/clock.h"
#include "map/driver.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY 1000000        /* microseconds */

bool
map_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int
map_watch_check(struct map_watch *w, struct buf *err)
{
	struct stat st;
	int64_t now;

	if (!w->loaded)
		return WATCH_CHANGED;
	now = clock_mono();
	if (now < w->next)
		return WATCH_SAME;
	if (stat(w->path, &st) < 0) {
		w->loaded = false;
		buf_addf(err, "open %s: %s", w->path, strerror(errno));
		return WATCH_ERROR;
	}
	w->next = now + LOOK_EVERY;
	return map_same_file(&st, &w->seen) ? WATCH_SAME : WATCH_CHANGED;
}

void
map_watch_loaded(struct map_watch *w, const struct stat *st)
{
	w->seen = *st;
	w->loaded = true;
	w->next = clock_mono() + LOOK_EVERY;
}

int
map_watch_read(struct map_watch *w, struct buf *text, struct stat *st, struct buf *err)
{
	/* The file may be replaced between the two calls: then the next look finds a difference and reads again. */
	if (stat(w->path, st) < 0 || file_read(AT_FDCWD, w->path, text) < 0) {
		buf_addf(err, "open %s: %s", w->path, strerror(errno));
		return -1;
	}
	return 0;
}

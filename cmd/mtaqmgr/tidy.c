/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See tidy.h. Goes through the directories in slices of time, at the start and every queue_run_delay. */
#include "tidy.h"

#include "loop.h"
#include "manager.h"

#include "mail/config.h"
#include "mail/log.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD 86400                 /* seconds: a file that is no message and not in use */

static void in_tmp(const char *name, const struct stat *st, int64_t now);
static void in_trash(const char *name, const struct stat *st, int64_t now);
static void in_defer(const char *name, const struct stat *st, int64_t now);

static const struct { const char *name; void (*look)(const char *name, const struct stat *st, int64_t now); } steps[] = {
	{ "tmp", in_tmp }, { "trash", in_trash }, { "defer", in_defer },
};
#define STEPS (sizeof steps / sizeof steps[0])

static struct timer timer;
static size_t step;              /* STEPS: all is done */
static DIR *dir;
static int64_t reasons_next;      /* monotonic: when defer/ is looked through again */

/* A writer that takes a day is none. */
static void
in_tmp(const char *name, const struct stat *st, int64_t now)
{
	if (st->st_mtime + OLD < now && unlinkat(dirfd(dir), name, 0) == 0)
		log_info("removed tmp/%s, left by a program that did not end well", name);
}

/* In the trash since its inode last changed, by the rename. */
static void
in_trash(const char *name, const struct stat *st, int64_t now)
{
	if (st->st_ctime + config_time(manager.config, "queue_trash_lifetime") >= now || unlinkat(dirfd(dir), name, 0) < 0)
		return;
	queue_defer_remove(&manager.queue, name);
	log_info("%s: removed from the trash", name);
}

/* Reasons of a message that is no longer anywhere. */
static void
in_defer(const char *name, const struct stat *st, int64_t now)
{
	char id[QUEUE_ID_MAX + 1];
	size_t n = strcspn(name, ".");

	if (st->st_mtime + OLD >= now || n >= sizeof id)
		return;
	memcpy(id, name, n);
	id[n] = '\0';
	if (queue_find(&manager.queue, id) < 0)
		unlinkat(dirfd(dir), name, 0);
}

static bool
begin_step(void)
{
	int fd;

	if (steps[step].look == in_defer) { /* a look at each message: once a day is enough */
		if (clock_mono() < reasons_next)
			return false;
		reasons_next = clock_deadline(OLD);
	}
	fd = openat(manager.queue.top, steps[step].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir != NULL; /* trash/ need not be there */
}

static bool
work(void)
{
	int64_t until = clock_mono() + LOOP_SLICE, now = clock_real() / 1000000;
	struct dirent *e;
	struct stat st;

	for (; step < STEPS && !manager.stopping; step++) {
		if (!dir && !begin_step())
			continue;
		while ((e = readdir(dir)) != NULL) {
			if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
				steps[step].look(e->d_name, &st, now);
			if (clock_mono() > until)
				return true;
		}
		closedir(dir);
		dir = NULL;
	}
	return false;
}

static void
again(struct timer *t)
{
	if (step == STEPS)
		step = 0;
	timer_set(t, clock_deadline(manager.queue_run_delay));
}

void
tidy_open(void)
{
	timer.fire = again;
	reasons_next = clock_deadline(3600); /* not when there is most to do */
	loop_work(work);
	again(&timer);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* postsuper -p: what programs that did not end well left behind. While the system runs: a file that another process has open is not
 * touched, and reasons go only when their message is nowhere. */
#include "act.h"
#include "repair.h"

#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define OLD 86400                 /* seconds: as old as this, a file is in use by nobody; where we cannot ask */
#define SETTLED 60                /* seconds: reasons that are younger may be of a message on its way from queue to queue */

/* Nobody has the file open: who writes one has it open until it is complete. A lease for writing is given only then (fcntl(2)). */
static bool
unused(int fd, const struct stat *st)
{
	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return true;
	}
	return errno != EAGAIN && errno != EBUSY && st->st_mtime + OLD < clock_real() / 1000000;
}

static bool
is_left(struct app *app, int dir, const char *name, bool reasons)
{
	char id[QUEUE_ID_MAX + 1];
	size_t n = strcspn(name, ".");
	struct stat st;
	bool left;
	int fd;

	if (reasons) {
		if (n >= sizeof id || (name[n] && strcmp(name + n, ".old") != 0) || !envelope_id_ok(name, n) ||
		    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtime + SETTLED > clock_real() / 1000000)
			return false;
		memcpy(id, name, n);
		id[n] = '\0';
		return queue_find(&app->queue, id) < 0 && errno != EACCES;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	left = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && unused(fd, &st);
	close(fd);
	return left;
}

/* In tmp/ every file is a temporary one; in state/ and in the queues those with such a name. */
static bool
is_candidate(const char *dir, const char *name)
{
	size_t n = strlen(name);

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	if (strcmp(dir, "tmp") == 0 || strcmp(dir, "defer") == 0)
		return true;
	return *name == '.' || (strcmp(dir, "state") == 0 && n > 4 && strcmp(name + n - 4, ".tmp") == 0);
}

static void
purge_directory(struct repair *r, const char *name)
{
	int fd = openat(r->app->queue.top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		if (errno == ENOENT)
			return;
		msg_warn("open %s/%s: %s", r->app->queue.dir, name, strerror(errno));
		r->failed++;
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		if (!is_candidate(name, d->d_name) || !is_left(r->app, fd, d->d_name, strcmp(name, "defer") == 0))
			continue;
		if (unlinkat(fd, d->d_name, 0) == 0) {
			r->purged++;
		} else if (errno != ENOENT) {
			msg_warn("remove %s/%s/%s: %s", r->app->queue.dir, name, d->d_name, strerror(errno));
			r->failed++;
		}
	}
	closedir(dir);
}

int
purge(struct app *app, unsigned queues)
{
	struct repair r = { .app = app };

	signal(SIGIO, SIG_IGN); /* somebody opens a file while we ask for its lease */
	for (int i = 0; i < QUEUE_NAMES; i++)
		if (queues & BIT(i))
			purge_directory(&r, queue_names[i]);
	purge_directory(&r, "tmp");
	purge_directory(&r, "state");
	purge_directory(&r, "defer");
	if (r.purged)
		fprintf(stderr, "postsuper: Purged: %" PRIu64 " file%s\n", r.purged, r.purged == 1 ? "" : "s");
	return r.failed ? EX_SOFTWARE : EX_OK;
}

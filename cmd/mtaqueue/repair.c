/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* postsuper -s: goes through the queues and puts right what a restored backup, a copy by hand or a damaged disk left. Nothing is
 * deleted: what is no queue file goes to corrupt/, a second copy of a message to trash/. While it works no queue manager starts; if
 * one runs, active/ is left alone. Everything is done by renames that fail when something is there or is gone. */
#include "act.h"
#include "repair.h"

#include "sys/proc.h"
#include "syntax/envelope.h"

#include "base/mem.h"
#include "base/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME_TRIES 10000

void
repair_say(const struct entry *n, const char *fmt, ...)
{
	struct buf b = BUF_INIT(65536);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	msg_warn("%s/%s: %s", queue_names[n->where], n->name, b.data);
	buf_free(&b);
}

static int
failed(const struct entry *n, const char *what)
{
	repair_say(n, "%s: %s", what, strerror(errno));
	n->r->failed++;
	return -1;
}

int
repair_directories(struct app *app)
{
	char *argv[] = { mem_strdup("mta"), mem_strdup("-q"), mem_strdup("-C"), mem_strdup(config_dir(app->config)), mem_strdup("-o"),
		NULL, mem_strdup("set-permissions"), NULL };
	struct proc p = { .argv = argv, .in = -1, .out = STDERR_FILENO, .err = STDERR_FILENO, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct buf top = BUF_INIT(65536);
	int status = 0;
	pid_t pid;

	buf_addf(&top, "queue_directory=%s", config_str(app->config, "queue_directory"));
	argv[5] = buf_steal(&top);
	pid = proc_spawn(&p);
	if (pid < 0)
		msg_warn("run mta: %s", strerror(errno));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EX_OK : EX_SOFTWARE;
}

/* To corrupt/, under its name, or with a number behind it when that is taken. */
static int
quarantine(struct entry *n, const char *why)
{
	struct queue *q = &n->r->app->queue;
	struct buf to = BUF_INIT(4096);
	int r = -1;

	for (int i = 0; r < 0 && i < NAME_TRIES; i++) {
		buf_clear(&to);
		buf_adds(&to, n->name);
		if (i)
			buf_addf(&to, "%s%d", envelope_id_ok(n->name, strlen(n->name)) && to.len + 4 <= QUEUE_ID_MAX ? "" : ".", i);
		r = renameat2(q->fd[n->where], n->name, q->fd[QUEUE_CORRUPT], to.data, RENAME_NOREPLACE);
		if (r < 0 && errno != EEXIST)
			break;
	}
	if (r == 0) {
		repair_say(n, "%s: moved to corrupt/%s", why, to.data);
		n->r->corrupt++;
	} else if (errno != ENOENT) {
		failed(n, "move to corrupt");
	}
	buf_free(&to);
	return r;
}

/* Owner and mode of what is a queue file; 1: it was written anew. A file that was not shown to be one is not given to anybody. */
static int
put_right(struct entry *n)
{
	struct queue *q = &n->r->app->queue;
	bool wrong = n->st.st_uid != q->owner || (geteuid() == 0 && n->st.st_gid != q->group);

	if (n->st.st_nlink > 1) {
		repair_say(n, "has another name elsewhere: copied");
		n->r->repaired++;
		return repair_rewrite(n, envelope_id_ok(n->name, strlen(n->name)) ? n->name : "") < 0 ? -1 : 1;
	}
	if (wrong && fchown(n->fd, q->owner, q->group) < 0)
		return failed(n, "give it to the owner of the queue");
	if (queue_flag(n->fd, 0, 0) < 0)
		return failed(n, "set its mode");
	if (wrong || (n->st.st_mode & 07777) != (S_IRUSR | S_IWUSR | queue_flags(n->st.st_mode))) {
		repair_say(n, "owner and mode put right");
		n->r->repaired++;
	}
	return 0;
}

static void
look(struct entry *n)
{
	struct queue *q = &n->r->app->queue;
	struct buf err = BUF_INIT(4096);

	if (fstatat(q->fd[n->where], n->name, &n->st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* it has moved on */
	if (!S_ISREG(n->st.st_mode)) {
		quarantine(n, "is no regular file");
		return;
	}
	n->fd = openat(q->fd[n->where], n->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (n->fd < 0 || fstat(n->fd, &n->st) < 0) {
		if (errno != ENOENT)
			failed(n, "open");
	} else if (queue_read(n->fd, &n->e, 0, NULL, &err) < 0) {
		if (errno == EINVAL)
			quarantine(n, err.data);
		else
			failed(n, err.data);
	} else if (put_right(n) == 0) {
		(void)repair_id(n);
	}
	buf_free(&err);
}

static void
look_through(struct repair *r, enum queue_name where)
{
	int fd = openat(r->app->queue.fd[where], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		msg_warn("open %s/%s: %s", r->app->queue.dir, queue_names[where], strerror(errno));
		if (fd >= 0)
			close(fd);
		r->failed++;
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		struct entry n = { .r = r, .where = where, .name = d->d_name, .fd = -1 };

		if (*d->d_name == '.' || (where == QUEUE_ACTIVE && r->running && envelope_id_ok(d->d_name, strlen(d->d_name))))
			continue;
		look(&n);
		if (n.fd >= 0)
			close(n.fd);
		queue_envelope_free(&n.e);
	}
	closedir(dir);
}

/* The queue manager's lock: as long as we have it none starts. */
static int
lock(struct repair *r)
{
	int fd = openat(r->app->queue.fd[QUEUE_ACTIVE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	r->running = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0;
	return fd;
}

static void
total(const char *what, uint64_t n, const char *of)
{
	if (n)
		fprintf(stderr, "postsuper: %s: %" PRIu64 " %s%s\n", what, n, of, n == 1 ? "" : "s");
}

int
repair_structure(struct app *app, unsigned queues)
{
	static const enum queue_name order[] = { QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD };
	struct repair r = { .app = app };
	int fd = lock(&r);

	signal(SIGIO, SIG_IGN); /* of the leases that repair_rewrite asks for */
	act_need_trash(app);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (queues & BIT(order[i]))
			look_through(&r, order[i]);
	if (fd >= 0)
		close(fd);
	total("Renamed to match its ID", r.renamed, "message");
	total("Repaired", r.repaired, "message");
	total("Moved to trash, there twice", r.dropped, "message");
	total("Moved to corrupt", r.corrupt, "file");
	return r.failed ? EX_SOFTWARE : EX_OK;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The verbs that move messages: flush, hold, release, requeue, delete, undelete. Each message by one rename, which
 * either happens or does not; the queue manager sees what comes into incoming/, and lets go of what is no longer in active/. */
#include "act.h"
#include "mail/log.h"
#include "print.h"
#include "showq.h"

#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static int
option(void *arg, int letter, char *value)
{
	struct action *a = arg;

	(void)value;
	if (letter == 'q')
		a->quiet = true;
	else if (letter == 1000)
		a->now = true;
	else if (letter == 1001)
		a->release = true;
	else
		return -1;
	return 0;
}

/* Sets or takes away the flag by which the queue manager returns a message. */
static int
flag(struct item *it, bool set)
{
	int fd = queue_open_file(&it->app->queue, it->where, it->id, false), r, e;

	if (fd < 0)
		return -1;
	r = queue_flag(fd, set ? QUEUE_EXPIRE : 0, set ? 0 : QUEUE_EXPIRE);
	e = errno;
	close(fd);
	errno = e;
	return r;
}

/* First the flag, then the move: the queue manager looks at the flag after a move of its own, so one of us has the message tried. */
static int
give_up(const struct action *a, struct item *it)
{
	struct queue *q = &it->app->queue;

	if (flag(it, true) < 0)
		return -1;
	if (it->where == QUEUE_HOLD && a->release)
		return queue_move(q, QUEUE_HOLD, QUEUE_INCOMING, it->id);
	if (it->where == QUEUE_HOLD || it->where == QUEUE_INCOMING ||
	    queue_move(q, QUEUE_DEFERRED, QUEUE_INCOMING, it->id) == 0 || errno == ENOENT)
		return 0;
	return -1;
}

/* Where it goes. A file that a user put into maildrop/ is not for the queue manager: it goes back there, to be looked at as any. */
static enum queue_name
destination(const struct action *a, const struct item *it)
{
	const struct queue *q = &it->app->queue;
	struct stat st;

	if (a->to != QUEUE_TRASH && (it->where == QUEUE_TRASH || it->where == QUEUE_CORRUPT) && q->fd[QUEUE_MAILDROP] >= 0 &&
	    fstatat(q->fd[it->where], it->id, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != q->owner)
		return QUEUE_MAILDROP;
	return a->to;
}

static int
perform(struct action *a, struct item *it)
{
	struct queue *q = &it->app->queue;

	if (a->expire)
		return give_up(a, it);
	if (a->now && a->to == QUEUE_TRASH)
		return queue_remove(q, it->where, it->id);
	if (a->forget && flag(it, false) < 0 && errno == ENOENT)
		return -1;
	if (queue_move(q, it->where, destination(a, it), it->id) < 0)
		return -1;
	if (a->forget)
		queue_defer_remove(q, it->id);
	return 0;
}

/* The log tells what became of a message, also by an administrator's hand. */
static void
log_action(const struct action *a, const char *id)
{
	const char *text = a->postsuper ? a->postsuper : a->now && a->to == QUEUE_TRASH ? "removed" : a->log;

	if (!text || a->s->dry)
		return;
	log_info("%s: %s", id, text);
	if (a->done % 256 == 0)
		log_flush();
}

static int
act(void *arg, struct item *it)
{
	struct action *a = arg;

	if (!(a->from & BIT(it->where)) || (it->where == a->to && !a->now && !a->expire)) {
		if (a->s->ids.n && !a->postsuper) {
			msg_warn("%s: is in %s", it->id, queue_names[it->where]);
			a->failed++;
		}
		return 0;
	}
	if (!a->s->dry && perform(a, it) < 0) {
		if (errno == ENOENT) { /* delivered, or moved on, while we looked */
			it->gone = true;
			return 0;
		}
		if (a->failed++ == 0 || a->s->ids.n)
			msg_warn("%s/%s/%s: %s", it->app->queue.dir, queue_names[it->where], it->id, strerror(errno));
		return errno == EACCES || errno == EPERM || errno == EROFS; /* so it will be for the others too */
	}
	a->done++;
	log_action(a, it->id);
	if (a->postsuper && a->s->ids.n)
		fprintf(stderr, "postsuper: %s: %s\n", it->id, a->postsuper);
	else if (!a->quiet && !a->postsuper)
		printf("%s %s\n", a->s->dry ? a->would : a->did, it->id);
	return 0;
}

int
act_run(struct action *a, struct selection *s)
{
	int status;

	a->s = s;
	if ((a->log || a->postsuper) && !s->dry) {
		log_open_command(s->app->config, "postsuper");
		log_batch(true);
	}
	status = select_run(s, act, a);
	log_batch(false);
	if (a->failed)
		return EX_UNAVAILABLE;
	return a->done == 0 && status == EX_OK ? EX_NOINPUT : status;
}

/* Who may flush and not see the queue is not told what was there to be flushed. */
static void
mute(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		msg_die(EX_OSERR, "open /dev/null: %s", strerror(errno));
	close(null);
}

static int
run(struct app *app, int argc, char **argv, struct action *a, bool needs_selection)
{
	static const struct option options[] = {
		{ "now", no_argument, NULL, 1000 }, { "release", no_argument, NULL, 1001 }, { "quiet", no_argument, NULL, 'q' }, { 0 },
	};
	struct verb_options own = { "q", options, option, a };
	struct selection s;
	int status;

	select_parse(&s, app, a->from, argc, argv, &own);
	if (a->now && a->to != QUEUE_TRASH)
		usage(app, "--now is for delete");
	select_only(&s, a->from);
	if (a->release && !a->expire)
		usage(app, "--release is for expire");
	if (needs_selection && select_everything(&s))
		usage(app, "which messages? Queue IDs, a selection such as --from, or --all");
	if (ask_needed(app, true) && verb_find(argv[0])->guest == FLUSH) {
		status = ask(app, &s, argc, argv);
		select_free(&s);
		return status;
	}
	if (app->guest && !app->guest->may_list)
		mute();
	status = act_run(a, &s);
	if (app->guest && !app->guest->may_list && (status == EX_NOINPUT || status == EX_UNAVAILABLE))
		status = EX_OK;
	if (!a->quiet)
		printf("%s %" PRIu64 " message%s\n", s.dry ? a->would : a->did, a->done, a->done == 1 ? "" : "s");
	if (status == EX_NOINPUT && !needs_selection && select_everything(&s))
		status = EX_OK; /* nothing waits: nothing to do */
	select_free(&s);
	return status;
}

int
verb_flush(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "flushed", .would = "would flush", .from = BIT(QUEUE_DEFERRED), .to = QUEUE_INCOMING };

	return run(app, argc, argv, &a, false);
}

int
verb_hold(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "held", .would = "would hold", .log = "placed on hold", .to = QUEUE_HOLD,
		.from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) };

	return run(app, argc, argv, &a, true);
}

int
verb_release(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "released", .would = "would release", .log = "released from hold", .from = BIT(QUEUE_HOLD), .to = QUEUE_INCOMING };

	return run(app, argc, argv, &a, true);
}

int
verb_requeue(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "requeued", .would = "would requeue", .log = "requeued", .to = QUEUE_INCOMING, .forget = true,
		.from = BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) | BIT(QUEUE_CORRUPT) };

	return run(app, argc, argv, &a, true);
}

int
verb_expire(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "expired", .would = "would expire", .log = "expired", .to = QUEUE_INCOMING, .expire = true,
		.from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) };

	return run(app, argc, argv, &a, true);
}

void
act_need_trash(struct app *app)
{
	struct queue *q = &app->queue;

	if (q->fd[QUEUE_TRASH] >= 0)
		return;
	mkdirat(q->top, queue_names[QUEUE_TRASH], 0700);
	q->fd[QUEUE_TRASH] = openat(q->top, queue_names[QUEUE_TRASH], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (q->chown && q->fd[QUEUE_TRASH] >= 0)
		(void)!fchownat(q->top, queue_names[QUEUE_TRASH], q->owner, q->group, AT_SYMLINK_NOFOLLOW);
}

/* Takes away what has been in the trash for longer than queue_trash_lifetime: since its inode last changed, by
 * the move into it. */
static int
expire(void *arg, const char *id)
{
	struct app *app = arg;
	int64_t lifetime = config_time(app->config, "queue_trash_lifetime");
	struct stat st;

	if (fstatat(app->queue.fd[QUEUE_TRASH], id, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ctime + lifetime < time(NULL))
		queue_remove(&app->queue, QUEUE_TRASH, id);
	return 0;
}

int
verb_delete(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "deleted", .would = "would delete", .log = "moved to the trash", .to = QUEUE_TRASH,
		.from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) | BIT(QUEUE_CORRUPT) | BIT(QUEUE_MAILDROP) };

	struct buf err = BUF_INIT(4096);

	act_need_trash(app);
	queue_scan(&app->queue, QUEUE_TRASH, expire, app, &err); /* if it cannot be, another time */
	buf_free(&err);
	return run(app, argc, argv, &a, true);
}

int
verb_undelete(struct app *app, int argc, char **argv)
{
	struct action a = { .did = "brought back", .would = "would bring back", .log = "brought back from the trash, placed on hold", .from = BIT(QUEUE_TRASH), .to = QUEUE_HOLD };

	return run(app, argc, argv, &a, true);
}

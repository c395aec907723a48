/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue pickup: takes into the queue what users have put into maildrop/ while the mail system was down (intake.c deals with one
 * file). One pass through the directory, or with -b as a service until SIGTERM.
 *
 * Anybody may put as much there as he likes, so what one user has must not keep others waiting: in one pass each user has a budget
 * of files, and what is beyond it is passed over (with no more than an lstat). While passes leave something over the budget
 * grows, up to some seconds' work; so a million files of one user cost few passes, and each pass sees to everybody else's. The
 * service takes new files as inotify names them, also in the middle of a pass, by the same budgets. No memory grows with what is there. */
#include "intake.h"

#include "mail/log.h"
#include "sys/proc.h"
#include "sys/sandbox.h"
#include "sys/server.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define USERS 4096                /* budgets; users whose IDs are equal modulo this share one */
#define BUDGET_FIRST 100          /* files of one user in the first pass */
#define BUDGET_LAST 10000         /* and in later ones */
#define BUDGET_BUSY 20            /* while the queue manager cannot keep up (in_flow_delay) */
#define TROUBLES 10               /* that end a pass: what is wrong then is wrong for all */
#define RESCAN 60                 /* seconds between passes when nothing is heard */
#define PAUSE 10                  /* seconds after a pass that left something and took nothing, or when there is no inotify */
#define LOOK_EVERY 64             /* names of a directory between looks for signals and new files */

struct pickup {
	struct intake in;
	int dir;                  /* maildrop/, open for reading; its lock says who works here */
	int notify, signals;      /* of the service; -1 */
	uint32_t used[USERS];     /* files of each user in this pass */
	uint32_t budget, limit;   /* limit: the budget, or less while the queue manager is busy */
	uint64_t taken, over;     /* in this pass: files dealt with, files over their owner's budget */
	unsigned troubles, waits; /* and files that cannot be taken now */
	bool overflow;            /* the kernel has lost events */
	bool hup, stop;
};

static void
open_config(struct pickup *p)
{
	struct buf err = BUF_INIT(65536);
	struct app *app = p->in.app;
	struct config *c = config_open(app->options->dir, app->options->overrides, &err), *old = app->config;

	if (!c || intake_configure(&p->in, c, &err) < 0) {
		log_warn("reload: %s; the configuration stays as it was", err.data);
		config_close(&c);
	} else {
		app->config = c;
		config_close(&old);
		log_open(c, "pickup");
		log_info("reload");
	}
	p->hup = false;
	buf_free(&err);
}

static void
take_signals(struct pickup *p)
{
	struct signalfd_siginfo s;

	while (p->signals >= 0 && read(p->signals, &s, sizeof s) == (ssize_t)sizeof s) {
		p->hup |= s.ssi_signo == SIGHUP;
		p->stop |= s.ssi_signo != SIGHUP;
	}
}

/* One name, if its owner's budget allows. */
static void
look(struct pickup *p, const char *name)
{
	uint32_t *used;
	struct stat st;

	if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT) {
			log_warn("maildrop/%s: %s", name, strerror(errno));
			p->troubles++;
		}
		return;
	}
	used = &p->used[st.st_uid % USERS];
	if (*used >= p->limit) {
		p->over++;
		return;
	}
	switch (intake_take(&p->in, name, &st)) {
	case INTAKE_TAKEN:
	case INTAKE_REFUSED:
		p->taken++;
		++*used;
		break;
	case INTAKE_TROUBLE:
		p->troubles++;
		++*used;
		break;
	case INTAKE_WAITS:
		p->waits++;
		++*used;
		break;
	case INTAKE_LEFT:
	case INTAKE_NOTHING:
		break;
	}
}

/* What inotify has told until now. */
static void
take_events(struct pickup *p)
{
	static union { struct inotify_event event; char data[65536]; } in;
	ssize_t n;

	if (p->notify < 0 || (n = read(p->notify, in.data, sizeof in.data)) <= 0)
		return;
	for (char *at = in.data; at < in.data + n && !p->stop;) {
		struct inotify_event *e = (void *)at;

		at += sizeof *e + e->len;
		if (e->mask & IN_Q_OVERFLOW)
			p->overflow = true;
		else if (e->len && p->troubles < TROUBLES)
			look(p, e->name);
	}
}

static void
begin(struct pickup *p)
{
	struct queue *q = &p->in.app->queue;

	memset(p->used, 0, sizeof p->used);
	p->taken = p->over = p->troubles = p->waits = 0;
	p->limit = faccessat(q->top, QUEUE_BUSY, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? BUDGET_BUSY : p->budget;
}

/* All of the directory, within the budgets. */
static int
pass(struct pickup *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		log_warn("open the directory maildrop: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	begin(p);
	for (unsigned i = 1; !p->stop && p->troubles < TROUBLES; i++) {
		errno = 0;
		d = readdir(dir);
		if (!d) {
			r = errno ? -1 : 0;
			break;
		}
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			look(p, d->d_name);
		if (i % LOOK_EVERY == 0) {
			take_signals(p);
			take_events(p);
		}
	}
	if (r < 0)
		log_warn("read the directory maildrop: %s", strerror(errno));
	closedir(dir);
	intake_quiet(&p->in);
	return r;
}

/* Two that work at once would each deliver what they find. */
static void
lock(struct pickup *p, int how)
{
	while (flock(p->dir, how) < 0)
		if (errno != EINTR)
			msg_die(EX_OSERR, "lock %s/maildrop: %s", p->in.app->queue.dir, strerror(errno));
}

static uint32_t
bigger(uint32_t budget)
{
	return budget < BUDGET_LAST ? budget * 10 : BUDGET_LAST;
}

/* Passes until nothing is over anybody's budget, or all that the queue manager can take is taken. */
static int
run_once(struct pickup *p)
{
	int r;

	lock(p, LOCK_EX);
	for (; (r = pass(p)) == 0 && p->over && p->taken && !p->troubles; p->budget = bigger(p->budget))
		if (p->limit < p->budget)
			break;
	lock(p, LOCK_UN);
	return r < 0 || p->troubles || p->waits || p->over ? EX_TEMPFAIL : EX_OK;
}

static void
watch(struct pickup *p)
{
	struct buf path = BUF_INIT(65536);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		msg_die(EX_OSERR, "signalfd: %s", strerror(errno));
	buf_addf(&path, "/proc/self/fd/%d", p->dir); /* the directory that is locked, whatever has its name */
	p->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->notify < 0 || inotify_add_watch(p->notify, path.data, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
		log_warn("watch maildrop: %s; it is looked through every %d seconds", strerror(errno), PAUSE);
		if (p->notify >= 0)
			close(p->notify);
		p->notify = -1;
	}
	buf_free(&path);
}

/* When the next pass is: at once while passes get something done, later when what is left has to wait for something else. */
static int64_t
next_pass(struct pickup *p, int failed)
{
	if (p->over && p->taken && !p->troubles && p->limit == p->budget) {
		p->budget = bigger(p->budget);
		return clock_mono();
	}
	p->budget = BUDGET_FIRST;
	if (p->over && p->taken && !p->troubles)
		return clock_deadline(1);
	return clock_deadline(failed || p->over || p->troubles || p->waits || p->notify < 0 ? PAUSE : RESCAN);
}

/* Files that inotify names are dealt with at once; what that leaves, by passes. */
static void
handle_events(struct pickup *p, int64_t *next)
{
	lock(p, LOCK_EX);
	begin(p);
	take_events(p);
	lock(p, LOCK_UN);
	intake_quiet(&p->in);
	if (p->over && *next > clock_mono())
		*next = clock_mono();
	else if ((p->troubles || p->waits) && *next > clock_deadline(PAUSE))
		*next = clock_deadline(PAUSE);
	if (p->overflow && *next > clock_deadline(1)) /* not more often: who loses us events could make us spin */
		*next = clock_deadline(1);
	p->overflow = false;
}

static int
serve(struct pickup *p)
{
	int64_t next = clock_mono();

	watch(p);
	log_info("started: %s/maildrop", p->in.app->queue.dir);
	server_notify("READY=1");
	while (!p->stop) {
		struct pollfd fds[] = { { .fd = p->signals, .events = POLLIN }, { .fd = p->notify, .events = POLLIN } };

		if (next <= clock_mono()) {
			int failed;

			lock(p, LOCK_EX);
			failed = pass(p);
			lock(p, LOCK_UN);
			next = next_pass(p, failed);
		}
		if (!p->stop && !p->hup) /* the pass has looked for signals as well */
			poll(fds, 2, clock_left_ms(next));
		take_signals(p);
		if (p->hup)
			open_config(p);
		if (!p->stop && fds[1].revents)
			handle_events(p, &next);
	}
	log_info("stopped");
	return EX_OK;
}

/* As root we become the queue's owner, and never look at a user's file before that. */
static void
become(struct app *app)
{
	const char *owner = config_str(app->config, "mail_owner");
	int death = 0;

	if (geteuid() != 0)
		return;
	prctl(PR_GET_PDEATHSIG, &death); /* a new user ID clears it */
	if (proc_become(owner, (uid_t)-1, (gid_t)-1) < 0)
		msg_die(EX_NOUSER, "become user %s (mail_owner): %s", owner, strerror(errno));
	if (geteuid() == 0)
		msg_die(EX_CONFIG, "mail_owner = %s: pickup does not work as root", owner);
	if (death)
		prctl(PR_SET_PDEATHSIG, death);
	app->queue.chown = false;
}

int
verb_pickup(struct app *app, int argc, char **argv)
{
	struct pickup *p = mem_zalloc(sizeof *p);
	struct buf err = BUF_INIT(65536);
	bool resident = false;
	int letter, status;

	optind = 0;
	while ((letter = getopt(argc, argv, "+b")) != -1)
		if (letter == 'b')
			resident = true;
		else
			usage(app, "unknown option -%c", optopt);
	if (optind < argc)
		usage(app, "too many arguments");
	become(app);
	log_open(app->config, "pickup");
	proc_harden();
	if (sandbox_enter(NULL) < 0)
		msg_die(EX_OSERR, "confine the process: %s", strerror(errno));
	p->in.app = app;
	p->notify = p->signals = -1;
	p->budget = BUDGET_FIRST;
	if (intake_configure(&p->in, app->config, &err) < 0)
		msg_die(EX_CONFIG, "%s", err.data);
	p->dir = openat(app->queue.top, queue_names[QUEUE_MAILDROP], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->dir < 0 && errno == ENOENT)
		msg_die(EX_CONFIG, "there is no %s/maildrop: mta check makes it", app->queue.dir);
	if (p->dir < 0)
		msg_die(errno == EACCES ? EX_NOPERM : EX_OSERR, "open %s/maildrop: %s", app->queue.dir, strerror(errno));
	status = resident ? serve(p) : run_once(p);
	close(p->dir);
	intake_free(&p->in);
	free(p);
	buf_free(&err);
	return status;
}

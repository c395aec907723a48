/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqmgr: the queue manager (mtaqmgr(8)). Takes messages from the queue, routes recipients, runs agents, tries again,
 * gives up with a report. Started as root it is two processes: parent.c, and the rest as mail_owner. */
#include "agents.h"
#include "counting.h"
#include "dest.h"
#include "loop.h"
#include "manager.h"
#include "message.h"
#include "parent.h"
#include "park.h"
#include "scan.h"
#include "starter.h"
#include "tidy.h"

#include "mail/config.h"
#include "mail/log.h"
#include "sys/proc.h"
#include "sys/server.h"

#include "base/clock.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 30            /* 50 ms apart */
#define STOP_SECONDS 5           /* jobs under way may end within that time */

static struct config_options options;
static struct watch signals;
static struct timer stop_timer;
static bool once;                /* -1: one run through the queue */

static void
usage(const char *why)
{
	fprintf(stderr, "mtaqmgr: %s\nusage: mtaqmgr [-1V] [-C dir] [-o name=value]\n", why);
	exit(EX_USAGE);
}

static void
reload(void)
{
	struct buf err = BUF_INIT(65536);
	struct config *c = config_open(options.dir, options.overrides, &err);

	if (!c || manager_configure(c, &err) < 0) {
		log_warn("reload: %s; the configuration stays as it was", err.data);
		config_close(&c);
	} else {
		log_open(c, "qmgr");
		log_info("reload");
		agents_reload();
		dest_reload();
	}
	buf_free(&err);
}

static void
stop_now(struct timer *t)
{
	(void)t;
	log_warn("%zu deliveries did not end in time; their messages will be tried again", dest_busy());
	loop_end();
}

static void
stop(void)
{
	if (manager.stopping)
		return;
	log_info("stopping: %zu deliveries under way", dest_busy());
	manager.stopping = true;
	agents_stop();
	stop_timer.fire = stop_now;
	timer_set(&stop_timer, clock_deadline(STOP_SECONDS));
}

/* Once nothing is under way any more, the loop may end. */
static bool
stop_work(void)
{
	if (once && message_count() == 0 && scan_nothing_due())
		stop();
	if (manager.stopping && dest_busy() == 0)
		loop_end();
	return false;
}

static void
signal_ready(struct watch *w)
{
	struct signalfd_siginfo s;

	while (read(w->fd, &s, sizeof s) == (ssize_t)sizeof s) {
		if (s.ssi_signo == SIGHUP)
			reload();
		else if (s.ssi_signo == SIGCHLD)
			starter_reap();
		else
			stop();
	}
}

static void
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = (struct watch){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = signal_ready };
	if (signals.fd < 0)
		msg_die(EX_OSERR, "signalfd: %s", strerror(errno));
	loop_watch(&signals);
}

/* Two managers never work on one queue. The lock is on the directory active/ itself: it needs no file that somebody could
 * remove, and nobody but the queue's owner can open that directory. */
static void
lock_queue(void)
{
	int fd = openat(manager.queue.fd[QUEUE_ACTIVE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* one that has just been killed may need a moment until it is gone */
	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return; /* held as long as this process is */
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		errno = EWOULDBLOCK;
	}
	if (errno == EWOULDBLOCK)
		msg_die(EX_TEMPFAIL, "queue %s: another queue manager is at work on it (or postsuper -s)", manager.queue.dir);
	msg_die(EX_CANTCREAT, "lock %s/active: %s", manager.queue.dir, strerror(errno));
}

static void
open_queue(struct config *c)
{
	struct buf err = BUF_INIT(65536);

	/* what is missing is made where we may: the top directory may well be root's */
	if (queue_open(&manager.queue, config_str(c, "queue_directory"), false, &err) < 0) {
		log_warn("%s: what is missing is made", err.data);
		buf_clear(&err);
		if (queue_open(&manager.queue, config_str(c, "queue_directory"), true, &err) < 0)
			msg_die(EX_NOINPUT, "%s", err.data);
	}
	buf_free(&err);
}

/* The manager proper. parent: the connection to the privileged one, or -1. */
static int
manage(struct config *c, int parent)
{
	struct buf err = BUF_INIT(65536);

	open_queue(c);
	lock_queue();
	if (manager_configure(c, &err) < 0)
		msg_die(EX_CONFIG, "%s", err.data);
	buf_free(&err);
	proc_harden();
	loop_open();
	open_signals();
	starter_open(parent);
	scan_open();
	loop_work(park_work);
	counting_open();
	tidy_open();
	loop_work(dest_run);
	loop_work(dest_drain);
	loop_work(stop_work);
	log_info("started: queue %s", manager.queue.dir);
	server_notify("READY=1");
	log_batch(true);
	loop_run();
	starter_end();
	counting_close();
	log_batch(false);
	log_info("stopped: %zu messages are left in the active queue", message_count());
	return EX_OK;
}

/* Started as root: the manager becomes mail_owner, and this process only starts agents. */
static int
split(struct config *c)
{
	const char *owner = config_str(c, "mail_owner");
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		msg_die(EX_OSERR, "socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		msg_die(EX_OSERR, "fork: %s", strerror(errno));
	if (pid > 0) {
		close(pair[1]);
		return parent_run(c, &options, pair[0], pid);
	}
	close(pair[0]);
	if (proc_become(owner, (uid_t)-1, (gid_t)-1) < 0)
		msg_die(EX_NOUSER, "become user %s (mail_owner): %s", owner, strerror(errno));
	if (geteuid() == 0)
		msg_die(EX_CONFIG, "mail_owner = %s: the queue manager does not work as root", owner);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return manage(c, pair[1]);
}

int
main(int argc, char **argv)
{
	struct config *c;
	int letter;

	proc_sane_fds();
	msg_init(argc ? argv[0] : NULL);
	opterr = 0;
	while ((letter = getopt(argc, argv, ":1C:o:V")) != -1) {
		if (letter == 'C' || letter == 'o') {
			config_option(&options, letter, optarg);
		} else if (letter == '1') {
			once = true;
		} else if (letter == 'V') {
			printf("mtaqmgr (mtakit) %s\n", VERSION);
			return EX_OK;
		} else {
			usage(letter == ':' ? "an option lacks its argument" : "unknown option");
		}
	}
	if (optind < argc)
		usage("too many arguments");
	c = config_from_options(&options);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	log_open(c, "qmgr");
	return geteuid() == 0 ? split(c) : manage(c, -1);
}

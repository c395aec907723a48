/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mta - starts, stops, reloads, flushes, checks a mail system where there is no systemd, and private ones; postfix by name.
 * See mta(8). */
#include "mta.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/program.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mta [-qV] [-C dir] [-o name=value] start|start-fg|stop|reload|restart|condrestart|abort|flush|check|status|set-permissions";
static const char postfix_usage[] = "postfix [-Dv] [-c dir] start|start-fg|stop|reload|abort|flush|check|status|set-permissions";

struct options {
	struct config_options config;
	bool postfix;             /* called by that name */
	const char *usage;
	bool quiet;
};

static void
warn_line(const char *line)
{
	msg_warn("%s", line);
}

/* Scripts look for the words of Postfix's postfix-script. */
#define AS_POSTFIX "postfix/postfix-script: "

static void
say(const struct options *o, const char *what, const char *as_postfix, struct config *c)
{
	if (o->postfix)
		fprintf(stderr, AS_POSTFIX "%s the Postfix mail system\n", as_postfix);
	else if (!o->quiet)
		printf("%s: %s (%s)\n", msg_program, what, config_dir(c));
}

static int
postfix_fatal(const char *state)
{
	fprintf(stderr, AS_POSTFIX "fatal: the Postfix mail system is %s\n", state);
	return EXIT_FAILURE;
}

/* Waits for the supervisor's word. Exit status. */
static int
hear(const struct options *o, struct config *c, int fd)
{
	struct buf text = BUF_INIT(262144);
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof data)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			buf_add(&text, data, (size_t)n);
	close(fd);
	if (text.len == 0)
		msg_die(EX_OSERR, "the supervisor ended without a word; see the log");
	if (!*text.data) {
		buf_free(&text);
		say(o, "started", "starting", c);
		return EX_OK;
	}
	control_wait(c, clock_deadline(config_time(c, "service_stop_timeout") + 5)); /* what did start is being ended */
	msg_die(EX_UNAVAILABLE, "%s", text.data);
}

static int
start(const struct options *o, struct config *c, bool foreground)
{
	struct buf err = BUF_INIT(65536);
	struct services l;
	int lock, report[2], null;
	pid_t pid;

	if (layout_check(c, false, warn_line) > 0)
		return EX_CONFIG;
	if (services_read(&l, c, o->config.overrides, &err) < 0)
		msg_die(EX_CONFIG, "%s", err.data);
	if (services_check(&l, c, warn_line) > 0)
		return EX_CONFIG;
	lock = control_lock(c, &err);
	if (lock < 0 && o->postfix && control_running(c, &err) > 0)
		exit(postfix_fatal("already running"));
	if (lock < 0)
		msg_die(EXIT_FAILURE, "%s", err.data);
	control_wait_leftovers(c, &l);
	if (foreground)
		supervise(c, &o->config, &l, lock, -1);
	fflush(NULL);
	if (pipe2(report, O_CLOEXEC) < 0)
		msg_die(EX_OSERR, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		msg_die(EX_OSERR, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(report[0]);
		setsid();
		(void)!chdir("/");
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; null >= 0 && fd < 3; fd++)
			dup2(null, fd);
		supervise(c, &o->config, &l, lock, report[1]);
	}
	close(report[1]);
	close(lock);
	services_free(&l);
	buf_free(&err);
	return hear(o, c, report[0]);
}

/* The running supervisor; without one the program ends, with status (as a message when the status is not 0). */
static pid_t
running(const struct options *o, struct config *c, int status)
{
	struct buf err = BUF_INIT(65536);
	pid_t pid = control_running(c, &err);

	if (pid < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (pid == 0 && status && o->postfix)
		exit(postfix_fatal("not running"));
	if (pid == 0 && status)
		msg_die(status, "not running (%s)", config_dir(c));
	buf_free(&err);
	return pid;
}

static int
stop(const struct options *o, struct config *c, int sig)
{
	pid_t pid = running(o, c, EXIT_FAILURE);

	if (kill(pid, sig) < 0 && errno != ESRCH)
		msg_die(errno == EPERM ? EX_NOPERM : EX_OSERR, "signal process %d: %s", (int)pid, strerror(errno));
	if (!control_wait(c, clock_deadline(config_time(c, "service_stop_timeout") + 5)))
		msg_die(EX_TEMPFAIL, "process %d still runs; see the log", (int)pid);
	say(o, sig == SIGQUIT ? "aborted" : "stopped", sig == SIGQUIT ? "aborting" : "stopping", c);
	return EX_OK;
}

static int
reload(const struct options *o, struct config *c)
{
	struct buf err = BUF_INIT(65536);
	struct services l;
	pid_t pid;

	/* what the supervisor would refuse is refused here, where it is seen */
	if (services_read(&l, c, o->config.overrides, &err) < 0)
		msg_die(EX_CONFIG, "not reloaded, all stays as it was: %s", err.data);
	services_free(&l);
	buf_free(&err);
	pid = running(o, c, EXIT_FAILURE);
	findings_warn(c);
	if (kill(pid, SIGHUP) < 0)
		msg_die(errno == EPERM ? EX_NOPERM : EX_OSERR, "signal process %d: %s", (int)pid, strerror(errno));
	say(o, "reloaded", "refreshing", c);
	return EX_OK;
}

/* postfix status: whether it runs at all, for scripts. */
static int
postfix_status(const struct options *o, struct config *c)
{
	pid_t pid = running(o, c, 0);

	if (pid)
		fprintf(stderr, AS_POSTFIX "the Postfix mail system is running: PID: %d\n", (int)pid);
	else
		fputs(AS_POSTFIX "the Postfix mail system is not running\n", stderr);
	return pid ? EX_OK : EXIT_FAILURE;
}

/* Runs another of our programs with -C; its exit status. option: one more word, or NULL. */
static int
run(struct config *c, const char *program, const char *verb, const char *option)
{
	char *argv[] = { mem_strdup(program), mem_strdup("-C"), mem_strdup(config_dir(c)), mem_strdup(verb),
		option ? mem_strdup(option) : NULL, NULL };
	struct proc p = { .argv = argv, .in = -1, .out = STDOUT_FILENO, .err = STDERR_FILENO, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = proc_spawn(&p);
	if (pid < 0)
		msg_die(EX_UNAVAILABLE, "run %s: %s", program, strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* All that a start would find, and what mtaconf(8) thinks of main.cf. */
static int
check(const struct options *o, struct config *c, bool fix)
{
	struct buf err = BUF_INIT(65536);
	struct services l = { 0 };
	int errors = layout_check(c, fix, warn_line), r;

	if (services_read(&l, c, o->config.overrides, &err) < 0) {
		msg_warn("error: %s", err.data);
		errors++;
	}
	if (!fix)
		errors += services_check(&l, c, warn_line);
	services_free(&l);
	buf_free(&err);
	r = fix ? EX_OK : run(c, "mtaconf", "check", NULL);
	return errors ? EX_CONFIG : r;
}

static int
do_verb(const struct options *o, struct config *c, const char *verb)
{
	if (strcmp(verb, "start") == 0 || strcmp(verb, "start-fg") == 0)
		return start(o, c, verb[5] != '\0');
	if (strcmp(verb, "stop") == 0)
		return stop(o, c, SIGTERM);
	if (strcmp(verb, "abort") == 0)
		return stop(o, c, SIGQUIT);
	if (strcmp(verb, "reload") == 0)
		return reload(o, c);
	if (strcmp(verb, "restart") == 0) {
		if (running(o, c, 0))
			stop(o, c, SIGTERM);
		return start(o, c, false);
	}
	if (strcmp(verb, "condrestart") == 0) {
		if (!running(o, c, 0))
			return EX_OK;
		stop(o, c, SIGTERM);
		return start(o, c, false);
	}
	if (strcmp(verb, "flush") == 0)
		return run(c, "mtaqueue", "flush", o->quiet || o->postfix ? "-q" : NULL);
	if (strcmp(verb, "check") == 0 || strcmp(verb, "configtest") == 0)
		return check(o, c, false);
	if (strcmp(verb, "set-permissions") == 0)
		return check(o, c, true);
	if (strcmp(verb, "status") == 0)
		return o->postfix ? postfix_status(o, c) : control_status(c);
	if (o->postfix)
		msg_die(EXIT_FAILURE, "fatal: unknown command: '%s'. Usage: %s", verb, postfix_usage);
	program_usage(o->usage, "\"%s\" is no command", verb);
}

static void
warn_problem(void *arg, const char *text)
{
	(void)arg;
	msg_warn("warning: %s", text);
}

/* A system that runs can be ended and looked at whatever has become of its main.cf. */
static struct config *
open_config(const struct options *o, const char *verb)
{
	static const char *const lenient[] = { "stop", "abort", "status" };
	struct config *c;

	for (size_t i = 0; i < sizeof lenient / sizeof *lenient; i++)
		if (strcmp(verb, lenient[i]) == 0) {
			c = config_open_all(o->config.dir, o->config.overrides, warn_problem, NULL);
			if (!c)
				exit(EX_CONFIG);
			return c;
		}
	return config_from_options(&o->config);
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct config *c;
	char *dir;
	int letter, r;

	proc_sane_fds();
	msg_init(argv[0]);
	o.postfix = strcmp(msg_program, "postfix") == 0;
	o.usage = o.postfix ? postfix_usage : usage_text;
	opterr = 0;
	while ((letter = getopt(argc, argv, o.postfix ? ":c:C:DVvo:" : ":C:o:qV")) != -1) {
		switch (letter) {
		case 'D':
		case 'v':
			break;
		case 'q':
			o.quiet = true;
			break;
		default:
			program_option(&o.config, letter == 'c' ? 'C' : letter, o.usage);
		}
	}
	if (argc - optind != 1 && o.postfix)
		msg_die(EXIT_FAILURE, "fatal: one command. Usage: %s", postfix_usage); /* as there */
	if (argc - optind != 1)
		program_usage(o.usage, argc == optind ? "no command given" : "one command at a time");
	c = open_config(&o, argv[optind]);
	/* absolute: the supervisor works in / */
	o.config.dir = dir = mem_strdup(config_dir(c));
	r = do_verb(&o, c, argv[optind]);
	if (fflush(stdout) != 0 || ferror(stdout))
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	config_close(&c);
	free(o.config.overrides);
	free(dir);
	return r;
}

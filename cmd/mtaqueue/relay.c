/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue serve, one request: the verb runs as it does for a caller of its own, in a process of its own, because it may end
 * by exit(3) anywhere and may be ended at any time. What it prints goes to the client in pieces:
 *   out N, err N   N bytes of standard output or standard error follow the line
 *   exit N         it is over, with this status
 * The process is killed as soon as the client has gone; each change of the queue is one rename, done or not done. */
#include "sys/proc.h"
#include "sys/server.h"
#include "showq.h"

#include "base/clock.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define GUEST_NICE 10             /* mail comes before who looks at it */
#define CPU_SECONDS 600           /* of one request */
#define TICK_MS 1000              /* a signal that comes just before poll(2) is noticed then */
#define GRACE 2                   /* seconds for what is under way when the mail system stops */

struct sending {
	const struct server_peer *peer;
	int64_t deadline;
	bool stopping;
	bool gone;                /* the client; or it is too late */
	bool cut;                 /* within a piece: nothing can be said any more */
};

/* Whether to go on: shortens the time when the server is about to end. */
static bool
in_time(struct sending *s)
{
	if (server_stopping() && !s->stopping) {
		int64_t soon = clock_deadline(GRACE);

		s->stopping = true;
		s->deadline = soon < s->deadline ? soon : s->deadline;
	}
	return clock_mono() < s->deadline;
}

/* Never waits for longer than a tick without a look at the clock: a client may stop reading for ever. */
static void
send_all(struct sending *s, const char *data, size_t n)
{
	while (n > 0 && !s->gone) {
		struct pollfd p = { .fd = s->peer->wfd, .events = POLLOUT };
		ssize_t k;

		if (poll(&p, 1, TICK_MS) <= 0) {
			s->gone = !in_time(s);
			continue;
		}
		if (s->peer->terminal) /* a pipe that is ready takes so much */
			k = write(s->peer->wfd, data, n < 4096 ? n : 4096);
		else
			k = send(s->peer->wfd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (k > 0) {
			data += k;
			n -= (size_t)k;
		} else if (k < 0 && errno != EAGAIN && errno != EINTR) {
			s->gone = true;
		}
	}
	s->cut = n > 0;
}

static void
send_piece(struct sending *s, const char *what, const char *data, size_t n)
{
	char line[32];

	send_all(s, line, (size_t)snprintf(line, sizeof line, "%s %zu\n", what, n));
	if (!s->cut)
		send_all(s, data, n);
}

static void
send_exit(struct sending *s, int status, const char *program, const char *text)
{
	struct buf b = BUF_INIT(8192);
	char line[32];

	if (text) {
		buf_addf(&b, "%s: %s\n", program, text);
		send_piece(s, "err", b.data, b.len);
	}
	if (!s->cut)
		send_all(s, line, (size_t)snprintf(line, sizeof line, "exit %d\n", status));
	buf_free(&b);
}

void
relay_refuse(const struct server_peer *peer, int status, const char *program, const char *text)
{
	struct sending s = { .peer = peer, .deadline = clock_deadline(GRACE) };

	send_exit(&s, status, program ? program : "mtaqueue", text);
}

/* Signals as usual, no descriptor of the server's, bounds on what it may use. */
static void
settle(pid_t parent, const int out[2], uint64_t memory)
{
	const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS };
	static const int usual[] = { SIGTERM, SIGHUP, SIGINT };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		signal(usual[i], SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out[0], STDOUT_FILENO) < 0 || dup2(out[1], STDERR_FILENO) < 0)
		_exit(EX_TEMPFAIL);
	for (int fd = 3; fd < 1024 && close_range(3, ~0U, 0) < 0; fd++)
		close(fd);
	setrlimit(RLIMIT_CPU, &cpu);
	(void)!nice(GUEST_NICE);
	(void)proc_limit_memory(memory);
}

static void __attribute__((noreturn))
work(struct config *config, const struct verb *verb, const struct guest *guest)
{
	const struct request *r = guest->request;
	struct app app = { .config = config, .verb = verb->name, .usage = verb->usage, .guest = guest };
	struct buf err = BUF_INIT(4096);
	int status;

	msg_sink = NULL;
	msg_program = r->program;
	if (r->tz)
		setenv("TZ", r->tz, 1);
	else
		unsetenv("TZ");
	tzset();
	if (queue_open(&app.queue, config_str(config, "queue_directory"), false, &err) < 0)
		msg_die(EX_UNAVAILABLE, "%s", err.data);
	status = verb->run(&app, (int)r->args, r->arg);
	check_output();
	exit(status);
}

/* Passes on what comes through the pipes until both are closed, the client has gone, or it is too late. */
static void
pump(struct sending *s, int pipe[2])
{
	struct pollfd p[3] = { { .fd = pipe[0], .events = POLLIN }, { .fd = pipe[1], .events = POLLIN }, { .fd = s->peer->wfd } };
	static const char *const what[] = { "out", "err" };
	static char data[SHOWQ_DATA_MAX];

	while (!s->gone && (p[0].fd >= 0 || p[1].fd >= 0)) {
		int n = poll(p, 3, TICK_MS);

		s->gone = !in_time(s) || (n > 0 && p[2].revents);
		for (int i = 0; i < 2 && n > 0 && !s->gone; i++) {
			ssize_t k = p[i].revents ? read(p[i].fd, data, sizeof data) : -1;

			if (k > 0)
				send_piece(s, what[i], data, (size_t)k);
			else if (k == 0)
				p[i].fd = -1;
		}
	}
}

/* The process has ended by itself or is to be ended. */
static void
finish(struct sending *s, pid_t pid, const char *program)
{
	bool late = !in_time(s);
	int status = 0;
	pid_t r;

	if (s->gone)
		kill(pid, SIGKILL);
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (s->gone && late && !s->cut) { /* a client that still listens learns why */
		struct sending last = { .peer = s->peer, .deadline = clock_deadline(GRACE) };

		send_exit(&last, EX_TEMPFAIL, program, s->stopping ? "the mail system is being stopped" : "this took too long");
	} else if (!s->gone && WIFEXITED(status)) {
		send_exit(s, WEXITSTATUS(status), NULL, NULL);
	} else if (!s->gone) {
		send_exit(s, EX_TEMPFAIL, program, WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL ? "this took too long" : "the server failed");
	}
}

void
relay(const struct server_peer *peer, struct config *config, const struct verb *verb, const struct guest *guest)
{
	struct sending s = { .peer = peer, .deadline = clock_deadline(SHOWQ_SECONDS) };
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	const char *program = guest->request->program;
	pid_t parent = getpid(), pid = -1;

	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0) {
		settle(parent, (const int[]){ out[1], err[1] }, (uint64_t)config_size(config, "default_vsz_limit"));
		work(config, verb, guest);
	}
	for (int i = 0; i < 2; i++) {
		int *own = i ? err : out;

		if (own[1] >= 0)
			close(own[1]);
	}
	if (pid > 0) {
		pump(&s, (int[]){ out[0], err[0] });
		finish(&s, pid, program);
	} else {
		relay_refuse(peer, EX_TEMPFAIL, program, "the server has no resources for another process");
	}
	if (out[0] >= 0)
		close(out[0]);
	if (err[0] >= 0)
		close(err[0]);
}

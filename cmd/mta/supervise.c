/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The supervisor: one small process that holds the lock, starts the services, starts one again that has died (after
 * fork_delay, twice as long each time it dies within a minute, a minute at most), and ends them all. It reads nothing from
 * the network. SIGTERM: orderly stop; SIGQUIT: abort; SIGHUP: reads main.cf again, tells every service to, starts and stops
 * services as main.cf says now. When it is killed itself, the kernel sends its services SIGTERM. */
#include "mta.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define TICK 10                       /* milliseconds between looks while services start */
#define DELAY_MAX 60                  /* seconds */
#define SETTLED 60                    /* a service that lived this many seconds has not died young */

enum phase { STARTING, RUNNING, STOPPING };

struct supervisor {
	struct config *c;
	const struct config_options *options;
	struct services l;
	int signals;
	int notices;              /* datagram socket where services say READY=1, as to systemd (sd_notify(3)) */
	struct buf notify;        /* its path, "" when there is none */
	int log_fd;               /* maillog_file, or -1 */
	int report;               /* to "mta start"; -1 once it has its answer */
	enum phase phase;
	int64_t deadline;         /* of STARTING or STOPPING */
	int status;               /* to exit with */
};

/* Standard error of services. */
static void
open_log(struct supervisor *v)
{
	const char *path = config_str(v->c, "maillog_file");
	int fd = *path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640) : -1;

	if (v->log_fd >= 0)
		close(v->log_fd);
	v->log_fd = fd;
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	log_open(v->c, "master");
}

/* Tells "mta start" how it went; "" is well. */
static void
report(struct supervisor *v, const char *text)
{
	if (v->report < 0)
		return;
	(void)!write(v->report, text, strlen(text) + 1);
	close(v->report);
	v->report = -1;
}

static void
signal_all(struct supervisor *v, int sig, bool groups)
{
	for (size_t i = v->l.n; i-- > 0;)
		if (v->l.s[i].pid)
			kill(groups ? -v->l.s[i].pid : v->l.s[i].pid, sig);
}

static void
begin_stop(struct supervisor *v, int status)
{
	if (v->phase == STOPPING)
		return;
	v->phase = STOPPING;
	v->status = status;
	v->deadline = clock_deadline(config_time(v->c, "service_stop_timeout"));
	signal_all(v, SIGTERM, false);
}

/* Sets when a service is started again; the seconds until then. */
static int
retry_later(struct supervisor *v, struct service *s)
{
	int64_t delay = config_time(v->c, "fork_delay");

	for (int i = 0; i < s->deaths && delay < DELAY_MAX; i++)
		delay = delay ? delay * 2 : 1;
	if (delay > DELAY_MAX)
		delay = DELAY_MAX;
	s->deaths++;
	s->retry = clock_deadline(delay);
	return (int)delay;
}

static void
start_service(struct supervisor *v, struct service *s)
{
	struct buf err = BUF_INIT(65536);

	if (service_spawn(s, v->c, v->notify.len ? v->notify.data : NULL, v->log_fd, &err) < 0) {
		log_error("%s", err.data);
		if (v->phase == STARTING) {
			report(v, err.data);
			begin_stop(v, EX_UNAVAILABLE);
		} else {
			(void)retry_later(v, s);
		}
	}
	buf_free(&err);
}

/* What a service has written to its standard error, to the log, line by line. */
static void
drain(struct service *s)
{
	char data[4096];
	ssize_t n;
	char *line, *save = NULL;

	while ((n = read(s->err, data, sizeof data - 1)) > 0) {
		data[n] = '\0';
		if (s->said.len > 16384)
			buf_drop(&s->said, s->said.len / 2);
		buf_add(&s->said, data, (size_t)n);
		for (line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			log_warn("service %s: %s", s->name, line);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(s->err);
		s->err = -1;
	}
}

/* A service has ended. */
static void
ended(struct supervisor *v, struct service *s, int status)
{
	struct buf text = BUF_INIT(131072);
	pid_t pid = s->pid;
	bool settled = clock_mono() - s->started > SETTLED * (int64_t)1000000;

	if (s->err >= 0)
		drain(s);
	if (s->err >= 0) {
		close(s->err);
		s->err = -1;
	}
	kill(-pid, SIGKILL); /* whatever it left behind */
	s->pid = 0;
	service_pidfile(s, v->c);
	if (v->phase == STOPPING || !s->wanted) {
		buf_free(&text);
		return;
	}
	service_epitaph(s, v->c, pid, status, &text);
	if (v->phase == STARTING) {
		report(v, text.data);
		begin_stop(v, EX_UNAVAILABLE);
	} else {
		s->deaths = settled ? 0 : s->deaths;
		log_warn("%s; it is started again in %d s", text.data, retry_later(v, s));
	}
	buf_free(&text);
}

static void
reap(struct supervisor *v)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < v->l.n; i++)
			if (v->l.s[i].pid == pid)
				ended(v, &v->l.s[i], status);
}

/* The socket for notices. Without one services are asked by connecting to them. */
static void
open_notices(struct supervisor *v)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;

	buf_init(&v->notify, sizeof sun.sun_path - 1);
	v->notices = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->notices < 0 || buf_addf(&v->notify, "%s/%s/notify", config_str(v->c, "queue_directory"), config_str(v->c, "process_id_directory")) < 0)
		return;
	memcpy(sun.sun_path, v->notify.data, v->notify.len + 1);
	(void)unlink(v->notify.data);
	/* open to all users: who has sent a notice is known from the kernel */
	mask = umask(0111);
	if (setsockopt(v->notices, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0 ||
	    bind(v->notices, (struct sockaddr *)&sun, sizeof sun) < 0)
		buf_clear(&v->notify);
	umask(mask);
}

/* Takes what has come: READY=1 from a process in the session of a service. */
static void
take_notices(struct supervisor *v)
{
	char data[256], control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part = { data, sizeof data - 1 };
	ssize_t n;

	for (;;) {
		struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
		struct ucred from = { 0 };

		if ((n = recvmsg(v->notices, &m, 0)) < 0)
			return;
		data[n] = '\0';
		for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
			if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS)
				memcpy(&from, CMSG_DATA(h), sizeof from);
		for (size_t i = 0; i < v->l.n; i++)
			if (v->l.s[i].pid && from.pid > 0 && getsid(from.pid) == v->l.s[i].pid && strstr(data, "READY=1"))
				v->l.s[i].ready = true;
	}
}

/* Services in STARTING that are ready by now. */
static void
look(struct supervisor *v)
{
	struct buf why = BUF_INIT(65536);
	size_t ready = 0;

	for (size_t i = 0; i < v->l.n; i++) {
		struct service *s = &v->l.s[i];

		buf_clear(&why);
		s->ready = s->ready || service_ready(s, v->c, &why);
		ready += s->ready;
		if (!s->ready && clock_mono() >= v->deadline) {
			struct buf text = BUF_INIT(131072);

			buf_addf(&text, "service %s (process %d) runs and does not answer: %s", s->name, (int)s->pid, why.data);
			log_error("%s", text.data);
			report(v, text.data);
			buf_free(&text);
			begin_stop(v, EX_UNAVAILABLE);
			break;
		}
	}
	if (v->phase == STARTING && ready == v->l.n) {
		v->phase = RUNNING;
		log_info("daemon started -- version %s, configuration %s", VERSION, config_dir(v->c));
		report(v, "");
	}
	buf_free(&why);
}

static bool
same_command(char **a, char **b)
{
	while (*a && *b && strcmp(*a, *b) == 0)
		a++, b++;
	return !*a && !*b;
}

/* Takes over the services of a new configuration: those that are as they were get SIGHUP, new ones are started, others are
 * ended (one with another command line: ended and started again). */
static void
adopt(struct supervisor *v, struct services *fresh)
{
	struct services old = v->l;

	v->l = *fresh;
	for (size_t i = 0; i < old.n; i++) {
		struct service *was = &old.s[i], *now = services_find(&v->l, was->name);

		if (now && same_command(was->argv, now->argv)) {
			now->pid = was->pid;
			now->started = was->started;
			now->ready = was->ready;
			now->deaths = was->deaths;
			now->retry = was->retry;
			now->err = was->err;
			now->hup = now->pid != 0;
		} else if (was->pid) {
			log_info("service %s: ended (process %d)", was->name, (int)was->pid);
			kill(was->pid, SIGTERM);
			while (waitpid(was->pid, NULL, 0) < 0 && errno == EINTR)
				;
			was->pid = 0;
			service_pidfile(was, v->c);
		}
	}
	services_free(&old);
	for (size_t i = 0; i < v->l.n; i++)
		if (!v->l.s[i].pid && v->l.s[i].retry == CLOCK_NEVER)
			start_service(v, &v->l.s[i]);
}

static void
reload(struct supervisor *v)
{
	struct buf err = BUF_INIT(65536);
	struct services fresh;
	struct config *c = config_open(v->options->dir, v->options->overrides, &err);

	if (!c || services_read(&fresh, c, v->options->overrides, &err) < 0) {
		log_error("reload: %s; all stays as it was", err.data);
		config_close(&c);
	} else {
		config_close(&v->c);
		v->c = c;
		open_log(v);
		log_info("reload -- version %s, configuration %s", VERSION, config_dir(c));
		adopt(v, &fresh);
	}
	buf_free(&err);
}

static void
take_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;

	while (read(v->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			if (v->phase != STOPPING)
				log_info("stopping on signal %d from process %d", (int)info.ssi_signo, (int)info.ssi_pid);
			report(v, "stopped while starting");
			begin_stop(v, EX_OK);
			break;
		case SIGQUIT:
			log_info("aborting");
			report(v, "aborted while starting");
			begin_stop(v, EX_OK);
			signal_all(v, SIGKILL, true);
			break;
		case SIGHUP:
			if (v->phase == RUNNING)
				reload(v);
			break;
		default:
			break;
		}
	}
	reap(v);
}

/* Milliseconds until something is due. */
static int
wait_time(const struct supervisor *v)
{
	int64_t next = v->phase == STOPPING ? v->deadline : CLOCK_NEVER;

	if (v->phase == STARTING)
		return TICK;
	for (size_t i = 0; v->phase == RUNNING && i < v->l.n; i++)
		if (v->l.s[i].hup)
			return TICK;
		else if (!v->l.s[i].pid && v->l.s[i].retry < next)
			next = v->l.s[i].retry;
	return clock_left_ms(next);
}

/* One turn: waits, then does what is due. */
static void
turn(struct supervisor *v)
{
	struct pollfd *fds = mem_array(v->l.n + 2, sizeof *fds);

	for (size_t i = 0; i < v->l.n; i++)
		fds[i] = (struct pollfd){ .fd = v->l.s[i].err, .events = POLLIN };
	fds[v->l.n] = (struct pollfd){ .fd = v->signals, .events = POLLIN };
	fds[v->l.n + 1] = (struct pollfd){ .fd = v->notices, .events = POLLIN };
	if (poll(fds, v->l.n + 2, wait_time(v)) > 0)
		for (size_t i = 0; i < v->l.n; i++)
			if (fds[i].revents)
				drain(&v->l.s[i]);
	take_notices(v);
	free(fds);
	take_signals(v);
	if (v->phase == STARTING)
		look(v);
	for (size_t i = 0; v->phase == RUNNING && i < v->l.n; i++) {
		struct service *s = &v->l.s[i];

		if (!s->pid && clock_mono() >= s->retry)
			start_service(v, s);
		if (s->hup && (!s->pid || service_settled(s))) {
			if (s->pid)
				kill(s->pid, SIGHUP);
			s->hup = false;
		}
	}
	if (v->phase == STOPPING && clock_mono() >= v->deadline) {
		log_warn("services did not end within service_stop_timeout: they are killed");
		signal_all(v, SIGKILL, true);
		v->deadline = clock_deadline(DELAY_MAX);
	}
}

static bool
any_left(const struct supervisor *v)
{
	for (size_t i = 0; i < v->l.n; i++)
		if (v->l.s[i].pid)
			return true;
	return false;
}

void
supervise(struct config *c, const struct config_options *o, struct services *l, int lock, int to)
{
	struct supervisor v = { .c = c, .options = o, .l = *l, .log_fd = -1, .report = to };
	struct buf text = BUF_INIT(64);
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&set, (int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT }[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	v.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (v.signals < 0)
		msg_die(EX_OSERR, "signalfd: %s", strerror(errno));
	buf_addf(&text, "%d\n", (int)getpid());
	if (ftruncate(lock, 0) < 0 || pwrite(lock, text.data, text.len, 0) < 0)
		msg_die(EX_IOERR, "write the pid file: %s", strerror(errno));
	buf_free(&text);
	open_log(&v);
	open_notices(&v);
	v.deadline = clock_deadline(config_time(c, "service_start_timeout"));
	for (size_t i = 0; i < v.l.n && v.phase == STARTING; i++)
		start_service(&v, &v.l.s[i]);
	while (v.phase != STOPPING || any_left(&v))
		turn(&v);
	log_info("stopped");
	if (v.notify.len)
		(void)unlink(v.notify.data);
	(void)!ftruncate(lock, 0);
	exit(v.status);
}

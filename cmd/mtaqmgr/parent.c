/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See parent.h; the packets are described in starter.c. What the child says is not trusted. A transport is a name to look up; the
 * user is found out here, from the recipient that the child names (identity.h); the values that it gives for a command's
 * arguments are those of a message, and never the program; a process to kill is one that was started here; there are no more
 * processes than the configuration allows. */
#include "parent.h"

#include "identity.h"
#include "manager.h"
#include "starter.h"

#include "mail/config.h"
#include "mail/log.h"

#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define TRANSPORT_MAX 1024
#define PROCESSES_MAX 10000       /* of all transports together */
#define ANSWERS_MAX 50000         /* that wait: a child that never reads is not at its work */

/* An answer that the child has not made room for. */
struct answer {
	char *text;
	size_t n;
	int fd;
	struct answer *next;
};

struct running {
	pid_t pid;
	char *transport;
};

struct parent {
	struct config *config;
	const struct config_options *options;
	int sock;
	pid_t child;
	int status;               /* of the child */
	bool ended;
	struct running *agents;
	size_t n, cap;
	struct answer *waiting, **last;      /* in order; last is of use while there is one */
	size_t answers;
};

/* False: the child has to read first. One that is gone has got it. */
static bool
sent(struct parent *p, const char *text, size_t n, int fd)
{
	return starter_send(p->sock, text, n, &fd, fd >= 0, MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* Never waits for the child: it may be waiting for us to read its requests. */
static void
reply(struct parent *p, const char *text, size_t n, int fd)
{
	struct answer *a;

	if (!p->waiting && sent(p, text, n, fd))
		return;
	a = mem_zalloc(sizeof *a);
	a->text = mem_strndup(text, n);
	a->n = n;
	a->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	*(p->waiting ? p->last : &p->waiting) = a;
	p->last = &a->next;
	if (++p->answers == ANSWERS_MAX) {
		log_error("the unprivileged process reads no answers: it is ended");
		kill(p->child, SIGKILL);
	}
}

static void
send_waiting(struct parent *p)
{
	struct answer *a;

	while ((a = p->waiting) != NULL && sent(p, a->text, a->n, a->fd)) {
		p->waiting = a->next;
		p->answers--;
		if (a->fd >= 0)
			close(a->fd);
		free(a->text);
		free(a);
	}
}

static void
remember(struct parent *p, pid_t pid, const char *transport)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->agents = mem_resize(p->agents, p->cap, sizeof *p->agents);
	}
	p->agents[p->n++] = (struct running){ pid, mem_strdup(transport) };
}

static bool
known(const struct parent *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->agents[i].pid == pid)
			return true;
	return false;
}

/* The manager keeps to the limit; one that it has let go may still be about to end, so we allow twice as many. */
static bool
too_many(struct parent *p, const char *transport)
{
	int64_t limit = config_transport(p->config, transport, "process_limit", "default_process_limit");
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += strcmp(p->agents[i].transport, transport) == 0;
	return p->n >= PROCESSES_MAX || (limit > 0 && n >= 2 * (size_t)limit + 10);
}

/* Names of transports are words: no path, nothing that main.cf could take for something else. */
static bool
name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < TRANSPORT_MAX &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

/* The words of a request: "start TURN TRANSPORT KIND", then the name, then attributes. Cuts text apart. */
struct request {
	unsigned long turn;
	const char *transport, *attrs;
	struct identity who;
	size_t n;
};

static bool
parse(struct request *r, char *text, size_t n)
{
	char *kind, *name = text + strlen(text) + 1, *end = text + n;
	int at = 0;

	*r = (struct request){ 0 };
	if (sscanf(text, "start %lu %n", &r->turn, &at) != 1 || at == 0 || name >= end || !memchr(name, '\0', (size_t)(end - name)))
		return false;
	r->transport = text + at;
	kind = strchr(r->transport, ' ');
	if (!kind)
		return false;
	*kind++ = '\0';
	r->who.name = name;
	while (strcmp(kind, identity_kinds[r->who.kind]) != 0)
		if (++r->who.kind > IDENTITY_VIRTUAL)
			return false;
	r->attrs = name + strlen(name) + 1;
	r->n = (size_t)(end - r->attrs);
	return name_ok(r->transport);
}

static void
start(struct parent *p, char *text, size_t n, const int fds[2])
{
	struct buf out = BUF_INIT(4000), err = BUF_INIT(3000);
	struct request r;
	pid_t pid = -1;
	int sock = -1;

	if (!parse(&r, text, n))
		buf_adds(&err, "malformed request");
	else if (too_many(p, r.transport))
		buf_adds(&err, "there are more processes of this transport than its limit allows");
	else
		pid = starter_run(p->config, r.transport, &r.who, r.attrs, r.n, fds[0], fds[1], &sock, &err);
	if (pid > 0) {
		remember(p, pid, r.transport);
		buf_addf(&out, "started %lu %d", r.turn, (int)pid);
	} else {
		buf_addf(&out, "failed %lu %s", r.turn, err.data);
	}
	reply(p, out.data, out.len, sock);
	if (sock >= 0)
		close(sock);
	buf_free(&out);
	buf_free(&err);
}

/* One request of the child. False: it has gone. */
static bool
serve(struct parent *p)
{
	static char text[STARTER_REQUEST + 1];
	int fds[2], pid, sig;
	ssize_t n = starter_receive(p->sock, text, STARTER_REQUEST, fds, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (strncmp(text, "start ", 6) == 0)
		start(p, text, (size_t)n, fds);
	else if (sscanf(text, "kill %d %d", &pid, &sig) == 2 && known(p, pid) && (sig == SIGTERM || sig == SIGKILL))
		starter_signal(pid, sig);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return true;
}

static void
reap(struct parent *p)
{
	char text[64];
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == p->child) {
			p->ended = true;
			p->status = status;
			continue;
		}
		for (size_t i = 0; i < p->n; i++)
			if (p->agents[i].pid == pid) {
				free(p->agents[i].transport);
				p->agents[i--] = p->agents[--p->n];
			}
		snprintf(text, sizeof text, "exit %d %d", (int)pid, status);
		reply(p, text, strlen(text), -1);
	}
}

static void
reload(struct parent *p)
{
	struct buf err = BUF_INIT(65536);
	struct config *c = config_open(p->options->dir, p->options->overrides, &err);

	if (c) {
		config_close(&p->config);
		p->config = c;
		manager_default_privs(c);
		identity_reload(c);
		log_open(c, "qmgr");
	} else {
		log_warn("reload: %s", err.data);
	}
	buf_free(&err);
}

static void
take_signal(struct parent *p, int fd)
{
	struct signalfd_siginfo s;

	if (read(fd, &s, sizeof s) != (ssize_t)sizeof s)
		return;
	if (s.ssi_signo == SIGHUP)
		reload(p);
	if (s.ssi_signo == SIGCHLD)
		reap(p);
	else
		kill(p->child, (int)s.ssi_signo);
}

int
parent_run(struct config *c, const struct config_options *options, int sock, pid_t child)
{
	struct parent p = { .config = c, .options = options, .sock = sock, .child = child };
	struct pollfd polled[2] = { { .fd = sock, .events = POLLIN }, { .events = POLLIN } };
	sigset_t set;

	manager_default_privs(c);
	identity_reload(c);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	polled[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (polled[1].fd < 0)
		msg_die(EX_OSERR, "signalfd: %s", strerror(errno));
	reap(&p); /* a child that has ended already */
	while (!p.ended) {
		polled[0].events = p.waiting ? POLLIN | POLLOUT : POLLIN;
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			msg_die(EX_OSERR, "poll: %s", strerror(errno));
		if (polled[1].revents)
			take_signal(&p, polled[1].fd);
		if (polled[0].revents & POLLOUT)
			send_waiting(&p);
		if (polled[0].revents & ~POLLOUT && !serve(&p))
			polled[0].fd = -1;
	}
	config_close(&p.config);
	for (size_t i = 0; i < p.n; i++) {
		kill(-p.agents[i].pid, SIGKILL); /* only a one-shot command leads a group: see starter_end */
		free(p.agents[i].transport);
	}
	free(p.agents);
	if (WIFSIGNALED(p.status))
		log_error("the unprivileged process was killed by signal %d", WTERMSIG(p.status));
	return WIFEXITED(p.status) ? WEXITSTATUS(p.status) : EX_SOFTWARE;
}

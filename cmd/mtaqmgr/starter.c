/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See starter.h. Packets to the parent:
 *   start <turn> <transport> <kind> NUL <name> NUL name=value NUL ...    with the command's input and output for a one-shot agent;
 *                                       kind and name are those of identity.h
 *   kill <pid> <signal>
 * and from it:
 *   started <turn> <pid>                with the connection to a resident agent
 *   failed <turn> <text>
 *   exit <pid> <status> */
#include "starter.h"

#include "command.h"
#include "identity.h"
#include "loop.h"
#include "manager.h"

#include "mail/config.h"
#include "mail/log.h"
#include "sys/proc.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct watch parent = { .fd = -1 };
static struct child *children;
static unsigned long turns;

ssize_t
starter_send(int sock, const void *data, size_t n, const int *fds, size_t count, int flags)
{
	union { char space[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { (void *)(uintptr_t)data, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (count) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof *fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof *fds);
		memcpy(CMSG_DATA(c), fds, count * sizeof *fds);
	}
	do
		r = sendmsg(sock, &m, MSG_NOSIGNAL | flags);
	while (r < 0 && errno == EINTR);
	return r;
}

ssize_t
starter_receive(int sock, void *data, size_t n, int fds[2], int flags)
{
	union { char space[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { data, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t r;

	fds[0] = fds[1] = -1;
	do
		r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | flags);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) < 2 * sizeof(int) ? sizeof(int) : 2 * sizeof(int));
	return r;
}

/* PATH, the configuration, the time zone and language: no more of our environment goes to an agent. */
static char **
make_env(struct config *c)
{
	static const char *const kept[] = { "TZ", "LANG", "JOURNAL_STREAM" };
	char **env = mem_array(6, sizeof *env);
	struct buf b = BUF_INIT(65536);
	size_t n = 0;

	env[n++] = mem_strdup("PATH=/usr/local/bin:/usr/bin:/bin");
	buf_addf(&b, "MTA_CONFIG=%s", config_dir(c));
	env[n++] = buf_steal(&b);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		const char *v = getenv(kept[i]);

		if (v && buf_addf(&b, "%s=%s", kept[i], v) == 0)
			env[n++] = buf_steal(&b);
	}
	buf_free(&b);
	return env;
}

pid_t
starter_run(struct config *c, const char *transport, const struct identity *who, const char *attrs, size_t n, int in, int out,
    int *sock, struct buf *err)
{
	struct agent_command *a = command_get(c, transport, err);
	/* it must not go on delivering when nobody is left to hear of it: another manager would deliver again */
	struct proc p = { .in = in, .out = out, .err = STDERR_FILENO, .death_signal = SIGTERM };
	int pair[2] = { -1, -1 };
	char **argv, **env;
	pid_t pid = -1;

	*sock = -1;
	if (!a)
		return -1;
	argv = identity_set(&p, c, a, who, err) < 0 ? NULL : command_expand(c, a, attrs, n, err);
	env = make_env(c);
	p.argv = argv;
	p.envp = env;
	p.session = !a->resident;
	if (argv && a->resident && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		buf_addf(err, "socketpair: %s", strerror(errno));
	else if (argv) {
		p.in = a->resident ? pair[1] : in;
		p.out = a->resident ? -1 : out;
		pid = proc_spawn(&p);
		if (pid < 0)
			buf_addf(err, "run %s: %s", argv[0], strerror(errno));
	}
	if (pair[1] >= 0)
		close(pair[1]);
	if (pid >= 0)
		*sock = pair[0];
	else if (pair[0] >= 0)
		close(pair[0]);
	command_free_argv(&argv);
	command_free_argv(&env);
	command_free(&a);
	return pid;
}

static void
add_child(struct child *c)
{
	c->pid = 0;
	c->turn = ++turns;
	c->next = children;
	children = c;
}

static void
remove_child(struct child *c)
{
	struct child **p = &children;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
}

static void
failed(struct child *c, const char *text)
{
	remove_child(c);
	c->started(c, -1, text);
}

static void
run_here(struct child *c, const char *transport, const struct identity *who, const char *attrs, size_t n, int in, int out)
{
	struct buf err = BUF_INIT(65536);
	int sock;

	add_child(c);
	c->pid = starter_run(manager.config, transport, who, attrs, n, in, out, &sock, &err);
	if (c->pid < 0)
		failed(c, err.data);
	else
		c->started(c, sock, NULL);
	buf_free(&err);
}

static void
ask_parent(struct child *c, const char *transport, const struct identity *who, const char *attrs, size_t n, const int *fds, size_t count)
{
	struct buf b = BUF_INIT(STARTER_REQUEST);

	add_child(c);
	buf_addf(&b, "start %lu %s %s", c->turn, transport, identity_kinds[who->kind]);
	buf_addc(&b, '\0');
	buf_adds(&b, who->name);
	buf_addc(&b, '\0');
	buf_add(&b, attrs, n);
	if (b.full || starter_send(parent.fd, b.data, b.len, fds, count, 0) < 0)
		failed(c, b.full ? "the attributes of the job are too large" : strerror(errno));
	buf_free(&b);
}

void
starter_resident(struct child *c, const char *transport, const struct identity *who)
{
	if (parent.fd < 0)
		run_here(c, transport, who, "", 0, -1, -1);
	else
		ask_parent(c, transport, who, "", 0, NULL, 0);
}

void
starter_oneshot(struct child *c, const char *transport, const struct identity *who, const char *attrs, size_t n, int in, int out)
{
	int fds[2] = { in, out };

	if (parent.fd < 0)
		run_here(c, transport, who, attrs, n, in, out);
	else
		ask_parent(c, transport, who, attrs, n, fds, 2);
}

void
starter_signal(pid_t pid, int sig)
{
	if (kill(-pid, sig) < 0)
		kill(pid, sig);
}

void
starter_end(void)
{
	for (struct child *c = children; c && parent.fd < 0; c = c->next) /* else the parent does it */
		if (c->pid > 0)
			kill(-c->pid, SIGKILL);
}

void
starter_kill(struct child *c, int sig)
{
	char text[64];

	if (c->pid <= 0)
		return;
	if (parent.fd < 0) {
		starter_signal(c->pid, sig);
		return;
	}
	snprintf(text, sizeof text, "kill %d %d", (int)c->pid, sig);
	starter_send(parent.fd, text, strlen(text), NULL, 0, 0);
}

static struct child *
find(unsigned long turn, pid_t pid)
{
	for (struct child *c = children; c; c = c->next)
		if (turn ? c->turn == turn : c->pid == pid)
			return c;
	return NULL;
}

static void
exited(pid_t pid, int status)
{
	struct child *c = find(0, pid);

	if (!c)
		return;
	remove_child(c);
	c->exited(c, status);
}

void
starter_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		exited(pid, status);
}

/* A packet of the parent. */
static void
take_packet(const char *text, int fd)
{
	struct child *c;
	unsigned long turn;
	int pid, status, at = 0;

	if (sscanf(text, "started %lu %d", &turn, &pid) == 2 && (c = find(turn, 0)) != NULL) {
		c->pid = pid;
		c->started(c, fd, NULL);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (sscanf(text, "failed %lu %n", &turn, &at) == 1 && at > 0 && turn && (c = find(turn, 0)) != NULL)
		failed(c, text + at);
	else if (sscanf(text, "exit %d %d", &pid, &status) == 2)
		exited(pid, status);
}

static void
parent_ready(struct watch *w)
{
	char text[4096];
	int fds[2];
	ssize_t n = starter_receive(w->fd, text, sizeof text - 1, fds, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		log_warn("the privileged parent is gone, ending");
		loop_end();
		return;
	}
	if (fds[1] >= 0)
		close(fds[1]);
	text[n] = '\0';
	take_packet(text, fds[0]);
}

void
starter_open(int sock)
{
	parent = (struct watch){ .fd = sock, .ready = parent_ready };
	if (sock >= 0)
		loop_watch(&parent);
}

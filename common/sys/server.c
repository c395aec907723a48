/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* How a server gets its connection, all five ways: see server.h. Sockets by sd_listen_fds(3)'s protocol, of inetd(8) wait
 * and nowait, of ucspi-tcp's tcpserver, of our own binding, or none. State is told to systemd where it asks for it
 * (sd_notify(3), Type=notify). */
#include "sys/server.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/listen.h"
#include "sys/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define FIRST_PASSED 3             /* SD_LISTEN_FDS_START */

void
server_listen_add(struct server *s, char *where)
{
	size_t n = 0;

	while (s->listen && s->listen[n])
		n++;
	s->listen = mem_resize(s->listen, n + 2, sizeof *s->listen);
	s->listen[n] = where;
	s->listen[n + 1] = NULL;
}

/* Tells the service manager, if there is one that listens. */
void
server_notify(const char *state)
{
	const char *where = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = where ? strlen(where) : 0;
	int fd;

	if (n < 2 || n >= sizeof sun.sun_path)
		return;
	memcpy(sun.sun_path, where, n);
	if (*where == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* The i-th of the colon-separated names says whether its socket speaks TLS from the first byte. */
static bool
named_tls(const char *names, int i)
{
	size_t n;

	while (names && i-- > 0) {
		names = strchr(names, ':');
		if (names)
			names++;
	}
	if (!names)
		return false;
	n = strcspn(names, ":");
	return (n == 3 || (n > 3 && names[3] == '-')) && strncmp(names, "tls", 3) == 0;
}

/* Takes what systemd passed. The connected socket, if there is one; -1 none; -2 after a line in the log. */
static int
passed_sockets(struct pool *p, bool *tls)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	int connected = -1;
	uint64_t n;

	if (!pid || !fds || num_u64(pid, INT32_MAX, &n) < 0 || (pid_t)n != getpid())
		return -1;
	if (num_u64(fds, 4096, &n) < 0) {
		pool_log(p->s, "LISTEN_FDS=%s is no number of sockets", fds);
		return -2;
	}
	for (int i = 0; i < (int)n; i++) {
		int fd = FIRST_PASSED + i, kind = listen_kind(fd);
		bool wrapped = p->s->limits.require_tls || named_tls(names, i);

		if (kind < 0) {
			pool_log(p->s, "LISTEN_FDS: descriptor %d is no stream socket", fd);
			return -2;
		}
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (kind == 1) {
			listen_add_fd(&p->listeners, fd, wrapped);
		} else if (connected < 0) {
			connected = fd;
			*tls = wrapped;
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return connected;
}

/* The one session that fd, or standard input and output, are. */
static void
single_peer(struct server_peer *peer, int fd, bool tls)
{
	socklen_t len = sizeof peer->addr;
	int one = 1;

	memset(peer, 0, sizeof *peer);
	peer->tls = tls;
	if (fd < 0) {
		peer->rfd = STDIN_FILENO;
		peer->wfd = STDOUT_FILENO;
		peer->uid = (uid_t)-1;
		peer->terminal = true;
		strcpy(peer->text, "stdin");
		strcpy(peer->local_text, "stdin");
		return;
	}
	(void)getpeername(fd, (struct sockaddr *)&peer->addr, &len);
	len = sizeof peer->local;
	(void)getsockname(fd, (struct sockaddr *)&peer->local, &len);
	if (peer->local.ss_family == AF_UNIX)
		peer->addr.ss_family = AF_UNIX;
	else
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	worker_peer(peer, fd);
}

static void
on_term(int sig)
{
	(void)sig;
	pool_stopping = 1;
}

/* One session, in this process if there is no need of a privileged one beside it. */
static int
serve_single(struct pool *p, int fd, bool tls)
{
	struct server *s = p->s;
	struct server_peer peer;
	int status;

	single_peer(&peer, fd, tls);
	if (s->monitor) {
		p->single = &peer;
		return pool_run(p);
	}
	worker_handle(SIGTERM, on_term);
	status = worker_drop(p);
	if (!status)
		status = worker_confine(s);
	if (status)
		return status;
	s->session(s->arg, &peer);
	return 0;
}

static int
bind_all_of(struct pool *p)
{
	struct buf err = BUF_INIT(8192);
	int status = 0;

	for (char **l = p->s->listen; !status && l && *l; l++)
		if (listen_add(&p->listeners, *l, p->s, &err) < 0) {
			status = errno == EINVAL ? EX_USAGE : errno == EACCES || errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
			pool_log(p->s, "%s", err.data);
		}
	if (status)
		listen_close(&p->listeners, true);
	buf_free(&err);
	return status;
}

int
server_run(struct server *s)
{
	struct pool p = { .s = s, .kick = { -1, -1 }, .ask = { -1, -1 } };
	bool tls = s->limits.require_tls;
	int status, fd, kind;

	worker_handle(SIGPIPE, SIG_IGN);
	if (s->setup && s->setup(s->arg) < 0)
		return EX_CONFIG;
	fd = passed_sockets(&p, &tls);
	if (fd == -2)
		return EX_USAGE;
	if (fd < 0) {
		status = bind_all_of(&p);
		if (status)
			return status;
		if (p.listeners.count == 0) {
			kind = listen_kind(STDIN_FILENO);
			if (kind == 1) {
				listen_add_fd(&p.listeners, STDIN_FILENO, tls);
				p.on_loan = true;
			} else if (kind == 0) {
				fd = STDIN_FILENO;
			}
		}
	}
	if (geteuid() == 0 && !s->limits.user)
		pool_log(s, "no user is set: sessions are served as root");
	status = worker_find_user(&p);
	if (status) {
		listen_close(&p.listeners, true);
		return status;
	}
	if (p.listeners.count == 0)
		return serve_single(&p, fd, tls);
	server_notify("READY=1");
	status = pool_run(&p);
	return status;
}

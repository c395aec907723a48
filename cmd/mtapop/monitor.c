/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Sessions under the right user. A worker is nobody in particular. When somebody has logged in whose mailbox belongs to
 * another user, the worker asks its parent, which is root and reads nothing from the network, and hands it the connection
 * (or, with TLS, one end of a socket pair, and relays from then on). The parent forks a process that asks mtaauth whether that
 * login, by that request and connection, has truly happened; then it becomes the user for ever, never root, and only
 * then serves the session. So a worker that somebody took over can reach no mailbox whose owner did not just log in.
 *
 * The request is lines of text: number of the auth request; process, connection and cookie of the auth connection; method;
 * addresses; "tls", "secure" or "plain". What follows the sixth line are bytes that the client has sent already. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/authclient.h"
#include "mail/log.h"
#include "mtapop.h"
#include "sys/proc.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, LINES = 6, MASTER_WAIT = 30, RELAY_IDLE = 120 };

static int
send_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, data, n, MSG_NOSIGNAL);

		if (k < 0 && errno != EINTR)
			return -1;
		if (k > 0) {
			data += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

/* Between the client (perhaps under TLS) and the process that serves it, until that one closes. */
static void
relay(struct session *s, int fd)
{
	struct pollfd p[2] = { { .fd = s->io.rfd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char *data, *block = mem_alloc(IO_BUFFER);
	int idle = (int)(s->p->timeout + RELAY_IDLE) * 1000;
	bool from_client = true;
	ssize_t k;
	size_t n;

	for (;;) {
		io_set_deadline(&s->io, clock_deadline(s->p->timeout));
		if (from_client && io_input_waits(&s->io)) {
			if (io_peek(&s->io, &data, &n) <= 0 || send_all(fd, data, n) < 0) {
				/* the client is gone: the session learns that, and ends */
				shutdown(fd, SHUT_WR);
				from_client = false;
				continue;
			}
			io_consume(&s->io, n);
			continue;
		}
		p[0].fd = from_client ? s->io.rfd : -1;
		if (poll(p, 2, idle) <= 0)
			break;
		if (!p[1].revents)
			continue;
		k = read(fd, block, IO_BUFFER);
		if (k <= 0 || io_write(&s->io, block, (size_t)k) < 0 || io_flush(&s->io) < 0)
			break;
	}
	free(block);
	close(fd);
}

int
monitor_hand_over(struct session *s, const char *method, uint32_t request_id)
{
	struct buf req = BUF_INIT(REQUEST_MAX);
	size_t pending = io_pending(&s->io);
	bool direct = !s->tls && s->io.rfd == s->io.wfd;
	int pair[2] = { -1, -1 }, r;
	char *data;
	size_t n;

	if (io_flush(&s->io) < 0)
		return 0; /* nobody is there any more */
	buf_addf(&req, "%u\n%s\n%s\n%s\n%s\n%s\n", request_id, authclient_cookie(s->p->auth), method, s->rip, s->lip,
		 s->tls ? "tls" : s->secure ? "secure" : "plain");
	if (direct && req.len + pending > REQUEST_MAX)
		direct = false;
	if (direct && pending > 0 && io_peek(&s->io, &data, &n) > 0)
		buf_add(&req, data, n);
	if (!direct && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	r = req.full ? -1 : server_ask(req.data, req.len, direct ? s->io.rfd : pair[1]);
	buf_free(&req);
	if (pair[1] >= 0)
		close(pair[1]);
	if (r < 0 && pair[0] >= 0)
		close(pair[0]);
	else if (r == 0 && !direct)
		relay(s, pair[0]);
	return r;
}

/* Asks mtaauth's master socket who logged in. 0 with user and fields, -1 with err. */
static int
ask_master(struct pop *p, const char *request_id, const char *connection, struct buf *user, struct buf *fields, struct buf *err)
{
	const char *path = config_str(p->config, "auth_master_socket"), *cookie = strrchr(connection, '\t');
	struct buf where = BUF_INIT(4096);
	int64_t deadline = clock_deadline(MASTER_WAIT);
	struct io io;
	char *line, *rest;
	size_t n;
	int fd, r = -1;

	buf_addf(&where, "unix:%s", path);
	fd = sock_connect(where.data, deadline, err);
	buf_free(&where);
	if (fd < 0)
		return -1;
	io_init(&io, fd, fd);
	io_set_deadline(&io, deadline);
	io_printf(&io, "VERSION\t1\t1\nREQUEST\t1\t%.*s\t%s\t%s\n", (int)strcspn(connection, "\t"), connection, request_id, cookie ? cookie + 1 : "");
	while ((r = io_line(&io, &line, &n, 16384)) > 0 && line[n - 1] == '\n') {
		line[n - 1] = '\0';
		if (strncmp(line, "VERSION\t", 8) != 0 && strncmp(line, "SPID\t", 5) != 0)
			break;
	}
	if (r > 0 && strncmp(line, "USER\t1\t", 7) == 0) {
		rest = line + 7;
		buf_adds(user, strsep(&rest, "\t"));
		buf_adds(fields, rest ? rest : "");
		r = 0;
	} else {
		buf_addf(err, "%s: %s", path, r > 0 ? "this login is not known there" : io_strerror(&io));
		r = -1;
	}
	io_close(&io);
	return r;
}

/* Becomes the owner of the mailbox (mail_owner, where the auth server names none): never root. 0 or -1 with err. */
static int
become(struct pop *p, const char *fields, struct buf *err)
{
	struct buf uid = BUF_INIT(16), gid = BUF_INIT(16);
	const struct passwd *pw;
	uint64_t u = 0, g = 0;
	int r = -1;

	if (auth_field(fields, "uid", NULL) != 1) {
		const char *owner = config_str(p->config, "mail_owner");

		r = proc_become(owner, (uid_t)-1, (gid_t)-1);
		if (r == 0 && geteuid() == 0)
			r = -1;
		if (r < 0)
			buf_addf(err, "become %s: %s", owner, geteuid() == 0 ? "not a user to serve a mailbox as" : strerror(errno));
	} else if (auth_field(fields, "uid", &uid) != 1 || num_u64(uid.data, UINT32_MAX - 1, &u) < 0 || u == 0)
		buf_addf(err, "not a user to serve a mailbox as: uid=%s", uid.data);
	else if (auth_field(fields, "gid", &gid) != 1 || num_u64(gid.data, UINT32_MAX - 1, &g) < 0 || g == 0)
		buf_addf(err, "not a group to serve a mailbox as: gid=%s", gid.data);
	else {
		pw = getpwuid((uid_t)u);
		r = proc_become(pw && pw->pw_gid == (gid_t)g ? pw->pw_name : NULL, (uid_t)u, (gid_t)g);
		if (r < 0)
			buf_addf(err, "become uid=%llu gid=%llu: %s", (unsigned long long)u, (unsigned long long)g, strerror(errno));
	}
	buf_free(&uid);
	buf_free(&gid);
	return r;
}

/* The session in the process of its own. */
static void
serve(struct pop *p, int fd, char *const line[LINES], const char *pending, size_t n)
{
	struct session s = { .p = p, .rip = line[3], .lip = line[4], .tls = strcmp(line[5], "tls") == 0 };
	struct buf user = BUF_INIT(1024), fields = BUF_INIT(16384), err = BUF_INIT(4096);
	int r = ask_master(p, line[0], line[1], &user, &fields, &err);

	s.secure = s.tls || strcmp(line[5], "secure") == 0;
	if (r == 0)
		r = become(p, fields.data, &err);
	proc_harden();
	s.confine = true;
	io_init(&s.io, fd, fd);
	s.io.stopping = server_stopping;
	session_begin(&s);
	io_set_deadline(&s.io, clock_deadline(p->timeout));
	if (r == 0) {
		memcpy(s.io.in, pending, n);
		s.io.in_end = n;
		s.user = mem_strdup(user.data);
		login_done(&s, line[2], fields.data);
		session_loop(&s);
	} else {
		log_error("pop3(%s): %s", user.data, err.data);
		reply(&s, "-ERR [SYS/TEMP] Login is not possible now.");
	}
	io_close(&s.io);
}

void
monitor_request(void *arg, int fd, const void *request, size_t n)
{
	static const char busy[] = "-ERR [SYS/TEMP] Too many sessions.\r\n";
	char *copy, *line[LINES], *at;
	pid_t pid;

	if (fd < 0)
		return;
	pid = server_fork();
	if (pid > 0)
		return;
	if (pid < 0) {
		log_warn("fork a session: %s", strerror(errno));
		(void)send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	/* the child: the request is taken apart here, where a mistake hurts one session */
	at = copy = mem_alloc(n + 1); /* not as a string: what the client has sent may hold NUL, and so may a hostile worker's lines */
	memcpy(copy, request, n);
	copy[n] = '\0';
	for (int i = 0; i < LINES; i++) {
		line[i] = at;
		at = at ? memchr(at, '\n', (size_t)(copy + n - at)) : NULL;
		if (!at)
			_exit(1);
		*at++ = '\0';
	}
	serve(arg, fd, line, at, (size_t)(copy + n - at));
	_exit(0);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Listening sockets: see listen.h. Forms of -l: "host:port", "[v6]:port", "port" (on each of inet_interfaces),
 * "unix:/path", each with "tls:" before it for TLS from the first byte. */
#include "sys/listen.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_MAX 1025

int
listen_kind(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(int), slen = sizeof ss;
	int type, listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return -1;
	len = sizeof listening;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening)
		return 1;
	return getpeername(fd, (struct sockaddr *)&ss, &slen) == 0 || errno == ENOTCONN ? 0 : -1;
}

static bool
is_wildcard(const struct sockaddr_storage *ss)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	if (ss->ss_family == AF_INET) {
		memcpy(&four, ss, sizeof four);
		return four.sin_addr.s_addr == htonl(INADDR_ANY);
	}
	if (ss->ss_family == AF_INET6) {
		memcpy(&six, ss, sizeof six);
		return IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr);
	}
	return false;
}

static struct listener *
add(struct listeners *ls, int fd, bool tls)
{
	struct listener *l;
	socklen_t len = sizeof l->local;
	int one = 1, flags;

	ls->list = mem_resize(ls->list, ls->count + 1, sizeof *ls->list);
	l = &ls->list[ls->count++];
	memset(l, 0, sizeof *l);
	l->fd = fd;
	l->tls = tls;
	(void)getsockname(fd, (struct sockaddr *)&l->local, &len);
	l->wildcard = is_wildcard(&l->local);
	/* accepted connections inherit it: no system call for each of them */
	if (l->local.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* several workers wait for one connection: all but one find nothing */
	flags = fcntl(fd, F_GETFL);
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return l;
}

void
listen_add_fd(struct listeners *ls, int fd, bool tls)
{
	(void)add(ls, fd, tls);
}

/* "listen on WHERE: why" */
static int
complain(struct buf *err, const char *where, int e)
{
	buf_clear(err);
	buf_addf(err, "listen on %s: %s", where, strerror(e));
	errno = e;
	return -1;
}

static int
bind_inet(struct listeners *ls, const struct sockaddr *sa, socklen_t len, bool both, bool tls, struct buf *err)
{
	struct buf where = BUF_INIT(128);
	struct sockaddr_storage ss = { 0 };
	int fd, on = 1, only = !both, port, saved;
	char text[64];

	memcpy(&ss, sa, len);
	for (size_t i = 0; i < ls->count; i++) /* two names of one address, as "localhost, 127.0.0.1" */
		if (!ls->list[i].path && memcmp(&ls->list[i].local, &ss, sizeof ss) == 0)
			return 0;
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
	    && (sa->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0)
	    && bind(fd, sa, len) == 0 && listen(fd, SOMAXCONN) == 0) {
		add(ls, fd, tls);
		return 0;
	}
	saved = errno;
	if (fd >= 0)
		close(fd);
	sock_text(&ss, text, &port);
	buf_addf(&where, sa->sa_family == AF_INET6 ? "[%s]:%d" : "%s:%d", text, port);
	complain(err, where.data, saved);
	buf_free(&where);
	errno = saved;
	return -1;
}

/* Has this host no such address family, or no such address for a name that has others? */
static bool
not_here(int e)
{
	return e == EAFNOSUPPORT || e == EADDRNOTAVAIL || e == ENOPROTOOPT;
}

static int
bind_host(struct listeners *ls, const char *host, const char *port, const struct server *s, bool tls, struct buf *err)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *list, *a;
	size_t before = ls->count;
	int r, failed = 0, same = 0;

	/* configured families bind names; an address says itself what it is */
	hints.ai_family = s->ipv4 == s->ipv6 ? AF_UNSPEC : s->ipv4 ? AF_INET : AF_INET6;
	if (strchr(host, ':'))
		hints.ai_family = AF_INET6;
	r = getaddrinfo(host, port, &hints, &list);
	if (r) {
		buf_clear(err);
		buf_addf(err, strchr(host, ':') ? "listen on [%s]:%s: %s" : "listen on %s:%s: %s", host, port,
		    r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
		errno = EINVAL;
		return -1;
	}
	for (a = list; a && (!failed || not_here(failed)); a = a->ai_next)
		if (bind_inet(ls, a->ai_addr, a->ai_addrlen, false, tls, err) < 0)
			failed = errno;
		else
			same++;
	freeaddrinfo(list);
	if (!failed || (not_here(failed) && (ls->count > before || same)))
		return 0;
	errno = failed;
	return -1;
}

/* Any address: one socket for both families where the system can, so that a worker waits for one thing. */
static int
bind_all(struct listeners *ls, const char *port, const struct server *s, bool tls, struct buf *err)
{
	bool both = s->ipv4 == s->ipv6;
	int r = -1, e = EAFNOSUPPORT;

	for (int family = s->ipv6 || both ? AF_INET6 : AF_INET;; family = AF_INET) {
		struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM, .ai_family = family }, *list;
		int g = getaddrinfo(NULL, port, &hints, &list);

		if (g == 0) {
			r = bind_inet(ls, list->ai_addr, list->ai_addrlen, both, tls, err);
			e = errno;
			freeaddrinfo(list);
		} else {
			buf_clear(err);
			buf_addf(err, "listen on port %s: %s", port, gai_strerror(g));
			e = g == EAI_SERVICE ? EINVAL : EAFNOSUPPORT;
		}
		if (r == 0 || family == AF_INET || !both || !not_here(e))
			break;
	}
	errno = e;
	return r;
}

/* A bare port: on each of the configured interfaces. */
static int
bind_interfaces(struct listeners *ls, const char *port, const struct server *s, bool tls, struct buf *err)
{
	const char *at = s->interfaces ? s->interfaces : "all";
	int bound = 0;

	for (;;) {
		char host[HOST_MAX];
		const char *name = host;
		size_t n;
		int r;

		at += strspn(at, " \t\n\r,");
		n = strcspn(at, " \t\n\r,");
		if (n == 0)
			break;
		if (n >= sizeof host) {
			errno = EINVAL;
			buf_adds(err, "listen: the name of an interface is too long");
			return -1;
		}
		memcpy(host, at, n);
		host[n] = '\0';
		at += n;
		if (strcmp(host, "loopback-only") == 0)
			name = "localhost";
		else if (host[0] == '[' && host[n - 1] == ']') {
			host[n - 1] = '\0';
			name = host + 1;
		}
		r = strcmp(name, "all") == 0 ? bind_all(ls, port, s, tls, err) : bind_host(ls, name, port, s, tls, err);
		if (r < 0)
			return -1;
		bound++;
	}
	if (bound)
		return 0;
	buf_addf(err, "listen on port %s: no interface is configured", port);
	errno = EINVAL;
	return -1;
}

/* A socket file where nobody listens any more is removed. 0 try again, -1 in use or no socket. */
static int
remove_stale(const char *path)
{
	struct buf where = BUF_INIT(8192), err = BUF_INIT(8192);
	struct stat st;
	int fd, e, r = -1;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode))
		return -1;
	buf_addf(&where, "unix:%s", path);
	fd = sock_connect(where.data, clock_deadline(1), &err);
	e = errno;
	if (fd >= 0)
		close(fd);
	else if (e == ECONNREFUSED)
		r = unlink(path);
	buf_free(&where);
	buf_free(&err);
	return r;
}

static int
bind_unix(struct listeners *ls, const char *path, const struct server *s, bool tls, struct buf *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -2, r = -1, e = errno;
	struct buf where = BUF_INIT(8192);
	struct sockaddr_un sun;
	struct listener *l;
	struct stat st;
	socklen_t len;

	if (fd >= 0) {
		dir = sock_unix_addr(path, &sun, &len);
		e = errno;
	}
	if (dir > -2) {
		/* the mode is right from the first moment */
		mode_t mask = umask(0777 & ~s->unix_mode);

		r = bind(fd, (struct sockaddr *)&sun, len);
		e = errno;
		if (r < 0 && e == EADDRINUSE && remove_stale(path) == 0) {
			r = bind(fd, (struct sockaddr *)&sun, len);
			e = errno;
		}
		umask(mask);
		if (r == 0 && (r = listen(fd, SOMAXCONN)) < 0)
			e = errno;
		if (dir >= 0)
			close(dir);
	}
	if (r == 0) {
		l = add(ls, fd, tls);
		if (lstat(path, &st) == 0) {
			l->path = mem_strdup(path);
			l->dev = st.st_dev;
			l->ino = st.st_ino;
		}
		return 0;
	}
	if (fd >= 0)
		close(fd);
	buf_addf(&where, "unix:%s", path);
	complain(err, where.data, e);
	buf_free(&where);
	errno = e;
	return -1;
}

int
listen_add(struct listeners *ls, const char *where, const struct server *s, struct buf *err)
{
	struct buf host = BUF_INIT(HOST_MAX), port = BUF_INIT(64);
	bool tls = s->limits.require_tls;
	int r, saved;

	buf_clear(err);
	if (strncmp(where, "tls:", 4) == 0) {
		tls = true;
		where += 4;
	}
	if (strncmp(where, "unix:", 5) == 0)
		return bind_unix(ls, where + 5, s, tls, err);
	if (strncmp(where, "inet:", 5) == 0)
		where += 5;
	if (sock_split(where, &host, &port) < 0) {
		buf_addf(err, "listen on %s: not host:port, port or unix:/path", where);
		errno = EINVAL;
		r = -1;
	} else if (host.len == 0) {
		r = bind_interfaces(ls, port.data, s, tls, err);
	} else if (strcmp(host.data, "*") == 0) {
		r = bind_all(ls, port.data, s, tls, err);
	} else {
		r = bind_host(ls, host.data, port.data, s, tls, err);
	}
	saved = errno;
	buf_free(&host);
	buf_free(&port);
	errno = saved;
	return r;
}

void
listen_close(struct listeners *ls, bool remove)
{
	for (size_t i = 0; i < ls->count; i++) {
		struct listener *l = &ls->list[i];
		struct stat st;

		if (l->path && remove && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
			(void)unlink(l->path);
		free(l->path);
		if (l->fd >= 0)
			close(l->fd);
	}
	free(ls->list);
	ls->list = NULL;
	ls->count = 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Socket addresses in text, connecting, passing descriptors: see sock.h. */
#include "sys/sock.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int
sock_split(const char *text, struct buf *host, struct buf *port)
{
	const char *colon;

	buf_clear(host);
	buf_clear(port);
	if (*text == '[') {
		const char *end = strchr(text, ']');

		if (!end || end[1] != ':')
			return -1;
		buf_add(host, text + 1, (size_t)(end - text - 1));
		colon = end + 1;
	} else {
		colon = strchr(text, ':');
		if (colon)
			buf_add(host, text, (size_t)(colon - text));
	}
	buf_adds(port, colon ? colon + 1 : text);
	/* one colon too many is an IPv6 address without its brackets */
	if (port->len == 0 || strpbrk(port->data, ":[] /") || host->full || port->full)
		return -1;
	return 0;
}

int
sock_unix_addr(const char *path, struct sockaddr_un *sun, socklen_t *len)
{
	size_t n = strlen(path);
	const char *slash;
	char *dir;
	int fd;

	memset(sun, 0, sizeof *sun);
	sun->sun_family = AF_UNIX;
	*len = sizeof *sun;
	if (n < sizeof sun->sun_path) {
		memcpy(sun->sun_path, path, n + 1);
		return -1;
	}
	/* too long for the kernel's structure: the directory is opened and named by its descriptor */
	slash = strrchr(path, '/');
	if (!slash || strlen(slash) > 80) {
		errno = ENAMETOOLONG;
		return -2;
	}
	dir = mem_strndup(path, (size_t)(slash - path));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return -2;
	snprintf(sun->sun_path, sizeof sun->sun_path, "/proc/self/fd/%d%s", fd, slash);
	return fd;
}

/* Waits for a connection under way. 0, or -1 with errno. */
static int
finish_connect(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int r, e = 0;

	for (;;) {
		r = poll(&p, 1, clock_left_ms(deadline));
		if (r > 0)
			break;
		if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (errno != EINTR)
			return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		return -1;
	errno = e;
	return e ? -1 : 0;
}

int
sock_connect_addr(const struct sockaddr *sa, socklen_t n, const struct sockaddr *bind_to, socklen_t bind_len, int64_t deadline)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, saved;

	if (fd < 0)
		return -1;
	if (bind_to && bind(fd, bind_to, bind_len) < 0)
		goto fail;
	if (connect(fd, sa, n) < 0) {
		/* on a Unix socket EAGAIN means that the server's queue is full: that one is not under way */
		if (errno != EINPROGRESS && errno != EINTR)
			goto fail;
		if (finish_connect(fd, deadline) < 0)
			goto fail;
	}
	if (sa->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
connect_unix(const char *path, int64_t deadline, struct buf *err)
{
	struct sockaddr_un sun;
	socklen_t len;
	int dir = sock_unix_addr(path, &sun, &len), fd = -1, saved;

	while (dir > -2) {
		struct timespec pause = { 0, 10000000 };

		fd = sock_connect_addr((struct sockaddr *)&sun, len, NULL, 0, deadline);
		/* a full backlog on a Unix socket cannot be polled for: look again until the deadline */
		if (fd >= 0 || errno != EAGAIN || clock_left_ms(deadline) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	saved = errno;
	if (dir >= 0)
		close(dir);
	if (fd < 0)
		buf_addf(err, "connect to unix:%s: %s", path, strerror(saved));
	errno = saved;
	return fd;
}

static int
connect_inet(const char *where, const char *host, const char *port, int64_t deadline, struct buf *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *list, *a;
	int r, fd = -1, saved = 0;

	if (*port < '0' || *port > '9')
		hints.ai_flags = 0;
	r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
	if (r) {
		saved = r == EAI_SYSTEM ? errno : EHOSTUNREACH;
		buf_addf(err, "connect to %s: %s", where, r == EAI_SYSTEM ? strerror(saved) : gai_strerror(r));
		errno = saved;
		return -1;
	}
	for (a = list; a && fd < 0; a = a->ai_next) {
		struct sockaddr_storage ss = { 0 };
		char text[64];
		int number;

		fd = sock_connect_addr(a->ai_addr, a->ai_addrlen, NULL, 0, deadline);
		if (fd >= 0)
			break;
		saved = errno;
		memcpy(&ss, a->ai_addr, a->ai_addrlen);
		sock_text(&ss, text, &number);
		buf_clear(err);
		if (strcmp(text, host) == 0)
			buf_addf(err, "connect to %s: %s", where, strerror(saved));
		else
			buf_addf(err, "connect to %s[%s]:%d: %s", host, text, number, strerror(saved));
	}
	freeaddrinfo(list);
	if (fd >= 0)
		buf_clear(err);
	errno = saved;
	return fd;
}

int
sock_connect(const char *where, int64_t deadline, struct buf *err)
{
	struct buf host = BUF_INIT(1024), port = BUF_INIT(64);
	int fd = -1, saved;

	buf_clear(err);
	if (strncmp(where, "unix:", 5) == 0)
		return connect_unix(where + 5, deadline, err);
	if (strncmp(where, "inet:", 5) == 0)
		where += 5;
	errno = EINVAL;
	if (sock_split(where, &host, &port) < 0)
		buf_addf(err, "connect to %s: not host:port or unix:/path", where);
	else
		fd = connect_inet(where, host.data, port.data, deadline, err);
	saved = errno;
	buf_free(&host);
	buf_free(&port);
	errno = saved;
	return fd;
}

void
sock_unmap(struct sockaddr_storage *ss)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (ss->ss_family != AF_INET6)
		return;
	memcpy(&six, ss, sizeof six);
	if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	four.sin_port = six.sin6_port;
	memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
	memset(ss, 0, sizeof *ss);
	memcpy(ss, &four, sizeof four);
}

void
sock_text(const struct sockaddr_storage *ss, char out[64], int *port)
{
	struct sockaddr_storage plain = *ss;
	int number = 0;

	sock_unmap(&plain);
	strcpy(out, "unknown");
	if (plain.ss_family == AF_INET) {
		struct sockaddr_in four;

		memcpy(&four, &plain, sizeof four);
		inet_ntop(AF_INET, &four.sin_addr, out, 64);
		number = ntohs(four.sin_port);
	} else if (plain.ss_family == AF_INET6) {
		struct sockaddr_in6 six;

		memcpy(&six, &plain, sizeof six);
		inet_ntop(AF_INET6, &six.sin6_addr, out, 64);
		number = ntohs(six.sin6_port);
	} else if (plain.ss_family == AF_UNIX) {
		strcpy(out, "unix");
	}
	if (port)
		*port = number;
}

ssize_t
sock_send_fd(int sock, const void *data, size_t n, int fd)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { (void *)(uintptr_t)data, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t k;

	if (fd >= 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof control);
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof control.space;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		k = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (k < 0 && errno == EINTR);
	return k;
}

ssize_t
sock_recv_fd(int sock, void *data, size_t n, int *fd)
{
	union { char space[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { data, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t k;

	*fd = -1;
	msg.msg_control = control.space;
	msg.msg_controllen = sizeof control.space;
	do
		k = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return k;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
			if (*fd < 0)
				*fd = one;
			else
				close(one); /* more than was agreed: not kept open for the sender's pleasure */
		}
	}
	if (msg.msg_flags & MSG_TRUNC) { /* a datagram longer than n: never half a request */
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		errno = EMSGSIZE;
		return -1;
	}
	return k;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Socket addresses in text, connecting, passing descriptors. */
#include "sys/sock.h"
#include "tap.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
splitting(void)
{
	static const struct { const char *text, *host, *port; } table[] = {
		{ "host:25", "host", "25" },
		{ "[2001:db8::1]:smtp", "2001:db8::1", "smtp" },
		{ "[mail.example.com]:587", "mail.example.com", "587" },
		{ "25", "", "25" },
		{ ":25", "", "25" },
		{ "127.0.0.1:0", "127.0.0.1", "0" },
		{ .text = "::1:25" },
		{ .text = "[::1]" },
		{ .text = "[::1]25" },
		{ .text = "[::1" },
		{ .text = "host:" },
		{ .text = "" },
		{ .text = "host:25/x" },
	};
	struct buf host = BUF_INIT(100), port = BUF_INIT(100);

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int r = sock_split(table[i].text, &host, &port);

		if (!table[i].port)
			ok(r == -1, "\"%s\" is refused", table[i].text);
		else
			ok(r == 0 && strcmp(host.data, table[i].host) == 0 && strcmp(port.data, table[i].port) == 0,
			    "\"%s\" is host \"%s\" and port \"%s\"", table[i].text, table[i].host, table[i].port);
	}
	buf_free(&host);
	buf_free(&port);
}

static void
texts(void)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(110) };
	char text[64];
	int port;

	inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
	memset(&ss, 0, sizeof ss);
	memcpy(&ss, &six, sizeof six);
	sock_text(&ss, text, &port);
	is(text, "2001:db8::1", "an IPv6 address");
	is_num(port, 25, "and its port");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &six.sin6_addr);
	memcpy(&ss, &six, sizeof six);
	sock_text(&ss, text, NULL);
	is(text, "192.0.2.1", "an IPv4 address on an IPv6 socket is shown as IPv4");
	sock_unmap(&ss);
	is_num(ss.ss_family, AF_INET, "and can be made one");
	inet_pton(AF_INET, "192.0.2.7", &four.sin_addr);
	memcpy(&ss, &four, sizeof four);
	sock_text(&ss, text, &port);
	is(text, "192.0.2.7", "an IPv4 address");
	ss.ss_family = AF_UNIX;
	sock_text(&ss, text, &port);
	is(text, "unix", "a Unix socket");
	is_num(port, 0, "has no port");
}

static void
connecting(const char *dir)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct buf err = BUF_INIT(500), path = BUF_INIT(500), want = BUF_INIT(500);
	struct sockaddr_un sun;
	socklen_t len = sizeof four;
	int l = socket(AF_INET, SOCK_STREAM, 0), fd, d;
	char where[64];

	bind(l, (struct sockaddr *)&four, sizeof four);
	getsockname(l, (struct sockaddr *)&four, &len);
	snprintf(where, sizeof where, "127.0.0.1:%d", ntohs(four.sin_port));
	buf_addf(&want, "connect to %s: Connection refused", where);
	is_num(sock_connect(where, clock_deadline(5), &err), -1, "a port where nobody listens is refused");
	is(err.data, want.data, "with a message that says so");
	listen(l, 5);
	fd = sock_connect(where, clock_deadline(5), &err);
	ok(fd >= 0, "a port where somebody listens is connected");
	ok(fcntl(fd, F_GETFL) & O_NONBLOCK, "the descriptor does not block");
	close(fd);
	snprintf(where, sizeof where, "inet:localhost:%d", ntohs(four.sin_port));
	fd = sock_connect(where, clock_deadline(5), &err);
	ok(fd >= 0, "by host name as well");
	close(fd);
	close(l);

	is_num(sock_connect("nonsense", clock_deadline(5), &err), -1, "an address that is none is refused");
	buf_addf(&path, "unix:%s/none", dir);
	is_num(sock_connect(path.data, clock_deadline(5), &err), -1, "a Unix socket that is not there is refused");
	buf_clear(&want);
	buf_addf(&want, "connect to unix:%s/none: No such file or directory", dir);
	is(err.data, want.data, "with a message that says so");

	/* a path of more than sockaddr_un's 108 bytes */
	buf_clear(&path);
	buf_addf(&path, "unix:%s/", dir);
	for (int i = 0; i < 120; i++)
		buf_addc(&path, 'd');
	mkdir(path.data + 5, 0700);
	buf_adds(&path, "/s");
	d = sock_unix_addr(path.data + 5, &sun, &len);
	ok(d >= 0, "a long path of a Unix socket can be used");
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	is_num(bind(l, (struct sockaddr *)&sun, len), 0, "to listen");
	close(d);
	listen(l, 5);
	fd = sock_connect(path.data, clock_deadline(5), &err);
	ok(fd >= 0, "and to connect");
	close(fd);
	close(l);
	unlink(path.data + 5);
	buf_truncate(&path, path.len - 2);
	rmdir(path.data + 5);
	buf_free(&path);
	buf_free(&want);
	buf_free(&err);
}

static void
descriptors(void)
{
	int pair[2], p[2], fd;
	char data[16];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || pipe(p) < 0)
		return;
	is_num(sock_send_fd(pair[0], "job", 3, p[1]), 3, "a descriptor is sent");
	is_num(sock_recv_fd(pair[1], data, sizeof data, &fd), 3, "and received with its bytes");
	ok(fd >= 0 && write(fd, "x", 1) == 1 && read(p[0], data, 1) == 1, "it is the same pipe");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "it closes on exec");
	close(fd);
	is_num(sock_send_fd(pair[0], "none", 4, -1), 4, "bytes without a descriptor are sent");
	is_num(sock_recv_fd(pair[1], data, sizeof data, &fd), 4, "and received");
	is_num(fd, -1, "without a descriptor");
	sock_send_fd(pair[0], "twenty bytes and more", 21, p[1]);
	errno = 0;
	ok(sock_recv_fd(pair[1], data, sizeof data, &fd) == -1 && errno == EMSGSIZE && fd == -1, "a packet that is too long is refused");
	close(pair[0]);
	is_num(sock_recv_fd(pair[1], data, sizeof data, &fd), 0, "the end is seen");
	is_num(sock_send_fd(pair[1], "x", 1, -1), -1, "sending to nobody fails and does not kill");
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

int
main(void)
{
	char dir[] = "/tmp/mtakit-sock.XXXXXX";

	if (!mkdtemp(dir))
		return 1;
	splitting();
	texts();
	connecting(dir);
	descriptors();
	rmdir(dir);
	return tap_done();
}

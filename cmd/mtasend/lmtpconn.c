/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* LMTP connections (RFC 2033) over TCP or a Unix socket: libcurl does not speak LMTP. */
#include "connect.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/config.h"
#include "sys/io.h"
#include "sys/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

static int
io_errno(const struct io *io)
{
	return io->error == IO_TIMEOUT ? ETIMEDOUT : io->error == IO_SYSTEM ? io->saved_errno : ECONNRESET;
}

static ssize_t
lmtp_send(struct conn *c, const void *data, size_t n, int64_t deadline)
{
	struct io *io = c->handle;

	io_set_deadline(io, deadline);
	if (io_write(io, data, n) == 0 && io_flush(io) == 0)
		return (ssize_t)n;
	errno = io_errno(io);
	return -1;
}

static ssize_t
lmtp_recv(struct conn *c, void *data, size_t n, int64_t deadline)
{
	struct io *io = c->handle;
	char *have;
	size_t got;
	int rc;

	io_set_deadline(io, deadline);
	rc = io_peek(io, &have, &got);
	if (rc <= 0) {
		errno = rc < 0 ? io_errno(io) : 0;
		return rc;
	}
	if (got > n)
		got = n;
	memcpy(data, have, got);
	io_consume(io, got);
	return (ssize_t)got;
}

static void
lmtp_close(struct conn *c)
{
	io_close(c->handle);
	free(c->handle);
}

static const struct conn_channel channel = { lmtp_send, lmtp_recv, lmtp_close };

/* A connected socket, or -1 with f. */
static int
dial(struct conn *c, const struct target *t, const struct nexthop *n, int64_t deadline, struct failure *f)
{
	struct buf where = BUF_INIT(8192), err = BUF_INIT(8192);
	struct sockaddr_storage sa;
	int fd, one = 1;

	if (n->local) {
		buf_addf(&where, "unix:%s", n->host.data);
		fd = sock_connect(where.data, deadline, &err);
		if (fd < 0)
			failure_set(f, "4.4.1", "%s", err.data);
	} else {
		sa = t->address.sa;
		if (sa.ss_family == AF_INET)
			((struct sockaddr_in *)&sa)->sin_port = htons(n->port);
		else
			((struct sockaddr_in6 *)&sa)->sin6_port = htons(n->port);
		fd = sock_connect_addr((struct sockaddr *)&sa, t->address.len, NULL, 0, deadline);
		if (fd < 0)
			failure_set(f, "4.4.1", "connect to %s: %s", c->relay.data, strerror(errno));
		else
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
	buf_free(&where);
	buf_free(&err);
	return fd;
}

/* Greeting and LHLO. */
static int
greet(struct conn *c, const char *name, int64_t deadline, struct failure *f)
{
	const char *step = "receiving the initial server greeting";
	struct reply r = { .text = BUF_INIT(REPLY_MAX) };
	struct buf lhlo = BUF_INIT(1024);
	int rc;

	rc = conn_reply(c, &r, deadline, NULL);
	if (rc == 0 && r.code / 100 == 2) {
		step = "performing the LHLO handshake";
		buf_addf(&lhlo, "LHLO %s\r\n", name);
		conn_forget_capabilities(c);
		conn_said(c, TRANSCRIPT_CLIENT, lhlo.data, lhlo.len - 2);
		rc = conn_send(c, lhlo.data, lhlo.len, deadline);
		if (rc == 0)
			rc = conn_reply(c, &r, deadline, conn_capability);
	}
	if (rc < 0 && errno == ETIMEDOUT)
		failure_set(f, "4.4.2", "conversation with %s timed out while %s", c->peer.data, step);
	else if (rc < 0 && errno == EPROTO)
		failure_set(f, "4.5.0", "host %s sent something that is no reply while %s", c->peer.data, step);
	else if (rc < 0)
		failure_set(f, "4.4.2", "lost connection with %s while %s", c->peer.data, step);
	else if (r.code / 100 != 2)
		failure_set(f, "4.0.0", "host %s refused to talk to me: %s", c->peer.data, r.text.data);
	rc = rc < 0 || r.code / 100 != 2 ? -1 : 0;
	buf_free(&r.text);
	buf_free(&lhlo);
	return rc;
}

int
connect_lmtp(struct conn *c, struct config *config, const struct target *t, const struct nexthop *n, struct failure *f)
{
	int64_t began = clock_mono();
	struct io *io;
	int fd;

	buf_clear(&c->peer);
	buf_clear(&c->relay);
	if (n->local) {
		buf_addf(&c->peer, "%s[%s]", config_str(config, "myhostname"), n->host.data);
		buf_addf(&c->relay, "%s[%s]", config_str(config, "myhostname"), n->host.data);
	} else {
		buf_addf(&c->peer, "%s[%s]", t->name, t->ip);
		buf_addf(&c->relay, "%s[%s]:%u", t->name, t->ip, n->port);
	}
	fd = dial(c, t, n, clock_deadline(config_time(config, "smtp_connect_timeout")), f);
	if (fd < 0)
		return -1;
	io = mem_zalloc(sizeof *io);
	io_init(io, fd, fd);
	c->channel = &channel;
	c->handle = io;
	c->fd = fd;
	c->lmtp = true;
	c->broken = c->reset = c->fault = false;
	transcript_clear(&c->said);
	c->connect_time = clock_mono() - began;
	if (greet(c, config_str(config, "lmtp_lhlo_name"), clock_deadline(config_time(config, "smtp_helo_timeout")), f) < 0) {
		conn_close(c);
		return -1;
	}
	c->opened = clock_mono();
	c->setup_time = c->opened - began - c->connect_time;
	return 0;
}

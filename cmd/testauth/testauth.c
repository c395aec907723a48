/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* testauth - asks mtaauth or saslauthd whether a password is right; testsaslauthd by name. See testauth(1). */
#include "base/buf.h"
#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"
#include "mail/authclient.h"
#include "mail/config.h"
#include "mail/program.h"
#include "sys/io.h"
#include "sys/proc.h"
#include "sys/sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { TIMEOUT = 60, REPLY_MAX = 1024, FAILED = 255 };

static const char usage_text[] = "testauth [-DV] [-C dir] [-o name=value] -u user [-p password] [-r realm] [-s service]\n"
	"                [-f socket] [-R count]";

struct options {
	struct config_options config;
	const char *user, *realm, *service, *socket;
	struct buf password;
	uint64_t repeat;
	bool dovecot;
};

static void
add_field(struct buf *b, const char *s, size_t n)
{
	buf_addc(b, (char)(n >> 8));
	buf_addc(b, (char)n);
	buf_add(b, s, n);
}

/* n bytes more from the server. 0 or -1. */
static int
take(struct io *io, size_t n, struct buf *out)
{
	char *data;
	size_t got;

	for (buf_clear(out); out->len < n; io_consume(io, got)) {
		if (io_peek(io, &data, &got) <= 0)
			return -1;
		got = got < n - out->len ? got : n - out->len;
		buf_add(out, data, got);
	}
	return 0;
}

static int
exchange(struct io *io, const struct buf *request, struct buf *reply)
{
	size_t n;

	if (io_write(io, request->data, request->len) < 0 || io_flush(io) < 0 || take(io, 2, reply) < 0)
		return -1;
	n = (size_t)(unsigned char)reply->data[0] << 8 | (unsigned char)reply->data[1];
	return n > REPLY_MAX ? -1 : take(io, n, reply);
}

/* saslauthd's protocol. AUTH_OK, AUTH_FAIL, or AUTH_TEMPFAIL with err. */
static int
ask_saslauthd(const struct options *o, struct buf *err)
{
	struct buf where = BUF_INIT(4096), request = BUF_INIT(4 * 65537), reply = BUF_INIT(REPLY_MAX);
	int64_t deadline = clock_deadline(TIMEOUT);
	struct io io;
	int fd, r = AUTH_TEMPFAIL;

	buf_addf(&where, "%s%s", strncmp(o->socket, "unix:", 5) == 0 || strncmp(o->socket, "inet:", 5) == 0 ? "" : "unix:", o->socket);
	fd = sock_connect(where.data, deadline, err);
	if (fd >= 0) {
		add_field(&request, o->user, strlen(o->user));
		add_field(&request, o->password.data, o->password.len);
		add_field(&request, o->service, strlen(o->service));
		add_field(&request, o->realm, strlen(o->realm));
		io_init(&io, fd, fd);
		io_set_deadline(&io, deadline);
		if (exchange(&io, &request, &reply) < 0)
			buf_addf(err, "%s: %s", o->socket, io_strerror(&io));
		else
			r = strncmp(reply.data, "OK", 2) == 0 ? AUTH_OK : AUTH_FAIL;
		io_close(&io);
		explicit_bzero(request.data, request.len);
	}
	buf_free(&where);
	buf_free(&request);
	buf_free(&reply);
	return r;
}

static int
ask_dovecot(const struct options *o, struct buf *err)
{
	struct auth_request req = { .mech = "PLAIN", .service = o->service, .secured = true };
	struct authclient *a = authclient_new(o->socket);
	struct buf name = BUF_INIT(1 << 17);
	struct auth_result res;
	int r;

	auth_result_init(&res);
	buf_addf(&name, "%s%s%s", o->user, *o->realm ? "@" : "", o->realm);
	r = authclient_plain(a, &req, name.data, o->password.data, clock_deadline(TIMEOUT), &res);
	if (r == AUTH_TEMPFAIL)
		buf_adds(err, res.text.len ? res.text.data : "temporary failure");
	auth_result_free(&res);
	authclient_free(&a);
	buf_free(&name);
	return r;
}

/* The first line of standard input, as the password. */
static void
read_password(struct options *o)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, stdin);

	if (n < 0)
		msg_die(EX_NOINPUT, "no -p, and no password on standard input");
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (buf_add(&o->password, line, (size_t)n) < 0)
		msg_die(EX_DATAERR, "password is longer than %zu bytes", o->password.max);
	explicit_bzero(line, room);
	free(line);
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	bool password = false;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, ":C:DR:Vf:ho:p:r:s:u:")) != -1)
		switch (c) {
		case 'D': o->dovecot = true; break;
		case 'R':
			if (num_u64(optarg, 1000000, &o->repeat) < 0)
				program_usage(usage_text, "-R takes a number up to 1000000");
			break;
		case 'f': o->socket = optarg; break;
		case 'h': printf("usage: %s\n", usage_text); exit(0);
		case 'p':
			password = true;
			buf_clear(&o->password);
			if (buf_adds(&o->password, optarg) < 0)
				program_usage(usage_text, "password is too long");
			explicit_bzero(optarg, strlen(optarg)); /* out of ps(1)'s sight */
			break;
		case 'r': o->realm = optarg; break;
		case 's': o->service = optarg; break;
		case 'u': o->user = optarg; break;
		default: program_option(&o->config, c, usage_text);
		}
	if (optind < argc)
		program_usage(usage_text, "unexpected argument");
	if (!o->user)
		program_usage(usage_text, "-u is missing");
	if (strlen(o->user) > 65535 || strlen(o->realm) > 65535 || strlen(o->service) > 65535)
		program_usage(usage_text, "a value is too long");
	if (!password)
		read_password(o);
}

int
main(int argc, char **argv)
{
	struct options o = { .realm = "", .service = "imap", .repeat = 1, .password = BUF_INIT(65535) };
	struct buf err = BUF_INIT(4096);
	struct config *config = NULL;
	int status = 0;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&o, argc, argv);
	if (!o.socket) {
		config = config_from_options(&o.config);
		o.socket = config_str(config, o.dovecot ? "auth_socket" : "saslauthd_socket");
	}
	for (uint64_t i = 0; i < o.repeat; i++) {
		int r = o.dovecot ? ask_dovecot(&o, &err) : ask_saslauthd(&o, &err);

		if (r == AUTH_TEMPFAIL)
			msg_die(EX_TEMPFAIL, "%s", err.data);
		status = r == AUTH_OK ? 0 : FAILED;
		printf(r == AUTH_OK ? "%llu: OK \"Success.\"\n" : "%llu: NO \"authentication failed\"\n", (unsigned long long)i);
	}
	explicit_bzero(o.password.data, o.password.len);
	buf_free(&o.password);
	buf_free(&err);
	config_close(&config);
	return status;
}

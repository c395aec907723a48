/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Dovecot's auth master protocol, version 1: for processes that become a user.
 *
 *   we:     VERSION 1 1 / SPID n
 *   client: VERSION 1 n
 *   client: USER <id> <user> [service=..]                    we: USER <id> <user> uid=.. gid=.. home=.. mail=..
 *   client: REQUEST <id> <client pid> <auth id> <cookie>         | NOTFOUND <id> | FAIL <id> [reason=..]
 *
 * REQUEST tells who logged in by request <auth id> of the connection with that cookie; it is answered once. */
#include "base/clock.h"
#include "base/num.h"
#include "mail/log.h"
#include "map/map.h"
#include "mtaauth.h"
#include "sys/io.h"

#include <string.h>
#include <unistd.h>

static void
answer(struct auth *a, struct io *io, uint32_t id, const char *user)
{
	struct buf fields = BUF_INIT(32768), err = BUF_INIT(1024), name = BUF_INIT(2048);
	int r = user_fields(a, user, &fields, &err);

	if (r == MAP_FOUND) {
		field_add(&name, user);
		io_printf(io, "USER\t%u\t%s", id, name.data);
		io_write(io, fields.data, fields.len);
		io_puts(io, "\n");
	} else if (r == MAP_ABSENT) {
		io_printf(io, "NOTFOUND\t%u\n", id);
	} else {
		log_error("auth: look up user %s: %s", user, err.data);
		io_printf(io, "FAIL\t%u\treason=temporary failure\n", id);
	}
	buf_free(&fields);
	buf_free(&err);
	buf_free(&name);
}

static void
command_request(struct auth *a, struct io *io, uint32_t id, char *rest)
{
	const char *pid = strsep(&rest, "\t"), *request = rest ? strsep(&rest, "\t") : NULL, *cookie = rest ? strsep(&rest, "\t") : NULL;
	struct buf user = BUF_INIT(1024);
	uint64_t p, r;

	if (pid && request && cookie && num_u64(pid, INT32_MAX, &p) == 0 && num_u64(request, UINT32_MAX, &r) == 0 &&
	    shared_take(a->shared, cookie, (pid_t)p, (uint32_t)r, &user))
		answer(a, io, id, user.data);
	else
		io_printf(io, "NOTFOUND\t%u\n", id);
	buf_free(&user);
}

/* One line. 0, or -1: the client does not keep the protocol. */
static int
command(struct auth *a, struct io *io, char *line)
{
	char *rest = line, *verb = strsep(&rest, "\t"), *number, *name;
	struct buf user = BUF_INIT(1024);
	uint64_t id;

	if (strcmp(verb, "VERSION") == 0)
		return rest && strncmp(rest, "1\t", 2) == 0 ? 0 : -1;
	number = strsep(&rest, "\t");
	if (!number || num_u64(number, UINT32_MAX, &id) < 0)
		return -1;
	if (strcmp(verb, "REQUEST") == 0) {
		command_request(a, io, (uint32_t)id, rest);
	} else if (strcmp(verb, "USER") == 0 && (name = strsep(&rest, "\t")) != NULL) {
		field_unescape(name);
		if (user_normal(a, name, &user) == 0)
			answer(a, io, (uint32_t)id, user.data);
		else
			io_printf(io, "NOTFOUND\t%u\n", (unsigned)id);
	} else {
		io_printf(io, "FAIL\t%u\treason=unsupported request\n", (unsigned)id);
	}
	buf_free(&user);
	return 0;
}

void
master_session(struct auth *a, const struct server_peer *peer)
{
	struct io io;
	char *line;
	size_t n;

	io_init(&io, peer->rfd, peer->wfd);
	io.stopping = server_stopping;
	io_set_deadline(&io, clock_deadline(AUTH_IDLE));
	io_printf(&io, "VERSION\t1\t1\nSPID\t%ld\n", (long)getpid());
	(void)io_flush(&io);
	while (!server_stopping() && client_line(&io, &line, &n) > 0) {
		if (line[n - 1] != '\n' || memchr(line, '\0', n))
			break;
		line[n - 1] = '\0';
		if (command(a, &io, line) < 0 || io_flush(&io) < 0)
			break;
		io_set_deadline(&io, clock_deadline(AUTH_IDLE));
	}
	io_free(&io);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaauth - checks passwords for the servers: Dovecot's auth protocol, its master protocol, saslauthd's. See mtaauth(8). */
#include "mtaauth.h"

#include "base/mem.h"
#include "base/msg.h"
#include "mail/log.h"
#include "mail/program.h"
#include "mail/route.h"
#include "sockets.h"
#include "sys/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mtaauth [-V] [-C dir] [-l listen] [-o name=value] [-p auth|master|saslauthd]";

struct program {
	struct auth auth;
	const char *protocol;     /* -p; NULL: by the socket's path */
};

static const struct { const char *name, *socket; void (*session)(struct auth *, const struct server_peer *); } protocols[] = {
	{ "auth", "auth_socket", client_session },
	{ "master", "auth_master_socket", master_session },
	{ "saslauthd", "saslauthd_socket", saslauthd_session },
};
enum { PROTOCOLS = sizeof protocols / sizeof protocols[0] };

/* Opens what the configuration names. The old things stay when that fails. */
static int
setup(void *arg)
{
	struct program *p = arg;
	struct auth *a = &p->auth, fresh = { 0 };
	struct buf err = BUF_INIT(4096);

	fresh.config = config_open(a->options.dir, a->options.overrides, &err);
	if (fresh.config)
		fresh.backends = backends_open(config_str(fresh.config, "auth_backends"), &err);
	if (fresh.backends)
		fresh.routes = route_open(fresh.config, &err);
	if (!fresh.routes) {
		log_error("auth: %s", err.data);
		backends_close(&fresh.backends);
		config_close(&fresh.config);
		buf_free(&err);
		return -1;
	}
	route_close(&a->routes);
	backends_close(&a->backends);
	config_close(&a->config);
	a->config = fresh.config;
	a->backends = fresh.backends;
	a->routes = fresh.routes;
	log_open(a->config, "auth");
	buf_free(&err);
	return 0;
}

static void
session(void *arg, const struct server_peer *peer)
{
	struct program *p = arg;
	const struct sockaddr_un *local = (const void *)&peer->local;
	const char *path = peer->local.ss_family == AF_UNIX ? local->sun_path : "";

	for (size_t i = 1; i < PROTOCOLS; i++) {
		const char *want = config_str(p->auth.config, protocols[i].socket);

		if (p->protocol ? strcmp(p->protocol, protocols[i].name) == 0 : *want && strcmp(path, want) == 0) {
			protocols[i].session(&p->auth, peer);
			return;
		}
	}
	protocols[0].session(&p->auth, peer);
}

static void
worker(void *arg)
{
	(void)arg;
	proc_harden();
}

static void
log_line(void *arg, const char *line)
{
	(void)arg;
	log_info("%s", line);
}

static void
parse_options(struct program *p, struct server *s, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, ":C:Vl:o:p:")) != -1)
		switch (c) {
		case 'l': server_listen_add(s, optarg); break;
		case 'p':
			for (size_t i = 0; i < PROTOCOLS; i++)
				if (strcmp(optarg, protocols[i].name) == 0)
					p->protocol = protocols[i].name;
			if (!p->protocol)
				program_usage(usage_text, "option -p: expected auth, master or saslauthd");
			break;
		default: program_option(&p->auth.options, c, usage_text);
		}
	if (optind < argc)
		program_usage(usage_text, "unexpected argument: %s", argv[optind]);
}

/* Whether the caller gave us a socket, or asked for a session by hand: then those of main.cf are not made. */
static bool
given_socket(const struct program *p, const struct server *s)
{
	struct stat st;

	return p->protocol || s->listen || getenv("LISTEN_FDS") || (fstat(STDIN_FILENO, &st) == 0 && S_ISSOCK(st.st_mode));
}

int
main(int argc, char **argv)
{
	static const char *const nothing[] = { NULL };
	struct program p = { 0 };
	struct server s = { .name = "mtaauth", .unix_mode = 0600, .arg = &p, .setup = setup, .worker = worker, .session = session, .log = log_line };
	struct buf err = BUF_INIT(4096);
	struct config *c;
	const char *user;
	bool own = false;
	int status;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&p, &s, argc, argv);
	c = config_from_options(&p.auth.options);
	if (!given_socket(&p, &s)) {
		if (sockets_open(c, &err) < 0)
			msg_die(EX_CANTCREAT, "%s", err.data);
		own = true;
	}
	log_open(c, "auth");
	p.auth.shared = shared_new();
	if (!p.auth.shared)
		msg_die(EX_OSERR, "shared memory: %s", strerror(errno));
	user = config_str(c, "auth_user");
	s.limits = (struct server_limits){
		.process_limit = (int)config_int(c, "auth_worker_max_count"),
		.min_idle = 2,
		.max_use = (int)config_int(c, "max_use"),
		.max_idle = config_time(c, "max_idle"),
		.fork_delay = config_time(c, "fork_delay"),
		.memory = (uint64_t)config_size(c, "default_vsz_limit"),
		.user = *user && strcmp(user, "root") != 0 ? user : NULL, /* root: the server says so and goes on */
	};
	s.limits.writable = nothing; /* passwords are read here, never changed */
	s.limits.unconfined = !s.limits.user; /* who wants root here wants files that root alone may read, and helpers of PAM */
	status = server_run(&s);
	if (own)
		sockets_remove(c);
	route_close(&p.auth.routes);
	backends_close(&p.auth.backends);
	config_close(&p.auth.config);
	config_close(&c);
	free(s.listen);
	free(p.auth.options.overrides);
	buf_free(&err);
	return status;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtapop - POP3 server. See mtapop(8). */
#include "mtapop.h"

#include "base/mem.h"
#include "base/msg.h"
#include "mail/authclient.h"
#include "mail/log.h"
#include "mail/program.h"
#include "map/map.h"
#include "sys/proc.h"
#include "sys/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mtapop [-SV] [-C dir] [-l listen] [-o name=value]";

/* Dovecot writes "<file" for the content of a file. */
static const char *
file_name(const char *value)
{
	return value + (*value == '<');
}

/* The certificate; without one there is no TLS. NULL with err: one is named that cannot be used. */
static struct tls_context *
open_tls(struct config *c, struct buf *err)
{
	const char *cert = file_name(config_str(c, "ssl_cert_file")), *key = file_name(config_str(c, "ssl_key_file"));
	const char *ciphers = config_str(c, "ssl_cipher_list"), *min = config_str(c, "ssl_min_protocol");
	struct tls_settings t = { .cert_file = cert, .key_file = *key ? key : NULL, .ciphers = *ciphers ? ciphers : NULL,
		.min_protocol = *min ? min : NULL };

	if (!*cert || config_bool(c, "ssl_disable"))
		return NULL;
	return tls_server_new(&t, err);
}

static void
settings(struct pop *p)
{
	struct config *c = p->config;
	const char *workarounds = config_str(c, "pop3_client_workarounds");

	p->plaintext_ok = !config_bool(c, "disable_plaintext_auth");
	p->keep_flags = config_bool(c, "pop3_no_flag_updates");
	p->enable_last = config_bool(c, "pop3_enable_last");
	p->lock = config_bool(c, "pop3_lock_session");
	p->no_nuls = strstr(workarounds, "outlook-no-nuls") != NULL;
	p->timeout = config_time(c, "pop3_timeout");
	p->login_time = config_time(c, "pop3_login_timeout");
}

/* In the parent, first and after SIGHUP. The old things stay when the new ones cannot be opened. */
static int
setup(void *arg)
{
	struct pop *p = arg, fresh = { 0 };
	struct buf err = BUF_INIT(4096);

	fresh.config = config_open(p->options.dir, p->options.overrides, &err);
	if (fresh.config)
		fresh.trusted = matchlist_open(config_str(fresh.config, "login_trusted_networks"), false, &err);
	if (fresh.trusted)
		fresh.tls = open_tls(fresh.config, &err);
	if (!fresh.trusted || (!fresh.tls && err.len > 0) || (!fresh.tls && p->implicit_tls)) {
		log_error("%s", err.len > 0 ? err.data : "TLS is asked for, but ssl_cert is not set");
		matchlist_close(&fresh.trusted);
		config_close(&fresh.config);
		buf_free(&err);
		return -1;
	}
	tls_context_free(&p->tls);
	matchlist_close(&p->trusted);
	config_close(&p->config);
	p->config = fresh.config;
	p->trusted = fresh.trusted;
	p->tls = fresh.tls;
	settings(p);
	log_open(p->config, "pop3");
	buf_free(&err);
	return 0;
}

/* In the parent: new certificates, which the workers may not be able to read. */
static int
refresh(void *arg)
{
	struct pop *p = arg;
	struct buf err = BUF_INIT(4096);
	int r = p->tls ? tls_context_refresh(p->tls, &err) : 0;

	if (r < 0)
		log_error("certificate: %s", err.data);
	buf_free(&err);
	return r > 0;
}

static void
worker(void *arg)
{
	struct pop *p = arg;

	proc_harden();
	p->auth = authclient_new(config_str(p->config, "auth_socket"));
}

static void
session(void *arg, const struct server_peer *peer)
{
	session_serve(arg, peer);
}

static void
refuse(void *arg, const struct server_peer *peer)
{
	static const char text[] = "-ERR [SYS/TEMP] Too many connections from your address.\r\n";

	(void)arg;
	if (!peer->tls)
		(void)!send(peer->wfd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	log_info("pop3-login: Disconnected: too many connections: rip=%s, lip=%s", peer->text, peer->local_text);
}

/* Hosts whose connections are not counted: behind them are many users. */
static bool
exempt(void *arg, const struct server_peer *peer)
{
	return session_is_near(arg, peer);
}

static void
log_line(void *arg, const char *line)
{
	(void)arg;
	log_info("%s", line);
}

static void
parse_options(struct pop *p, struct server *s, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, ":C:SVl:o:")) != -1)
		switch (c) {
		case 'S': s->limits.require_tls = p->implicit_tls = true; break;
		case 'l':
			server_listen_add(s, optarg);
			p->implicit_tls |= strncmp(optarg, "tls:", 4) == 0;
			break;
		default: program_option(&p->options, c, usage_text);
		}
	if (optind < argc)
		program_usage(usage_text, "unexpected argument: %s", argv[optind]);
}

int
main(int argc, char **argv)
{
	static const char *const nothing[] = { NULL };
	struct pop p = { 0 };
	struct server s = { .name = "mtapop", .unix_mode = 0600, .arg = &p, .setup = setup, .refresh = refresh, .worker = worker, .session = session,
		.refuse = refuse, .exempt = exempt, .log = log_line };
	struct config *c;
	const char *protocols;
	int status;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&p, &s, argc, argv);
	c = config_from_options(&p.options);
	log_open(c, "pop3");
	protocols = config_str(c, "inet_protocols");
	s.interfaces = config_str(c, "inet_interfaces");
	s.ipv4 = strstr(protocols, "all") || strstr(protocols, "ipv4");
	s.ipv6 = strstr(protocols, "all") || strstr(protocols, "ipv6");
	s.limits.process_limit = (int)config_int(c, "default_process_limit");
	s.limits.per_client = (s.limits.process_limit + 1) / 2;
	s.limits.min_idle = 2;
	s.limits.max_use = (int)config_int(c, "max_use");
	s.limits.max_idle = config_time(c, "max_idle");
	s.limits.fork_delay = config_time(c, "fork_delay");
	s.limits.memory = (uint64_t)config_size(c, "default_vsz_limit");
	if (geteuid() == 0) {
		s.limits.user = config_str(c, "mail_owner");
		s.limits.writable = nothing; /* mailboxes are for the processes that monitor_request makes */
		s.monitor = monitor_request;
		p.monitor = true;
	}
	status = server_run(&s);
	authclient_free(&p.auth);
	tls_context_free(&p.tls);
	matchlist_close(&p.trusted);
	config_close(&p.config);
	config_close(&c);
	free(s.listen);
	return status;
}

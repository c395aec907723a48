/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtasmtp: the SMTP server (RFC 5321), for ports 25, 587 and 465 and for local submission on a Unix socket.
 * Here: options, start, the worker's belongings. A session is in session.c. */
#include "client.h"
#include "session.h"
#include "settings.h"

#include "mail/authclient.h"
#include "mail/config.h"
#include "mail/log.h"
#include "mail/program.h"
#include "mail/queue.h"
#include "map/map.h"
#include "sys/io.h"
#include "sys/proc.h"
#include "sys/server.h"
#include "sys/tls.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct program {
	struct config_options options;
	struct settings *set;
	bool implicit_tls;
	uid_t caller;             /* who started us, before privileges are dropped */
	/* a worker's own */
	bool ready, queue_open;
	struct queue queue;
	struct io io;
	struct session session;
	struct authclient *auth;
};

static const char usage_text[] = "mtasmtp [-SV] [-C dir] [-l address] [-o name=value]";

static void
log_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		log_warn("%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

/* Confined workers cannot make queue/state; whatever is wrong with the queue they will say themselves. */
static void
make_state(struct settings *set)
{
	struct buf err = BUF_INIT(4096);
	struct queue q;

	if (queue_open(&q, set->queue_dir, false, &err) == 0) {
		(void)queue_state_make(&q);
		queue_close(&q);
	}
	buf_free(&err);
}

/* In the parent, at the start and after SIGHUP: what is wrong leaves the old settings in force. */
static int
setup(void *arg)
{
	struct program *p = arg;
	struct buf err = BUF_INIT(4096), warnings = BUF_INIT(16384);
	struct config *conf = config_open(p->options.dir, p->options.overrides, &err);
	struct settings *set = conf ? settings_new(conf, p->implicit_tls, &warnings, &err) : NULL;

	if (set) {
		set->caller = p->caller;
		log_open(conf, "smtpd");
		log_lines(warnings.data);
		make_state(set);
		settings_free(&p->set);
		p->set = set;
	} else {
		log_error("%s", err.data);
		if (conf)
			config_close(&conf);
	}
	buf_free(&err);
	buf_free(&warnings);
	return set ? 0 : -1;
}

/* In the parent: a certificate that was replaced is loaded, and new workers get it. */
static int
refresh(void *arg)
{
	struct program *p = arg;
	struct buf err = BUF_INIT(1024);
	int r = p->set->tls ? tls_context_refresh(p->set->tls, &err) : 0;

	if (r < 0)
		log_warn("the certificate has changed, but cannot be used: %s", err.data);
	else if (r > 0)
		log_info("certificate loaded again");
	buf_free(&err);
	return r > 0;
}

static int
open_queue(struct program *p)
{
	struct buf err = BUF_INIT(4096);

	p->queue_open = queue_open(&p->queue, p->set->queue_dir, false, &err) == 0;
	if (!p->queue_open)
		log_error("%s", err.data);
	buf_free(&err);
	return p->queue_open ? 0 : -1;
}

static struct program *of_worker;

/* Memory is gone (default_vsz_limit), and this process goes with it: what was not acknowledged is not in the queue. */
static void
last_words(void)
{
	struct session *s = &of_worker->session;

	if (s->io->wfd < 0 || !s->doing)
		return;
	log_warn("session of %s after %s: out of memory (default_vsz_limit)", s->client.data, s->doing);
	io_set_deadline(s->io, clock_deadline(1));
	io_puts(s->io, "421 4.3.0 ");
	io_puts(s->io, s->set->hostname);
	io_puts(s->io, " Error: out of memory\r\n");
	(void)io_flush(s->io);
}

/* What a worker keeps from one session to the next. */
static void
worker(void *arg)
{
	struct program *p = arg;

	p->auth = authclient_new(p->set->auth_socket);
	io_init(&p->io, -1, -1);
	session_init(&p->session, p->set, &p->queue, &p->io, p->auth);
	open_queue(p);
	p->ready = true;
	of_worker = p;
	mem_exhausted = last_words;
}

static void
session(void *arg, const struct server_peer *peer)
{
	struct program *p = arg;

	if (!p->ready)
		worker(p);
	io_reset(&p->io, peer->rfd, peer->wfd);
	if (!p->queue_open && open_queue(p) < 0) {
		io_set_deadline(&p->io, 0);
		if (!peer->tls)
			io_printf(&p->io, "421 4.3.0 %s Error: queue is not available\r\n", p->set->hostname);
	} else {
		session_serve(&p->session, peer);
	}
	io_reset(&p->io, -1, -1); /* says good-bye on TLS while the descriptor is open */
}

/* The client has smtpd_client_connection_count_limit connections already. Nothing here may wait for it. */
static void
refuse(void *arg, const struct server_peer *peer)
{
	struct program *p = arg;
	struct buf text = BUF_INIT(512);

	log_warn("Connection concurrency limit exceeded by unknown[%s]", peer->text);
	buf_addf(&text, "421 4.7.0 %s Error: too many connections from %s\r\n", p->set->hostname, peer->text);
	if (!peer->tls)
		(void)!send(peer->wfd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&text);
}

static void
note(void *arg, const char *line)
{
	(void)arg;
	log_info("%s", line);
}

static bool
exempt(void *arg, const struct server_peer *peer)
{
	struct program *p = arg;
	struct buf err = BUF_INIT(512);
	bool yes = matchlist_address(p->set->unlimited, peer->text, &err) == MAP_FOUND;

	buf_free(&err);
	return yes;
}

static void
fill_server(struct server *s, struct config *c)
{
	const char *protocols = config_str(c, "inet_protocols");
	/* where a message is made, wherever one may be by now that could not be synced and is taken back, and the account of notices; not
	 * the sockets of other services */
	static const char *const changed[] = { "tmp", "incoming", "active", "deferred", "hold", "state", NULL };
	static struct queue_paths writable;

	queue_paths(&writable, config_str(c, "queue_directory"), changed);
	s->name = "mtasmtp";
	s->interfaces = config_str(c, "inet_interfaces");
	s->ipv4 = strstr(protocols, "all") || strstr(protocols, "ipv4");
	s->ipv6 = strstr(protocols, "all") || strstr(protocols, "ipv6");
	s->unix_mode = 0666; /* anyone may submit; the kernel says who it is */
	s->limits = (struct server_limits){
		.process_limit = (int)config_int(c, "default_process_limit"),
		.min_idle = 2,
		.max_use = (int)config_int(c, "max_use"),
		.max_idle = config_time(c, "max_idle"),
		.fork_delay = config_time(c, "fork_delay"),
		.memory = (uint64_t)config_size(c, "default_vsz_limit"),
		.per_client = (int)config_int(c, "smtpd_client_connection_count_limit"),
		.require_tls = config_bool(c, "smtpd_tls_wrappermode"),
		.user = geteuid() == 0 ? config_str(c, "mail_owner") : NULL,
		.writable = writable.path,
	};
	s->setup = setup;
	s->refresh = refresh;
	s->worker = worker;
	s->session = session;
	s->refuse = refuse;
	s->exempt = exempt;
	s->log = note;
}

static void
give_back(struct program *p)
{
	if (p->ready) { /* the one session was ours */
		session_free(&p->session);
		io_free(&p->io);
		authclient_free(&p->auth);
	}
	if (p->queue_open)
		queue_close(&p->queue);
	settings_free(&p->set);
	free(p->options.overrides);
}

int
main(int argc, char **argv)
{
	struct program p = { 0 };
	struct server s = { .arg = &p };
	struct config *conf;
	bool tls = false;
	int c, status;

	proc_sane_fds();
	msg_init(argv[0]);
	while ((c = getopt(argc, argv, ":C:l:o:SV")) != -1) {
		switch (c) {
		case 'l':
			server_listen_add(&s, optarg);
			if (strncmp(optarg, "tls:", 4) == 0)
				p.implicit_tls = true;
			break;
		case 'S':
			tls = true;
			break;
		default:
			program_option(&p.options, c, usage_text);
		}
	}
	if (optind < argc)
		program_usage(usage_text, "unexpected argument: %s", argv[optind]);
	tzset(); /* here, or each worker reads the time zone's file again */
	p.caller = getuid();
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2) */
	conf = config_from_options(&p.options);
	log_open(conf, "smtpd");
	fill_server(&s, conf); /* conf stays: s points into it */
	s.limits.require_tls |= tls;
	p.implicit_tls |= s.limits.require_tls;
	status = server_run(&s);
	give_back(&p);
	free(s.listen);
	config_close(&conf);
	return status;
}

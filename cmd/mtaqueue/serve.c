/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue serve: shows and flushes the queue for users who may not read its directories. A worker runs as mail_owner,
 * learns from the kernel who asks, and has the verb done if authorized_mailq_users or authorized_flush_users let
 * him: see showq.h. Here: options, start, who may, the reading of the request. */
#include "mail/log.h"
#include "mail/userlist.h"
#include "sys/server.h"
#include "showq.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define REQUEST_SECONDS 10        /* for the whole of it */
#define PER_USER 20               /* requests at once, and no more than half of what there can be */

struct program {
	const struct config_options *options;
	struct config *config;
	struct userlist *users[FLUSH + 1];
	struct server *server;
	struct queue_paths writable;
};

static const struct { const char *name, *action; } user_lists[] = {
	[VIEW] = { "authorized_mailq_users", "view the mail queue" }, [FLUSH] = { "authorized_flush_users", "flush the mail queue" },
};

/* Flushing moves files between two directories: a worker may change no others. */
static void
set_limits(struct program *p)
{
	static const char *const changed[] = { "incoming", "deferred", NULL };
	struct config *c = p->config;
	int most = (int)config_int(c, "default_process_limit");

	queue_paths(&p->writable, config_str(c, "queue_directory"), changed);
	p->server->limits = (struct server_limits){
		.process_limit = most, .min_idle = 1,
		.max_use = (int)config_int(c, "max_use"), .max_idle = config_time(c, "max_idle"), .fork_delay = config_time(c, "fork_delay"),
		.per_client = most / 2 < 1 ? 1 : most / 2 < PER_USER ? most / 2 : PER_USER,
		.user = geteuid() == 0 ? config_str(c, "mail_owner") : NULL,
		.writable = p->writable.path,
	};
}

/* In the parent, at the start and after SIGHUP: what is wrong leaves the old configuration in force. */
static int
setup(void *arg)
{
	struct program *p = arg;
	struct buf err = BUF_INIT(65536);
	struct userlist *users[FLUSH + 1] = { NULL };
	struct config *c = config_open(p->options->dir, p->options->overrides, &err);

	for (int i = VIEW; i <= FLUSH && !err.len; i++)
		users[i] = userlist_open(c, user_lists[i].name, user_lists[i].action, &err);
	if (err.len) {
		log_error("%s", err.data);
		for (int i = VIEW; i <= FLUSH; i++)
			userlist_close(&users[i]);
		config_close(&c);
		buf_free(&err);
		return -1;
	}
	for (int i = VIEW; i <= FLUSH; i++) {
		userlist_close(&p->users[i]);
		p->users[i] = users[i];
	}
	config_close(&p->config);
	p->config = c;
	set_limits(p);
	log_open(c, "showq");
	buf_free(&err);
	return 0;
}

/* Whether a user may: root and mail_owner (that is us) always. 1, or 0 or -1 with why not. */
static int
may(struct program *p, int what, uid_t uid, struct buf *why)
{
	return uid == 0 || uid == geteuid() ? 1 : userlist_allow(p->users[what], uid, why);
}

/* Reads the request. 0, or -1 with err; err is empty when the client has just gone. */
static int
read_request(const struct server_peer *peer, struct buf *text, struct buf *err)
{
	int64_t deadline = clock_deadline(REQUEST_SECONDS);
	int r;

	while ((r = request_complete(text, err)) == 0) {
		struct pollfd in = { .fd = peer->rfd, .events = POLLIN };
		ssize_t n;

		if (buf_reserve(text, 4096) < 0) {
			text->full = true;
			continue;
		}
		if (poll(&in, 1, clock_left_ms(deadline)) == 0 || clock_mono() >= deadline) {
			buf_addf(err, "the request was not complete within %d seconds", REQUEST_SECONDS);
			return -1;
		}
		if (server_stopping()) {
			buf_adds(err, "the mail system is being stopped");
			return -1;
		}
		n = in.revents ? read(peer->rfd, text->data + text->len, 4096) : -1;
		if (n > 0) {
			text->len += (size_t)n;
			text->data[text->len] = '\0';
		} else if (n == 0 || (in.revents && errno != EINTR && errno != EAGAIN)) {
			if (text->len)
				buf_adds(err, "the request is not complete");
			return -1;
		}
	}
	return r < 0 ? -1 : 0;
}

/* Finds out whether this user may have this done, and does it. */
static void
serve_request(struct program *p, const struct server_peer *peer, const struct request *r, uid_t uid)
{
	struct guest guest = { .uid = uid, .request = r };
	const struct verb *verb = verb_find(r->arg[0]);
	struct buf why = BUF_INIT(4096), text = BUF_INIT(8192);
	int list = may(p, VIEW, uid, &why), allowed = list;

	guest.may_list = list > 0;
	if (!verb || verb->guest == OWN) {
		buf_clear(&why);
		buf_addf(&why, "%.40s: only root and the owner of the queue may do that", r->arg[0]);
		allowed = 0;
	} else if (verb->guest == FLUSH && list >= 0) {
		buf_clear(&why);
		allowed = may(p, FLUSH, uid, &why);
	}
	if (allowed > 0) {
		relay(peer, p->config, verb, &guest);
	} else {
		buf_addf(&text, "%s%s", request_fatal(r->program), why.data);
		relay_refuse(peer, allowed < 0 ? EX_TEMPFAIL : EX_NOPERM, r->program, text.data);
		log_warn("user ID %d: %s", (int)uid, why.data);
	}
	buf_free(&why);
	buf_free(&text);
}

static void
session(void *arg, const struct server_peer *peer)
{
	struct request r = { .text = BUF_INIT(SHOWQ_REQUEST_MAX + 1) };
	struct buf err = BUF_INIT(4096);
	uid_t uid = peer->terminal ? getuid() : peer->uid;

	if (uid == (uid_t)-1)
		relay_refuse(peer, EX_NOPERM, NULL, "who asks is known on a Unix socket only");
	else if (read_request(peer, &r.text, &err) == 0 && request_parse(&r, &err) == 0)
		serve_request(arg, peer, &r, uid);
	if (err.len) {
		relay_refuse(peer, EX_USAGE, NULL, err.data);
		log_warn("user ID %d: request refused: %s", (int)uid, err.data);
	}
	request_free(&r);
	buf_free(&err);
}

static void
refuse(void *arg, const struct server_peer *peer)
{
	(void)arg;
	relay_refuse(peer, EX_TEMPFAIL, NULL, "too many requests of yours at once; try again later");
}

static void
note(void *arg, const char *line)
{
	(void)arg;
	log_info("%s", line);
}

int
verb_serve(struct app *app, int argc, char **argv)
{
	struct program p = { .options = app->options };
	struct server s = { .name = "mtaqueue", .unix_mode = 0666, .arg = &p, .setup = setup, .session = session, .refuse = refuse, .log = note };
	int letter, status;

	optind = 0;
	while ((letter = getopt(argc, argv, "+:l:")) != -1)
		if (letter == 'l')
			server_listen_add(&s, optarg);
		else
			usage(app, letter == ':' ? "option -%c needs a value" : "unknown option -%c", optopt);
	if (optind < argc)
		usage(app, "unexpected argument: %s", argv[optind]);
	p.server = &s;
	log_open(app->config, "showq");
	status = server_run(&s);
	for (int i = VIEW; i <= FLUSH; i++)
		userlist_close(&p.users[i]);
	config_close(&p.config);
	queue_paths(&p.writable, "", &(const char *){ NULL });
	free(s.listen);
	return status;
}

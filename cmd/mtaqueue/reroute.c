/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue reroute: another transport and next hop for all recipients of a message that wait, in its opt line, which
 * the queue manager prefers to its tables. The file is written anew beside the old one and takes its place by rename, so a
 * crash leaves one of the two, on hold (take.c). */
#include "take.h"

#include "mail/log.h"
#include "syntax/envelope.h"

#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_NEXTHOP = 1000, OPT_TRANSPORT, OPT_RESET };

struct rerouting {
	const char *transport, *nexthop;
	bool reset, quiet;
};

static int
option(void *arg, int letter, char *value)
{
	struct rerouting *r = arg;

	if (letter == OPT_RESET)
		r->reset = true;
	else if (letter == 'q')
		r->quiet = true;
	else if (!*value || strlen(value) > 1000 || strpbrk(value, "\r\n\t"))
		return -1;
	else if (letter == OPT_NEXTHOP)
		r->nexthop = value;
	else
		r->transport = value;
	return 0;
}

/* The opt line without what an earlier reroute said, and with what we say. */
static char *
new_opt(const struct rerouting *r, const char *old)
{
	struct buf out = BUF_INIT(ENVELOPE_LINE_MAX);

	for (const char *p = old + strspn(old, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " "), name = strcspn(p, "= ");

		if (!(name == 9 && memcmp(p, "transport", 9) == 0) && !(name == 7 && memcmp(p, "nexthop", 7) == 0)) {
			buf_addc(&out, ' ');
			buf_add(&out, p, n);
		}
		p += n;
	}
	if (!r->reset) {
		envelope_param_add(&out, "transport", r->transport);
		envelope_param_add(&out, "nexthop", r->nexthop);
	}
	return buf_steal(&out);
}

static int
reroute(void *arg, struct item *it, enum queue_name was, enum queue_name *to)
{
	struct rerouting *r = arg;
	struct buf err = BUF_INIT(4096);
	struct queue_writer *w;
	char *opt = it->e.opt;
	int done = -1;

	it->e.opt = new_opt(r, opt);
	free(opt);
	w = queue_write_begin(&it->app->queue, &it->e, &err);
	if (w && queue_write_fd(w, it->fd, (off_t)it->e.content, it->e.size) < 0) {
		buf_addf(&err, "copy the content: %s", strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		done = queue_write_replace(&w, QUEUE_HOLD, &err);
	if (done < 0) {
		msg_warn("%s: %s", it->id, err.data);
	} else {
		log_info("%s: rerouted to transport=%s, nexthop=%s", it->id, r->reset ? "(by the tables)" : r->transport,
		    r->reset ? "(by the tables)" : r->nexthop);
		*to = was == QUEUE_HOLD ? QUEUE_HOLD : QUEUE_INCOMING; /* what waited is tried the new way */
	}
	buf_free(&err);
	return done;
}

/* The transport must be one that the queue manager can use. */
static void
check_transport(struct app *app, const char *name)
{
	static const char *const built_in[] = { "error", "retry", "discard" };
	struct buf param = BUF_INIT(1024);
	const char *command;

	for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
		if (strcmp(name, built_in[i]) == 0)
			return;
	buf_addf(&param, "%s_agent", name);
	command = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(name) ?
	    config_any(app->config, param.data) : NULL;
	if (!command || !*command)
		usage(app, "--to-transport %s: there is no %s in main.cf", name, param.data);
	buf_free(&param);
}

int
verb_reroute(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "to-nexthop", required_argument, NULL, OPT_NEXTHOP }, { "to-transport", required_argument, NULL, OPT_TRANSPORT },
		{ "reset", no_argument, NULL, OPT_RESET }, { "quiet", no_argument, NULL, 'q' }, { 0 },
	};
	struct rerouting r = { .transport = "smtp" };
	struct verb_options own = { "q", options, option, &r };
	struct taking t = { .did = "rerouted", .would = "would reroute", .work = reroute, .arg = &r };
	struct selection s;
	int status;

	select_parse(&s, app, TAKE_DEFAULT, argc, argv, &own);
	if (!r.reset == !r.nexthop)
		usage(app, "where to? --to-nexthop, or --reset");
	if (select_everything(&s))
		usage(app, "which messages? Queue IDs, a selection such as --from, or --all");
	if (!r.reset)
		check_transport(app, r.transport);
	log_open_command(app->config, "reroute");
	t.quiet = r.quiet;
	status = take_run(&t, &s);
	select_free(&s);
	return status;
}

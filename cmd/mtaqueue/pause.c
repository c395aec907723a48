/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue pause and resume: mail for a domain, a next hop, a transport or all waits, without an attempt, until it is
 * resumed or the time is over. The queue manager sees the changed file at once; mtaqueue resume then has what waits tried. */
#include "pause.h"

#include "act.h"
#include "print.h"

#include "mail/route.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

struct pausing {
	struct app *app;
	struct { enum pause_kind kind; const char *pattern; } *what;
	size_t n;
	int64_t seconds;          /* 0: without end */
	const char *reason;
	bool json, quiet;
	bool idle;                /* --all was to be resumed, and nothing is paused */
};

static int64_t
now(void)
{
	return clock_real() / 1000000;
}

const struct pauses *
pause_rules(struct app *app)
{
	struct buf err = BUF_INIT(65536);

	if (!app->pauses) {
		app->pauses = mem_zalloc(sizeof *app->pauses);
		if (pauses_read(&app->queue, now(), app->pauses, &err) < 0)
			msg_warn("%s", err.data);
	}
	buf_free(&err);
	return app->pauses;
}

/* Some pause is of a next hop or a transport: only then is it asked where mail would go. */
static bool
by_route(const struct pauses *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->rule[i].kind == PAUSE_NEXTHOP || p->rule[i].kind == PAUSE_TRANSPORT)
			return true;
	return false;
}

/* As the queue manager has it: what mtaqueue reroute said, else the tables. False: it cannot be told, or needs no agent. */
static bool
route_of(struct item *it, const char *addr, struct route *r)
{
	static bool tried;
	struct buf text = BUF_INIT(65536);
	int got;

	buf_clear(&r->transport);
	buf_clear(&r->nexthop);
	if (item_opt(it, "transport", &r->transport)) {
		item_opt(it, "nexthop", &r->nexthop);
		return true;
	}
	if (!tried) {
		tried = true;
		it->app->routes = route_open(it->app->config, &text);
		if (!it->app->routes)
			msg_warn("what is paused by next hop or transport is not shown: %s", text.data);
	}
	got = it->app->routes ? route_resolve(it->app->routes, addr, r, &text, &text) : 0;
	buf_free(&text);
	return got > 0;
}

const struct pause_rule *
pause_of(struct item *it, const char *addr)
{
	static const char *const built_in[] = { "error", "retry", "discard" };
	const struct pauses *p = pause_rules(it->app);
	const struct pause_rule *rule;
	static struct route route;
	const char *at, *domain;

	if (!p->n)
		return NULL;
	at = strrchr(addr, '@');
	domain = at ? at + 1 : "";
	rule = pauses_match(p, now(), domain, "", "");
	if (rule || !by_route(p))
		return rule;
	if (!route.transport.max)
		route_init(&route);
	if (!route_of(it, addr, &route))
		return NULL;
	for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
		if (strcmp(route.transport.data, built_in[i]) == 0)
			return NULL;
	return pauses_match(p, now(), domain, route.nexthop.data, route.transport.data);
}

static void
print_rule(const struct pause_rule *rule)
{
	char text[24];

	printf("paused: %s", pause_kinds[rule->kind]);
	if (rule->kind != PAUSE_ALL)
		printf(" %s", clean(rule->pattern));
	printf(", since %s", short_time(now() - rule->since, text));
	if (rule->until)
		printf(", for %s more", short_time(rule->until - now(), text));
	printf("%s%s\n", *rule->reason ? ": " : "", clean(rule->reason));
}

void
pause_print(struct app *app)
{
	const struct pauses *p = pause_rules(app);

	for (size_t i = 0; i < p->n; i++)
		print_rule(&p->rule[i]);
}

static void
print_rules_json(struct app *app)
{
	const struct pauses *p = pause_rules(app);

	for (size_t i = 0; i < p->n; i++) {
		const struct pause_rule *rule = &p->rule[i];

		printf("{\"kind\": \"%s\", \"pattern\": ", pause_kinds[rule->kind]);
		json_string(rule->pattern);
		printf(", \"since\": %" PRId64, rule->since);
		if (rule->until)
			printf(", \"until\": %" PRId64, rule->until);
		printf(", \"reason\": ");
		json_string(rule->reason);
		puts("}");
	}
}

/* Changes of the file one after the other: the lock is on its directory. */
static int
lock(struct app *app)
{
	int fd;

	if (queue_state_make(&app->queue) < 0)
		msg_die(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT, "create %s/state: %s", app->queue.dir, strerror(errno));
	fd = openat(app->queue.top, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		msg_die(EX_OSERR, "lock %s/state: %s", app->queue.dir, strerror(errno));
	return fd;
}

static void
change(struct pausing *p, void (*f)(struct pausing *p, struct pauses *rules))
{
	struct buf err = BUF_INIT(65536);
	int fd = lock(p->app);
	struct pauses rules;

	/* a line that is not understood is dropped, with a warning: the file is ours */
	if (pauses_read(&p->app->queue, now(), &rules, &err) < 0)
		msg_warn("%s", err.data);
	buf_clear(&err);
	f(p, &rules);
	if (pauses_write(&p->app->queue, &rules, &err) < 0)
		msg_die(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_TEMPFAIL, "%s", err.data);
	pauses_free(&rules);
	buf_free(&err);
	close(fd);
}

static void
add(struct pausing *p, struct pauses *rules)
{
	for (size_t i = 0; i < p->n; i++)
		pauses_add(rules, p->what[i].kind, p->what[i].pattern, now(), p->seconds ? now() + p->seconds : 0, p->reason ? p->reason : "");
}

/* What is named; "all" means every pause. */
static void
take_out(struct pausing *p, struct pauses *rules)
{
	size_t left = 0;

	for (size_t i = 0; i < p->n; i++) {
		bool all = p->what[i].kind == PAUSE_ALL, found = false;

		for (size_t k = rules->n; k-- > 0;)
			if (all ||
			    (rules->rule[k].kind == p->what[i].kind && strcasecmp(rules->rule[k].pattern, p->what[i].pattern) == 0)) {
				pauses_remove(rules, k);
				found = true;
			}
		if (found)
			p->what[left++] = p->what[i];
		else if (all)
			p->idle = true;
		else
			msg_warn("not paused: %s %s", pause_kinds[p->what[i].kind], p->what[i].pattern);
	}
	p->n = left;
}

enum { OPT_FOR = 1000, OPT_REASON, OPT_KIND };

static void
parse(struct pausing *p, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, OPT_KIND + PAUSE_ALL }, { "domain", required_argument, NULL, OPT_KIND + PAUSE_DOMAIN },
		{ "nexthop", required_argument, NULL, OPT_KIND + PAUSE_NEXTHOP }, { "transport", required_argument, NULL, OPT_KIND + PAUSE_TRANSPORT },
		{ "for", required_argument, NULL, OPT_FOR }, { "reason", required_argument, NULL, OPT_REASON },
		{ "json", no_argument, NULL, 'j' }, { "quiet", no_argument, NULL, 'q' }, { 0 },
	};
	int letter;

	p->what = mem_array((size_t)argc, sizeof *p->what);
	optind = 0;
	while ((letter = getopt_long(argc, argv, ":jq", options, NULL)) != -1)
		if (letter == ':')
			usage(p->app, "option %s needs a value", argv[optind - 1]);
		else if (letter == '?')
			usage(p->app, "unknown option %s", argv[optind - 1]);
		else if (letter == 'j')
			p->json = true;
		else if (letter == 'q')
			p->quiet = true;
		else if (letter == OPT_REASON)
			p->reason = optarg;
		else if (letter == OPT_FOR && (num_time(optarg, 's', &p->seconds) < 0 || p->seconds <= 0))
			usage(p->app, "--for: not a time: \"%s\" (such as 2h, 30m)", optarg);
		else if (letter >= OPT_KIND) {
			if (optarg && (!*optarg || strlen(optarg) > 1000))
				usage(p->app, "an empty or very long pattern");
			p->what[p->n].kind = (enum pause_kind)(letter - OPT_KIND);
			p->what[p->n++].pattern = optarg ? optarg : "*";
		}
	if (optind < argc)
		usage(p->app, "what is \"%s\"? --domain, --nexthop, --transport or --all say what waits", argv[optind]);
}

int
verb_pause(struct app *app, int argc, char **argv)
{
	struct pausing p = { .app = app };

	parse(&p, argc, argv);
	if (!p.n && (p.seconds || p.reason))
		usage(app, "what to pause? --domain, --nexthop, --transport or --all");
	if (p.n)
		change(&p, add);
	if (p.json)
		print_rules_json(app);
	else if (!p.quiet && !p.n && !pause_rules(app)->n)
		puts("Nothing is paused.");
	else if (!p.quiet)
		pause_print(app);
	free(p.what);
	return EX_OK;
}

/* What may have waited is tried. */
static uint64_t
flush(struct pausing *p, size_t i)
{
	static const enum select_kind kinds[PAUSE_KINDS] = {
		[PAUSE_DOMAIN] = SELECT_DOMAIN, [PAUSE_NEXTHOP] = SELECT_NEXTHOP, [PAUSE_TRANSPORT] = SELECT_TRANSPORT,
	};
	struct action a = { .from = BIT(QUEUE_DEFERRED), .to = QUEUE_INCOMING, .quiet = true };
	struct selection s;

	select_init(&s, p->app, a.from);
	if (p->what[i].kind != PAUSE_ALL)
		select_add_pattern(&s, kinds[p->what[i].kind], p->what[i].pattern);
	act_run(&a, &s);
	select_free(&s);
	return a.done;
}

int
verb_resume(struct app *app, int argc, char **argv)
{
	struct pausing p = { .app = app };
	uint64_t done = 0;
	size_t asked;

	parse(&p, argc, argv);
	asked = p.n;
	if (!p.n || p.seconds || p.reason || p.json)
		usage(app, p.n ? "--for, --reason and -j are for pause" : "what to resume? --domain, --nexthop, --transport or --all");
	change(&p, take_out);
	for (size_t i = 0; i < p.n; i++) {
		done += flush(&p, i);
		if (!p.quiet)
			printf("resumed: %s%s%s\n", pause_kinds[p.what[i].kind], p.what[i].kind == PAUSE_ALL ? "" : " ",
			    p.what[i].kind == PAUSE_ALL ? "" : clean(p.what[i].pattern));
	}
	if (p.idle && !p.n && !p.quiet)
		puts("Nothing is paused.");
	if (p.n && !p.quiet)
		printf("flushed %" PRIu64 " message%s\n", done, done == 1 ? "" : "s");
	free(p.what);
	return p.n + p.idle == asked ? EX_OK : EX_NOINPUT;
}

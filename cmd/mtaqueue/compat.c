/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue by other names: mailq, postqueue and postsuper with Postfix's options, output and exit statuses, so that
 * scripts written for them go on working. postcat is in postcat.c. */
#include "act.h"
#include "compat.h"
#include "repair.h"

#include "mail/config.h"
#include "map/map.h"
#include "syntax/address.h"

#include "base/mem.h"
#include "base/msg.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* Runs a verb with these words. */
static int
run_verb(struct app *app, int (*verb)(struct app *, int, char **), const char *const *words)
{
	char *argv[8];
	int n = 0;

	for (; n < 7 && words[n]; n++)
		argv[n] = (char *)(uintptr_t)words[n];
	argv[n] = NULL;
	app->verb = words[0];
	app->usage = "";
	return verb(app, n, argv);
}

int
compat_mailq(struct app *app, int argc, char **argv)
{
	static const char *const words[] = { "list", "--mailq", NULL };

	(void)argc, (void)argv;
	return run_verb(app, verb_list, words);
}


/* fast_flush_domains: for whom users may ask. */
static bool
may_flush(struct app *app, const char *site)
{
	struct buf err = BUF_INIT(4096);
	bool parent = strstr(config_str(app->config, "parent_domain_matches_subdomains"), "fast_flush_domains") != NULL;
	struct matchlist *l = matchlist_open(config_str(app->config, "fast_flush_domains"), parent, &err);
	int r = l ? matchlist_domain(l, site, &err) : MAP_ERROR;

	if (r == MAP_ERROR)
		msg_die(EX_TEMPFAIL, "fast_flush_domains: %s", err.data);
	matchlist_close(&l);
	buf_free(&err);
	return r == MAP_FOUND;
}

static void __attribute__((noreturn))
postqueue_usage(void)
{
	msg_die(EX_UNAVAILABLE, "fatal: usage: postqueue [-c config_dir] [-v] -f | -i queue_id | -j | -p | -s site"); /* as there */
}

/* -s: the mail for a site that fast_flush_domains has. */
static void
check_site(struct app *app, const char *site)
{
	if (!address_domain_ok(site, strlen(site), true))
		msg_die(EX_UNAVAILABLE, "fatal: Cannot flush mail queue - invalid destination: \"%s\"", site);
	if (!may_flush(app, site))
		msg_die(EX_UNAVAILABLE, "fatal: Flush service is not configured for destination \"%s\" (fast_flush_domains)", site);
}

int
compat_postqueue(struct app *app, int argc, char **argv)
{
	const char *words[] = { "flush", "-q", NULL, NULL, NULL }, *const list_json[] = { "list", "--mailq", "-j", NULL };
	int letter, what = 0, status;

	optind = 0;
	while ((letter = getopt(argc, argv, "+C:c:o:fi:jps:v")) != -1) {
		if (strchr("Ccov", letter)) /* main() has seen to these */
			continue;
		if (what || letter == '?') /* one thing at a time */
			postqueue_usage();
		what = letter;
		words[2] = letter == 's' ? "--domain" : letter == 'i' ? optarg : NULL;
		words[3] = letter == 's' ? optarg : NULL;
	}
	if (!what || optind < argc)
		postqueue_usage();
	if (what == 's')
		check_site(app, words[3]);
	if (what == 'p')
		return compat_mailq(app, argc, argv);
	if (what == 'j')
		return run_verb(app, verb_list, list_json);
	status = run_verb(app, verb_flush, words);
	return status == EX_NOINPUT ? EX_OK : status; /* nothing to flush is no failure there */
}

/* The operations of postsuper in the order it documents. */
static const struct operation {
	int letter;
	struct action action;
	const char *total;
} operations[] = {
	{ 'd', { .postsuper = "removed", .to = QUEUE_TRASH, .now = true,
	    .from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) | BIT(QUEUE_CORRUPT) | BIT(QUEUE_MAILDROP) }, "Deleted" },
	{ 'e', { .postsuper = "expired", .to = QUEUE_INCOMING, .expire = true,
	    .from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) }, "Force-expired" },
	{ 'f', { .postsuper = "expired", .to = QUEUE_INCOMING, .expire = true, .release = true,
	    .from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) }, "Force-expired" },
	{ 'h', { .postsuper = "placed on hold", .to = QUEUE_HOLD,
	    .from = BIT(QUEUE_INCOMING) | BIT(QUEUE_ACTIVE) | BIT(QUEUE_DEFERRED) }, "Placed on hold" },
	{ 'H', { .postsuper = "released from hold", .to = QUEUE_INCOMING, .from = BIT(QUEUE_HOLD) }, "Released from hold" },
	{ 'r', { .postsuper = "requeued", .to = QUEUE_INCOMING, .forget = true,
	    .from = BIT(QUEUE_DEFERRED) | BIT(QUEUE_HOLD) | BIT(QUEUE_CORRUPT) }, "Requeued" },
};

/* What one operation is for: the arguments of all its options, which are IDs, ALL, or - for standard input. */
struct arguments { char **text; size_t n; };

static bool
has_all(const struct arguments *args)
{
	for (size_t i = 0; i < args->n; i++)
		if (strcmp(args->text[i], "ALL") == 0)
			return true;
	return false;
}

/* queues: bits of the directories that were named, 0: none was. */
static int
operate(struct app *app, const struct operation *op, const struct arguments *args, unsigned queues)
{
	struct action a = op->action;
	struct selection s;
	int status = EX_OK;

	if (queues)
		a.from &= queues;
	select_init(&s, app, a.from);
	s.lenient = true;
	if (has_all(args))
		s.all = true;
	for (size_t i = 0; !s.all && i < args->n; i++)
		select_add(&s, args->text[i]);
	if (s.all || s.ids.n) /* "-" with nothing on standard input means nothing, not everything */
		status = act_run(&a, &s);
	fprintf(stderr, "postsuper: %s: %" PRIu64 " message%s\n", op->total, a.done, a.done == 1 ? "" : "s");
	select_free(&s);
	return status == EX_NOINPUT ? EX_OK : status;
}

#define POSTSUPER_LETTERS "+C:c:o:d:e:f:h:H:pr:sSv"

static unsigned
named_queues(int argc, char **argv)
{
	unsigned bits = 0;

	for (int i = optind; i < argc; i++) {
		int k = 0;

		while (k < QUEUE_NAMES && strcmp(queue_names[k], argv[i]) != 0)
			k++;
		if (k == QUEUE_NAMES)
			msg_die(EXIT_FAILURE, "fatal: invalid directory name: %s", argv[i]);
		bits |= BIT(k);
	}
	return bits;
}

void
compat_prepare_postsuper(struct app *app, int argc, char **argv)
{
	bool repair = false, other = false;
	int letter;

	opterr = 0;
	optind = 0;
	while ((letter = getopt(argc, argv, POSTSUPER_LETTERS)) != -1) {
		repair |= letter == 's' || letter == 'S';
		other |= strchr("Ccov", letter) == NULL;
	}
	opterr = 1;
	app->damaged = (repair || !other) && repair_directories(app) != EX_OK;
}

int
compat_postsuper(struct app *app, int argc, char **argv)
{
	enum { OPERATIONS = sizeof operations / sizeof operations[0] };
	struct arguments args[OPERATIONS] = { 0 };
	bool repair = false, clean = false, other = false;
	int letter, status = EX_OK, r;
	unsigned queues;

	optind = 0;
	while ((letter = getopt(argc, argv, POSTSUPER_LETTERS)) != -1) {
		if (letter == '?')
			msg_die(EXIT_FAILURE, "fatal: usage: postsuper [-psSv] [-c config_dir] [-d queue_id] [-e queue_id] [-f queue_id]"
			    " [-h queue_id] [-H queue_id] [-r queue_id] [directory ...]"); /* as there */
		repair |= letter == 's' || letter == 'S';
		clean |= letter == 'p';
		for (size_t i = 0; i < OPERATIONS; i++)
			if (operations[i].letter == letter) {
				args[i].text = mem_resize(args[i].text, args[i].n + 1, sizeof *args[i].text);
				args[i].text[args[i].n++] = optarg;
				other = true;
			}
	}
	if (!repair && !clean && !other) /* nothing is asked for: both */
		repair = clean = true;
	queues = named_queues(argc, argv);
	/* first these, whatever the order is in which they are asked for */
	if (clean)
		status = purge(app, queues ? queues : ~0u);
	if (repair && (r = repair_structure(app, queues ? queues : ~0u)) != EX_OK)
		status = r;
	for (size_t i = 0; i < OPERATIONS; i++) {
		if (args[i].n && (r = operate(app, &operations[i], &args[i], queues)) != EX_OK)
			status = r;
		free(args[i].text);
	}
	return app->damaged ? EX_SOFTWARE : status;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue: the mail queue for people and scripts. Works on the queue's directories with the caller's own
 * permissions, by atomic renames; the queue manager notices (mtaqueue(5)). */
#include "compat.h"
#include "mtaqueue.h"

#include "sys/proc.h"

#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct verb verbs[] = {
	{ "add", verb_add, "[-t] [-f sender] [--hold] [sender] recipient ... < message", false, OWN },
	{ "pickup", verb_pickup, "[-b]", false, OWN },
	{ "list", verb_list, "[-jv] [--format text | --mailq] [selection]", false, VIEW },
	{ "show", verb_show, "[-j] [--body | --raw | --envelope | --message] selection", false, OWN },
	{ "stat", verb_stat, "[-j | --prometheus] [--by key] [--top number] [selection]", false, VIEW },
	{ "trace", verb_trace, "[--log file] id | address | message-id ...", false, OWN },
	{ "watch", verb_watch, "[-j] [--for time] [selection]", false, OWN },
	{ "flush", verb_flush, "[-nq] [selection]", false, FLUSH },
	{ "hold", verb_hold, "[-nq] selection", false, OWN },
	{ "release", verb_release, "[-nq] selection", false, OWN },
	{ "requeue", verb_requeue, "[-nq] selection", false, OWN },
	{ "delete", verb_delete, "[-nq] [--now] selection", false, OWN },
	{ "undelete", verb_undelete, "[-nq] selection", false, OWN },
	{ "expire", verb_expire, "[-nq] [--release] selection", false, OWN },
	{ "bounce", verb_bounce, "[-nq] [--text text] [--status code] selection", false, OWN },
	{ "reroute", verb_reroute, "[-nq] --to-nexthop hop [--to-transport name] | --reset selection", false, OWN },
	{ "pause", verb_pause, "[-jq] [--domain | --nexthop | --transport pattern | --all [--for time] [--reason text]]", false, OWN },
	{ "resume", verb_resume, "[-q] --domain | --nexthop | --transport pattern | --all", false, OWN },
	{ "serve", verb_serve, "[-l address]", false, OWN },
};

/* What it is called by may say what to do. */
static const struct verb names[] = {
	{ "mailq", compat_mailq, "", false, OWN },
	{ "postqueue", compat_postqueue, "", false, OWN },
	{ "postsuper", compat_postsuper, "", false, OWN },
	{ "postcat", compat_postcat, "", false, OWN },
};

static void
print_verbs(void)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		fprintf(stderr, "%s mtaqueue [-C dir] [-o name=value] %s %s\n", i ? "      " : "usage:", verbs[i].name, verbs[i].usage);
}

void
usage(const struct app *app, const char *fmt, ...)
{
	struct buf text = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (text.len)
		msg_warn("%s", text.data);
	if (app->verb)
		fprintf(stderr, "usage: mtaqueue %s %s\n", app->verb, app->usage);
	else
		print_verbs();
	exit(EX_USAGE);
}

void
check_output(void)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno == EPIPE) /* head(1) has seen enough */
			exit(EX_OK);
		msg_die(EX_IOERR, "write to standard output: %s", strerror(errno));
	}
}

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Runs the verb, and ends with its status. */
static void __attribute__((noreturn))
run(struct app *app, const struct config_options *options, const struct verb *verb, int argc, char **argv)
{
	struct buf err = BUF_INIT(4096);
	int status;

	app->verb = verb->name;
	app->usage = verb->usage;
	app->options = options;
	app->config = config_from_options(options);
	if (verb->run == compat_postsuper)
		compat_prepare_postsuper(app, argc, argv);
	if (queue_open(&app->queue, config_str(app->config, "queue_directory"), verb->create, &err) < 0)
		msg_die(errno == EACCES ? EX_NOPERM : errno == ENOENT ? EX_CONFIG : EX_OSERR, "%s", err.data);
	status = verb->run(app, argc, argv);
	check_output();
	queue_close(&app->queue);
	config_close(&app->config);
	exit(status);
}

/* Called by one of Postfix's names: its options are the verb's, but for where the configuration is. */
static void
run_by_name(struct app *app, struct config_options *options, int argc, char **argv)
{
	const struct verb *verb = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].name, msg_program) == 0)
			verb = &names[i];
	if (!verb)
		return;
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "-C") == 0)
			config_option(options, 'C', argv[i + 1]);
		else if (strcmp(argv[i], "-o") == 0 && strcmp(verb->name, "postcat") != 0)
			config_option(options, 'o', argv[i + 1]);
	run(app, options, verb, argc, argv);
}

int
main(int argc, char **argv)
{
	struct config_options options = { 0 };
	struct app app = { 0 };
	const struct verb *verb;
	int letter;

	proc_sane_fds();
	msg_init(argc > 0 ? argv[0] : NULL);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
	signal(SIGPIPE, SIG_IGN);
	run_by_name(&app, &options, argc, argv);
	msg_init("mtaqueue");
	while ((letter = getopt(argc, argv, "+:C:o:V")) != -1)
		switch (letter) {
		case 'C':
		case 'o':
			config_option(&options, letter, optarg);
			break;
		case 'V':
			puts("mtaqueue (mtakit) " VERSION);
			return EX_OK;
		case ':':
			usage(&app, "option -%c needs a value", optopt);
		default:
			usage(&app, "unknown option -%c", optopt);
		}
	if (optind >= argc)
		usage(&app, "what to do?");
	verb = verb_find(argv[optind]);
	if (!verb)
		usage(&app, "unknown verb \"%s\"", argv[optind]);
	run(&app, &options, verb, argc - optind, argv + optind);
}

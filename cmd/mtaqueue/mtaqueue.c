/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue: the mail queue for people and scripts. Works on the queue's directories with the caller's own
 * permissions, by atomic renames; the queue manager notices (mtaqueue(5)). */
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
	{ "add", verb_add, "[-t] [-f sender] [--hold] [sender] recipient ... < message", false },
	{ "list", verb_list, "[-jv] [--format text] [selection]", false },
	{ "show", verb_show, "[-j] [--body | --raw | --envelope] selection", false },
	{ "flush", verb_flush, "[-n] [selection]", false },
	{ "hold", verb_hold, "[-n] selection", false },
	{ "release", verb_release, "[-n] selection", false },
	{ "requeue", verb_requeue, "[-n] selection", false },
	{ "delete", verb_delete, "[-n] [--now] selection", false },
	{ "undelete", verb_undelete, "[-n] selection", false },
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

static const struct verb *
find_verb(struct app *app, const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	usage(app, "unknown verb \"%s\"", name);
}

int
main(int argc, char **argv)
{
	struct config_options options = { 0 };
	struct buf err = BUF_INIT(4096);
	struct app app = { 0 };
	const struct verb *verb;
	int letter, status;

	proc_sane_fds();
	msg_init("mtaqueue");
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
	signal(SIGPIPE, SIG_IGN);
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
	verb = find_verb(&app, argv[optind]);
	app.verb = verb->name;
	app.usage = verb->usage;
	app.config = config_from_options(&options);
	if (queue_open(&app.queue, config_str(app.config, "queue_directory"), verb->create, &err) < 0)
		msg_die(errno == EACCES ? EX_NOPERM : errno == ENOENT ? EX_CONFIG : EX_OSERR, "%s", err.data);
	status = verb->run(&app, argc - optind, argv + optind);
	check_output();
	queue_close(&app.queue);
	config_close(&app.config);
	return status;
}

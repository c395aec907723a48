/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaconf - prints, checks and edits main.cf, writes a private configuration; postconf by name. See mtaconf(8). */
#include "mtaconf.h"

#include "base/msg.h"
#include "mail/program.h"
#include "map/map.h"
#include "sys/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] =
    "mtaconf [-dhHnpxV] [-C dir] [-o name=value] [name ...]\n"
    "       mtaconf [-e] [-C dir] name=value ...\n"
    "       mtaconf -X | -# [-C dir] name ...\n"
    "       mtaconf -a | -A | -l | -m\n"
    "       mtaconf -b | -t [-C dir] [file]\n"
    "       mtaconf [-C dir] check | manual\n"
    "       mtaconf [-j] init dir [name=value ...]";

struct options {
	struct config_options config;
	struct print print;
	int mode;                 /* 0, or one of e X # a A l m b t */
	bool json;
};

static void
warn_problem(void *arg, const char *text)
{
	(void)arg;
	msg_warn("warning: %s", text);
}

/* Names, or all. A main.cf with mistakes is printed all the same: that is how they are found. */
static int
do_print(const struct options *o, char *const *names)
{
	struct config *c = config_open_all(o->config.dir, o->config.overrides, warn_problem, NULL);
	int r = EX_OK;

	if (!c)
		return EX_CONFIG;
	if (!*names)
		print_list(c, &o->print);
	for (; *names; names++)
		if (!print_one(c, &o->print, *names)) {
			const char *near = nearest_param(*names);

			msg_warn(near ? "warning: %s: unknown parameter; did you mean %s?" : "warning: %s: unknown parameter%s", *names, near ? near : "");
			r = EX_DATAERR;
		}
	config_close(&c);
	return r;
}

static int
do_types(int letter)
{
	switch (letter) {
	case 'm':
		for (const char *const *t = map_types(); *t; t++)
			printf("%s\n", *t);
		break;
	case 'a': /* what smtpd_sasl_type may be */
		printf("cyrus\ndovecot\n");
		break;
	case 'A':
		printf("cyrus\n");
		break;
	default:
		printf("dotlock\nfcntl\nflock\n");
		break;
	}
	return EX_OK;
}

static int
do_init(const struct options *o, char *const *words)
{
	if (!words[0])
		program_usage(usage_text, "init needs a directory");
	for (char *const *s = words + 1; *s; s++)
		if (!strchr(*s, '=') || **s == '=')
			program_usage(usage_text, "\"%s\" is not name=value", *s);
	return init_write(words[0], words + 1, o->json);
}

static int
run(const struct options *o, char *const *words)
{
	switch (o->mode) {
	case 'e':
	case 'X':
	case '#':
		if (!words[0])
			program_usage(usage_text, "-%c needs names%s", o->mode, o->mode == 'e' ? " and values" : "");
		return edit_file(&o->config, o->mode == 'e' ? EDIT_SET : o->mode == 'X' ? EDIT_REMOVE : EDIT_COMMENT, words);
	case 'b':
	case 't':
		if (words[0] && words[1])
			program_usage(usage_text, "-%c takes one file", o->mode);
		return template_print(&o->config, o->mode == 'b', words[0]);
	case 0:
		break;
	default:
		if (words[0])
			program_usage(usage_text, "-%c takes no names", o->mode);
		return do_types(o->mode);
	}
	if (words[0] && strcmp(words[0], "init") == 0)
		return do_init(o, words + 1);
	if (words[0] && words[1] && (strcmp(words[0], "check") == 0 || strcmp(words[0], "manual") == 0))
		program_usage(usage_text, "%s takes no arguments", words[0]);
	if (words[0] && strcmp(words[0], "check") == 0)
		return check_all(&o->config);
	if (words[0] && strcmp(words[0], "manual") == 0) {
		print_manual();
		return EX_OK;
	}
	if (words[0] && strchr(words[0], '='))
		return edit_file(&o->config, EDIT_SET, words);
	return do_print(o, words);
}

static void
take(struct options *o, int letter)
{
	switch (letter) {
	case 'd':
		o->print.which = PRINT_DEFAULTS;
		break;
	case 'n':
		o->print.which = PRINT_SET;
		break;
	case 'h':
		o->print.no_name = true;
		break;
	case 'H':
		o->print.no_value = true;
		break;
	case 'x':
		o->print.expand = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'f': /* no lines are folded; main.cf is what is printed anyway */
	case 'p':
	case 'v':
		break;
	default:
		if (!strchr("eX#aAlmbt", letter)) {
			program_option(&o->config, letter == 'c' ? 'C' : letter, usage_text);
			return;
		}
		if (o->mode && o->mode != letter)
			program_usage(usage_text, "-%c and -%c exclude each other", o->mode, letter);
		o->mode = letter;
	}
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	int letter, r;

	proc_sane_fds();
	msg_init(argv[0]);
	opterr = 0;
	while ((letter = getopt(argc, argv, "+:#AabC:c:deHhjlmno:pftvVXx")) != -1) {
		if (letter == '?' && strchr("MFPTSEI", optopt))
			program_usage(usage_text, "-%c: there is no master.cf here; services and their commands are parameters (services, service_NAME)", optopt);
		take(&o, letter);
	}
	r = run(&o, argv + optind);
	if (fflush(stdout) != 0 || ferror(stdout))
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	free(o.config.overrides);
	return r;
}

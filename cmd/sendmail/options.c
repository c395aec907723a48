/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* sendmail's command line: the options that Sendmail had, as Postfix's sendmail(1) takes them. Those that have no meaning
 * here are taken and ignored, because programs pass them. */
#include "sendmail.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/program.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

const char usage_text[] =
    "sendmail [-C dir] [-tiv] [-f sender] [-F name] [-B type] [-N notify] [-R return] [-V envid] [recipient ...] < message\n"
    "       sendmail -bs | -bp | -bi | -q";

/* -o: "-oi" and the like, or, as in all programs of the kit, name=value. */
static void
option_o(struct job *j, char *value)
{
	char *equals = strchr(value, '=');

	/* Sendmail's options have names of one letter */
	if (equals && equals - value > 1)
		config_option(&j->options, 'o', value);
	else if (strcmp(value, "i") == 0)
		j->dots = true;
	else if (strcmp(value, "8") == 0)
		j->body = "8BITMIME";
	else if (strcmp(value, "7") == 0)
		j->body = "7BIT";
	/* -om, -oem, -odb, ...: Sendmail's ways of doing what is done anyway */
}

/* -C: a directory; or its main.cf, or sendmail.cf's path of old. */
static void
option_c(struct job *j, char *value)
{
	char *slash = strrchr(value, '/');
	struct stat st;

	if (slash && slash != value && stat(value, &st) == 0 && !S_ISDIR(st.st_mode))
		*slash = '\0';
	config_option(&j->options, 'C', value);
}

/* -N: "never", or a list of success, failure, delay (RFC 3461 4.1). */
static char *
notify(char *value)
{
	static const char *const names[] = { "SUCCESS", "FAILURE", "DELAY" };
	struct buf out = BUF_INIT(100);
	unsigned seen = 0;
	char *save = NULL;

	if (strcasecmp(value, "never") == 0)
		return mem_strdup("NEVER");
	for (char *w = strtok_r(value, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		int i = 0;

		while (i < 3 && strcasecmp(w, names[i]) != 0)
			i++;
		if (i == 3)
			program_usage(usage_text, "-N: \"%s\" is not success, failure, delay or never", w);
		if (!(seen & 1u << i))
			buf_addf(&out, "%s%s", seen ? "," : "", names[i]);
		seen |= 1u << i;
	}
	if (!seen)
		program_usage(usage_text, "-N needs success, failure, delay or never");
	return buf_steal(&out);
}

static const char *
one_of(char letter, const char *value, const char *const *from, const char *const *to)
{
	for (; *from; from++, to++)
		if (strcasecmp(value, *from) == 0)
			return *to;
	program_usage(usage_text, "-%c: \"%s\" is not known", letter, value);
}

static void
option_b(struct job *j, const char *value)
{
	static const char known[] = "mspiadlDHh";

	if (strlen(value) != 1)
		program_usage(usage_text, "-b%s is not known", value);
	if (*value == 't' || *value == 'v')
		program_usage(usage_text, "-b%s (%s) is not supported", value, *value == 't' ? "test addresses" : "verify addresses");
	if (!strchr(known, *value))
		program_usage(usage_text, "-b%s is not known", value);
	j->mode = *value == 'a' ? 'm' : *value == 'l' || *value == 'D' ? 'd' : *value == 'H' ? 'h' : *value;
}

/* The name that we were called by may say what to do. */
static void
by_name(struct job *j)
{
	if (strncmp(msg_program, "mailq", 5) == 0)
		j->mode = 'p';
	else if (strncmp(msg_program, "newaliases", 10) == 0)
		j->mode = 'i';
	else if (strncmp(msg_program, "smtpd", 5) == 0)
		j->mode = 'd';
}

static void
take(struct job *j, int letter, char *value)
{
	static const char *const body_names[] = { "7BIT", "8BITMIME", NULL };
	static const char *const ret_names[] = { "full", "hdrs", NULL }, *const ret_values[] = { "FULL", "HDRS" };

	switch (letter) {
	case 'C':
		option_c(j, value);
		break;
	case 'o':
		option_o(j, value);
		break;
	case 'B':
		j->body = one_of('B', value, body_names, body_names);
		break;
	case 'F':
		j->full_name = value;
		break;
	case 'f':
	case 'r':
		j->sender_arg = value;
		break;
	case 'I':
		j->mode = 'i';
		break;
	case 'N':
		free(j->notify);
		j->notify = notify(value);
		break;
	case 'R':
		j->ret = one_of('R', value, ret_names, ret_values);
		break;
	case 'V':
		if (!*value)
			program_usage(usage_text, "-V needs an envelope ID");
		j->envid = value;
		break;
	case 'b':
		option_b(j, value);
		break;
	case 'i':
		j->dots = true;
		break;
	case 'q':
		if (j->mode == 'm') /* with -bd it is the interval of old */
			j->mode = 'q';
		j->queue_arg = value;
		break;
	case 't':
		j->from_header = true;
		break;
	case 'v':
		j->verbose = true;
		break;
	default: /* A G L O U X c e h m n p s x: nothing here depends on them */
		break;
	}
}

void
options_parse(struct job *j, int argc, char **argv)
{
	int letter;

	by_name(j);
	opterr = 0;
	while ((letter = getopt(argc, argv, "+:A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:s:tvx")) != -1) {
		if (letter == '?' || letter == ':') /* -V with nothing behind it asks what this is */
			program_option(&j->options, letter == ':' && optopt == 'V' ? 'V' : letter, usage_text);
		take(j, letter, letter == 'q' && !optarg ? argv[0] + strlen(argv[0]) : optarg);
	}
	if (j->mode != 'm' && j->from_header)
		program_usage(usage_text, "-t sends a message: it does not go with -b%c", j->mode);
}

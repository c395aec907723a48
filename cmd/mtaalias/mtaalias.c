/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaalias - compiles and queries alias files; postalias and newaliases by name. See mtaalias(1). */
#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/config.h"
#include "mail/mapprogram.h"
#include "mail/program.h"
#include "sys/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mtaalias [-fsVw] [-C dir] [-o name=value] [-q name] [[type:]file ...]";

struct options {
	struct config_options config;
	struct map_compile compile;
	const char *query;
	bool dump;
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* aliases(5): name, colon, targets. A line that is not so is passed over with a warning, as postalias does. */
static int
pair(struct maptext *t, char **key, char **value, const char **why)
{
	char *name = t->text.data, *colon;

	if (*name == '"') {
		colon = maptext_unquote(name);
		if (colon)
			colon += strspn(colon, " \t");
	} else {
		colon = strchr(name, ':');
		for (char *end = colon; end && end > name && blank(end[-1]);)
			*--end = '\0';
	}
	if (!colon || *colon != ':' || !*name) {
		*why = "expected name: targets";
		return 0;
	}
	*colon++ = '\0';
	*key = name;
	*value = colon + strspn(colon, " \t");
	if (!**value)
		*why = "name without targets";
	return **value != '\0';
}

/* -q and -s. 1 something was printed, 0 the name is not there. */
static int
ask(const struct options *o, const char *table)
{
	struct buf out = BUF_INIT(1 << 26), err = BUF_INIT(4096);
	struct map *m = mapprogram_open(table);
	int r = 1;

	if (o->dump)
		mapprogram_dump(m, ":	");
	else
		r = *o->query ? map_find(m, o->query, &out, &err) : 0;
	if (r < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (r > 0 && o->query)
		puts(out.data);
	map_close(&m);
	buf_free(&out);
	buf_free(&err);
	return r;
}

static int
each_table(struct options *o, const char *table)
{
	if (o->query || o->dump)
		return ask(o, table);
	mapprogram_compile(&o->compile, table);
	return 0;
}

/* The tables of alias_database, for newaliases. */
static int
configured(struct options *o)
{
	struct config *c = config_from_options(&o->config);
	char *list = mem_strdup(config_str(c, "alias_database")), *rest = list, *word;
	int found = 0, n = 0;

	while (!found && (word = strsep(&rest, ", \t")) != NULL)
		if (*word) {
			found = each_table(o, word);
			n++;
		}
	if (n == 0)
		msg_die(EX_CONFIG, "alias_database is empty: there is nothing to build");
	free(list);
	config_close(&c);
	return found;
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	bool postalias = strcmp(msg_program, "postalias") == 0;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, postalias ? ":C:Vc:fopq:rsvw" : ":C:Vfo:q:rsvw")) != -1)
		switch (c) {
		case 'c': config_option(&o->config, 'C', optarg); break;
		case 'o':
			if (!postalias)
				program_option(&o->config, c, usage_text);
			break;
		case 'f': o->compile.keep_case = true; break;
		case 'q': o->query = optarg; break;
		case 's': o->dump = true; break;
		case 'w': case 'r': o->compile.quiet = true; break;
		case 'p': case 'v': break;
		default: program_option(&o->config, c, usage_text);
		}
	if (o->query && o->dump)
		program_usage(usage_text, "only one of -q and -s can be given");
	if (postalias && optind == argc)
		program_usage(usage_text, "no file named");
}

int
main(int argc, char **argv)
{
	struct options o = { .compile = { .pair = pair } };
	int found = 0;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&o, argc, argv);
	if (optind == argc)
		found = configured(&o);
	else if (o.config.dir || o.config.n > 0) {
		struct config *c = config_from_options(&o.config);

		config_close(&c);
	}
	for (int i = optind; i < argc && !(o.query && found); i++)
		found |= each_table(&o, argv[i]);
	free(o.config.overrides);
	mapprogram_flush();
	return o.query && !found ? 1 : 0;
}

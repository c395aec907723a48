/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtamap - compiles and queries lookup tables; postmap by name. See mtamap(1). */
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

static const char usage_text[] = "mtamap [-firsVw] [-C dir] [-d key] [-o name=value] [-q key] [type:]file ...";

struct options {
	struct config_options config;
	struct map_compile compile;
	const char *query;
	bool dump, verbose;
};

static int
pair(struct maptext *t, char **key, char **value, const char **why)
{
	int r = maptext_pair(t, key, value, why);
	size_t n = strlen(*key);

	if (r == 0)
		*why = "expected format: key whitespace value";
	else if (r > 0 && n > 0 && (*key)[n - 1] == ':')
		*why = "record is in \"key: value\" format; is this an alias file?";
	return r;
}

/* Looks key up in each table in turn; prints the first answer. 1 found, 0 absent. */
static int
query(struct map **maps, const char *key, bool with_key)
{
	struct buf out = BUF_INIT(1 << 26), err = BUF_INIT(4096);
	int r = MAP_ABSENT;

	for (; *maps && r == MAP_ABSENT; maps++)
		r = *key ? map_find(*maps, key, &out, &err) : MAP_ABSENT;
	if (r == MAP_ERROR)
		msg_die(EX_TEMPFAIL, "look up %s: %s", key, err.data);
	if (r == MAP_FOUND)
		printf("%s%s%s\n", with_key ? key : "", with_key ? "\t" : "", out.data);
	buf_free(&out);
	buf_free(&err);
	return r;
}

static int
query_all(struct map **maps, const char *key)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int found = 0;

	if (strcmp(key, "-") != 0)
		return query(maps, key, false);
	while ((n = getline(&line, &room, stdin)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		found |= query(maps, line, true);
	}
	free(line);
	return found;
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	bool postmap = strcmp(msg_program, "postmap") == 0;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, postmap ? ":C:Vc:d:fiopq:rsvw" : ":C:Vd:fio:q:rsvw")) != -1)
		switch (c) {
		case 'c': config_option(&o->config, 'C', optarg); break;
		case 'o':
			if (!postmap)
				program_option(&o->config, c, usage_text);
			break;
		case 'd': o->compile.remove = optarg; o->compile.incremental = true; break;
		case 'f': o->compile.keep_case = true; break;
		case 'i': o->compile.incremental = true; break;
		case 'q': o->query = optarg; break;
		case 'r': o->compile.replace = o->compile.quiet = true; break;
		case 's': o->dump = true; break;
		case 'w': o->compile.quiet = true; break;
		case 'p': case 'v': break;
		default: program_option(&o->config, c, usage_text);
		}
	if (optind == argc)
		program_usage(usage_text, "no table named");
	if ((o->query != NULL) + o->dump + (o->compile.remove != NULL) > 1)
		program_usage(usage_text, "only one of -d, -q and -s can be given");
}

int
main(int argc, char **argv)
{
	struct options o = { .compile = { .pair = pair } };
	struct map **maps;
	int status = 0;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&o, argc, argv);
	if (o.config.dir || o.config.n > 0) {
		struct config *c = config_from_options(&o.config);

		config_close(&c);
	}
	free(o.config.overrides);
	if (!o.query && !o.dump) {
		for (int i = optind; i < argc; i++)
			mapprogram_compile(&o.compile, argv[i]);
		return o.compile.remove && !o.compile.removed ? 1 : 0;
	}
	maps = mem_array((size_t)(argc - optind) + 1, sizeof *maps);
	for (int i = optind; i < argc; i++)
		maps[i - optind] = mapprogram_open(argv[i]);
	if (o.query)
		status = query_all(maps, o.query) == MAP_FOUND ? 0 : 1;
	for (struct map **m = maps; *m; m++) {
		if (o.dump)
			mapprogram_dump(*m, "\t");
		map_close(m);
	}
	free(maps);
	mapprogram_flush();
	return status;
}

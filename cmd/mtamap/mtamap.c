/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtamap - compiles and queries lookup tables; postmap by name. See mtamap(1). */
#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/config.h"
#include "map/compile.h"
#include "map/map.h"
#include "sys/file.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SOURCE_MAX ((size_t)1 << 31)

static const char usage_text[] = "mtamap [-firsVw] [-C dir] [-d key] [-o name=value] [-q key] [type:]file ...";

struct options {
	struct config_options config;
	struct map_compile compile;
	const char *query;
	bool dump, verbose;
};

static void __attribute__((noreturn))
usage(const char *why)
{
	msg_warn("%s", why);
	msg_die(EX_USAGE, "usage: %s", usage_text);
}

static void
warn(void *arg, unsigned line, const char *text)
{
	msg_warn("warning: %s, line %u: %s", *(const char **)arg, line, text);
}

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

/* The file of a compiled table: NULL for types that are read as they are. */
static const char *
compiled_name(const char *table)
{
	static const char *const types[] = { "hash:", "btree:", "tdb:" };

	if (!strchr(table, ':') || *table == '/')
		return table;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return table + strlen(types[i]);
	return NULL;
}

static int
compile(struct options *o, const char *table)
{
	const char *name = compiled_name(table);
	struct buf source = BUF_INIT(SOURCE_MAX), err = BUF_INIT(4096);
	int r;

	if (!name || !*name)
		msg_die(EX_USAGE, "%s: tables of this type are not compiled (hash, btree and tdb are)", table);
	o->compile.arg = &name;
	if (o->compile.incremental && !o->compile.remove) {
		/* pairs to add come from standard input */
		char block[65536];
		ssize_t n;

		while ((n = read(STDIN_FILENO, block, sizeof block)) > 0)
			if (buf_add(&source, block, (size_t)n) < 0)
				msg_die(EX_DATAERR, "read standard input: more than %zu bytes", SOURCE_MAX);
		if (n < 0)
			msg_die(EX_IOERR, "read standard input: %s", strerror(errno));
	} else if (!o->compile.remove && file_read(AT_FDCWD, name, &source) < 0) {
		msg_die(errno == ENOENT ? EX_NOINPUT : EX_IOERR, "open %s: %s", name, strerror(errno));
	}
	r = map_compile(&o->compile, name, source.data, source.len, &err);
	if (r < 0)
		msg_die(EX_DATAERR, "compile %s: %s", name, err.data);
	buf_free(&source);
	buf_free(&err);
	return o->compile.remove && !o->compile.removed ? 1 : 0;
}

static struct map *
open_table(const char *table)
{
	struct buf text = BUF_INIT(1 << 16), err = BUF_INIT(4096);
	struct map *m;

	if (compiled_name(table) == table)
		buf_adds(&text, "hash:");
	buf_adds(&text, table);
	m = map_open(text.data, &err);
	if (!m)
		msg_die(EX_USAGE, "%s", err.data);
	buf_free(&text);
	return m;
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

static int
print_pair(void *arg, const char *key, const char *value)
{
	(void)arg;
	return printf("%s\t%s\n", key, value) < 0 ? -1 : 0;
}

static void
dump(struct map *m)
{
	struct buf err = BUF_INIT(4096);

	if (map_each(m, print_pair, NULL, &err) < 0)
		msg_die(err.len ? EX_TEMPFAIL : EX_IOERR, "%s", err.len ? err.data : "write standard output");
	buf_free(&err);
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
			if (postmap)
				break;
			/* fallthrough */
		case 'C': config_option(&o->config, c, optarg); break;
		case 'V': printf("mtamap (mtakit) %s\n", VERSION); exit(0);
		case 'd': o->compile.remove = optarg; o->compile.incremental = true; break;
		case 'f': o->compile.keep_case = true; break;
		case 'i': o->compile.incremental = true; break;
		case 'q': o->query = optarg; break;
		case 'r': o->compile.replace = o->compile.quiet = true; break;
		case 's': o->dump = true; break;
		case 'w': o->compile.quiet = true; break;
		case 'p': case 'v': break;
		case ':': msg_warn("option -%c needs a value", optopt); usage("missing value");
		default: msg_warn("unknown option -%c", optopt); usage("wrong option");
		}
	if (optind == argc)
		usage("no table named");
	if ((o->query != NULL) + o->dump + (o->compile.remove != NULL) > 1)
		usage("only one of -d, -q and -s can be given");
}

int
main(int argc, char **argv)
{
	struct options o = { .compile = { .pair = pair, .warn = warn } };
	struct map **maps;
	int status = 0;

	proc_sane_fds();
	msg_init(argv[0]);
	parse_options(&o, argc, argv);
	if (o.config.dir || o.config.n > 0) {
		struct config *c = config_from_options(&o.config);

		config_close(&c);
	}
	if (!o.query && !o.dump) {
		for (int i = optind; i < argc; i++)
			status |= compile(&o, argv[i]);
		return status;
	}
	maps = mem_array((size_t)(argc - optind) + 1, sizeof *maps);
	for (int i = optind; i < argc; i++)
		maps[i - optind] = open_table(argv[i]);
	if (o.query)
		status = query_all(maps, o.query) == MAP_FOUND ? 0 : 1;
	for (struct map **m = maps; *m; m++) {
		if (o.dump)
			dump(*m);
		map_close(m);
	}
	free(maps);
	if (fflush(stdout) != 0)
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	return status;
}

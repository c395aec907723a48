/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaalias - compiles and queries alias files; postalias and newaliases by name. See mtaalias(1). */
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

static const char usage_text[] = "mtaalias [-fsVw] [-C dir] [-o name=value] [-q name] [[type:]file ...]";

struct options {
	struct config_options config;
	struct map_compile compile;
	const char *query;
	bool dump;
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

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A name in quotes: the quotes and backslashes go. Returns what follows, NULL when it is not closed. */
static char *
quoted_name(char *s)
{
	char *w = s;

	for (char *r = s + 1; *r; r++) {
		if (*r == '"') {
			*w = '\0';
			return r + 1;
		}
		if (*r == '\\' && r[1])
			r++;
		*w++ = *r;
	}
	return NULL;
}

/* aliases(5): name, colon, targets. A line that is not so is passed over with a warning, as postalias does. */
static int
pair(struct maptext *t, char **key, char **value, const char **why)
{
	char *name = t->text.data, *colon;

	if (*name == '"') {
		colon = quoted_name(name);
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

/* The file of a compiled table: NULL for types that are read as they are. */
static const char *
compiled_name(const char *table)
{
	static const char *const types[] = { "hash:", "btree:", "tdb:", "dbm:" };

	if (!strchr(table, ':') || *table == '/')
		return table;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return table + strlen(types[i]);
	return NULL;
}

static void
compile(struct options *o, const char *table)
{
	const char *name = compiled_name(table);
	struct buf source = BUF_INIT(SOURCE_MAX), err = BUF_INIT(4096);

	if (!name || !*name)
		msg_die(EX_USAGE, "%s: tables of this type are not compiled (hash, btree and tdb are)", table);
	o->compile.arg = &name;
	if (file_read(AT_FDCWD, name, &source) < 0)
		msg_die(errno == ENOENT ? EX_NOINPUT : EX_IOERR, "open %s: %s", name, strerror(errno));
	if (map_compile(&o->compile, name, source.data, source.len, &err) < 0)
		msg_die(EX_DATAERR, "compile %s: %s", name, err.data);
	buf_free(&source);
	buf_free(&err);
}

static int
print_pair(void *arg, const char *key, const char *value)
{
	(void)arg;
	return printf("%s:\t%s\n", key, value) < 0 ? -1 : 0;
}

/* -q and -s. 1 something was printed, 0 the name is not there. */
static int
ask(const struct options *o, const char *table)
{
	struct buf text = BUF_INIT(1 << 16), out = BUF_INIT(1 << 26), err = BUF_INIT(4096);
	struct map *m;
	int r;

	if (compiled_name(table) == table)
		buf_adds(&text, "hash:");
	buf_adds(&text, table);
	m = map_open(text.data, &err);
	if (!m)
		msg_die(EX_USAGE, "%s", err.data);
	if (o->query) {
		r = *o->query ? map_find(m, o->query, &out, &err) : 0;
		if (r > 0)
			puts(out.data);
	} else {
		r = map_each(m, print_pair, NULL, &err) < 0 ? -1 : 1;
	}
	if (r < 0)
		msg_die(EX_TEMPFAIL, "%s", err.len ? err.data : "write standard output");
	map_close(&m);
	buf_free(&text);
	buf_free(&out);
	buf_free(&err);
	return r;
}

static int
each_table(struct options *o, const char *table)
{
	if (o->query || o->dump)
		return ask(o, table);
	compile(o, table);
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
			if (postalias)
				break;
			/* fallthrough */
		case 'C': config_option(&o->config, c, optarg); break;
		case 'V': printf("mtaalias (mtakit) %s\n", VERSION); exit(0);
		case 'f': o->compile.keep_case = true; break;
		case 'q': o->query = optarg; break;
		case 's': o->dump = true; break;
		case 'w': case 'r': o->compile.quiet = true; break;
		case 'p': case 'v': break;
		case ':': msg_warn("option -%c needs a value", optopt); usage("missing value");
		default: msg_warn("unknown option -%c", optopt); usage("wrong option");
		}
	if (o->query && o->dump)
		usage("only one of -q and -s can be given");
	if (postalias && optind == argc)
		usage("no file named");
}

int
main(int argc, char **argv)
{
	struct options o = { .compile = { .pair = pair, .warn = warn } };
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
	if (fflush(stdout) != 0)
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	return o.query && !found ? 1 : 0;
}

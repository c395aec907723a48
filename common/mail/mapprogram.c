/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Programs that compile and query tables: see mapprogram.h. */
#include "mail/mapprogram.h"

#include "base/buf.h"
#include "base/msg.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SOURCE_MAX ((size_t)1 << 31)

static void
warn(void *arg, unsigned line, const char *text)
{
	msg_warn("warning: %s, line %u: %s", *(const char **)arg, line, text);
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
read_input(struct buf *source)
{
	char block[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, block, sizeof block)) > 0)
		if (buf_add(source, block, (size_t)n) < 0)
			msg_die(EX_DATAERR, "read standard input: more than %zu bytes", SOURCE_MAX);
	if (n < 0)
		msg_die(EX_IOERR, "read standard input: %s", strerror(errno));
}

void
mapprogram_compile(struct map_compile *c, const char *table)
{
	const char *name = compiled_name(table);
	struct buf source = BUF_INIT(SOURCE_MAX), err = BUF_INIT(4096);

	if (!name || !*name)
		msg_die(EX_USAGE, "%s: tables of this type are not compiled (hash, btree and tdb are)", table);
	c->warn = warn;
	c->arg = &name;
	if (c->incremental && !c->remove)
		read_input(&source);
	else if (!c->remove && file_read(AT_FDCWD, name, &source) < 0)
		msg_die(errno == ENOENT ? EX_NOINPUT : EX_IOERR, "open %s: %s", name, strerror(errno));
	if (map_compile(c, name, source.data, source.len, &err) < 0)
		msg_die(EX_DATAERR, "compile %s: %s", name, err.data);
	buf_free(&source);
	buf_free(&err);
}

struct map *
mapprogram_open(const char *table)
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

static int
print_pair(void *arg, const char *key, const char *value)
{
	return printf("%s%s%s\n", key, (const char *)arg, value) < 0 ? -1 : 0;
}

void
mapprogram_dump(struct map *m, const char *between)
{
	struct buf err = BUF_INIT(4096);

	if (map_each(m, print_pair, (void *)(uintptr_t)between, &err) < 0)
		msg_die(err.len ? EX_TEMPFAIL : EX_IOERR, "%s", err.len ? err.data : "write standard output");
	buf_free(&err);
}

void
mapprogram_flush(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* main.cf and the options -C and -o read, and all values checked: see config.h. */
#include "mail/config_setting.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"
#include "sys/file.h"
#include "syntax/maincf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define FILE_MAX_BYTES (16 << 20)

static void
set(struct config *c, const char *name, const char *value, char *where)
{
	struct setting *s = setting_find(c, name, true);

	free(s->raw);
	free(s->where);
	s->raw = mem_strdup(value);
	s->where = where;
}

static void __attribute__((format(printf, 2, 3)))
problem(struct problems *p, const char *fmt, ...)
{
	struct buf text = BUF_INIT(2 * MAINCF_VALUE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	p->n++;
	p->report(p->arg, text.data);
	buf_free(&text);
}

/* Reads the file. 0, or -1: it cannot be read. */
static int
load_file(struct config *c, const char *path, struct problems *bad)
{
	struct buf text = BUF_INIT(FILE_MAX_BYTES), where = BUF_INIT(65536);
	struct maincf m;
	struct maincf_entry e;
	const char *why = NULL;
	int r;

	if (file_read(AT_FDCWD, path, &text) < 0) {
		problem(bad, "read %s: %s", path, strerror(errno));
		buf_free(&text);
		return -1;
	}
	maincf_init(&m, text.data, text.len);
	while ((r = maincf_next(&m, &e, &why)) != 0) {
		if (r < 0) {
			problem(bad, "%s:%u: %s", path, e.line, why);
			continue;
		}
		buf_addf(&where, "%s:%u", path, e.line);
		set(c, e.name, e.value, buf_steal(&where));
	}
	maincf_free(&m);
	buf_free(&text);
	buf_free(&where);
	return 0;
}

static void
load_overrides(struct config *c, char *const *overrides, struct problems *bad)
{
	const char *name, *value, *why = NULL;

	for (; overrides && *overrides; overrides++) {
		char *copy = mem_strdup(*overrides);

		if (maincf_split(copy, &name, &value, &why) == 0)
			set(c, name, value, mem_strdup("command line"));
		else
			problem(bad, "-o %s: %s", *overrides, why);
		free(copy);
	}
}

void
setting_check(struct config *c, const char *name, struct setting *s, struct problems *bad)
{
	struct buf text = BUF_INIT(MAINCF_VALUE_MAX);
	const char *why = NULL, *value;
	int r = 0;

	if (s->parsed || (s->row && s->row->type == PARAM_RAW))
		return;
	value = setting_value(c, name, s, &why);
	if (!value && why)
		r = -1;
	else if (value && s->row && *s->row->programs && (r = param_parse(s->row, value, &s->number, &text)) < 0)
		why = text.data;
	if (r < 0)
		problem(bad, "%s: %s: %s", s->where ? s->where : "default value", name, why);
	s->parsed = r == 0;
	buf_free(&text);
}

struct names { char **name; size_t n; };

static void
add_name(const char *name, void *value, void *arg)
{
	struct names *l = arg;

	(void)value;
	l->name[l->n++] = mem_strdup(name);
}

/* The names that are not in the table. They come first and are checked after, because expanding a value may add lmtp_X
 * settings to the map. */
static void
check_others(struct config *c, struct problems *bad)
{
	struct names l = { mem_array(strmap_count(c->others) + 1, sizeof *l.name), 0 };

	strmap_each(c->others, add_name, &l);
	for (size_t i = 0; i < l.n; i++) {
		setting_check(c, l.name[i], strmap_get(c->others, l.name[i]), bad);
		free(l.name[i]);
	}
	free(l.name);
}

/* All that was set, and all numbers whose default depends on what was set. */
static void
check_values(struct config *c, struct problems *bad)
{
	for (size_t i = 0; i < param_count; i++) {
		const struct param *p = &param_table[i];
		bool depends = p->def && p->type != PARAM_STR && p->type != PARAM_LIST && strchr(p->def, '$');

		if (c->table[i].raw || depends)
			setting_check(c, p->name, &c->table[i], bad);
	}
	check_others(c, bad);
}

static struct config *
load(const char *dir, char *const *overrides, struct problems *bad)
{
	struct config *c = mem_zalloc(sizeof *c);
	struct buf path = BUF_INIT(65536);
	int r = -1;

	if (!dir || !*dir)
		dir = getenv("MTA_CONFIG");
	if (!dir || !*dir)
		dir = CONFDIR;
	buf_init(&c->why, 4096);
	c->table = mem_array(param_count, sizeof *c->table);
	for (size_t i = 0; i < param_count; i++)
		c->table[i].row = &param_table[i];
	c->others = strmap_new();
	c->dir = realpath(dir, NULL);
	if (!c->dir) {
		problem(bad, "configuration directory %s: %s", dir, strerror(errno));
	} else {
		buf_addf(&path, "%s/main.cf", c->dir);
		r = load_file(c, path.data, bad);
	}
	if (r == 0) {
		load_overrides(c, overrides, bad);
		check_values(c, bad);
	} else {
		config_close(&c);
	}
	buf_free(&path);
	return c;
}

struct config *
config_open_all(const char *dir, char *const *overrides, void (*report)(void *, const char *), void *arg)
{
	struct problems bad = { .report = report, .arg = arg };

	return load(dir, overrides, &bad);
}

/* The first problem is the one that is told. */
static void
keep_first(void *arg, const char *text)
{
	struct buf *err = arg;

	if (err && !err->len)
		buf_adds(err, text);
}

struct config *
config_open(const char *dir, char *const *overrides, struct buf *err)
{
	struct problems bad = { .report = keep_first, .arg = err };
	struct config *c = load(dir, overrides, &bad);

	if (bad.n)
		config_close(&c);
	return c;
}

void
config_option(struct config_options *o, int letter, char *arg)
{
	if (letter == 'C') {
		o->dir = arg;
		return;
	}
	o->overrides = mem_resize(o->overrides, o->n + 2, sizeof *o->overrides);
	o->overrides[o->n++] = arg;
	o->overrides[o->n] = NULL;
}

struct config *
config_from_options(const struct config_options *o)
{
	struct buf err = BUF_INIT(65536);
	struct config *c = config_open(o->dir, o->overrides, &err);

	if (!c)
		msg_die(EX_CONFIG, "%s", err.data);
	buf_free(&err);
	return c;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* main.cf read, checked and asked: see config.h. Every name has a 'setting'; those of the table stand in an array in the
 * table's order, all others (lmtp_X, TRANSPORT_X, service_NAME, the user's own) in a string map. Values are expanded when
 * first asked for and kept. */
#include "mail/config.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"
#include "mail/computed.h"
#include "sys/file.h"
#include "syntax/maincf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16 << 20)

struct setting {
	const struct param *row;  /* NULL: a name of the user's own */
	char *raw;                /* as set; NULL: not set */
	char *def;                /* the default where it is not row->def: computed, or of lmtp_X */
	char *where;
	char *value;              /* expanded; NULL: not yet */
	int64_t number;
	bool parsed;
	bool busy;                /* being expanded: asked for again, it refers to itself */
};

struct config {
	char *dir;
	struct setting *table;    /* param_count of them */
	struct strmap *others;
	struct buf why;           /* the text behind an expansion error */
};

static void
setting_free(void *arg)
{
	struct setting *s = arg;

	free(s->raw);
	free(s->def);
	free(s->where);
	free(s->value);
}

static void
other_free(void *arg)
{
	setting_free(arg);
	free(arg);
}

void
config_close(struct config **cp)
{
	struct config *c = *cp;

	if (!c)
		return;
	for (size_t i = 0; i < param_count; i++)
		setting_free(&c->table[i]);
	free(c->table);
	strmap_free(&c->others, other_free);
	buf_free(&c->why);
	free(c->dir);
	free(c);
	*cp = NULL;
}

const char *
config_dir(const struct config *c)
{
	return c->dir;
}

/* The default of lmtp_X: smtp_X's, with its references to smtp_ parameters made lmtp_ ones. */
static char *
lmtp_default(const char *def)
{
	struct buf b = BUF_INIT(MAINCF_VALUE_MAX);

	for (; *def; def++)
		if (def[0] == 's' && strncmp(def, "smtp_", 5) == 0)
			buf_addc(&b, 'l');
		else
			buf_addc(&b, *def);
	return buf_steal(&b);
}

/* The setting of name; NULL when it is neither in the table, nor was set, nor (create) is to be made. */
static struct setting *
find(const struct config *c, const char *name, bool create)
{
	const struct param *row = param_find(name);
	struct setting *s;

	if (row && strcmp(row->name, name) == 0)
		return &c->table[row - param_table];
	s = strmap_get(c->others, name);
	if (s)
		return s;
	if (!create && !(row && strncmp(name, "lmtp_", 5) == 0 && strncmp(row->name, "smtp_", 5) == 0))
		return NULL;
	s = mem_zalloc(sizeof *s);
	s->row = row;
	if (row && row->def && strncmp(name, "lmtp_", 5) == 0)
		s->def = lmtp_default(row->def);
	strmap_set(c->others, name, s);
	return s;
}

static const char *value_of(struct config *c, const char *name, struct setting *s, const char **err);

/* For maincf_expand. */
struct lookup {
	struct config *c;
	const char *(*extra)(void *arg, const char *name);
	void *arg;
};

static const char *
lookup_name(void *arg, const char *name, const char **err)
{
	struct lookup *l = arg;
	const char *value = l->extra ? l->extra(l->arg, name) : NULL;
	struct setting *s;

	if (value)
		return value;
	s = find(l->c, name, false);
	return s ? value_of(l->c, name, s, err) : NULL;
}

static const char *
raw_of(struct config *c, const char *name, struct setting *s)
{
	if (s->raw)
		return s->raw;
	if (s->def)
		return s->def;
	if (!s->row || s->row->def)
		return s->row ? s->row->def : NULL;
	s->def = computed_default(c, name);
	return s->def;
}

const char *
config_computed(struct config *c, const char *name)
{
	struct setting *s = find(c, name, false);

	if (s && !s->def && s->row && !s->row->def)
		s->def = computed_default(c, name);
	return s && s->def ? s->def : "";
}

/* The expanded value; NULL with *err when it cannot be expanded, or without when there is none. */
static const char *
value_of(struct config *c, const char *name, struct setting *s, const char **err)
{
	struct lookup l = { .c = c };
	struct buf out = BUF_INIT(MAINCF_VALUE_MAX);
	const char *raw;
	int r;

	if (s->value)
		return s->value;
	if (s->busy) {
		buf_clear(&c->why);
		buf_addf(&c->why, "%s refers to itself", name);
		*err = c->why.data;
		return NULL;
	}
	s->busy = true;
	raw = raw_of(c, name, s);
	r = raw ? maincf_expand(raw, strlen(raw), lookup_name, &l, &out, err) : 0;
	s->busy = false;
	if (r == 0 && raw)
		s->value = buf_steal(&out);
	buf_free(&out);
	return s->value;
}

int
config_expand(struct config *c, const char *text, const char *(*extra)(void *, const char *), void *arg, struct buf *out, struct buf *err)
{
	struct lookup l = { .c = c, .extra = extra, .arg = arg };
	const char *why = NULL;

	if (maincf_expand(text, strlen(text), lookup_name, &l, out, &why) == 0)
		return 0;
	if (err)
		buf_addf(err, "%s: %s", text, why);
	return -1;
}

static void
set(struct config *c, const char *name, const char *value, char *where)
{
	struct setting *s = find(c, name, true);

	free(s->raw);
	free(s->where);
	s->raw = mem_strdup(value);
	s->where = where;
}

/* Where problems go. */
struct problems {
	void (*report)(void *arg, const char *text);
	void *arg;
	int n;
};

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

/* Expands and checks one setting. */
static int
check(struct config *c, const char *name, struct setting *s, struct problems *bad)
{
	struct buf text = BUF_INIT(MAINCF_VALUE_MAX);
	const char *why = NULL, *value;
	int r = 0;

	if (s->parsed || (s->row && s->row->type == PARAM_RAW))
		return 0;
	value = value_of(c, name, s, &why);
	if (!value && why)
		r = -1;
	else if (value && s->row && *s->row->programs && (r = param_parse(s->row, value, &s->number, &text)) < 0)
		why = text.data;
	if (r < 0)
		problem(bad, "%s: %s: %s", s->where ? s->where : "default value", name, why);
	s->parsed = r == 0;
	buf_free(&text);
	return r;
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
		check(c, l.name[i], strmap_get(c->others, l.name[i]), bad);
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
			check(c, p->name, &c->table[i], bad);
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

/* The setting of a name that the table must know. */
static struct setting *
known(struct config *c, const char *name)
{
	struct setting *s = find(c, name, false);

	if (!s || !s->row) {
		msg_warn("panic: no parameter is called \"%s\"", name);
		abort();
	}
	return s;
}

const char *
config_str(struct config *c, const char *name)
{
	struct setting *s = known(c, name);
	const char *why = NULL, *value = s->row->type == PARAM_RAW ? raw_of(c, name, s) : value_of(c, name, s, &why);

	return value ? value : "";
}

static void
panic(void *arg, const char *text)
{
	(void)arg;
	msg_warn("panic: %s", text);
	abort();
}

/* The number of s, checked now if it was not at load: a default, so that a wrong one is a programming error. */
static int64_t
number(struct config *c, const char *name, struct setting *s)
{
	struct problems bad = { .report = panic };

	if (!s->parsed)
		check(c, name, s, &bad);
	return s->number;
}

int64_t
config_int(struct config *c, const char *name)
{
	return number(c, name, known(c, name));
}

int64_t
config_time(struct config *c, const char *name)
{
	return number(c, name, known(c, name));
}

int64_t
config_size(struct config *c, const char *name)
{
	return number(c, name, known(c, name));
}

bool
config_bool(struct config *c, const char *name)
{
	return number(c, name, known(c, name)) != 0;
}

int64_t
config_transport(struct config *c, const char *transport, const char *suffix, const char *def)
{
	struct buf name = BUF_INIT(4096);
	struct setting *s = NULL;
	int64_t v;

	if (buf_addf(&name, "%s_%s", transport, suffix) == 0)
		s = find(c, name.data, false);
	v = s && s->row ? number(c, name.data, s) : config_int(c, def);
	buf_free(&name);
	return v;
}

const char *
config_raw(struct config *c, const char *name)
{
	struct setting *s = find(c, name, false);

	return s ? raw_of(c, name, s) : NULL;
}

const char *
config_any(struct config *c, const char *name)
{
	struct setting *s = find(c, name, false);
	const char *why = NULL;

	if (!s || (s->row && s->row->type == PARAM_RAW))
		return s ? raw_of(c, name, s) : NULL;
	return value_of(c, name, s, &why);
}

const char *
config_where(const struct config *c, const char *name)
{
	struct setting *s = find(c, name, false);

	return s ? s->where : NULL;
}

struct each_other { void (*f)(void *, const char *, const char *); void *arg; };

static void
each_other(const char *name, void *value, void *arg)
{
	struct each_other *e = arg;
	struct setting *s = value;

	if (s->raw)
		e->f(e->arg, name, s->raw);
}

void
config_each_other(struct config *c, void (*f)(void *, const char *, const char *), void *arg)
{
	struct each_other e = { f, arg };

	strmap_each(c->others, each_other, &e);
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

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Parameters asked for: see config.h and config_setting.h. Values are expanded when first asked for and kept; main.cf is
 * read in config_load.c. */
#include "mail/config.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"
#include "mail/computed.h"
#include "mail/config_setting.h"
#include "syntax/maincf.h"

#include <stdlib.h>
#include <string.h>

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

struct setting *
setting_find(const struct config *c, const char *name, bool create)
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
	s = setting_find(l->c, name, false);
	return s ? setting_value(l->c, name, s, err) : NULL;
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
	struct setting *s = setting_find(c, name, false);

	if (s && !s->def && s->row && !s->row->def)
		s->def = computed_default(c, name);
	return s && s->def ? s->def : "";
}

const char *
setting_value(struct config *c, const char *name, struct setting *s, const char **err)
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

/* The setting of a name that the table must know. */
static struct setting *
known(struct config *c, const char *name)
{
	struct setting *s = setting_find(c, name, false);

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
	const char *why = NULL, *value = s->row->type == PARAM_RAW ? raw_of(c, name, s) : setting_value(c, name, s, &why);

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
		setting_check(c, name, s, &bad);
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
		s = setting_find(c, name.data, false);
	v = s && s->row ? number(c, name.data, s) : config_int(c, def);
	buf_free(&name);
	return v;
}

const char *
config_raw(struct config *c, const char *name)
{
	struct setting *s = setting_find(c, name, false);

	return s ? raw_of(c, name, s) : NULL;
}

const char *
config_any(struct config *c, const char *name)
{
	struct setting *s = setting_find(c, name, false);
	const char *why = NULL;

	if (!s || (s->row && s->row->type == PARAM_RAW))
		return s ? raw_of(c, name, s) : NULL;
	return setting_value(c, name, s, &why);
}

const char *
config_where(const struct config *c, const char *name)
{
	struct setting *s = setting_find(c, name, false);

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

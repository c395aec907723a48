/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaconf check: reads main.cf as the programs do and as a person does. Each finding is a line "FILE:LINE: error: text" or
 * "... warning: text"; all are found, not the first one only. See mtaconf.h. */
#include "mtaconf.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"
#include "sys/file.h"
#include "syntax/maincf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void
check_say(struct check *k, bool error, const char *where, const char *fmt, ...)
{
	struct buf b = BUF_INIT(1 << 20), line = BUF_INIT(1 << 21);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	msg_clean(b.data, b.len);
	k->errors += error;
	k->warnings += !error;
	buf_addf(&line, "%s: %s: %s", where, error ? "error" : "warning", b.data);
	k->line = mem_resize(k->line, k->lines + 1, sizeof *k->line);
	k->line[k->lines++] = buf_steal(&line);
	buf_free(&b);
}

/* The line number of a finding, "FILE:LINE: ..."; those without one come last. */
static unsigned long
line_number(const char *finding)
{
	const char *colon = strstr(finding, ": ");

	while (colon && colon > finding && colon[-1] >= '0' && colon[-1] <= '9')
		colon--;
	return colon && colon > finding && colon[-1] == ':' ? strtoul(colon, NULL, 10) : ULONG_MAX;
}

static int
by_line(const void *a, const void *b)
{
	const char *one = *(char *const *)a, *other = *(char *const *)b;
	unsigned long i = line_number(one), j = line_number(other);

	return i < j ? -1 : i > j ? 1 : strcmp(one, other);
}

static void
print_findings(struct check *k)
{
	if (k->lines)
		qsort(k->line, k->lines, sizeof *k->line, by_line);
	for (size_t i = 0; i < k->lines; i++) {
		printf("%s\n", k->line[i]);
		free(k->line[i]);
	}
	free(k->line);
}

/* A problem that the reader of main.cf found: "FILE:LINE: text". */
static void
reported(void *arg, const char *text)
{
	struct check *k = arg;
	const char *colon = strstr(text, ": ");
	struct buf where = BUF_INIT(65536);

	buf_add(&where, text, colon ? (size_t)(colon - text) : 0);
	check_say(k, true, colon ? where.data : "main.cf", "%s", colon ? colon + 2 : text);
	buf_free(&where);
}

/* Notes each $name of a value in used. */
static void
note_references(struct strmap *used, const char *value)
{
	struct buf name = BUF_INIT(4096);

	while ((value = strchr(value, '$'))) {
		size_t n;

		value++;
		if (*value == '$') {
			value++;
			continue;
		}
		value += strspn(value, "{( ");
		n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
		buf_clear(&name);
		buf_add(&name, value, n);
		if (n)
			strmap_set(used, name.data, used);
	}
	buf_free(&name);
}

static void
each_entry(const struct buf *text, const char *path, void (*f)(void *arg, const struct maincf_entry *e, const char *where), void *arg)
{
	struct maincf m;
	struct maincf_entry e = { 0 };
	struct buf where = BUF_INIT(65536);
	const char *why = NULL;
	int r;

	maincf_init(&m, text->data, text->len);
	while ((r = maincf_next(&m, &e, &why)) != 0) {
		if (r < 0)
			continue;
		buf_clear(&where);
		buf_addf(&where, "%s:%u", path, e.line);
		f(arg, &e, where.data);
	}
	maincf_free(&m);
	buf_free(&where);
}

struct pass { struct check *k; struct strmap *used, *seen; };

/* First pass: which names other values refer to, and which are set twice. */
static void
first_pass(void *arg, const struct maincf_entry *e, const char *where)
{
	struct pass *p = arg;
	struct buf word = BUF_INIT(65536);
	char *before;
	size_t at = 0;

	note_references(p->used, e->value);
	if (strcmp(e->name, "smtpd_restriction_classes") == 0)
		while (maincf_word(e->value, &at, &word) == 1)
			strmap_set(p->used, word.data, p->used);
	before = strmap_set(p->seen, e->name, mem_strdup(where));
	if (before)
		check_say(p->k, false, where, "%s: was set at %s already; this later value counts", e->name, before);
	free(before);
	buf_free(&word);
}

static void
unknown_name(struct check *k, const char *where, const char *name)
{
	const char *near = nearest_param(name);

	if (near)
		check_say(k, true, where, "%s: unknown parameter; did you mean %s?", name, near);
	else
		check_say(k, true, where, "%s: unknown parameter (and no other value refers to $%s)", name, name);
}

/* References in a value to what is not set. */
static void
check_references(struct check *k, const char *where, const char *name, const char *value)
{
	struct strmap *used = strmap_new();

	note_references(used, value);
	/* few names: asking for each parameter would be no better */
	for (const char *s = value; (s = strchr(s, '$')); ) {
		struct buf ref = BUF_INIT(4096);
		size_t n;

		s++;
		if (*s == '$') {
			s++;
			continue;
		}
		s += strspn(s, "{( ");
		n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		buf_add(&ref, s, n);
		if (n && s[n] != '?' && s[n] != ':' && strmap_remove(used, ref.data) && !config_raw(k->c, ref.data)) {
			const char *near = nearest_param(ref.data);

			check_say(k, false, where, near ? "%s: refers to $%s, which is not set; did you mean $%s?" : "%s: refers to $%s, which is not set%s",
			    name, ref.data, near ? near : "");
		}
		buf_free(&ref);
	}
	strmap_free(&used, NULL);
}

/* Second pass: names and values. */
static void
second_pass(void *arg, const struct maincf_entry *e, const char *where)
{
	struct pass *p = arg;
	const struct param *row = param_find(e->name);
	struct buf value = BUF_INIT(MAINCF_VALUE_MAX), err = BUF_INIT(65536);

	if (!row && !strmap_get(p->used, e->name))
		unknown_name(p->k, where, e->name);
	else if (row && !*row->programs && *row->help)
		check_say(p->k, false, where, "%s: has no effect. %s", e->name, row->help);
	else if (row && param_unread(row->name))
		check_say(p->k, false, where, "%s: this version does nothing with it", e->name);
	if (!row || row->type != PARAM_RAW)
		check_references(p->k, where, e->name, e->value);
	if (row && (row->type == PARAM_RAW || config_expand(p->k->c, e->value, NULL, NULL, &value, &err) == 0))
		check_value(p->k, where, row, e->name, row->type == PARAM_RAW ? e->value : value.data);
	else if (!row && strmap_get(p->used, e->name) && strstr(config_str(p->k->c, "smtpd_restriction_classes"), e->name))
		check_restrictions(p->k, where, e->name, e->value);
	buf_free(&value);
	buf_free(&err);
}

/* There is no main.cf: it may be there under another name. */
static int
missing(const char *dir, const char *path)
{
	static const char *const names[] = { "main.conf", "mail.cf", "Main.cf", "main.cf.txt" };
	struct buf other = BUF_INIT(65536);
	int why = errno;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		buf_clear(&other);
		buf_addf(&other, "%s/%s", dir, names[i]);
		if (access(other.data, F_OK) == 0)
			msg_die(EX_CONFIG, "read %s: %s; there is a file %s: is that it?", path, strerror(why), other.data);
	}
	msg_die(EX_CONFIG, "read %s: %s", path, strerror(why));
}

int
check_all(const struct config_options *o)
{
	struct check k = { 0 };
	struct pass p = { .k = &k, .used = strmap_new(), .seen = strmap_new() };
	struct buf text = BUF_INIT(16 << 20), path = BUF_INIT(65536);
	const char *dir = o->dir ? o->dir : getenv("MTA_CONFIG");

	if (!dir || !*dir)
		dir = CONFDIR;
	buf_addf(&path, "%s/main.cf", dir);
	if (file_read(AT_FDCWD, path.data, &text) < 0)
		return missing(dir, path.data);
	k.c = config_open_all(o->dir, o->overrides, reported, &k);
	if (!k.c) {
		print_findings(&k);
		return EX_CONFIG;
	}
	buf_clear(&path);
	buf_addf(&path, "%s/main.cf", config_dir(k.c));
	each_entry(&text, path.data, first_pass, &p);
	each_entry(&text, path.data, second_pass, &p);
	check_whole(&k);
	print_findings(&k);
	config_close(&k.c);
	strmap_free(&p.used, NULL);
	strmap_free(&p.seen, free);
	buf_free(&text);
	buf_free(&path);
	return k.errors ? EX_CONFIG : EX_OK;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Editing main.cf in place: comments, order and all other lines stay; the file is replaced in one step. A parameter that
 * is set more than once is left once. See mtaconf.h. */
#include "mtaconf.h"

#include "base/mem.h"
#include "base/msg.h"
#include "sys/file.h"
#include "syntax/maincf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#define FILE_MAX (16 << 20)

struct change {
	char *copy;               /* owns name and value */
	const char *name, *value; /* value NULL unless EDIT_SET */
	bool done;
};

/* A comment or empty line. */
static bool
keeps(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && strchr(" \t\r\v\f\n", line[i]))
		i++;
	return i == n || line[i] == '#';
}

static void
add_setting(struct buf *out, const struct change *w)
{
	buf_addf(out, "%s =%s%s\n", w->name, *w->value ? " " : "", w->value);
}

/* What becomes of the lines of one entry (text of n bytes): comments among them stay in any case. */
static void
rewrite(const char *text, size_t n, enum edit how, struct change *w, struct buf *out)
{
	if (how == EDIT_SET && !w->done)
		add_setting(out, w);
	w->done = true;
	while (n > 0) {
		const char *lf = memchr(text, '\n', n);
		size_t k = lf ? (size_t)(lf - text) + 1 : n;

		if (how == EDIT_COMMENT && !keeps(text, k))
			buf_addc(out, '#');
		if (how == EDIT_COMMENT || keeps(text, k))
			buf_add(out, text, k);
		text += k;
		n -= k;
	}
}

/* The file with all changes made, into out. 0, or -1 with err. */
static int
apply(const struct buf *old, const char *path, enum edit how, struct change *list, size_t n, struct buf *out, struct buf *err)
{
	struct maincf m;
	struct maincf_entry e = { 0 };
	const char *why = NULL;
	size_t copied = 0;
	int r;

	maincf_init(&m, old->data, old->len);
	while ((r = maincf_next(&m, &e, &why)) == 1)
		for (size_t i = 0; i < n; i++)
			if (strcmp(list[i].name, e.name) == 0) {
				buf_add(out, old->data + copied, e.start - copied);
				rewrite(old->data + e.start, e.end - e.start, how, &list[i], out);
				copied = e.end;
				break;
			}
	if (r < 0)
		buf_addf(err, "%s:%u: %s", path, e.line, why);
	buf_add(out, old->data + copied, old->len - copied);
	if (how == EDIT_SET && out->len && out->data[out->len - 1] != '\n')
		buf_addc(out, '\n');
	for (size_t i = 0; how == EDIT_SET && i < n; i++)
		if (!list[i].done)
			add_setting(out, &list[i]);
	maincf_free(&m);
	return r;
}

/* A value must parse and must not break the file. */
static void
check_change(const struct config_options *o, const struct change *w)
{
	struct buf err = BUF_INIT(65536), word = BUF_INIT(1 << 20);
	char *overrides[2] = { NULL, NULL };
	const char *near;
	struct config *c;

	if (w->value && strpbrk(w->value, "\r\n"))
		msg_die(EX_DATAERR, "%s: the value has more than one line", w->name);
	if (*w->name == '#')
		msg_die(EX_DATAERR, "\"%s\" would be a comment", w->name);
	if (!w->value)
		return;
	if (!param_find(w->name)) {
		near = nearest_param(w->name);
		msg_warn(near ? "warning: %s: unknown parameter; did you mean %s?" : "warning: %s: unknown parameter%s", w->name, near ? near : "");
	}
	buf_addf(&word, "%s=%s", w->name, w->value);
	overrides[0] = word.data;
	c = config_open(o->dir, overrides, &err);
	if (!c && strncmp(err.data, "command line: ", 14) == 0)
		msg_die(EX_DATAERR, "%s", err.data + 14);
	config_close(&c);
	buf_free(&err);
	buf_free(&word);
}

static struct change *
parse(const struct config_options *o, enum edit how, char *const *words, size_t *n)
{
	struct change *list = NULL;
	const char *why = NULL;

	for (*n = 0; words[*n]; ++*n) {
		struct change w = { .copy = mem_strdup(words[*n]) };

		w.name = w.copy;
		if (how == EDIT_SET && maincf_split(w.copy, &w.name, &w.value, &why) < 0)
			msg_die(EX_USAGE, "\"%s\": %s", words[*n], why);
		if (how != EDIT_SET && strchr(w.name, '='))
			msg_die(EX_USAGE, "\"%s\": expected a name alone", w.name);
		check_change(o, &w);
		for (size_t i = 0; i < *n; i++)
			if (strcmp(list[i].name, w.name) == 0)
				msg_die(EX_USAGE, "%s is given twice", w.name);
		list = mem_resize(list, *n + 1, sizeof *list);
		list[*n] = w;
	}
	return list;
}

int
edit_file(const struct config_options *o, enum edit how, char *const *words)
{
	struct buf old = BUF_INIT(FILE_MAX), fresh = BUF_INIT(FILE_MAX), path = BUF_INIT(65536), err = BUF_INIT(65536);
	const char *dir = o->dir ? o->dir : getenv("MTA_CONFIG");
	struct change *list;
	size_t n;
	int lock;

	if (!dir || !*dir)
		dir = CONFDIR;
	buf_addf(&path, "%s/main.cf", dir);
	list = parse(o, how, words, &n);
	/* two editors at once would lose one's change */
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		msg_die(EX_NOINPUT, "configuration directory %s: %s", dir, strerror(errno));
	if (file_read(AT_FDCWD, path.data, &old) < 0 && (errno != ENOENT || how != EDIT_SET))
		msg_die(EX_NOINPUT, "read %s: %s", path.data, strerror(errno));
	if (apply(&old, path.data, how, list, n, &fresh, &err) < 0)
		msg_die(EX_DATAERR, "%s: nothing was changed", err.data);
	if (fresh.full)
		msg_die(EX_DATAERR, "%s: too large", path.data);
	for (size_t i = 0; how != EDIT_SET && i < n; i++)
		if (!list[i].done)
			msg_warn("warning: %s is not set in %s", list[i].name, path.data);
	if ((old.len != fresh.len || memcmp(old.data, fresh.data, old.len) != 0) && file_replace(path.data, fresh.data, fresh.len, 0644) < 0)
		msg_die(EX_CANTCREAT, "write %s: %s", path.data, strerror(errno));
	close(lock);
	for (size_t i = 0; i < n; i++)
		free(list[i].copy);
	free(list);
	buf_free(&old);
	buf_free(&fresh);
	buf_free(&path);
	buf_free(&err);
	return EX_OK;
}

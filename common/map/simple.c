/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Tables without a file: static:value (every key has it), environ:name, fail:text (every lookup fails),
 * unix:passwd.byname and unix:group.byname (lines as in passwd(5) and group(5)). */
#include "base/mem.h"
#include "map/driver.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX ((size_t)1 << 20)

struct unix_table {
	bool group;
	char *space;              /* for getpwnam_r */
	size_t size;
	struct buf folded;
};

static void *
text_open(const char *name, struct buf *err)
{
	char *copy = mem_strdup(name), *s = map_unbrace(copy);

	(void)err;
	memmove(copy, s, strlen(s) + 1);
	return copy;
}

static int
put(struct buf *out, const char *value, struct buf *err)
{
	if (buf_adds(out, value) == 0)
		return MAP_FOUND;
	buf_adds(err, "value in table is too long");
	return MAP_ERROR;
}

static int
static_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	(void)key;
	return put(out, table, err);
}

static int
environ_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	const char *value = getenv(key);

	(void)table;
	return value ? put(out, value, err) : MAP_ABSENT;
}

static int
fail_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	(void)key;
	(void)out;
	buf_addf(err, "table fail:%s: lookups in it always fail", (char *)table);
	return MAP_ERROR;
}

static void *
unix_open(const char *name, struct buf *err)
{
	struct unix_table *t;
	bool group = strcmp(name, "group.byname") == 0;

	if (!group && strcmp(name, "passwd.byname") != 0) {
		buf_addf(err, "table unix:%s: expected passwd.byname or group.byname", name);
		return NULL;
	}
	t = mem_zalloc(sizeof *t);
	t->group = group;
	t->size = 1024;
	t->space = mem_alloc(t->size);
	buf_init(&t->folded, 1024);
	return t;
}

static void
unix_close(void *table)
{
	struct unix_table *t = table;

	free(t->space);
	buf_free(&t->folded);
	free(t);
}

static int
passwd_line(struct unix_table *t, const char *key, struct buf *out)
{
	struct passwd pw, *found;
	int e = getpwnam_r(key, &pw, t->space, t->size, &found);

	if (found)
		buf_addf(out, "%s:%s:%lu:%lu:%s:%s:%s", pw.pw_name, pw.pw_passwd, (unsigned long)pw.pw_uid, (unsigned long)pw.pw_gid,
			 pw.pw_gecos, pw.pw_dir, pw.pw_shell);
	return found ? -1 : e;
}

static int
group_line(struct unix_table *t, const char *key, struct buf *out)
{
	struct group gr, *found;
	int e = getgrnam_r(key, &gr, t->space, t->size, &found);

	if (!found)
		return e;
	buf_addf(out, "%s:%s:%lu:", gr.gr_name, gr.gr_passwd, (unsigned long)gr.gr_gid);
	for (char **m = gr.gr_mem; *m; m++)
		buf_addf(out, "%s%s", m == gr.gr_mem ? "" : ",", *m);
	return -1;
}

static int
lookup(struct unix_table *t, const char *key, struct buf *out, struct buf *err)
{
	int e;

	while ((e = t->group ? group_line(t, key, out) : passwd_line(t, key, out)) == ERANGE && t->size < RECORD_MAX) {
		t->size *= 2;
		t->space = mem_resize(t->space, t->size, 1);
	}
	if (e == -1 && !out->full)
		return MAP_FOUND;
	/* what getpwnam(3) lists as "the name was not found" */
	if (e == 0 || e == ENOENT || e == ESRCH || e == EBADF || e == EPERM)
		return MAP_ABSENT;
	buf_addf(err, "table unix:%s.byname: %s", t->group ? "group" : "passwd", e == -1 ? "record is too long" : strerror(e));
	return MAP_ERROR;
}

/* System names are lower case nearly everywhere; the name as it was written comes first for those that are not. */
static int
unix_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct unix_table *t = table;
	int r = lookup(t, key, out, err);

	if (r != MAP_ABSENT || map_fold(key, &t->folded) < 0 || strcmp(t->folded.data, key) == 0)
		return r;
	return lookup(t, t->folded.data, out, err);
}

const struct map_driver map_static = { .type = "static", .pattern = true, .open = text_open, .find = static_find, .close = free };
const struct map_driver map_environ = { .type = "environ", .open = text_open, .find = environ_find, .close = free };
const struct map_driver map_fail = { .type = "fail", .open = text_open, .find = fail_find, .close = free };
const struct map_driver map_unix = { .type = "unix", .open = unix_open, .find = unix_find, .close = unix_close };

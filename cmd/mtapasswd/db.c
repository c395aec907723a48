/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The credential database: a compiled table that is replaced as a whole, so readers need no locks and a crash at any
 * moment leaves the old one or the new one. The builder's lock keeps two changes from losing one of them. */
#include "map/build.h"
#include "map/map.h"
#include "mtapasswd.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct copy {
	struct map_build *b;
	const char *user;
	struct buf *old, *err;
	bool found;
};

static int
copy_pair(void *arg, const char *key, const char *value)
{
	struct copy *c = arg;

	if (strcasecmp(key, c->user) != 0)
		return map_build_add(c->b, key, value, true, c->err) < 0 ? -1 : 0;
	c->found = true;
	return buf_adds(c->old, value);
}

static bool
missing(const char *name)
{
	struct buf path = BUF_INIT(1 << 16);
	bool gone;

	buf_addf(&path, "%s.tdb", name);
	gone = access(path.data, F_OK) < 0 && errno == ENOENT;
	buf_free(&path);
	return gone;
}

/* The other users' records into the new table; the user's own into c->old. */
static int
copy_others(struct copy *c, const char *name)
{
	struct buf table = BUF_INIT(1 << 16);
	struct map *m = NULL;
	int r = -1;

	if (buf_addf(&table, "tdb:%s", name) == 0)
		m = map_open(table.data, c->err);
	if (m)
		r = map_each(m, copy_pair, c, c->err);
	map_close(&m);
	buf_free(&table);
	return r;
}

/* A database that root has made is of use only to who may read it. */
static int
give_to(const char *name, const char *owner, struct buf *err)
{
	struct buf path = BUF_INIT(1 << 16);
	const struct passwd *pw = getpwnam(owner);
	int r = -1;

	buf_addf(&path, "%s.tdb", name);
	if (!pw)
		buf_addf(err, "%s is made, but auth_user cannot read it: there is no user \"%s\"", path.data, owner);
	else if (lchown(path.data, pw->pw_uid, pw->pw_gid) < 0)
		buf_addf(err, "give %s to %s: %s", path.data, owner, strerror(errno));
	else
		r = 0;
	buf_free(&path);
	return r;
}

int
db_edit(const char *name, const char *user, const char *owner, bool create, edit_fn *edit, void *arg, struct buf *err)
{
	struct buf old = BUF_INIT(1 << 16), record = BUF_INIT(1 << 16);
	struct copy c = { .user = user, .old = &old, .err = err };
	bool fresh = missing(name);
	int r = -1;

	if (fresh && !create) {
		buf_addf(err, "open %s.tdb: %s", name, strerror(ENOENT));
		return -1;
	}
	c.b = map_build_begin(name, 0, err);
	if (c.b) {
		r = missing(name) ? 0 : copy_others(&c, name);
		if (r == 0)
			r = edit(arg, c.found ? old.data : NULL, &record, err);
		if (r > 0)
			r = map_build_add(c.b, user, record.data, false, err);
		if (r < 0)
			map_build_abort(&c.b);
		else
			r = map_build_commit(&c.b, err);
		if (r == 0 && fresh && owner && !missing(name))
			r = give_to(name, owner, err);
	}
	explicit_bzero(record.data, record.len);
	buf_free(&record);
	buf_free(&old);
	return r;
}

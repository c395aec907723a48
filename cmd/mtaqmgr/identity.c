/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See identity.h. */
#include "identity.h"

#include "command.h"
#include "manager.h"

#include "mail/config.h"
#include "map/map.h"
#include "sys/proc.h"

#include "base/num.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

const char *const identity_kinds[] = { "none", "local", "virtual" };

static struct maplist *uids, *gids;

void
identity_reload(struct config *c)
{
	struct buf ignored = BUF_INIT(4096);

	maplist_close(&uids);
	maplist_close(&gids);
	/* a list with a mistake in it is told of where mail is routed; here it means that nobody is found */
	uids = maplist_open(config_str(c, "virtual_uid_maps"), &ignored);
	gids = maplist_open(config_str(c, "virtual_gid_maps"), &ignored);
	buf_free(&ignored);
}

/* user+ext@domain, user@domain, @domain. */
static int
find(struct config *c, struct maplist *l, const char *address, struct buf *value, struct buf *err)
{
	const char *at = strrchr(address, '@');
	size_t local = at ? (size_t)(at - address) : 0, base = strcspn(address, config_str(c, "recipient_delimiter"));
	struct buf key = BUF_INIT(1 << 16);
	int r = maplist_find(l, address, value, err);

	if (r == MAP_ABSENT && base && base < local) {
		buf_add(&key, address, base);
		buf_adds(&key, at);
		r = maplist_find(l, key.data, value, err);
	}
	if (r == MAP_ABSENT && at)
		r = maplist_find_part(l, at, value, err);
	buf_free(&key);
	return r;
}

/* *out stays where the table has nothing. */
static int
find_number(struct config *c, struct maplist *l, const char *name, const char *address, int64_t min, unsigned *out, struct buf *err)
{
	struct buf value = BUF_INIT(4096);
	int r = l ? find(c, l, address, &value, err) : MAP_ERROR;
	uint64_t n;

	if (!l)
		buf_addf(err, "%s cannot be opened", name);
	if (r == MAP_FOUND && (num_u64(value.data, UINT32_MAX - 1, &n) < 0 || (int64_t)n < min)) {
		buf_addf(err, "%s: \"%s\" is not a number of at least %lld", name, value.data, (long long)min);
		r = MAP_ERROR;
	} else if (r == MAP_FOUND) {
		*out = (unsigned)n;
	}
	buf_free(&value);
	return r == MAP_ERROR ? -1 : 0;
}

static int
find_recipient(struct proc *p, struct config *c, const struct identity *who, struct buf *err)
{
	const struct passwd *pw;

	if (who->kind == IDENTITY_VIRTUAL)
		return find_number(c, uids, "virtual_uid_maps", who->name, config_int(c, "virtual_minimum_uid"), &p->uid, err) < 0 ? -1 :
		    find_number(c, gids, "virtual_gid_maps", who->name, 1, &p->gid, err);
	if (who->kind == IDENTITY_NONE)
		return 0;
	errno = 0;
	pw = getpwnam(who->name);
	if (!pw) {
		buf_addf(err, "user %s: %s", who->name, errno ? strerror(errno) : "there is none");
		return -1;
	}
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	return 0;
}

/* Users that no mail may make an agent run as. Where auth_user is mail_owner (one user has it all) there is nothing to keep from it. */
static bool
forbidden(struct config *c, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwnam(config_str(c, "auth_user"));

	if (uid == 0 || gid == 0)
		return true;
	if (!pw || pw->pw_uid != uid)
		return false;
	pw = getpwnam(config_str(c, "mail_owner"));
	return !pw || pw->pw_uid != uid;
}

int
identity_set(struct proc *p, struct config *c, const struct agent_command *a, const struct identity *who, struct buf *err)
{
	const struct passwd *pw;

	p->uid = a->uid;
	p->gid = a->gid;
	if (geteuid() != 0) { /* all are ourselves */
		p->uid = (uid_t)-1;
		p->gid = (gid_t)-1;
		return 0;
	}
	if (p->uid == (uid_t)-1) {
		if (find_recipient(p, c, who, err) < 0)
			return -1;
		if (a->gid != (gid_t)-1)
			p->gid = a->gid;
	} else if (a->user) {
		p->user = a->user;
	}
	pw = a->resident ? getpwnam(config_str(c, "mail_owner")) : NULL;
	if (p->uid == (uid_t)-1)
		p->uid = pw ? pw->pw_uid : manager.default_uid;
	if (p->gid == (gid_t)-1)
		p->gid = pw ? pw->pw_gid : manager.default_gid;
	if (p->uid == 0 || p->gid == 0 || (a->uid != (uid_t)-1 && a->gid == (gid_t)-1) || (a->uid == (uid_t)-1 && forbidden(c, p->uid, p->gid))) {
		p->uid = manager.default_uid;
		p->gid = manager.default_gid;
		p->user = NULL;
	}
	return 0;
}

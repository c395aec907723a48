/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What users of this host may do: see userlist.h. */
#include "mail/userlist.h"

#include "mail/config.h"
#include "map/map.h"

#include "base/mem.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct userlist {
	const char *name, *action;
	struct matchlist *list;   /* NULL: everybody may, and nobody's name needs to be looked up */
};

/* The default, and another way to say it. */
static bool
everybody(const char *list)
{
	return strncasecmp(list, "static:", 7) == 0 && strcspn(list, ", \t\r\n") == strlen(list);
}

struct userlist *
userlist_open(struct config *c, const char *name, const char *action, struct buf *err)
{
	const char *list = config_str(c, name);
	struct userlist *s = mem_zalloc(sizeof *s);
	struct buf why = BUF_INIT(4096);

	s->name = name;
	s->action = action;
	if (!everybody(list)) {
		s->list = matchlist_open(list, false, &why);
		if (!s->list) {
			buf_addf(err, "%s: %s", name, why.data);
			userlist_close(&s);
		}
	}
	buf_free(&why);
	return s;
}

void
userlist_close(struct userlist **sp)
{
	struct userlist *s = *sp;

	if (!s)
		return;
	matchlist_close(&s->list);
	free(s);
	*sp = NULL;
}

int
userlist_allow(struct userlist *s, uid_t uid, struct buf *why)
{
	struct buf err = BUF_INIT(4096);
	const struct passwd *pw;
	const char *name;
	int r;

	if (!s->list)
		return 1;
	errno = 0;
	pw = getpwuid(uid);
	if (!pw && (errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EINTR)) {
		buf_addf(why, "%s: name of user ID %ju: %s", s->name, (uintmax_t)uid, strerror(errno));
		return -1;
	}
	name = pw ? pw->pw_name : "unknown";
	r = matchlist_address(s->list, name, &err); /* the whole name, no parents of it */
	if (r == MAP_ERROR)
		buf_addf(why, "%s: %s", s->name, err.data);
	else if (r == MAP_ABSENT)
		buf_addf(why, "User %s(%ju) is not allowed to %s", name, (uintmax_t)uid, s->action);
	buf_free(&err);
	return r == MAP_ERROR ? -1 : r == MAP_FOUND;
}

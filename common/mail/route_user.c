/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* System users and own addresses: see route_user.h. getpwnam opens and reads files, or asks a server, each time:
 * too dear for every recipient, so answers are kept for USER_SECONDS. */
#include "mail/route_user.h"

#include "map/map.h"
#include "sys/sock.h"
#include "syntax/cidr.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define USER_SECONDS 10
#define USERS_MAX 10000           /* remembered at once */

struct user {
	bool exists;
	uid_t uid;
	gid_t gid;
	int64_t until;
	char *home;
};

struct route_users { struct strmap *map; };

struct route_users *
route_users_new(void)
{
	struct route_users *u = mem_zalloc(sizeof *u);

	u->map = strmap_new();
	return u;
}

static void
user_free(void *p)
{
	struct user *user = p;

	if (user)
		free(user->home);
	free(user);
}

void
route_users_free(struct route_users **up)
{
	if (!*up)
		return;
	strmap_free(&(*up)->map, user_free);
	free(*up);
	*up = NULL;
}

/* Asks the system. NULL with err when it cannot tell. */
static struct user *
ask(const char *name, struct buf *err)
{
	struct user *user;
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	/* these four are what systems answer for a name that is not there */
	if (!pw && errno && errno != ENOENT && errno != ESRCH && errno != EBADF && errno != EPERM) {
		buf_addf(err, "look up user %s: %s", name, strerror(errno));
		return NULL;
	}
	user = mem_zalloc(sizeof *user);
	user->until = clock_deadline(USER_SECONDS);
	if (pw) {
		user->exists = true;
		user->uid = pw->pw_uid;
		user->gid = pw->pw_gid;
		user->home = mem_strdup(pw->pw_dir);
	}
	return user;
}

int
route_users_find(struct route_users *u, const char *name, struct route *r, struct buf *err)
{
	struct user *user = strmap_get(u->map, name);

	if (!user || user->until < clock_mono()) {
		user = ask(name, err);
		if (!user)
			return -1;
		if (strmap_count(u->map) >= USERS_MAX) {
			strmap_free(&u->map, user_free);
			u->map = strmap_new();
		}
		user_free(strmap_set(u->map, name, user));
	}
	if (!user->exists)
		return 0;
	buf_adds(&r->user, name);
	buf_adds(&r->home, user->home);
	r->uid = user->uid;
	r->gid = user->gid;
	return 1;
}

/* Appends the machine's addresses. */
static void
add_interfaces(struct buf *out)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct sockaddr_storage ss = { 0 };
		char text[64];
		int port;
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;

		if (family != AF_INET && family != AF_INET6)
			continue;
		memcpy(&ss, i->ifa_addr, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		sock_text(&ss, text, &port);
		if (!strchr(text, '%'))
			buf_addf(out, " %s", text);
	}
	freeifaddrs(list);
}

/* Appends those words that are addresses. */
static void
add_words(const char *words, struct buf *out)
{
	static const char between[] = ", \t\r\n";

	for (words += strspn(words, between); *words; words += strspn(words, between)) {
		size_t n = strcspn(words, between);
		struct cidr net;
		const char *why;

		if (n == 3 && memcmp(words, "all", 3) == 0) {
			add_interfaces(out);
		} else if (n == 13 && memcmp(words, "loopback-only", 13) == 0) {
			buf_adds(out, " 127.0.0.0/8 ::1");
		} else if (cidr_parse(&net, words, n, &why) == 0) {
			buf_addc(out, ' ');
			buf_add(out, words, n);
		}
		words += n;
	}
}

struct matchlist *
route_own_addresses(const char *interfaces, const char *proxies, struct buf *err)
{
	struct buf list = BUF_INIT(1 << 20);
	struct matchlist *l;

	add_words(interfaces, &list);
	add_words(proxies, &list);
	l = matchlist_open(list.data, false, err);
	buf_free(&list);
	return l;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Where passwords are (auth_backends), asked in turn:
 *   tdb:name            the credential database of mtapasswd(8); so any type:name of mtamap(1) whose values look the same
 *   passwd-file:path    lines user:password:uid:gid:gecos:home:shell:fields, as Dovecot has them
 *   shadow              system users */
#include "base/mem.h"
#include "mail/cred.h"
#include "map/map.h"
#include "mtaauth.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct backend {
	int (*find)(struct backend *b, const char *user, struct buf *record, struct buf *err);
	struct map *map;
	char *path;
};

struct backends {
	struct backend *one;
	size_t n;
};

static int
map_backend(struct backend *b, const char *user, struct buf *record, struct buf *err)
{
	/* a new password counts at once; next to its hash the look at the file costs nothing */
	map_recheck(b->map);
	return map_find(b->map, user, record, err);
}

/* One line of a passwd-file taken apart in place. */
static void
passwd_record(char *line, struct buf *record)
{
	static const char *const names[] = { NULL, NULL, "uid", "gid", NULL, "home", NULL };
	char *rest = line, *word;

	for (size_t i = 0; i < 7 && (word = strsep(&rest, ":")) != NULL; i++) {
		if (i == 1)
			buf_adds(record, word);
		else if (names[i] && *word)
			buf_addf(record, "\t%s=%s", names[i], word);
	}
	/* the rest are fields, separated by blanks; those for the mailbox are named userdb_ */
	while (rest && (word = strsep(&rest, " ")) != NULL)
		if (strncmp(word, "userdb_", 7) == 0)
			buf_addf(record, "\t%s", word + 7);
}

static int
passwd_file(struct backend *b, const char *user, struct buf *record, struct buf *err)
{
	FILE *f = fopen(b->path, "re");
	size_t room = 0, len = strlen(user);
	char *line = NULL;
	ssize_t n;
	int r = MAP_ABSENT;

	if (!f) {
		buf_addf(err, "open %s: %s", b->path, strerror(errno));
		return MAP_ERROR;
	}
	while (r == MAP_ABSENT && (n = getline(&line, &room, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (*line == '#' || strncmp(line, user, len) != 0 || line[len] != ':')
			continue;
		passwd_record(line, record);
		r = MAP_FOUND;
	}
	if (ferror(f)) {
		buf_addf(err, "read %s: %s", b->path, strerror(errno));
		r = MAP_ERROR;
	}
	if (line)
		explicit_bzero(line, room);
	free(line);
	fclose(f);
	return r;
}

static int
shadow(struct backend *b, const char *user, struct buf *record, struct buf *err)
{
	enum { SPACE = 65536 };
	char *space = mem_alloc(SPACE);
	struct spwd sp, *found = NULL;
	struct passwd pw, *entry = NULL;
	int e = getspnam_r(user, &sp, space, SPACE, &found), r = MAP_ABSENT;

	(void)b;
	if (found) {
		/* an account that has expired is as good as locked */
		if (sp.sp_expire >= 0 && time(NULL) / 86400 >= sp.sp_expire)
			buf_addc(record, '!');
		buf_addf(record, "{CRYPT}%s", *sp.sp_pwdp ? sp.sp_pwdp : "*");
		e = getpwnam_r(user, &pw, space, SPACE, &entry);
		if (entry)
			buf_addf(record, "\tuid=%lu\tgid=%lu\thome=%s", (unsigned long)pw.pw_uid, (unsigned long)pw.pw_gid, pw.pw_dir);
		r = entry ? MAP_FOUND : MAP_ABSENT;
	}
	if (r == MAP_ABSENT && e != 0 && e != ENOENT && e != ESRCH) {
		buf_addf(err, "shadow: %s", strerror(e));
		r = MAP_ERROR;
	}
	explicit_bzero(space, SPACE);
	free(space);
	return r;
}

static int
backend_open(struct backend *b, const char *name, struct buf *err)
{
	if (strcmp(name, "shadow") == 0) {
		b->find = shadow;
		return 0;
	}
	if (strncmp(name, "passwd-file:", 12) == 0 && name[12]) {
		b->find = passwd_file;
		b->path = mem_strdup(name + 12);
		return 0;
	}
	b->find = map_backend;
	b->map = map_open(name, err);
	return b->map ? 0 : -1;
}

struct backends *
backends_open(const char *list, struct buf *err)
{
	struct backends *b = mem_zalloc(sizeof *b);
	char *copy = mem_strdup(list), *rest = copy, *word;

	while ((word = strsep(&rest, ", \t\n")) != NULL) {
		if (!*word)
			continue;
		b->one = mem_resize(b->one, b->n + 1, sizeof *b->one);
		b->one[b->n] = (struct backend){ 0 };
		if (backend_open(&b->one[b->n], word, err) < 0) {
			backends_close(&b);
			break;
		}
		b->n++;
	}
	free(copy);
	return b;
}

void
backends_close(struct backends **bp)
{
	struct backends *b = *bp;

	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++) {
		map_close(&b->one[i].map);
		free(b->one[i].path);
	}
	free(b->one);
	free(b);
	*bp = NULL;
}

size_t
backends_count(const struct backends *b)
{
	return b->n;
}

int
backends_find(struct backends *b, size_t i, const char *user, struct buf *record, struct buf *err)
{
	return b->one[i].find(&b->one[i], user, record, err);
}

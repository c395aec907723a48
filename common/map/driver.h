/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What a table type gives to map.c; for files in common/map only. */
#ifndef MAP_DRIVER_H
#define MAP_DRIVER_H
#include "base/buf.h"
#include "map/map.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct map_driver {
	const char *type;
	bool pattern;             /* regexp, cidr: not asked for parts of a name */
	/* NULL with err: the name is malformed. A file that is not there is found out by find. */
	void *(*open)(const char *name, struct buf *err);
	int (*find)(void *table, const char *key, struct buf *out, struct buf *err);
	void (*close)(void *table);
	void (*recheck)(void *table);   /* map_recheck; NULL: nothing to do */
	/* Every pair, until f returns other than 0 (which is returned); NULL: not possible. MAP_ERROR with err. */
	int (*each)(void *table, int (*f)(void *arg, const char *key, const char *value), void *arg, struct buf *err);
};

extern const struct map_driver map_cidr, map_environ, map_fail, map_inline, map_regexp, map_static, map_tdb, map_texthash, map_unix;

/* A file that is read again when it has changed: looked at once a second at most. */
struct map_watch {
	char *path;
	struct stat seen;         /* of the file as it was loaded */
	int64_t next;             /* monotonic: not looked at before */
	bool loaded;
};

enum { WATCH_SAME, WATCH_CHANGED, WATCH_ERROR = -1 };
/* WATCH_CHANGED: to be loaded; then call map_watch_loaded with the fstat of what was loaded. WATCH_ERROR with err. */
int map_watch_check(struct map_watch *w, struct buf *err);
void map_watch_loaded(struct map_watch *w, const struct stat *st);
bool map_same_file(const struct stat *a, const struct stat *b);   /* same inode, size and times */
/* The text of the file at w->path, loaded; for tables that are read whole. 0 or -1 with err. */
int map_watch_read(struct map_watch *w, struct buf *text, struct stat *st, struct buf *err);

/* ASCII to lower case, into out (cleared first). 0, -1 when it is too long. */
int map_fold(const char *s, struct buf *out);
/* The next word of a list of tables or names at *p: separated by blanks and commas, { } group. 1 with the word in out (braces kept), 0
 * at the end, -1 with err. */
int map_list_next(const char **p, struct buf *out, struct buf *err);
/* Text between outer braces, blanks cut, when s has them; else s. In place. */
char *map_unbrace(char *s);
struct map;
bool map_is_pattern(const struct map *m);
#endif

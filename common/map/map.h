/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Lookup tables: "type:name" (contract 4). A lookup has three outcomes; an error is never "absent".
 * A table that cannot be opened is an error at the lookup, not at map_open. Compiled tables (hash: btree: tdb:
 * all mean NAME.tdb) are read without locks and re-opened when the file has been replaced. */
#ifndef MAP_MAP_H
#define MAP_MAP_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct map;

enum { MAP_FOUND = 1, MAP_ABSENT = 0, MAP_ERROR = -1 };

/* NULL with err for an unknown type or bad syntax. name is relative to the current directory. */
struct map *map_open(const char *type_name, struct buf *err);
void map_close(struct map **m);
/* Appends the value to out. The key is looked up as given (types that fold case do it themselves: Postfix's fold). */
int map_find(struct map *m, const char *key, struct buf *out, struct buf *err);
/* The next lookup sees a file that was replaced just now; without this it may take a second. */
void map_recheck(struct map *m);
/* Every pair of a table that can be listed (tdb, texthash, inline), in no order, until f returns other than 0, which is
 * returned; MAP_ERROR with err. */
int map_each(struct map *m, int (*f)(void *arg, const char *key, const char *value), void *arg, struct buf *err);

/* A list of tables as in main.cf ("hash:/a, regexp:/b"): the first that finds it answers; an error ends it. */
struct maplist;
struct maplist *maplist_open(const char *value, struct buf *err);
void maplist_close(struct maplist **l);
int maplist_find(struct maplist *l, const char *key, struct buf *out, struct buf *err);
/* The same for a key that is but a part of an address (user, @domain, domain): tables of patterns are passed over. */
int maplist_find_part(struct maplist *l, const char *key, struct buf *out, struct buf *err);
/* The table ("type:name") that answered the last lookup. */
const char *maplist_last(const struct maplist *l);

/* A list as in mydestination, relay_domains, mynetworks: names, "/file/name", "type:table", "!pattern"; "parent"
 * makes example.com match its subdomains. MAP_FOUND when name matches. */
struct matchlist;
struct matchlist *matchlist_open(const char *value, bool parent, struct buf *err);
void matchlist_close(struct matchlist **l);
int matchlist_domain(struct matchlist *l, const char *name, struct buf *err);
/* addr is text as of sock_text; networks, addresses and tables. */
int matchlist_address(struct matchlist *l, const char *addr, struct buf *err);

/* The registered types, for postconf -m: NULL-terminated, sorted. */
const char *const *map_types(void);
#endif

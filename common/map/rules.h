/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Tables that are a list of rules in the order of their lines (cidr, regexp): reading, "if" and "endif", the search for the first
 * rule that matches. The type of the table says what a pattern is. For files in common/map only. */
#ifndef MAP_RULES_H
#define MAP_RULES_H
#include "map/driver.h"
#include "syntax/maptext.h"

struct rule {
	bool invert;              /* "!": it matches what the pattern does not */
	size_t skip;              /* "if": the rule after its "endif"; else 0 */
	char *value;              /* NULL: "if" */
	void *pattern;            /* of size bytes, zeroes at first */
};

struct rules_type {
	const char *name;         /* "cidr", for messages */
	size_t size;              /* of a pattern */
	/* Takes a line apart, which is not "endif": the rule's pattern, and its value but for "if". 0, or -1 with why. */
	int (*parse)(struct rule *r, struct maptext *line, struct buf *why);
	void (*free)(void *pattern);                         /* what hangs on the pattern; NULL: nothing does */
};

struct rules {
	struct map_watch watch;
	const struct rules_type *type;
	struct rule *rule;
	size_t n, room;
};

struct rules *rules_open(const struct rules_type *type, const char *path);
void rules_close(void *rules);
/* Reads the file again if it has changed. 0 or -1 with err. */
int rules_refresh(struct rules *t, struct buf *err);
/* Walks the rules: match(arg, rule) says 1, 0 or -1 (why in err) whether the pattern matches, before "invert". 1 with the first
 * rule that answers, 0, -1. */
int rules_find(const struct rules *t, int (*match)(void *arg, const struct rule *r), void *arg, const struct rule **found);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A source text made into NAME.tdb, or into changes of NAME.tdb: what mtamap and mtaalias share. The table is written
 * new beside the old one and replaces it at the end; a failure leaves the old one. */
#ifndef MAP_COMPILE_H
#define MAP_COMPILE_H
#include "base/buf.h"
#include "syntax/maptext.h"

#include <stdbool.h>

struct map_compile {
	bool keep_case;           /* keys are not folded to lower case */
	bool incremental;         /* the pairs of the table that is there stay */
	bool replace;             /* incremental: new pairs win; else the ones that are there */
	bool quiet;               /* no warning for duplicate keys */
	const char *remove;       /* this key of the table that is there goes (incremental); NULL: none */
	bool removed;             /* out: remove was there */
	/* Takes t->text apart as maptext_pair does: 1 a pair, 0 passed over with a warning when *why is set, -1 with *why: all fails. */
	int (*pair)(struct maptext *t, char **key, char **value, const char **why);
	void (*warn)(void *arg, unsigned line, const char *text);
	void *arg;
};

/* source: the text, n bytes (NULL for none). 0, or -1 with err. */
int map_compile(struct map_compile *c, const char *name, const char *source, size_t n, struct buf *err);
#endif

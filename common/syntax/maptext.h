/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Source text of lookup tables and alias files: logical lines. A line that begins with white space continues the
 * one before it; empty lines and lines whose first visible character is '#' do not count, also in between. */
#ifndef SYNTAX_MAPTEXT_H
#define SYNTAX_MAPTEXT_H
#include "base/buf.h"

#include <stddef.h>

#define MAPTEXT_LINE_MAX (4u << 20)   /* longest logical line */

struct maptext {
	const char *data;
	size_t n, at;
	unsigned next;            /* number of the line at 'at' */
	unsigned line;            /* number of the first line of the logical line in text */
	struct buf text;          /* the logical line, without outer white space; the caller may change its bytes */
};

void maptext_init(struct maptext *t, const char *data, size_t n);   /* data must outlive t */
void maptext_free(struct maptext *t);
/* The next logical line into t->text. 1, 0 at the end, -1 with *err (NUL, line too long, continuation of nothing): t->line is
 * where. */
int maptext_next(struct maptext *t, const char **err);
/* Splits t->text in place at the first white space into key and value. A key in double quotes may hold blanks (backslash
 * protects a character). 1; 0 when there is no value (*value is ""); -1 with *err for a quote that is not closed. */
int maptext_pair(struct maptext *t, char **key, char **value, const char **err);
/* s begins with a double quote: removes quotes and backslashes in place; returns what follows, NULL when it is not closed. */
char *maptext_unquote(char *s);
#endif

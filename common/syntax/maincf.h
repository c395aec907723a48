/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The text of main.cf(5), pure: logical lines taken apart, $name expanded. No files, no table of parameters: those are
 * mail/config.h. */
#ifndef SYNTAX_MAINCF_H
#define SYNTAX_MAINCF_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define MAINCF_VALUE_MAX 1048576  /* bytes of a logical line, and of an expanded value */

struct maincf {
	const char *text;
	size_t n, at;
	unsigned line;            /* lines passed so far */
	struct buf logical;       /* the logical line; entries point into it */
};

struct maincf_entry {
	const char *name;         /* valid until the next call */
	const char *value;        /* folds are one blank each, white space at both ends cut */
	unsigned line;            /* where it begins, from 1; set for an error too */
	size_t start, end;        /* the bytes of text that hold it: its first line up to after its last one's LF */
};

void maincf_init(struct maincf *m, const char *text, size_t n);
void maincf_free(struct maincf *m);
/* The next "name = value". 1, 0 at the end, -1 with *err a static text (the call after it goes on with the next logical
 * line). Linear in the text. */
int maincf_next(struct maincf *m, struct maincf_entry *e, const char **err);
/* A copy of "name=value" text taken apart the same way, in place. 0, or -1 with *err. */
int maincf_split(char *text, const char **name, const char **value, const char **err);

/* The value of name, already expanded; NULL when there is none: it counts as empty. To fail, set *err. */
typedef const char *(*maincf_lookup)(void *arg, const char *name, const char **err);

/* Appends text with $name, $(name), ${name}, ${name?text}, ${name:text}, ${name?{text}:{text}}, ${{a} == {b} ? {text} :
 * {text}} (also != < <= > >=, with "level" after it for version numbers) and $$ replaced. Linear in text and result.
 * 0, or -1 with *err. */
int maincf_expand(const char *text, size_t n, maincf_lookup lookup, void *arg, struct buf *out, const char **err);

/* Pulls the next member of a list: separated by blanks and commas, { } keeps one together (without the outer braces when
 * the whole member is braced). *at begins as 0. 1 with word replaced, 0 at the end. */
int maincf_word(const char *list, size_t *at, struct buf *word);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What config.c and config_load.c share. Every name has a setting; those of the table stand in an array in the table's order,
 * all others (lmtp_X, TRANSPORT_X, service_NAME, the user's own) in a string map. */
#ifndef MAIL_CONFIG_SETTING_H
#define MAIL_CONFIG_SETTING_H
#include "mail/config.h"

struct setting {
	const struct param *row;  /* NULL: a name of the user's own */
	char *raw;                /* as set; NULL: not set */
	char *def;                /* the default where it is not row->def: computed, or of lmtp_X */
	char *where;
	char *value;              /* expanded; NULL: not yet */
	int64_t number;
	bool parsed;
	bool busy;                /* being expanded: asked for again, it refers to itself */
};

struct config {
	char *dir;
	struct setting *table;    /* param_count of them */
	struct strmap *others;
	struct buf why;           /* the text behind an expansion error */
};

/* Where problems go. */
struct problems {
	void (*report)(void *arg, const char *text);
	void *arg;
	int n;
};

/* The setting of name; NULL when it is neither in the table, nor was set, nor (create) is to be made. */
struct setting *setting_find(const struct config *c, const char *name, bool create);
/* The expanded value; NULL with *err when it cannot be expanded, or without when there is none. */
const char *setting_value(struct config *c, const char *name, struct setting *s, const char **err);
/* Expands and checks one setting, and keeps its number. */
void setting_check(struct config *c, const char *name, struct setting *s, struct problems *bad);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the files of mtaconf(8) share. */
#ifndef MTACONF_H
#define MTACONF_H
#include "base/buf.h"
#include "mail/config.h"

#include <stdbool.h>

/* print.c: parameters on standard output. */
enum which { PRINT_ALL, PRINT_DEFAULTS, PRINT_SET };
struct print {
	enum which which;
	bool no_name, no_value;   /* -h, -H */
	bool expand;              /* -x */
};
void print_list(struct config *c, const struct print *p);
/* One name; false when it is neither known nor set. */
bool print_one(struct config *c, const struct print *p, const char *name);
void print_manual(void);                              /* the list of main.cf(5), as mdoc(7) */

/* edit.c: changes main.cf in place; words are "name=value", or names. An exit status; messages are printed. */
enum edit { EDIT_SET, EDIT_REMOVE, EDIT_COMMENT };
int edit_file(const struct config_options *o, enum edit how, char *const *words);

/* check.c */
struct check {
	struct config *c;         /* NULL while it cannot be opened */
	int errors, warnings;
	char **line;              /* findings, printed in the order of the file at the end */
	size_t lines;
};
int check_all(const struct config_options *o);        /* an exit status; findings on standard output, one a line */
void check_say(struct check *k, bool error, const char *where, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* checkvalue.c: whether the value of a known parameter makes sense beyond its type; where is "file:line". */
void check_value(struct check *k, const char *where, const struct param *p, const char *name, const char *value);
/* checkwhole.c: what several parameters say together. */
void check_whole(struct check *k);
/* restrictions.c: the lists of smtpd_..._restrictions. */
void check_restrictions(struct check *k, const char *where, const char *name, const char *value);

/* template.c: how reports begin (words), or the templates themselves; path NULL: of bounce_template_file. An exit status. */
int template_print(const struct config_options *o, bool words, const char *path);
void check_templates(struct check *k);

/* unread.c: whether no program of this version acts on the known parameter. */
bool param_unread(const char *name);

/* nearest.c: the word of a set that is nearest to a mistyped one. Call nearest_try with each, then nearest_word: NULL when
 * none is near enough to be meant. */
struct nearest { const char *mistyped; const char *best; size_t distance; };
void nearest_try(struct nearest *n, const char *word);
const char *nearest_word(const struct nearest *n);
const char *nearest_param(const char *mistyped);

/* init.c: writes a private system into dir; settings: "name=value" words, NULL-terminated. An exit status; messages are
 * printed. */
int init_write(const char *dir, char *const *settings, bool json);

/* initfile.c: the parts of a private system. */
struct private_system {
	char *dir;                /* absolute */
	char *owner;              /* mail_owner */
	unsigned uid, gid;
	char *domain, *host;      /* mydomain, myhostname */
	int port[5];              /* smtp, submission, submissions, pop3, pop3s */
	char password[25];
	bool login;               /* the password could be stored */
};
extern const char *const port_names[5];               /* the parameters that hold them */
int private_ports(struct private_system *p, struct buf *err);          /* free ports of 127.0.0.1 */
void private_password(struct private_system *p);
/* Text of main.cf; settings go in place of its lines, or to its end. */
void private_main_cf(const struct private_system *p, char *const *settings, struct buf *out);
#endif

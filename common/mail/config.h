/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* main.cf (contract 6): Postfix's syntax, one typed table of parameters. Values are checked when the
 * file is loaded, so the typed getters cannot fail. */
#ifndef MAIL_CONFIG_H
#define MAIL_CONFIG_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_type { PARAM_STR, PARAM_RAW, PARAM_INT, PARAM_BOOL, PARAM_TIME, PARAM_SIZE, PARAM_LIST, PARAM_ENUM };

/* One row of the table. Sorted by name. */
struct param {
	const char *name;
	enum param_type type;     /* STR: $name expanded; RAW: not expanded until used; TIME: unit letter allowed */
	const char *def;          /* default text, may hold $name; NULL: computed (myhostname, mydomain, ...) */
	int64_t min, max;         /* INT, TIME (seconds), SIZE (bytes); ENUM: unused */
	const char *choices;      /* ENUM: "a b c" */
	const char *programs;     /* "mtasmtp mtaqmgr"; "": known from Postfix or Dovecot, not supported */
	const char *help;         /* one line; for an unsupported one, what to use instead */
};
extern const struct param param_table[];
extern const size_t param_count;
/* The row that says what name's value must be: its own; for lmtp_X that of smtp_X; for TRANSPORT_destination_concurrency_limit and
 * the like that of default_...; for service_NAME and NAME_agent one of type RAW. NULL: a name of the user's own. */
const struct param *param_find(const char *name);
/* Checks an expanded value against its row; the number (BOOL 0 or 1, TIME seconds, SIZE bytes) into *out. 0, or -1
 * with why: "\"5x\" is not a time (a number and one of s m h d w)". */
int param_parse(const struct param *p, const char *value, int64_t *out, struct buf *why);

struct config;

/* The directory: dir, or $MTA_CONFIG, or CONFDIR. Reads main.cf and applies overrides ("name=value",
 * NULL-terminated, may be NULL). NULL with err: cannot be read, or the first wrong line ("main.cf:12: ..."). */
struct config *config_open(const char *dir, char *const *overrides, struct buf *err);
/* The same for a program that tells of everything that is wrong: each problem is reported, what cannot be understood counts as
 * not set. The typed getters must not be asked for a number that is wrong. NULL (reported): there is no main.cf. */
struct config *config_open_all(const char *dir, char *const *overrides, void (*report)(void *arg, const char *text), void *arg);
void config_close(struct config **c);
const char *config_dir(const struct config *c);      /* absolute */

/* Values with $name expanded (RAW ones as they are). Known names only (a wrong name is a programming error and aborts). The string lives as
 * long as c. */
const char *config_str(struct config *c, const char *name);
int64_t config_int(struct config *c, const char *name);
int64_t config_time(struct config *c, const char *name);   /* seconds */
int64_t config_size(struct config *c, const char *name);   /* bytes */
bool config_bool(struct config *c, const char *name);
/* TRANSPORT_suffix (smtp_destination_concurrency_limit), else the parameter named def. Seconds for times. */
int64_t config_transport(struct config *c, const char *transport, const char *suffix, const char *def);
/* Any name, also the user's own (service_NAME, NAME_agent): NULL when not set and without default. Expanded, but for RAW rows
 * and those two: they are command lines, split into words first and each word then expanded with config_expand. */
const char *config_any(struct config *c, const char *name);
/* Expands $name, ${name}, ${name?text}, ${name:text} in text, names from c, or first from extra(arg, name) when not NULL. */
int config_expand(struct config *c, const char *text, const char *(*extra)(void *arg, const char *name), void *arg, struct buf *out, struct buf *err);
/* Where name was set: "FILE:LINE", "command line", or NULL (default). */
const char *config_where(const struct config *c, const char *name);
/* The value as written, not expanded: what was set, else the default (computed ones too). NULL: no such name. */
const char *config_raw(struct config *c, const char *name);
/* A default that is computed (myhostname, mydomain, mynetworks ...), whatever is set; lives as long as c. "" for other names. */
const char *config_computed(struct config *c, const char *name);
/* Calls f for each name that is set and is not a row of the table. */
void config_each_other(struct config *c, void (*f)(void *arg, const char *name, const char *raw), void *arg);

/* The options every program has: -C dir, -o name=value. Programs collect them with these in their getopt loop, then call
 * config_from_options; a wrong configuration ends the program with EX_CONFIG and a message. */
struct config_options { const char *dir; char **overrides; size_t n; };
void config_option(struct config_options *o, int letter, char *arg);  /* letter 'C' or 'o' */
struct config *config_from_options(const struct config_options *o);
#endif

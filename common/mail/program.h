/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the command lines of all programs share. A usage text is "NAME [-options] ...", without "usage: " and line feed. */
#ifndef MAIL_PROGRAM_H
#define MAIL_PROGRAM_H
#include "mail/config.h"

/* A command line that is wrong: says why, then "usage: text", and ends with EX_USAGE. */
void program_usage(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* A letter of getopt(3), called with ':' in front of its letters, that the program has no use of its own for: C and o
 * go to config, V prints the name and version and ends; all others are wrong. */
void program_option(struct config_options *config, int letter, const char *text);
#endif

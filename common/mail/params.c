/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The one table of all parameters: see struct param in config.h. It feeds the reader of main.cf, mtaconf, and the list in
 * main.cf(5). The rows stand in params_*.def, one a line, sorted by name in ASCII order (t/unit/config.c checks that):
 *
 *   STR(name, default, programs, help)               LIST, RAW, BOOL likewise
 *   INT(name, default, least, most, programs, help)  TIME, SIZE likewise; most 0: no bound
 *   ENUM(name, default, choices, programs, help)
 *   NOT(name, help)                                  known from Postfix or Dovecot, not supported
 *
 * Without a unit a time has that of its default. A default of NULL is computed (computed.c). programs "": known, not
 * supported or without effect; help then says what to use. */
#include "mail/config.h"

#define STR(name, def, programs, help) { name, PARAM_STR, def, 0, 0, 0, programs, help },
#define LIST(name, def, programs, help) { name, PARAM_LIST, def, 0, 0, 0, programs, help },
#define RAW(name, def, programs, help) { name, PARAM_RAW, def, 0, 0, 0, programs, help },
#define BOOL(name, def, programs, help) { name, PARAM_BOOL, def, 0, 0, 0, programs, help },
#define INT(name, def, min, max, programs, help) { name, PARAM_INT, def, min, max, 0, programs, help },
#define TIME(name, def, min, max, programs, help) { name, PARAM_TIME, def, min, max, 0, programs, help },
#define SIZE(name, def, min, max, programs, help) { name, PARAM_SIZE, def, min, max, 0, programs, help },
#define ENUM(name, def, choices, programs, help) { name, PARAM_ENUM, def, 0, 0, choices, programs, help },
#define NOT(name, help) { name, PARAM_STR, "", 0, 0, 0, "", help },

const struct param param_table[] = {
#include "params_a-l.def"
#include "params_m-r.def"
#include "params_s-z.def"
};
const size_t param_count = sizeof param_table / sizeof *param_table;

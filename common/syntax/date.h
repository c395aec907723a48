/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* RFC 5322 3.3 dates (and 4.3 obsolete zones when reading). */
#ifndef SYNTAX_DATE_H
#define SYNTAX_DATE_H
#include "base/buf.h"

#include <stdint.h>

/* Appends "Fri, 20 Nov 2026 11:37:13 +0000 (UTC)" for the local time zone. */
int date_format(int64_t unix_seconds, struct buf *out);
/* 0 and the time, or -1. */
int date_parse(const char *text, size_t n, int64_t *unix_seconds);
#endif

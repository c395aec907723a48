/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: how messages, times and sizes look in print. */
#ifndef PRINT_H
#define PRINT_H
#include "item.h"

/* A text of unknown origin, control characters as '?'. Valid until the next call but three. */
const char *clean(const char *text);
/* Columns that a text of UTF-8 takes on a terminal. */
int text_columns(const char *text);
/* Prints n spaces, when there are any. */
void print_spaces(int n);
/* "45s", "12m", "3h", "5d" and "812", "4.2K", "13M" in at most 6 characters. */
const char *short_time(int64_t seconds, char out[24]);
const char *short_size(uint64_t bytes, char out[24]);
/* One JSON object on one line (mtaqueue(5)). */
void print_json(struct item *it);
void print_json_object(struct item *it);            /* without the line end */
void json_string(const char *text);
/* The headings and lines of the table. verbose: all recipients. */
void print_heading(void);
void print_table(struct item *it, bool verbose, int64_t now);
/* A line by --format. */
void print_format(struct item *it, const char *format, int64_t now);
/* The shape of Postfix's postqueue -p. */
void print_mailq_heading(void);
void print_mailq(struct item *it);
/* The shape of its postqueue -j: only recipients that wait. */
void print_mailq_json(struct item *it);
#endif

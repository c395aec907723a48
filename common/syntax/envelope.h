/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The envelope text of a queue file (mtaqueue(5)), one line at a time, both ways. Contract 2:
 *
 *   mtaq1 <offset> <size>       two 20-digit decimal numbers, the first line is ENVELOPE_FIRST bytes with LF
 *   id <ID>
 *   time <seconds.microseconds>
 *   sender <address>
 *   opt name[=value] ...        body=8BITMIME smtputf8 ret=HDRS envid=xtext ...; values are xtext
 *   from name=value ...         client= helo= proto= auth= uid= ...; values are xtext
 *   rcpt T <address> name=value ...   T to do, D delivered, B bounced, X expanded or dropped
 *   (empty line)
 *
 * Lines of an unknown first word are an error. */
#ifndef SYNTAX_ENVELOPE_H
#define SYNTAX_ENVELOPE_H
#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_FIRST 48         /* "mtaq1 " 20 " " 20 "\n" */
#define ENVELOPE_LINE_MAX 8192    /* a longer line is an error */

enum envelope_kind {
	ENVELOPE_ID, ENVELOPE_TIME, ENVELOPE_SENDER, ENVELOPE_OPT, ENVELOPE_FROM, ENVELOPE_RCPT, ENVELOPE_END,
};

struct envelope_line {
	enum envelope_kind kind;
	const char *value;        /* ID, or address without brackets, or (opt, from) the name=value text */
	size_t value_len;
	const char *params;       /* rcpt: the name=value text after the address; else NULL */
	size_t params_len;
	int64_t time;             /* ENVELOPE_TIME: microseconds since 1970 */
	char status;              /* rcpt: T D B X */
	size_t status_at;         /* rcpt: offset of the status letter in the line */
};

int envelope_first_parse(const char *line, size_t n, uint64_t *offset, uint64_t *size, const char **err);
void envelope_first_format(char out[ENVELOPE_FIRST + 1], uint64_t offset, uint64_t size);
/* line is n bytes without its LF. 0, or -1 with *err. */
int envelope_line_parse(struct envelope_line *l, const char *line, size_t n, const char **err);
/* Finds name in name=value text; appends the decoded value to out (may be NULL). A name alone
 * has the value "". 1 found, 0 absent, -1 with *err. */
int envelope_param(const char *params, size_t n, const char *name, struct buf *out, const char **err);
/* Appends " name=xtext(value)" (or " name" when value is NULL). */
int envelope_param_add(struct buf *out, const char *name, const char *value);
/* True for 6 to 20 characters of [0-9A-Za-z]. */
int envelope_id_ok(const char *id, size_t n);
#endif

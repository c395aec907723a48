/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP command and reply lines (RFC 5321 4.1, 4.2; RFC 2034 enhanced codes), used by
 * server and client, and by LMTP (RFC 2033). */
#ifndef SYNTAX_SMTP_H
#define SYNTAX_SMTP_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* A command line, taken apart. The pointers are into the line. */
struct smtp_command {
	const char *verb;         /* as sent; compare without case */
	size_t verb_len;
	const char *arg;          /* after the blanks; "" when there is none */
	size_t arg_len;           /* trailing blanks cut */
};

/* One ESMTP parameter of MAIL or RCPT (4.1.2 esmtp-param): KEYWORD[=VALUE]. */
struct smtp_param {
	const char *name;
	size_t name_len;
	const char *value;        /* NULL when there is no '=' */
	size_t value_len;
};

/* line is n bytes without its line end. 0, or -1 with *err for a NUL, a bare CR, or another
 * control character. */
int smtp_command_parse(struct smtp_command *c, const char *line, size_t n, const char **err);
bool smtp_verb_is(const struct smtp_command *c, const char *verb);
/* Pulls the next parameter from text at *at. 1, 0 at the end, -1 with *err. */
int smtp_param_next(struct smtp_param *p, const char *text, size_t n, size_t *at, const char **err);

/* One reply line. */
struct smtp_reply_line {
	int code;                 /* 200..599 */
	bool more;                /* '-' follows the code */
	char enhanced[12];        /* "2.1.0", or "" */
	const char *text;         /* after code and enhanced code, into the line */
	size_t text_len;
};
int smtp_reply_parse(struct smtp_reply_line *r, const char *line, size_t n, const char **err);

/* RFC 3461 4 xtext: encode appends; decode appends, -1 with *err for bad input or a decoded control character. */
int xtext_encode(const char *s, size_t n, struct buf *out);
int xtext_decode(const char *s, size_t n, struct buf *out, const char **err);
#endif

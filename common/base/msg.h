/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages of programs to people: "program: what, which, why". Only cmd/ calls these
 * (and mem.c when memory is gone). They go to standard error unless msg_sink is set;
 * bytes that are control characters come out as '?'. */
#ifndef BASE_MSG_H
#define BASE_MSG_H
#include <stdarg.h>
#include <stddef.h>

extern const char *msg_program;                      /* name before each message */
/* When set, takes each finished line (no newline); common/mail/log sets it. */
extern void (*msg_sink)(const char *line);

void msg_init(const char *argv0);                    /* program name from argv[0]; "?" when there is none */
void msg_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* Control characters (C0, DEL, and bytes that are not well-formed UTF-8, C1) to '?', in place. */
void msg_clean(char *s, size_t n);
#endif

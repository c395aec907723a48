/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Replies (RFC 5321 4.2, RFC 3463, RFC 2034). */
#ifndef MTASMTP_REPLY_H
#define MTASMTP_REPLY_H
#include "session.h"

/* Buffers "code dsn text" (the text is made in s->scratch: no argument may stand there). dsn NULL: none. With soft_bounce a 5xx becomes a 4xx. A code of 400 and more counts as
 * an error of the client; past smtpd_soft_error_limit it comes late. The text's control characters become '?'. */
void reply(struct session *s, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same, and a log line "ID: reject: VERB from client: reply; from= to= proto= helo=". rcpt NULL: not known.
 * NOQUEUE stands for the queue ID before a message has begun. */
void reply_reject(struct session *s, const char *rcpt, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A reply that is not an error of the client (our disk is full, our helper is gone). */
void reply_trouble(struct session *s, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* 421 (or another code) with our host name first, as RFC 5321 has it, and the session ends. */
void reply_goodbye(struct session *s, int code, const char *dsn, const char *text);
#endif

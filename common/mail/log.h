/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The mail log (contract 6). Where: standard error under systemd's journal (JOURNAL_STREAM; "<N>" prefixes) and when it is a
 * terminal or a regular file; else maillog_file, else syslog(mail). Shape of a line in a file, Postfix's:
 *   Nov 20 11:37:13 host mta/smtpd[1234]: text
 * Bytes from the network come out with control characters as '?'. One write a line, but for log_batch. */
#ifndef MAIL_LOG_H
#define MAIL_LOG_H
#include <stdbool.h>

struct config;

/* component: "smtpd", "qmgr", "smtp", "local", ... msg_warn and msg_die go there too from now on, and to standard
 * error as well while it is a terminal. Call again after SIGHUP (the file is re-opened). */
void log_open(struct config *c, const char *component);
/* For a command that people type (sendmail, mtaqueue): maillog_file where it may be written, else syslog; standard error
 * stays free for messages to the caller, and msg_warn and msg_die stay there. */
void log_open_command(struct config *c, const char *component);
void log_component(const char *component);           /* changes the name (agents: per job "smtp" or "lmtp") */
/* on: lines for a file are kept until log_flush, so that many cost one write; warnings and errors take all along at once.
 * For a program that calls log_flush before it waits. */
void log_batch(bool on);
void log_flush(void);
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* "warning: ..." */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* "error: ..." */
#endif

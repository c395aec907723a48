/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The transcript of a session for the postmaster, and the notice that carries it when an error of a class in notify_classes has
 * happened. Passwords and message content never get into it. Nothing is kept while no class is wanted. */
#ifndef MTASMTP_RECORD_H
#define MTASMTP_RECORD_H
#include "session.h"

/* A new session. */
void record_begin(struct session *s);
/* A command as it came, before it is run; known: a verb of the command table. */
void record_command(struct session *s, const struct smtp_command *c, bool known);
/* After it was run (its line is gone by then); verb NULL: not a known one. Whether the client is in step with us decides what may be shown of its next lines. */
void record_command_done(struct session *s, const char *verb);
/* A line of n bytes that was no command. */
void record_line(struct session *s, const char *line, size_t n);
/* A reply as it is sent: codes, then text. */
void record_reply(struct session *s, const char *start, size_t start_len, const char *text, size_t n);
/* In the place of what is not to be repeated word by word, or a remark of ours (TRANSCRIPT_NOTE). */
void record_note(struct session *s, enum transcript_who who, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The error that a refusal tells of. trouble: ours, not the client's. */
void record_error(struct session *s, bool trouble, int code, const char *dsn);
/* A message was taken: what went wrong before it has been mended, as Postfix sees it. */
void record_success(struct session *s);
/* The session is over: sends the notice where there is something to tell. */
void record_finish(struct session *s);
#endif

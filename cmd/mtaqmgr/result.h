/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What became of a recipient: into the log and into the message. */
#ifndef RESULT_H
#define RESULT_H
#include "message.h"

/* The word of action= (agent(7)); RCPT_DELIVERED for "" and for words that are not known. */
enum rcpt_action result_action(const char *name);
/* started: wall clock in microseconds when the attempt began, 0: there was none. relay, delays and text may be NULL. For one
 * that is sent, r->action says what that means. */
void result_set(struct message *m, struct rcpt *r, const char *transport, int64_t started, enum agent_status status, const char *dsn,
    const char *relay, const char *delays, const char *text);
#endif

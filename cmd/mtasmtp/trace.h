/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Header fields that the server makes: Received (RFC 5321 4.4, RFC 3848), and the ones that a submission lacks
 * (RFC 6409 8). */
#ifndef MTASMTP_TRACE_H
#define MTASMTP_TRACE_H
#include "session.h"

/* Appends the Received field for the message with that queue ID, with its LF. */
void trace_received(struct session *s, const char *id, struct buf *out);

enum { TRACE_FROM = 1, TRACE_DATE = 2, TRACE_MESSAGE_ID = 4 };
/* Appends the fields of the set (TRACE_*); message_id gets the value of Message-Id when that is one of them. */
void trace_missing(struct session *s, const char *id, int fields, struct buf *out, struct buf *message_id);
#endif

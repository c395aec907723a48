/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The content of a message on its way from DATA or BDAT into the queue: limits, hop count, Received. */
#ifndef MTASMTP_CONTENT_H
#define MTASMTP_CONTENT_H
#include "session.h"

struct content;

struct content *content_new(void);
void content_free(struct content **c);

/* Begins the message of s->tx; the log gets its ID. 0, or -1 and a reply. */
int content_begin(struct session *s);
/* Content with LF line ends. wire: how many bytes it was on the wire, for the size limit. What is wrong with it is kept
 * for content_finish. 0; -1: so much came after the refusal that reading on is pointless. */
int content_add(struct session *s, const char *data, size_t n, size_t wire);
/* What was seen in the message that must not be there. */
void content_found(struct session *s, bool bare_lf, bool bare_cr, bool nul);
bool content_refused(const struct session *s);
/* All of it is there: refuses it, or makes it durable and acknowledges it; replies. The transaction is over. */
void content_finish(struct session *s);
/* Sends the refusal that content_refused told of; the transaction is over. */
void content_refuse(struct session *s);
/* Nothing remains of it. No reply. Harmless when there is none. */
void content_abort(struct session *s);
/* Sets the deadline for reading more: smtpd_timeout for what comes next, and smtpd_min_data_rate since 'began'. */
void content_deadline(struct session *s, int64_t began, uint64_t bytes);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Between compose.c and compose_add.c: the fields that a message lacks. */
#ifndef MAIL_COMPOSE_ADD_H
#define MAIL_COMPOSE_ADD_H
#include "mail/compose.h"

/* Fields that were there. */
enum {
	COMPOSE_FROM = 1, COMPOSE_DATE = 2, COMPOSE_MESSAGE_ID = 4,
	COMPOSE_RESENT_FROM = 8, COMPOSE_RESENT_DATE = 16, COMPOSE_RESENT_MESSAGE_ID = 32,
	COMPOSE_RESENT = 64,      /* any Resent- field at all */
};

/* Appends the fields that are not in seen: From, Date and Message-Id, and their Resent- forms where the message
 * was resent (RFC 5322 3.6, 3.6.6). 0 or -1. */
int compose_missing(const struct compose_settings *s, unsigned seen, struct buf *out);
/* A display name as a phrase: an atom, a quoted string, or encoded words (RFC 2047) where it is not ASCII. */
int compose_phrase(const char *name, struct buf *out);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Whether a recipient is accepted: smtpd_relay_restrictions, then smtpd_recipient_restrictions. Each is a list of
 * names; each name is a row of one table in policy.c. The first that permits or refuses ends its list. */
#ifndef MTASMTP_POLICY_H
#define MTASMTP_POLICY_H
#include "session.h"

#include "base/buf.h"

struct config;
struct policy;

/* Compiles the lists. A name that is not known becomes an entry that answers 451 (as in Postfix), with a line in warnings. */
struct policy *policy_new(struct config *c, struct buf *warnings);
void policy_free(struct policy **p);

/* The recipient being judged. */
struct policy_rcpt {
	const struct address *addr;   /* with a domain */
	const char *text;             /* the same as text, without brackets */
};

/* 0: accepted. -1: refused or put off, and the reply sent. */
int policy_rcpt(struct session *s, const struct policy_rcpt *r);
/* Refuses recipients that do not exist (smtpd_reject_unlisted_recipient). 0, or -1 and the reply sent. */
int policy_listed(struct session *s, const struct policy_rcpt *r);
#endif

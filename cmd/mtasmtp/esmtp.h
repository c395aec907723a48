/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 5),
 * RET, ENVID, NOTIFY, ORCPT (RFC 3461 4). */
#ifndef MTASMTP_ESMTP_H
#define MTASMTP_ESMTP_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A refusal: "code dsn text". */
struct esmtp_error { int code; const char *dsn, *text; };

struct esmtp_mail {
	uint64_t size;            /* UINT64_MAX: more than any limit */
	bool eight_bit, utf8;
};
/* Reads n bytes of parameters of MAIL. What the queue file keeps goes to opt. 0, or -1 with e. */
int esmtp_mail(struct esmtp_mail *m, const char *text, size_t n, bool utf8_offered, struct buf *opt, struct esmtp_error *e);
/* Those of RCPT; opt as above. */
int esmtp_rcpt(const char *text, size_t n, bool utf8, struct buf *opt, struct esmtp_error *e);
#endif

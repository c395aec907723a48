/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Base64 (RFC 4648 4), strict: no white space, padding required. */
#ifndef SYNTAX_BASE64_H
#define SYNTAX_BASE64_H
#include "base/buf.h"

int base64_encode(const void *data, size_t n, struct buf *out);      /* appends; one line */
int base64_decode(const char *text, size_t n, struct buf *out);      /* appends; -1 when malformed or too long */
#endif

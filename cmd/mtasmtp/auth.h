/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* AUTH (RFC 4954). */
#ifndef MTASMTP_AUTH_H
#define MTASMTP_AUTH_H
#include "session.h"

/* Whether AUTH is offered to this client now, with the mechanisms' names, blank-separated. */
bool auth_offered(struct session *s, struct buf *mechs);
#endif

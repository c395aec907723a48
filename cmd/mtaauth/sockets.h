/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaauth: the sockets of main.cf. */
#ifndef MTAAUTH_SOCKETS_H
#define MTAAUTH_SOCKETS_H
#include "base/buf.h"
#include "mail/config.h"

/* Makes auth_socket, saslauthd_socket (0660, owner mail_owner, group auth_group) and auth_master_socket (0600) and leaves them as LISTEN_FDS
 * for server_run. Call it while only descriptors 0-2 are in use. 0 or -1 with err. */
int sockets_open(struct config *c, struct buf *err);
void sockets_remove(struct config *c);
#endif

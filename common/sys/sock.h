/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Socket addresses in text. */
#ifndef SYS_SOCK_H
#define SYS_SOCK_H
#include "base/buf.h"

#include <stdint.h>
#include <sys/socket.h>

/* Splits "host:port", "[v6]:port", "port"; host may come back empty. 0 or -1. */
int sock_split(const char *text, struct buf *host, struct buf *port);
/* Connects to unix:/path, inet:host:port or host:port before the deadline. A non-blocking descriptor, or -1 with
 * err such as "connect to 127.0.0.1:25: Connection refused". */
int sock_connect(const char *where, int64_t deadline, struct buf *err);
/* One connected address; helper for callers that resolve themselves. */
int sock_connect_addr(const struct sockaddr *sa, socklen_t n, const struct sockaddr *bind_to, socklen_t bind_len, int64_t deadline);
/* Numeric text of an address: "192.0.2.1", "2001:db8::1", "unix". */
void sock_text(const struct sockaddr_storage *ss, char out[64], int *port);
/* Sends or receives bytes with one descriptor (SCM_RIGHTS); fd -1: none. Bytes, 0 at the end, -1. */
ssize_t sock_send_fd(int sock, const void *data, size_t n, int fd);
ssize_t sock_recv_fd(int sock, void *data, size_t n, int *fd);
#endif

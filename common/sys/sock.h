/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Socket addresses in text. */
#ifndef SYS_SOCK_H
#define SYS_SOCK_H
#include "base/buf.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Splits "host:port", "[v6]:port", "port"; host may come back empty. 0 or -1. */
int sock_split(const char *text, struct buf *host, struct buf *port);
/* Connects to unix:/path, inet:host:port or host:port before the deadline. A non-blocking descriptor, or -1 with
 * err such as "connect to 127.0.0.1:25: Connection refused". */
int sock_connect(const char *where, int64_t deadline, struct buf *err);
/* One connected address; helper for callers that resolve themselves. */
int sock_connect_addr(const struct sockaddr *sa, socklen_t n, const struct sockaddr *bind_to, socklen_t bind_len, int64_t deadline);
/* An IPv4 address that came in IPv6 clothes (::ffff:192.0.2.1) becomes the IPv4 address. */
void sock_unmap(struct sockaddr_storage *ss);
/* The address of a Unix socket. A path that is too long for the kernel's structure goes by the descriptor of its
 * directory, to be closed after use: that descriptor, -1 none was needed, -2 error with errno. */
int sock_unix_addr(const char *path, struct sockaddr_un *sun, socklen_t *len);
/* Numeric text of an address: "192.0.2.1", "2001:db8::1", "unix", else "unknown"; an
 * IPv4-mapped one as IPv4. port may be NULL. */
void sock_text(const struct sockaddr_storage *ss, char out[64], int *port);
/* Sends or receives bytes with one descriptor (SCM_RIGHTS); fd -1: none. Bytes, 0 at the end, -1 with errno. A
 * packet longer than n is refused (EMSGSIZE), descriptors after the first are closed. */
ssize_t sock_send_fd(int sock, const void *data, size_t n, int fd);
ssize_t sock_recv_fd(int sock, void *data, size_t n, int *fd);
#endif

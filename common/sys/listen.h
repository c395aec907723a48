/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Listening sockets of a server: bound as -l says, or given by systemd or inetd. For the files of server.h alone. */
#ifndef SYS_LISTEN_H
#define SYS_LISTEN_H
#include "base/buf.h"
#include "sys/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct listener {
	int fd;
	bool tls;                          /* TLS from the first byte */
	bool wildcard;                     /* bound to any address: ask each connection for its own */
	struct sockaddr_storage local;
	char *path;                        /* a Unix socket that we made: to be removed; else NULL */
	dev_t dev;                         /* of path: so that not a successor's is removed */
	ino_t ino;
};

struct listeners {
	struct listener *list;
	size_t count;
};

/* Binds one -l argument. 0, or -1 with err ("listen on 127.0.0.1:25: Address already in use") and errno (EINVAL: it
 * could not be understood). */
int listen_add(struct listeners *ls, const char *where, const struct server *s, struct buf *err);
/* Adds a socket that listens already. */
void listen_add_fd(struct listeners *ls, int fd, bool tls);
/* Closes all; removes the files of Unix sockets when we made them and remove is true. */
void listen_close(struct listeners *ls, bool remove);
/* What is fd? 1 a listening stream socket, 0 a connected stream socket, -1 anything else. */
int listen_kind(int fd);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaauth: what its sessions share. */
#ifndef MTAAUTH_H
#define MTAAUTH_H
#include "base/buf.h"
#include "mail/config.h"
#include "sys/server.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AUTH_LINE_MAX 16384       /* of the auth protocol; a longer line ends the connection */
#define AUTH_IDLE 60              /* seconds: a client that is silent for so long is disconnected (and connects again) */

#define AUTH_PATIENCE 2           /* the same when all processes are taken and others wait */

struct backends;
struct io;
struct route_maps;
struct shared;

struct auth {
	struct config_options options;
	struct config *config;
	struct backends *backends;
	struct route_maps *routes;
	struct shared *shared;    /* memory of all workers: successes and failures */
	unsigned cuid;            /* of the connection that this worker serves */
};

/* check.c: one login attempt. */
struct login {
	const char *user;         /* as the client gave it */
	const char *password;
	const char *service, *remote_ip;   /* "" when not known */
};
enum { LOGIN_OK = 1, LOGIN_FAIL = 0, LOGIN_TEMPFAIL = -1 };
/* Checks it, slowly where there were failures. user: the name as it is looked up (LOGIN_OK and LOGIN_FAIL). fields: uid= gid= home= mail=,
 * tab-separated and escaped (LOGIN_OK). why: for the log and the client. */
int login_check(struct auth *a, const struct login *l, struct buf *user, struct buf *fields, struct buf *why);
/* The fields of a user without a password check. MAP_*. */
int user_fields(struct auth *a, const char *user, struct buf *fields, struct buf *err);
/* The name as it is looked up: format, realm. 0, -1: no such user can exist. */
int user_normal(struct auth *a, const char *given, struct buf *user);
/* Takes a PLAIN response apart (RFC 4616): NUL-separated; raw is n bytes and NUL. 0, -1 with *why. */
int plain_split(char *raw, size_t n, char **user, char **password, const char **why);

/* backend.c: where passwords are. */
struct backends *backends_open(const char *list, struct buf *err);
void backends_close(struct backends **b);
size_t backends_count(const struct backends *b);
/* The record ("{SCHEME}hash TAB fields") of user in back end i. MAP_*. */
int backends_find(struct backends *b, size_t i, const char *user, struct buf *record, struct buf *err);

/* shared.c */
struct shared *shared_new(void);
/* Seconds that an attempt of user from ip must wait; -1: it is refused for now. A password that was right lately never waits. */
int shared_wait(struct shared *s, const char *user, const char *password, const char *ip);
void shared_failure(struct shared *s, const char *user, const char *ip);
void shared_success(struct shared *s, const char *user, const char *password, const char *ip);
/* A login that succeeded is kept a minute for the master socket, under its connection's cookie. */
void shared_put(struct shared *s, const char *cookie, pid_t pid, uint32_t id, const char *user);
/* Takes it out. 1, 0. */
int shared_take(struct shared *s, const char *cookie, pid_t pid, uint32_t id, struct buf *user);

/* The protocols: one session each. */
void client_session(struct auth *a, const struct server_peer *peer);
void master_session(struct auth *a, const struct server_peer *peer);
void saslauthd_session(struct auth *a, const struct server_peer *peer);

/* client.c: the next line of a client (io_line), as long as it may be silent. */
int client_line(struct io *io, char **line, size_t *n);
/* client.c: a field with the bytes that the protocol gives a meaning to escaped, and back (in place). */
void field_add(struct buf *out, const char *s);
void field_unescape(char *s);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Dovecot's auth client protocol, version 1 (contract 5): the servers' side. One connection is kept open by each process. */
#ifndef MAIL_AUTHCLIENT_H
#define MAIL_AUTHCLIENT_H
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct authclient;

enum { AUTH_OK = 1, AUTH_FAIL = 0, AUTH_CONTINUE = 2, AUTH_TEMPFAIL = -1 };

struct auth_request {
	const char *mech;         /* "PLAIN" */
	const char *service;      /* "smtp", "pop3" */
	const char *local_ip, *remote_ip;     /* NULL: unknown */
	int local_port, remote_port;
	bool secured;             /* TLS, or the same host */
	const char *resp;         /* initial response, base64; NULL: none */
};
struct auth_result {
	struct buf user;          /* AUTH_OK: the user as mtaauth names it */
	struct buf fields;        /* AUTH_OK: all fields (user= uid= gid= home= mail= ...), tab-separated; read with auth_field */
	struct buf text;          /* AUTH_CONTINUE: base64 challenge; AUTH_FAIL, AUTH_TEMPFAIL: why */
	uint32_t id;              /* of the request, for AUTH_CONTINUE and master requests */
	bool temporary;           /* AUTH_TEMPFAIL because the server said so ("temp"), not because it could not be reached */
};
void auth_result_init(struct auth_result *r);
void auth_result_free(struct auth_result *r);

/* socket_path: a path, or inet:host:port. Connects at the first request. */
struct authclient *authclient_new(const char *socket_path);
void authclient_free(struct authclient **a);
/* Mechanisms the server offers: blank-separated, upper case; NULL when it cannot be asked (err). */
const char *authclient_mechs(struct authclient *a, int64_t deadline, struct buf *err);
/* One AUTH request, and the client's answer (base64) to a challenge. AUTH_*. */
int authclient_start(struct authclient *a, const struct auth_request *req, int64_t deadline, struct auth_result *res);
int authclient_continue(struct authclient *a, uint32_t id, const char *resp, int64_t deadline, struct auth_result *res);
/* USER name and password in one step: mechanism PLAIN. */
int authclient_plain(struct authclient *a, const struct auth_request *req, const char *user, const char *password, int64_t deadline, struct auth_result *res);
/* "PID\tCUID\tCOOKIE": the CPID that was sent, and the server's CUID and COOKIE of this connection, for a master request
 * (REQUEST <its id> <PID> <id of the AUTH> <COOKIE>; privileged monitors). "" before the first request. */
const char *authclient_cookie(const struct authclient *a);
/* Appends the value of name in tab-separated fields, without the protocol's escapes, to out (may be NULL). 1 or 0. */
int auth_field(const char *fields, const char *name, struct buf *out);
#endif

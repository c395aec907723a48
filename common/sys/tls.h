/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* TLS by OpenSSL; the one module that includes openssl/ssl.h. TLS 1.2 and newer. Session tickets
 * are made with keys that a server makes before it forks its workers, so that any worker
 * resumes any session. */
#ifndef SYS_TLS_H
#define SYS_TLS_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_context;               /* configuration: certificate, keys, ticket keys */
struct tls;                       /* one connection */

struct tls_settings {
	const char *cert_file;    /* PEM chain; server: required */
	const char *key_file;     /* PEM; NULL: in cert_file */
	const char *ca_file;      /* client: what to trust; NULL: the system's */
	const char *ciphers;      /* NULL: OpenSSL's default */
	const char *min_protocol; /* "TLSv1.2", "TLSv1.3" (also with Postfix's ">=" before it); NULL: "TLSv1.2" */
	bool verify;              /* client: refuse a certificate that does not verify */
};

/* Call in the parent, before forking workers. NULL with err, such as "load certificate /etc/mta/cert.pem: No such file or
 * directory". */
struct tls_context *tls_server_new(const struct tls_settings *s, struct buf *err);
struct tls_context *tls_client_new(const struct tls_settings *s, struct buf *err);
void tls_context_free(struct tls_context **ctx);
/* Stats the certificate and key files; loads them again when they have changed: 1 loaded, 0 nothing changed, -1 with
 * err, once for each change (the old ones stay in use). Cheap enough to call before each handshake. A worker that may not
 * read the files leaves it to its parent (0): see refresh in server.h. */
int tls_context_refresh(struct tls_context *ctx, struct buf *err);

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)" of a connected io->tls. */
int tls_describe(const struct tls *t, struct buf *out);
const char *tls_protocol(const struct tls *t);       /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);
int tls_cipher_bits(const struct tls *t);
bool tls_resumed(const struct tls *t);

/* For io.c alone: non-blocking (the descriptor may block or not), no SIGPIPE; each returns bytes, 0 for a clean end (close_notify), or
 * TLS_WANT_READ, TLS_WANT_WRITE, TLS_FAIL (then tls_error). */
enum { TLS_WANT_READ = -2, TLS_WANT_WRITE = -3, TLS_FAIL = -1 };
struct tls *tls_new(struct tls_context *ctx, int fd, bool server, const char *name, const char **err);
int tls_handshake(struct tls *t);                    /* 1 done */
ssize_t tls_read(struct tls *t, void *data, size_t n);
ssize_t tls_write(struct tls *t, const void *data, size_t n);
int tls_shutdown(struct tls *t);
size_t tls_pending(const struct tls *t);
const char *tls_error(const struct tls *t);
void tls_free(struct tls **t);
#endif

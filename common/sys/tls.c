/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* TLS by OpenSSL 3: see tls.h. TLS 1.2 (RFC 5246) and 1.3 (RFC 8446), server name indication (RFC 6066 3), names in
 * certificates as RFC 6125 has them, stateless session tickets (RFC 5077). Renegotiation is off. The bytes go
 * through a BIO of our own: send(2) without SIGPIPE, never blocking whatever the descriptor's mode. */
#include "sys/tls.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICKET_KEY_BYTES 80                        /* name 16, HMAC 32, AES-256 32 */
#define TICKET_KEY_LIFE (24 * 3600 * INT64_C(1000000))

/* What tells one version of a file from another. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct tls_context {
	SSL_CTX *ssl;
	bool server, verify;
	char *cert, *key, *ca, *ciphers;
	int min_version;
	struct stamp cert_stamp, key_stamp;
};

struct tls {
	SSL *ssl;
	bool failed;               /* no close_notify after an error (RFC 8446 6.1) */
	char error[160];
};

/* One set for the life of the process (and of the workers it forks), replaced when a context is made after a day. */
static struct {
	unsigned char key[TICKET_KEY_BYTES];
	int64_t made;
} ticket;

/* "what which: why" with OpenSSL's reason for the first error: those after it only say who passed it on. */
static int
report(struct buf *err, const char *what, const char *which)
{
	unsigned long e = ERR_peek_error();
	const char *why = e ? ERR_reason_error_string(e) : NULL;

	buf_addf(err, "%s %s: %s", what, which, why ? why : "unknown TLS error");
	ERR_clear_error();
	return -1;
}

static int
report_errno(struct buf *err, const char *what, const char *which)
{
	buf_addf(err, "%s %s: %s", what, which, strerror(errno));
	return -1;
}

static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return 0; /* a server has nobody to ask */
}

static int
stamp_of(const char *path, struct stamp *out)
{
	struct stat st;

	memset(out, 0, sizeof *out);
	if (stat(path, &st) < 0)
		return -1;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->mtime = st.st_mtim;
	return 0;
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec
	    && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Can the file be opened? OpenSSL's own words for that are poor. */
static int
readable(const char *what, const char *path, struct buf *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return report_errno(err, what, path);
	close(fd);
	return 0;
}

static int
load_pair(SSL_CTX *ssl, const struct tls_context *c, struct buf *err)
{
	if (readable("load certificate", c->cert, err) < 0 || readable("load key", c->key, err) < 0)
		return -1;
	if (SSL_CTX_use_certificate_chain_file(ssl, c->cert) != 1)
		return report(err, "load certificate", c->cert);
	if (SSL_CTX_use_PrivateKey_file(ssl, c->key, SSL_FILETYPE_PEM) != 1)
		return report(err, "load key", c->key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return report(err, "load key", c->key);
	return 0;
}

static int
set_server(SSL_CTX *ssl, struct tls_context *c, struct buf *err)
{
	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_dh_auto(ssl, 1);
	/* stateless tickets alone: a cache in one worker's memory would be of no use to the others */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"mtakit", 6);
	SSL_CTX_set_num_tickets(ssl, 1);
	if (SSL_CTX_set_tlsext_ticket_keys(ssl, ticket.key, (long)sizeof ticket.key) != 1)
		return report(err, "set", "ticket keys");
	return load_pair(ssl, c, err);
}

static int
set_client(SSL_CTX *ssl, struct tls_context *c, struct buf *err)
{
	SSL_CTX_set_verify(ssl, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (c->ca) {
		if (readable("load CA certificates", c->ca, err) < 0)
			return -1;
		if (SSL_CTX_load_verify_file(ssl, c->ca) != 1)
			return report(err, "load CA certificates", c->ca);
	} else if (c->verify && SSL_CTX_set_default_verify_paths(ssl) != 1) {
		return report(err, "load", "the system's CA certificates");
	}
	return c->cert ? load_pair(ssl, c, err) : 0;
}

/* A new SSL_CTX by the settings of c, or NULL with err. Notes what the files looked like before it reads them. */
static SSL_CTX *
load(struct tls_context *c, struct buf *err)
{
	SSL_CTX *ssl;

	if (c->cert) {
		(void)stamp_of(c->cert, &c->cert_stamp);
		(void)stamp_of(c->key, &c->key_stamp);
	}
	ERR_clear_error();
	ssl = SSL_CTX_new(c->server ? TLS_server_method() : TLS_client_method());
	if (!ssl) {
		report(err, "initialise", "TLS");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ssl, c->min_version);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 1); /* one read(2) for the record's head and body, and for several small records */
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	if (c->ciphers && SSL_CTX_set_cipher_list(ssl, c->ciphers) != 1) {
		report(err, "set TLS ciphers", c->ciphers);
	} else if ((c->server ? set_server(ssl, c, err) : set_client(ssl, c, err)) == 0) {
		return ssl;
	}
	SSL_CTX_free(ssl);
	return NULL;
}

static int
version_number(const char *text)
{
	if (!text)
		return TLS1_2_VERSION;
	if (strncmp(text, ">=", 2) == 0)
		text += 2;
	if (strcmp(text, "TLSv1") == 0 || strcmp(text, "TLSv1.0") == 0)
		return TLS1_VERSION;
	if (strcmp(text, "TLSv1.1") == 0)
		return TLS1_1_VERSION;
	if (strcmp(text, "TLSv1.2") == 0)
		return TLS1_2_VERSION;
	if (strcmp(text, "TLSv1.3") == 0)
		return TLS1_3_VERSION;
	return -1;
}

static char *
copy(const char *s)
{
	return s && *s ? mem_strdup(s) : NULL;
}

static struct tls_context *
context_new(const struct tls_settings *s, bool server, struct buf *err)
{
	struct tls_context *c = mem_zalloc(sizeof *c);

	c->server = server;
	c->verify = s->verify;
	c->cert = copy(s->cert_file);
	c->key = copy(s->key_file && *s->key_file ? s->key_file : s->cert_file);
	c->ca = copy(s->ca_file);
	c->ciphers = copy(s->ciphers);
	c->min_version = version_number(s->min_protocol);
	if (c->min_version < 0)
		buf_addf(err, "unknown TLS protocol version \"%s\"", s->min_protocol);
	else if (server && !c->cert)
		buf_adds(err, "no TLS certificate file is set");
	else
		c->ssl = load(c, err);
	if (!c->ssl)
		tls_context_free(&c);
	return c;
}

struct tls_context *
tls_server_new(const struct tls_settings *s, struct buf *err)
{
	buf_clear(err);
	if (!ticket.made || clock_mono() - ticket.made > TICKET_KEY_LIFE) {
		if (RAND_bytes(ticket.key, (int)sizeof ticket.key) != 1) {
			report(err, "make", "ticket keys");
			return NULL;
		}
		ticket.made = clock_mono();
	}
	return context_new(s, true, err);
}

struct tls_context *
tls_client_new(const struct tls_settings *s, struct buf *err)
{
	buf_clear(err);
	return context_new(s, false, err);
}

void
tls_context_free(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	free(c->cert);
	free(c->key);
	free(c->ca);
	free(c->ciphers);
	free(c);
	*cp = NULL;
}

/* Have the files changed since they were loaded? */
static bool
stale(const struct tls_context *c)
{
	struct stamp cert, key;

	if (!c->cert)
		return false;
	/* a file that is away for a moment, or that we may not look at, has not changed */
	if (stamp_of(c->cert, &cert) < 0 || stamp_of(c->key, &key) < 0)
		return false;
	return !same_stamp(&cert, &c->cert_stamp) || !same_stamp(&key, &c->key_stamp);
}

int
tls_context_refresh(struct tls_context *c, struct buf *err)
{
	SSL_CTX *ssl;

	buf_clear(err);
	if (!stale(c))
		return 0;
	if (access(c->cert, R_OK) < 0 || access(c->key, R_OK) < 0)
		if (errno == EACCES)
			return 0;
	ssl = load(c, err);
	if (!ssl)
		return -1;
	SSL_CTX_free(c->ssl); /* connections that use it keep it alive */
	c->ssl = ssl;
	return 1;
}

/* The BIO: a socket, never blocking, never a signal. */

static int
bio_write(BIO *b, const char *data, int n)
{
	ssize_t k;

	BIO_clear_retry_flags(b);
	do
		k = send((int)(intptr_t)BIO_get_data(b), data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (k < 0 && errno == EINTR);
	if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(b);
	return (int)k;
}

static int
bio_read(BIO *b, char *data, int n)
{
	ssize_t k;

	BIO_clear_retry_flags(b);
	do
		k = recv((int)(intptr_t)BIO_get_data(b), data, (size_t)n, MSG_DONTWAIT);
	while (k < 0 && errno == EINTR);
	if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(b);
	if (k == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)k;
}

static long
bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)num, (void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *
bio_new(int fd)
{
	static BIO_METHOD *method;
	BIO *b;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mtakit socket");
		if (!method)
			return NULL;
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	b = BIO_new(method);
	if (b) {
		BIO_set_data(b, (void *)(intptr_t)fd);
		BIO_set_init(b, 1);
	}
	return b;
}

/* Server name indication and the name that the certificate must carry. 0 or -1. */
static int
set_name(SSL *ssl, const char *name, bool verify)
{
	unsigned char address[16];
	char *plain;
	size_t n;
	int good;

	if (!name || !*name)
		return verify ? -1 : 0;
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		/* addresses are no server names (RFC 6066 3) */
		return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -1;
	plain = mem_strdup(name);
	n = strlen(plain);
	if (n > 1 && plain[n - 1] == '.')
		plain[n - 1] = '\0';
	good = SSL_set_tlsext_host_name(ssl, plain) == 1;
	if (good && verify) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		good = SSL_set1_host(ssl, plain) == 1;
	}
	free(plain);
	return good ? 0 : -1;
}

struct tls *
tls_new(struct tls_context *c, int fd, bool server, const char *name, const char **err)
{
	struct tls *t = mem_zalloc(sizeof *t);
	BIO *b = bio_new(fd);

	t->ssl = b ? SSL_new(c->ssl) : NULL;
	if (!t->ssl) {
		*err = "TLS cannot be initialised";
		BIO_free(b);
		free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, b, b);
	if (server) {
		SSL_set_accept_state(t->ssl);
	} else {
		SSL_set_connect_state(t->ssl);
		if (set_name(t->ssl, name, c->verify) < 0) {
			*err = "no usable name to verify the certificate by";
			tls_free(&t);
		}
	}
	return t;
}

/* What a call that returned r means; the text of an error is kept. */
static int
outcome(struct tls *t, int r)
{
	int saved = errno, kind = SSL_get_error(t->ssl, r);
	unsigned long e;
	const char *why;
	long verify;

	if (kind == SSL_ERROR_WANT_READ)
		return TLS_WANT_READ;
	if (kind == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	if (kind == SSL_ERROR_ZERO_RETURN)
		return 0;
	t->failed = true;
	e = ERR_peek_error();
	why = e ? ERR_reason_error_string(e) : NULL;
	verify = SSL_get_verify_result(t->ssl);
	if (e && ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		why = "connection closed without TLS close_notify";
	else if (e && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		why = X509_verify_cert_error_string(verify);
	else if (!why)
		why = saved ? strerror(saved) : "connection closed without TLS close_notify";
	snprintf(t->error, sizeof t->error, "%s", why);
	ERR_clear_error();
	return TLS_FAIL;
}

int
tls_handshake(struct tls *t)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return 1;
	r = outcome(t, r);
	if (r == 0) {
		t->failed = true;
		snprintf(t->error, sizeof t->error, "connection closed during the TLS handshake");
		r = TLS_FAIL;
	}
	return r;
}

ssize_t
tls_read(struct tls *t, void *data, size_t n)
{
	size_t got;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read_ex(t->ssl, data, n, &got);
	return r == 1 ? (ssize_t)got : outcome(t, r);
}

ssize_t
tls_write(struct tls *t, const void *data, size_t n)
{
	size_t put;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write_ex(t->ssl, data, n, &put);
	if (r == 1)
		return (ssize_t)put;
	r = outcome(t, r);
	if (r == 0) { /* only reading ends cleanly */
		snprintf(t->error, sizeof t->error, "connection closed");
		r = TLS_FAIL;
	}
	return r;
}

int
tls_shutdown(struct tls *t)
{
	if (t->failed)
		return -1;
	ERR_clear_error();
	return SSL_shutdown(t->ssl) < 0 ? -1 : 0;
}

size_t
tls_pending(const struct tls *t)
{
	int n = SSL_pending(t->ssl);

	/* bytes read ahead that are not decrypted yet count as one */
	return n > 0 ? (size_t)n : (size_t)(SSL_has_pending(t->ssl) != 0);
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}

void
tls_free(struct tls **t)
{
	if (!*t)
		return;
	SSL_free((*t)->ssl);
	free(*t);
	*t = NULL;
}

const char *
tls_protocol(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

int
tls_cipher_bits(const struct tls *t)
{
	return SSL_get_cipher_bits(t->ssl, NULL);
}

bool
tls_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

int
tls_describe(const struct tls *t, struct buf *out)
{
	int all = 0, used = SSL_get_cipher_bits(t->ssl, &all);

	return buf_addf(out, "%s with cipher %s (%d/%d bits)", tls_protocol(t), tls_cipher(t), used, all);
}

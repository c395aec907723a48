/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* SMTP connections by libcurl. With CURLOPT_CONNECT_ONLY it connects, reads the greeting, says EHLO (or HELO),
 * STARTTLS (RFC 3207) and AUTH (RFC 4954), and stops there; each line of the server comes by the header callback, and the
 * connection, with its TLS, is ours by curl_easy_send and curl_easy_recv. One address a connection: the order of
 * attempts is ours as well, so libcurl never asks DNS. */
#include "connect.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/config.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the server says until the connection is ready. */
struct dialogue {
	struct conn *c;
	struct buf last;          /* the last reply, its lines as one */
	int code;                 /* of the lines so far of the reply under way; 0: between replies */
	int final;                /* code of the last whole reply */
	size_t total;             /* bytes of all lines */
	bool excess;
	bool greeted;             /* the greeting was taken */
	CURL *handle;
	int64_t began, connecting, greeting;  /* microseconds: start, and how long each phase may take; 0: no limit */
};

/* libcurl's own limit counts until the connection is ready for us, not until it is made, and its limit for one reply starts
 * again with the next. It asks here at least once a second. */
static int
watch(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t e)
{
	struct dialogue *d = arg;
	curl_off_t connected = 0;
	int64_t spent = clock_mono() - d->began;

	(void)a, (void)b, (void)c, (void)e;
	curl_easy_getinfo(d->handle, CURLINFO_CONNECT_TIME_T, &connected);
	if (connected == 0)
		return d->connecting > 0 && spent > d->connecting;
	return spent - connected > d->greeting;
}

/* One line of the server. Any other answer than n ends libcurl's work. */
static size_t
take_line(char *line, size_t size, size_t count, void *arg)
{
	struct dialogue *d = arg;
	size_t n = size * count, len = n;
	bool first = d->code == 0;

	d->total += n;
	d->excess = d->excess || d->total > REPLY_MAX;
	if (d->excess)
		return 0;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (len > 4 && strncmp(line, "334 ", 4) == 0)
		conn_said(d->c, TRANSCRIPT_SERVER, "334 (a challenge)", 17);
	else
		conn_said(d->c, TRANSCRIPT_SERVER, line, len);
	if (first)
		buf_clear(&d->last);
	else
		buf_addc(&d->last, ' ');
	buf_add(&d->last, line, len);
	if (len < 3)
		return n;
	d->code = atoi((char[]){ line[0], line[1], line[2], 0 });
	if (d->code == 250 && first)
		conn_forget_capabilities(d->c);
	else if (d->code == 250 && len > 4)
		conn_capability(d->c, line + 4, len - 4);
	if (len == 3 || line[3] != '-') {
		d->final = d->code;
		d->greeted = true;
		d->code = 0;
	}
	return n;
}

/* What libcurl sends, for the transcript. Of AUTH the mechanism is shown and nothing behind it: any other line is an answer
 * to a challenge. */
static int
take_command(CURL *h, curl_infotype type, char *data, size_t n, void *arg)
{
	static const char *const shown[] = { "EHLO ", "HELO ", "STARTTLS", "AUTH " };
	struct dialogue *d = arg;
	size_t i = 0;

	(void)h;
	if (type != CURLINFO_HEADER_OUT)
		return 0;
	while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\r'))
		n--;
	while (i < 4 && (n < strlen(shown[i]) || strncmp(data, shown[i], strlen(shown[i])) != 0))
		i++;
	if (i == 4)
		conn_said(d->c, TRANSCRIPT_CLIENT, "(an answer, not shown)", 22);
	else if (i == 3 && memchr(data + 5, ' ', n - 5))
		conn_said(d->c, TRANSCRIPT_CLIENT, data, (size_t)((char *)memchr(data + 5, ' ', n - 5) - data));
	else
		conn_said(d->c, TRANSCRIPT_CLIENT, data, n);
	return 0;
}

static ssize_t
wait_for(struct conn *c, short events, int64_t deadline)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int rc;

	do
		rc = poll(&p, 1, clock_left_ms(deadline));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		errno = ETIMEDOUT;
	return rc > 0 ? 0 : -1;
}

static ssize_t
curl_send(struct conn *c, const void *data, size_t n, int64_t deadline)
{
	size_t at = 0, did;
	CURLcode rc;

	while (at < n) {
		did = 0;
		rc = curl_easy_send(c->handle, (const char *)data + at, n - at, &did);
		at += did;
		if (rc == CURLE_AGAIN) {
			if (wait_for(c, POLLOUT, deadline) < 0)
				return -1;
		} else if (rc != CURLE_OK) {
			errno = ECONNRESET;
			return -1;
		}
	}
	return (ssize_t)n;
}

static ssize_t
curl_recv(struct conn *c, void *data, size_t n, int64_t deadline)
{
	size_t got = 0;
	CURLcode rc;

	for (;;) {
		rc = curl_easy_recv(c->handle, data, n, &got);
		if (rc == CURLE_OK)
			return (ssize_t)got;
		if (rc != CURLE_AGAIN) {
			errno = ECONNRESET;
			return -1;
		}
		if (wait_for(c, POLLIN, deadline) < 0)
			return -1;
	}
}

static void
curl_close(struct conn *c)
{
	curl_easy_cleanup(c->handle);
}

static const struct conn_channel channel = { curl_send, curl_recv, curl_close };

static void
set_tls(CURL *h, struct config *config, const struct policy *p)
{
	bool verify = p->level >= LEVEL_VERIFY;
	const char *file = config_str(config, "smtp_tls_CAfile"), *path = config_str(config, "smtp_tls_CApath");
	const char *cert = config_str(config, "smtp_tls_cert_file"), *key = config_str(config, "smtp_tls_key_file");

	curl_easy_setopt(h, CURLOPT_USE_SSL, p->level == LEVEL_NONE ? (long)CURLUSESSL_NONE :
	    p->level == LEVEL_MAY ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	/* loading all the authorities of the system takes longer than the delivery: only where they count */
	if (!verify || *file || *path) {
		curl_easy_setopt(h, CURLOPT_CAINFO, verify && *file ? file : NULL);
		curl_easy_setopt(h, CURLOPT_CAPATH, verify && *path ? path : NULL);
	}
	if (*cert) {
		curl_easy_setopt(h, CURLOPT_SSLCERT, cert);
		curl_easy_setopt(h, CURLOPT_SSLKEY, *key ? key : cert);
	}
}

static void
set_auth(CURL *h, const struct policy *p)
{
	struct buf options = BUF_INIT(65536);
	const char *word = p->mechanisms.data;
	size_t n;

	curl_easy_setopt(h, CURLOPT_USERNAME, p->user.data);
	curl_easy_setopt(h, CURLOPT_PASSWORD, p->password.data);
	curl_easy_setopt(h, CURLOPT_SASL_IR, 1L);
	for (; *word; word += n) {
		word += strspn(word, ", \t");
		n = strcspn(word, ", \t");
		if (n > 0)
			buf_addf(&options, "%sAUTH=%.*s", options.len ? ";" : "", (int)n, word);
	}
	if (options.len)
		curl_easy_setopt(h, CURLOPT_LOGIN_OPTIONS, options.data);
	buf_free(&options);
}

/* The name in the URL: it is what SNI sends and what a certificate is compared with. */
static const char *
url_host(const struct target *t, const struct nexthop *n, const struct policy *p)
{
	size_t name = strlen(t->name), domain = n->host.len;

	/* an MX record is not to be trusted: the name must be in the domain that was asked for */
	if (p->level == LEVEL_SECURE && n->mx && strcasecmp(t->name, n->host.data) != 0 &&
	    (name <= domain || t->name[name - domain - 1] != '.' ||
	    strcasecmp(t->name + name - domain, n->host.data) != 0))
		return n->host.data;
	return t->name;
}

static bool
plain_name(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

static struct curl_slist *
set_url(CURL *h, struct config *config, const struct target *t, const struct nexthop *n, const struct policy *p)
{
	const char *host = url_host(t, n, p), *helo = config_str(config, "smtp_helo_name");
	bool six = strchr(t->ip, ':') != NULL;
	struct buf text = BUF_INIT(8192);
	struct curl_slist *to;
	char *path;

	path = curl_easy_escape(h, helo, 0);
	if (plain_name(host))
		buf_addf(&text, "%s://%s:%u/%s", p->wrapper ? "smtps" : "smtp", host, n->port, path);
	else
		buf_addf(&text, six ? "%s://[%s]:%u/%s" : "%s://%s:%u/%s", p->wrapper ? "smtps" : "smtp", t->ip, n->port, path);
	curl_free(path);
	curl_easy_setopt(h, CURLOPT_URL, text.data);
	buf_clear(&text);
	buf_addf(&text, six ? "::[%s]:%u" : "::%s:%u", t->ip, n->port);
	to = curl_slist_append(NULL, text.data);
	curl_easy_setopt(h, CURLOPT_CONNECT_TO, to);
	buf_free(&text);
	return to;
}

static void
set_rest(CURL *h, struct config *config, const struct policy *p, struct dialogue *d)
{
	int64_t connecting = config_time(config, "smtp_connect_timeout");
	int64_t greeting = config_time(config, "smtp_helo_timeout");
	int64_t total;

	if (p->level != LEVEL_NONE)
		greeting += config_time(config, "smtp_starttls_timeout");
	total = (connecting > 0 ? connecting : 600) + greeting;
	d->handle = h;
	d->began = clock_mono();
	d->connecting = connecting * 1000000;
	d->greeting = greeting * 1000000;
	curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(total * 1000));
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(total * 1000));
	curl_easy_setopt(h, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)total);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, watch);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, d);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_line);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, d);
	if (d->c->recording) {
		curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, take_command);
		curl_easy_setopt(h, CURLOPT_DEBUGDATA, d);
	}
}

/* What went wrong, in Postfix's words. */
static void
explain(CURL *h, CURLcode rc, struct conn *c, const struct dialogue *d, const char *detail, struct failure *f)
{
	const char *step = d->greeted ? "performing the EHLO handshake" : "receiving the initial server greeting";
	bool late = rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_ABORTED_BY_CALLBACK;
	curl_off_t connected = 0;
	long error = 0;

	curl_easy_getinfo(h, CURLINFO_CONNECT_TIME_T, &connected);
	curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &error);
	if (d->excess)
		failure_set(f, "4.5.0", "host %s sent an endless reply while %s", c->peer.data, step);
	else if (connected == 0)
		failure_set(f, "4.4.1", "connect to %s: %s", c->relay.data,
		    late ? "Connection timed out" : error ? strerror((int)error) : detail);
	else if (late)
		failure_set(f, "4.4.2", "conversation with %s timed out while %s", c->peer.data, step);
	else if (rc == CURLE_USE_SSL_FAILED)
		failure_set(f, "4.7.4", "TLS is required, but was not offered by host %s", c->peer.data);
	else if (rc == CURLE_PEER_FAILED_VERIFICATION)
		failure_set(f, "4.7.5", "Server certificate of %s not trusted: %s", c->peer.data, detail);
	else if (rc == CURLE_LOGIN_DENIED)
		failure_set(f, "4.7.8", "SASL authentication failed; server %s said: %s", c->peer.data, d->last.data);
	else if (d->final >= 400)
		failure_set(f, "4.0.0", "host %s refused to talk to me: %s", c->peer.data, d->last.data);
	else if (rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_SSL_CIPHER || rc == CURLE_SSL_CERTPROBLEM ||
	    rc == CURLE_SSL_CACERT_BADFILE)
		failure_set(f, "4.7.5", "Cannot start TLS with %s: %s", c->peer.data, detail);
	else if (rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR || rc == CURLE_GOT_NOTHING)
		failure_set(f, "4.4.2", "lost connection with %s while %s", c->peer.data, step);
	else
		failure_set(f, "4.5.0", "%s while %s: %s", c->peer.data, step, detail);
	c->fault = strcmp(f->dsn, "4.5.0") == 0;
	conn_said(c, TRANSCRIPT_NOTE, f->text.data, f->text.len);
}

static int
ready(struct conn *c, CURL *h, int64_t began)
{
	curl_off_t connected = 0;
	curl_socket_t fd;

	if (curl_easy_getinfo(h, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
		return -1;
	curl_easy_getinfo(h, CURLINFO_CONNECT_TIME_T, &connected);
	c->channel = &channel;
	c->handle = h;
	c->fd = fd;
	c->opened = clock_mono();
	c->connect_time = connected;
	c->setup_time = c->opened - began - connected;
	return 0;
}

/* One attempt. The result of libcurl. */
static CURLcode
attempt(struct conn *c, struct config *config, const struct target *t, const struct nexthop *n, const struct policy *p,
    struct failure *f)
{
	char detail[CURL_ERROR_SIZE] = "";
	struct dialogue d = { .c = c };
	CURL *h = curl_easy_init();
	struct curl_slist *to;
	int64_t began = clock_mono();
	CURLcode rc;

	if (!h) {
		failure_set(f, "4.3.0", "libcurl cannot be initialised");
		return CURLE_FAILED_INIT;
	}
	buf_init(&d.last, REPLY_MAX);
	conn_forget_capabilities(c);
	to = set_url(h, config, t, n, p);
	set_tls(h, config, p);
	if (p->auth)
		set_auth(h, p);
	set_rest(h, config, p, &d);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
	rc = curl_easy_perform(h);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(h, CURLOPT_VERBOSE, 0L);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, NULL);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, NULL);
	if (rc == CURLE_OK && ready(c, h, began) < 0)
		rc = CURLE_RECV_ERROR;
	if (rc != CURLE_OK) {
		explain(h, rc, c, &d, *detail ? detail : curl_easy_strerror(rc), f);
		curl_easy_cleanup(h);
	}
	curl_slist_free_all(to);
	buf_free(&d.last);
	return rc;
}

int
connect_smtp(struct conn *c, struct config *config, const struct target *t, const struct nexthop *n,
    const struct policy *p, struct failure *f)
{
	struct policy plain = *p;
	CURLcode rc;

	buf_clear(&c->peer);
	buf_clear(&c->relay);
	buf_addf(&c->peer, "%s[%s]", t->name, t->ip);
	buf_addf(&c->relay, "%s[%s]:%u", t->name, t->ip, n->port);
	c->lmtp = c->fault = false;
	transcript_clear(&c->said);
	rc = attempt(c, config, t, n, p, f);
	if (rc == CURLE_SSL_CONNECT_ERROR && p->level == LEVEL_MAY) {
		/* opportunistic: no encryption rather than no mail; but then no password either */
		plain.level = LEVEL_NONE;
		plain.auth = false;
		rc = attempt(c, config, t, n, &plain, f);
	}
	return rc == CURLE_OK ? 0 : -1;
}

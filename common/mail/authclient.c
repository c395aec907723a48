/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The client side of Dovecot's authentication protocol, version 1.2 (authclient.h).
 * Lines of tab-separated fields, both ways:
 *
 *   we                                      the server
 *   VERSION 1 2, CPID <pid>                 VERSION 1 n, MECH <name> ..., SPID, CUID <n>, COOKIE <hex>, DONE
 *   AUTH <id> <mech> service=... resp=<b64> OK <id> user=... | FAIL <id> ... | CONT <id> <b64>
 *   CONT <id> <b64>                         the same
 *
 * Within a field the bytes NUL, TAB, CR, LF and 001 stand as two bytes, 001 and a letter.
 * Nothing that a client typed gets into a line but base64, which is checked here. */
#include "mail/authclient.h"

#include "base/mem.h"
#include "base/num.h"
#include "syntax/base64.h"
#include "sys/io.h"
#include "sys/sock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUTH_LINE_MAX 16384       /* of the server; Dovecot's own bound is 8192 */

struct authclient {
	char *path;
	struct io io;
	int fd;                   /* -1: not connected */
	uint32_t next_id;
	uint32_t waiting;         /* a request that the server waits for our CONT to; 0: none */
	struct buf mechs;
	struct buf cookie;        /* pid TAB CUID TAB cookie */
	char cuid[24];
};

void
auth_result_init(struct auth_result *r)
{
	*r = (struct auth_result){ .user = BUF_INIT(4096), .fields = BUF_INIT(AUTH_LINE_MAX), .text = BUF_INIT(AUTH_LINE_MAX) };
}

void
auth_result_free(struct auth_result *r)
{
	buf_free(&r->user);
	buf_free(&r->fields);
	buf_free(&r->text);
}

static void
result_clear(struct auth_result *r)
{
	buf_clear(&r->user);
	buf_clear(&r->fields);
	buf_clear(&r->text);
	r->id = 0;
	r->temporary = false;
}

struct authclient *
authclient_new(const char *socket_path)
{
	struct authclient *a = mem_zalloc(sizeof *a);

	a->path = mem_strdup(socket_path);
	a->fd = -1;
	buf_init(&a->mechs, 1024);
	buf_init(&a->cookie, 1024);
	return a;
}

static void
disconnect(struct authclient *a)
{
	if (a->fd < 0)
		return;
	io_free(&a->io);
	close(a->fd);
	a->fd = -1;
	a->waiting = 0;
}

void
authclient_free(struct authclient **a)
{
	if (!*a)
		return;
	disconnect(*a);
	buf_free(&(*a)->mechs);
	buf_free(&(*a)->cookie);
	free((*a)->path);
	free(*a);
	*a = NULL;
}

/* The next line without its LF. 0, or -1 with err. */
static int
read_line(struct authclient *a, char **line, struct buf *err)
{
	size_t n;
	int r = io_line(&a->io, line, &n, AUTH_LINE_MAX);

	if (r < 0) {
		buf_addf(err, "read from %s: %s", a->path, io_strerror(&a->io));
		return -1;
	}
	if (r == 0 || n == 0 || (*line)[n - 1] != '\n') {
		buf_addf(err, "read from %s: connection closed", a->path);
		return -1;
	}
	(*line)[n - 1] = '\0';
	return 0;
}

/* Cuts the next tab-separated field off *text; NULL when there is none. */
static char *
next_field(char **text)
{
	return *text ? strsep(text, "\t") : NULL;
}

/* Appends s without the escapes of the protocol. */
static int
unescape(const char *s, size_t n, struct buf *out)
{
	static const char from[] = "01trn", to[] = "\0\001\t\r\n";

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '\001' && i + 1 < n) {
			const char *p = memchr(from, s[++i], sizeof from - 1);

			c = p ? to[p - from] : s[i];
		}
		if (buf_addc(out, c) < 0)
			return -1;
	}
	return 0;
}

int
auth_field(const char *fields, const char *name, struct buf *out)
{
	size_t len = strlen(name);

	while (*fields) {
		size_t n = strcspn(fields, "\t");

		if (n >= len && memcmp(fields, name, len) == 0 && (n == len || fields[len] == '=')) {
			if (n > len && out && unescape(fields + len + 1, n - len - 1, out) < 0)
				return 0;
			return 1;
		}
		fields += n + (fields[n] == '\t');
	}
	return 0;
}

/* A MECH line's name goes into the list, unless it is one that the server keeps for itself. */
static void
add_mech(struct authclient *a, char *rest)
{
	const char *name = next_field(&rest);
	const char *flag;

	while ((flag = next_field(&rest)))
		if (strcmp(flag, "private") == 0)
			return;
	if (!name || !*name || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(name))
		return;
	if (a->mechs.len)
		buf_addc(&a->mechs, ' ');
	buf_adds(&a->mechs, name);
}

/* One line of the server's greeting. 1 at its end, 0 more, -1 with err. */
static int
greeting_line(struct authclient *a, char *line, struct buf *err)
{
	const char *word = next_field(&line);

	if (strcmp(word, "VERSION") == 0) {
		const char *major = next_field(&line);

		if (!major || strcmp(major, "1") != 0) {
			buf_addf(err, "%s speaks version %s of the protocol, not 1", a->path, major ? major : "?");
			return -1;
		}
	} else if (strcmp(word, "MECH") == 0) {
		add_mech(a, line);
	} else if (strcmp(word, "CUID") == 0) {
		snprintf(a->cuid, sizeof a->cuid, "%.20s", line ? line : "");
	} else if (strcmp(word, "COOKIE") == 0) {
		buf_clear(&a->cookie);
		buf_addf(&a->cookie, "%ld\t%s\t%s", (long)getpid(), a->cuid, line ? line : "");
	}
	return strcmp(word, "DONE") == 0;
}

static int
handshake(struct authclient *a, struct buf *err)
{
	char *line;
	int r;

	buf_clear(&a->mechs);
	buf_clear(&a->cookie);
	a->cuid[0] = '\0';
	io_printf(&a->io, "VERSION\t1\t2\nCPID\t%ld\n", (long)getpid());
	if (io_flush(&a->io) < 0) {
		buf_addf(err, "write to %s: %s", a->path, io_strerror(&a->io));
		return -1;
	}
	do {
		if (read_line(a, &line, err) < 0)
			return -1;
		r = greeting_line(a, line, err);
	} while (r == 0);
	return r < 0 ? -1 : 0;
}

static int
connect_server(struct authclient *a, int64_t deadline, struct buf *err)
{
	struct buf where = BUF_INIT(4096);

	if (a->fd >= 0) {
		io_set_deadline(&a->io, deadline);
		return 0;
	}
	/* what Postfix calls inet:host:port stands for itself; all else is a path */
	buf_addf(&where, "%s%s", strncmp(a->path, "inet:", 5) == 0 || strncmp(a->path, "unix:", 5) == 0 ? "" : "unix:", a->path);
	a->fd = sock_connect(where.data, deadline, err);
	buf_free(&where);
	if (a->fd < 0)
		return -1;
	io_init(&a->io, a->fd, a->fd);
	io_set_deadline(&a->io, deadline);
	if (handshake(a, err) == 0)
		return 0;
	disconnect(a);
	return -1;
}

const char *
authclient_mechs(struct authclient *a, int64_t deadline, struct buf *err)
{
	return connect_server(a, deadline, err) < 0 ? NULL : a->mechs.data;
}

const char *
authclient_cookie(const struct authclient *a)
{
	return a->cookie.data;
}

/* The words of an answer after its ID. AUTH_*. */
static int
take_answer(struct authclient *a, const char *word, char *rest, struct auth_result *res)
{
	if (strcmp(word, "OK") == 0) {
		if (rest)
			buf_adds(&res->fields, rest);
		if (auth_field(res->fields.data, "user", &res->user) != 1 || res->user.len == 0 || strlen(res->user.data) != res->user.len) {
			buf_addf(&res->text, "%s names no user", a->path);
			return AUTH_TEMPFAIL;
		}
		return AUTH_OK;
	}
	if (strcmp(word, "CONT") == 0) {
		a->waiting = res->id;
		buf_adds(&res->text, rest ? rest : "");
		return AUTH_CONTINUE;
	}
	if (rest) {
		auth_field(rest, "reason", &res->text);
		res->temporary = auth_field(rest, "temp", NULL) == 1;
	}
	return res->temporary ? AUTH_TEMPFAIL : AUTH_FAIL;
}

/* Waits for the answer to request id, passing over those to requests that were given up. */
static int
read_answer(struct authclient *a, uint32_t id, struct auth_result *res)
{
	char *line;

	res->id = id;
	a->waiting = 0;
	for (;;) {
		const char *word, *number;
		uint64_t got;

		if (read_line(a, &line, &res->text) < 0) {
			disconnect(a);
			return AUTH_TEMPFAIL;
		}
		word = next_field(&line);
		if (strcmp(word, "OK") != 0 && strcmp(word, "FAIL") != 0 && strcmp(word, "CONT") != 0)
			continue;
		number = next_field(&line);
		if (!number || num_u64(number, UINT32_MAX, &got) < 0 || got != id)
			continue;
		return take_answer(a, word, line, res);
	}
}

/* A response of the client: base64, and nothing else that could end up in a line. */
static bool
response_ok(const char *resp)
{
	struct buf out = BUF_INIT(AUTH_LINE_MAX);
	bool ok = base64_decode(resp, strlen(resp), &out) == 0;

	if (out.cap)
		explicit_bzero(out.data, out.cap);
	buf_free(&out);
	return ok;
}

static void
print_auth(struct authclient *a, const struct auth_request *req, uint32_t id)
{
	io_printf(&a->io, "AUTH\t%" PRIu32 "\t%s\tservice=%s", id, req->mech, req->service);
	if (req->local_ip)
		io_printf(&a->io, "\tlip=%s", req->local_ip);
	if (req->remote_ip)
		io_printf(&a->io, "\trip=%s", req->remote_ip);
	if (req->local_port)
		io_printf(&a->io, "\tlport=%d", req->local_port);
	if (req->remote_port)
		io_printf(&a->io, "\trport=%d", req->remote_port);
	if (req->secured)
		io_puts(&a->io, "\tsecured");
	if (req->resp) { /* the last field: the server takes all that follows for it */
		io_puts(&a->io, "\tresp=");
		io_puts(&a->io, req->resp);
	}
	io_puts(&a->io, "\n");
}

/* Sends what was printed and waits for its answer. */
static int
finish_request(struct authclient *a, uint32_t id, struct auth_result *res)
{
	if (io_flush(&a->io) < 0) {
		buf_addf(&res->text, "write to %s: %s", a->path, io_strerror(&a->io));
		disconnect(a);
		return AUTH_TEMPFAIL;
	}
	return read_answer(a, id, res);
}

static int
start_once(struct authclient *a, const struct auth_request *req, int64_t deadline, struct auth_result *res)
{
	uint32_t id;

	result_clear(res);
	if (connect_server(a, deadline, &res->text) < 0)
		return AUTH_TEMPFAIL;
	if (++a->next_id == 0)
		a->next_id = 1;
	id = a->next_id;
	print_auth(a, req, id);
	return finish_request(a, id, res);
}

int
authclient_start(struct authclient *a, const struct auth_request *req, int64_t deadline, struct auth_result *res)
{
	bool kept;
	int r;

	result_clear(res);
	for (const char *p = req->mech; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return AUTH_FAIL;
	if (req->resp && !response_ok(req->resp)) {
		buf_adds(&res->text, "malformed base64");
		return AUTH_FAIL;
	}
	if (a->waiting) /* the client gave the last exchange up; the server forgets it with the connection */
		disconnect(a);
	kept = a->fd >= 0;
	r = start_once(a, req, deadline, res);
	/* a kept connection may have died with an earlier server: one more try on a new one */
	if (r == AUTH_TEMPFAIL && kept && a->fd < 0)
		r = start_once(a, req, deadline, res);
	return r;
}

int
authclient_continue(struct authclient *a, uint32_t id, const char *resp, int64_t deadline, struct auth_result *res)
{
	result_clear(res);
	if (!response_ok(resp)) {
		buf_adds(&res->text, "malformed base64");
		return AUTH_FAIL;
	}
	if (a->fd < 0 || a->waiting != id) {
		buf_adds(&res->text, "the exchange is over");
		return AUTH_TEMPFAIL;
	}
	io_set_deadline(&a->io, deadline);
	io_printf(&a->io, "CONT\t%" PRIu32 "\t", id);
	io_puts(&a->io, resp);
	io_puts(&a->io, "\n");
	return finish_request(a, id, res);
}

int
authclient_plain(struct authclient *a, const struct auth_request *req, const char *user, const char *password, int64_t deadline, struct auth_result *res)
{
	struct auth_request plain = *req;
	struct buf raw = BUF_INIT(AUTH_LINE_MAX / 2), resp = BUF_INIT(AUTH_LINE_MAX);
	int r;

	buf_addc(&raw, '\0'); /* RFC 4616: no authorization identity */
	buf_adds(&raw, user);
	buf_addc(&raw, '\0');
	buf_adds(&raw, password);
	if (raw.full || base64_encode(raw.data, raw.len, &resp) < 0) {
		result_clear(res);
		buf_adds(&res->text, "name or password too long");
		r = AUTH_FAIL;
	} else {
		plain.mech = "PLAIN";
		plain.resp = resp.data;
		r = authclient_start(a, &plain, deadline, res);
	}
	if (raw.cap)
		explicit_bzero(raw.data, raw.cap);
	if (resp.cap)
		explicit_bzero(resp.data, resp.cap);
	buf_free(&raw);
	buf_free(&resp);
	return r;
}

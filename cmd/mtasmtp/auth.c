/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* AUTH (RFC 4954): the exchange is carried between the client and the auth server (authclient.h); no password
 * is looked at here. */
#include "auth.h"

#include "client.h"
#include "commands.h"
#include "record.h"
#include "reply.h"
#include "settings.h"

#include "mail/authclient.h"
#include "mail/log.h"
#include "map/map.h"
#include "syntax/base64.h"

#include "base/clock.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define AUTH_SECONDS 60           /* the auth server's time for one answer; failures are answered late on purpose */
#define AUTH_MECHS_SECONDS 10
#define AUTH_LINE_MAX (1u << 20)  /* smtpd_sasl_response_limit is at most that */
#define ROUNDS_MAX 20

/* smtpd_sasl_mechanism_filter. */
static bool
passes_filter(const struct session *s, const char *mech, size_t n)
{
	struct buf name = BUF_INIT(64), err = BUF_INIT(256);
	int r;

	for (size_t i = 0; i < n; i++)
		buf_addc(&name, (char)tolower((unsigned char)mech[i]));
	r = matchlist_domain(s->set->auth_mechs, name.data, &err);
	if (r < 0)
		log_warn("smtpd_sasl_mechanism_filter: %s", err.data);
	buf_free(&name);
	buf_free(&err);
	return r > 0;
}

static bool
mech_allowed(const struct session *s, const char *mech, size_t n)
{
	bool noplain = s->io->tls ? s->set->auth_tls_noplain : s->set->auth_noplain;
	bool noanonymous = s->io->tls ? s->set->auth_tls_noanonymous : s->set->auth_noanonymous;

	if (noplain && ((n == 5 && strncasecmp(mech, "PLAIN", n) == 0) || (n == 5 && strncasecmp(mech, "LOGIN", n) == 0)))
		return false;
	if (noanonymous && n == 9 && strncasecmp(mech, "ANONYMOUS", n) == 0)
		return false;
	return passes_filter(s, mech, n);
}

/* 1 with the names, 0 none, -1 the server cannot be asked (logged). */
static int
list_mechs(struct session *s, struct buf *mechs)
{
	struct buf err = BUF_INIT(1024);
	const char *all = authclient_mechs(s->auth, clock_deadline(AUTH_MECHS_SECONDS), &err);

	if (!all) {
		log_warn("SASL: %s", err.data);
		buf_free(&err);
		return -1;
	}
	while (*(all += strspn(all, " "))) {
		size_t n = strcspn(all, " ");

		if (mech_allowed(s, all, n)) {
			if (mechs->len)
				buf_addc(mechs, ' ');
			buf_add(mechs, all, n);
		}
		all += n;
	}
	buf_free(&err);
	return mechs->len > 0;
}

bool
auth_offered(struct session *s, struct buf *mechs)
{
	if (!s->set->auth || (s->set->auth_tls_only && !s->io->tls))
		return false;
	if (!s->local && client_listed(s, s->set->auth_hidden))
		return false;
	return list_mechs(s, mechs) > 0;
}

/* The mechanism and the initial response out of "AUTH mech [response]". */
struct words {
	char mech[32];
	struct buf resp;          /* "=" stands for an empty one (RFC 4954 4) and is given as "" */
	bool initial;
};

static int
split(struct session *s, const struct smtp_command *c, struct words *w)
{
	size_t n = 0, at;

	while (n < c->arg_len && c->arg[n] != ' ' && c->arg[n] != '\t')
		n++;
	for (at = n; at < c->arg_len && (c->arg[at] == ' ' || c->arg[at] == '\t'); at++)
		;
	if (n == 0 || memchr(c->arg + at, ' ', c->arg_len - at)) {
		reply(s, 501, "5.5.4", "Syntax: AUTH mechanism");
		return -1;
	}
	if (n >= sizeof w->mech) {
		reply(s, 504, "5.5.4", "Error: authentication mechanism not supported");
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		w->mech[i] = (char)toupper((unsigned char)c->arg[i]);
	w->mech[n] = '\0';
	w->initial = at < c->arg_len;
	if (w->initial && !(c->arg_len - at == 1 && c->arg[at] == '='))
		buf_add(&w->resp, c->arg + at, c->arg_len - at);
	return 0;
}

static bool
base64_ok(const char *text, size_t n)
{
	struct buf out = BUF_INIT(AUTH_LINE_MAX);
	bool ok = base64_decode(text, n, &out) == 0;

	if (out.cap)
		explicit_bzero(out.data, out.cap);
	buf_free(&out);
	return ok;
}

/* Is the mechanism on offer? Replies when not. */
static bool
check_mech(struct session *s, const char *mech)
{
	struct buf mechs = BUF_INIT(1024);
	int r = list_mechs(s, &mechs);
	size_t n = strlen(mech);
	bool found = false;

	for (const char *p = mechs.data; r > 0 && !found && (p = strstr(p, mech)); p += n)
		found = (p == mechs.data || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0');
	buf_free(&mechs);
	if (r < 0)
		reply_trouble(s, 454, "4.7.0", "Temporary authentication failure");
	else if (!found)
		reply(s, 504, "5.5.4", "Error: authentication mechanism not supported");
	return found;
}

/* Sends a challenge and has the answer ready in w->resp. 0, or -1: refused (and replied), cancelled or gone. */
static int
challenge(struct session *s, struct words *w, const char *text)
{
	char *line;
	size_t n;

	io_puts(s->io, "334 ");
	io_puts(s->io, text);
	io_puts(s->io, "\r\n");
	record_note(s, TRANSCRIPT_SERVER, "334 (a challenge)");
	if (session_read_line(s, &line, &n, s->set->auth_line) <= 0)
		return -1;
	record_note(s, TRANSCRIPT_CLIENT, "(an answer, not shown)");
	if (n == 1 && *line == '*') {
		reply(s, 501, "5.7.0", "Authentication aborted");
		return -1;
	}
	if (!base64_ok(line, n)) {
		reply(s, 501, "5.5.2", "Error: malformed base64");
		return -1;
	}
	buf_clear(&w->resp);
	buf_add(&w->resp, line, n);
	explicit_bzero(line, n);
	return 0;
}

/* The result of the whole exchange: reply, log, state. */
static void
finish(struct session *s, const struct words *w, int r, const struct auth_result *res)
{
	if (r == AUTH_OK) {
		buf_clear(&s->sasl_method);
		buf_clear(&s->sasl_user);
		buf_adds(&s->sasl_method, w->mech);
		if (buf_add(&s->sasl_user, res->user.data, res->user.len) == 0) {
			s->sasl_sender = true;
			reply(s, 235, "2.7.0", "Authentication successful");
			return;
		}
		r = AUTH_TEMPFAIL;
	}
	log_warn("%s: SASL %s authentication failed: %s", s->client.data, w->mech, res->text.len ? res->text.data : "wrong name or password");
	if (r == AUTH_TEMPFAIL)
		reply_trouble(s, 454, "4.7.0", "Temporary authentication failure");
	else
		reply(s, 535, "5.7.8", "Error: authentication failed");
}

static void
exchange(struct session *s, struct words *w, struct auth_result *res)
{
	struct auth_request req = {
		.mech = w->mech, .service = s->set->auth_service, .secured = s->io->tls || s->local,
		.resp = w->initial ? w->resp.data : NULL,
	};
	int r;

	if (s->peer->port) {
		req.remote_ip = s->peer->text;
		req.remote_port = s->peer->port;
		req.local_ip = s->peer->local_text;
		req.local_port = s->peer->local_port;
	}
	r = authclient_start(s->auth, &req, clock_deadline(AUTH_SECONDS), res);
	for (int round = 0; r == AUTH_CONTINUE; round++) {
		if (round == ROUNDS_MAX) {
			r = AUTH_FAIL;
			break;
		}
		if (challenge(s, w, res->text.data) < 0)
			return;
		r = authclient_continue(s->auth, res->id, w->resp.data, clock_deadline(AUTH_SECONDS), res);
	}
	finish(s, w, r, res);
}

/* What speaks against AUTH at this point; replies. */
static bool
auth_allowed(struct session *s)
{
	if (!s->set->auth)
		reply(s, 503, "5.5.1", "Error: authentication not enabled");
	else if (!s->esmtp)
		reply(s, 503, "5.5.1", "Error: send EHLO first");
	else if (s->sasl_sender)
		reply(s, 503, "5.5.1", "Error: already authenticated");
	else if (s->set->auth_tls_only && !s->io->tls)
		reply(s, 538, "5.7.11", "Encryption required for requested authentication mechanism");
	else
		return true;
	return false;
}

void
command_auth(struct session *s, const struct smtp_command *c)
{
	struct words w = { .resp = BUF_INIT(AUTH_LINE_MAX) };
	struct auth_result res;

	if (!auth_allowed(s) || split(s, c, &w) < 0)
		return;
	auth_result_init(&res);
	if (check_mech(s, w.mech)) {
		if (w.initial && !base64_ok(w.resp.data, w.resp.len))
			reply(s, 501, "5.5.2", "Error: malformed base64");
		else
			exchange(s, &w, &res);
	}
	auth_result_free(&res);
	if (w.resp.cap)
		explicit_bzero(w.resp.data, w.resp.cap);
	buf_free(&w.resp);
}

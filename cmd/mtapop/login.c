/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The authorization state: USER and PASS (RFC 1939 7), AUTH PLAIN (RFC 5034), STLS (RFC 2595 4), CAPA (RFC 2449), and the
 * way from a login to an open mailbox. Passwords are mtaauth's business alone. */
#include "base/clock.h"
#include "base/mem.h"
#include "mail/authclient.h"
#include "mail/log.h"
#include "mail/maildir_read.h"
#include "mtapop.h"
#include "syntax/base64.h"
#include "sys/sandbox.h"
#include "sys/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { AUTH_WAIT = 90 };          /* seconds for mtaauth, its delays after failures included */

bool
login_allowed(const struct session *s)
{
	return s->secure || s->p->plaintext_ok;
}

void
login_log(const struct session *s, const char *what, const char *user, const char *method)
{
	if (s->logins > 0)
		log_info("pop3-login: %s (auth failed, %d attempts): user=<%s>, method=%s, rip=%s, lip=%s%s", what, s->logins, user ? user : "",
			 method, s->rip, s->lip, s->tls ? ", TLS" : "");
	else
		log_info("pop3-login: %s: user=<%s>, method=%s, rip=%s, lip=%s, mpid=%ld%s", what, user ? user : "", method, s->rip, s->lip,
			 (long)getpid(), s->tls ? ", TLS" : s->secure ? ", secured" : "");
}

void
command_capa(struct session *s, char *arg)
{
	(void)arg;
	reply(s, "+OK");
	io_puts(&s->io, "CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n");
	if (s->p->tls && !s->tls && s->state == POP_AUTHORIZATION)
		io_puts(&s->io, "STLS\r\n");
	if (login_allowed(s))
		io_puts(&s->io, "USER\r\nSASL PLAIN\r\n");
	io_puts(&s->io, ".\r\n");
}

void
command_stls(struct session *s, char *arg)
{
	if (*arg) {
		reply(s, "-ERR Unexpected argument.");
	} else if (s->tls || !s->p->tls) {
		reply(s, s->tls ? "-ERR TLS is active." : "-ERR TLS is not available.");
	} else {
		reply(s, "+OK Begin TLS negotiation now.");
		/* what was sent along in the clear is not a command of the protected session */
		io_discard_input(&s->io);
		io_set_deadline(&s->io, clock_deadline(60));
		if (io_tls_accept(&s->io, s->p->tls) < 0) {
			log_info("pop3-login: Disconnected: TLS handshaking: %s, rip=%s, lip=%s", io_strerror(&s->io), s->rip, s->lip);
			s->done = true;
			return;
		}
		s->tls = s->secure = true;
		free(s->user);
		s->user = NULL;
	}
}

static bool
refuse_plaintext(struct session *s)
{
	if (login_allowed(s))
		return false;
	reply(s, "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
	return true;
}

void
command_user(struct session *s, char *arg)
{
	if (refuse_plaintext(s))
		return;
	if (!*arg) {
		reply(s, "-ERR Expected a user name.");
		return;
	}
	free(s->user);
	s->user = mem_strdup(arg);
	reply(s, "+OK");
}

/* Expands ~/, %u, %n, %d, %h in a mail location. */
static void
expand(const char *text, const char *user, const char *home, struct buf *out)
{
	const char *at = strrchr(user, '@');

	if (*text == '~' && (text[1] == '/' || !text[1])) {
		buf_adds(out, home);
		text++;
	}
	for (; *text; text++) {
		if (*text != '%' || !text[1]) {
			buf_addc(out, *text);
			continue;
		}
		switch (*++text) {
		case 'u': buf_adds(out, user); break;
		case 'n': buf_add(out, user, at ? (size_t)(at - user) : strlen(user)); break;
		case 'd': buf_adds(out, at ? at + 1 : ""); break;
		case 'h': buf_adds(out, home); break;
		default: buf_addc(out, *text); break;
		}
	}
}

/* The Maildir of the user: the mail field, mail_location, or home_mailbox below the home directory. 0, -1 with err. */
static int
find_mailbox(struct session *s, const char *fields, struct buf *path, struct buf *err)
{
	struct buf home = BUF_INIT(4096), mail = BUF_INIT(4096);
	const char *where = config_str(s->p->config, "mail_location"), *box = config_str(s->p->config, "home_mailbox");
	int r = -1;

	auth_field(fields, "home", &home);
	if (auth_field(fields, "mail", &mail) == 1 && mail.len > 0)
		where = mail.data;
	if (*where && strncmp(where, "maildir:", 8) != 0 && *where != '/' && *where != '~') {
		buf_addf(err, "mailbox format is not supported: %s", where);
	} else if (*where) {
		where += strncmp(where, "maildir:", 8) == 0 ? 8 : 0;
		expand(where, s->user, home.data, path);
		/* what follows a colon is for Dovecot's indexes */
		buf_truncate(path, strcspn(path->data, ":"));
		r = 0;
	} else if (home.len > 0) {
		buf_addf(path, "%s/%s", home.data, *box && box[strlen(box) - 1] == '/' ? box : "Maildir");
		r = 0;
	} else {
		buf_addf(err, "the auth server tells neither mail nor home of %s", s->user);
	}
	if (r == 0 && (path->full || path->data[0] != '/')) {
		buf_addf(err, "not an absolute path of a mailbox: %s", path->data);
		r = -1;
	}
	buf_free(&home);
	buf_free(&mail);
	return r;
}

/* From here on this process can change files in the mailbox alone, and run no program. */
static int
confine(const char *path, struct buf *err)
{
	const char *const writable[] = { path, NULL };

	if (sandbox_enter(writable) == 0)
		return 0;
	buf_addf(err, "confine the process: %s", strerror(errno));
	return -1;
}

/* Has this user as many sessions from this address as are allowed? Then it is told so. */
static bool
too_many(struct session *s)
{
	int64_t most = config_int(s->p->config, "mail_max_userip_connections");
	struct buf key = BUF_INIT(4096);
	int others;

	if (most == 0 || !s->rip[strcspn(s->rip, ".:")]) /* by hand, or on a Unix socket: no address */
		return false;
	buf_addf(&key, "%s %s", s->rip, s->user);
	others = server_count(key.data);
	buf_free(&key);
	if (others < most)
		return false;
	log_info("pop3-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=%d): user=<%s>, rip=%s, lip=%s",
		 (int)most, s->user, s->rip, s->lip);
	reply(s, "-ERR [IN-USE] Too many sessions of this user from this address.");
	s->done = true;
	return true;
}

void
login_done(struct session *s, const char *method, const char *fields)
{
	struct buf path = BUF_INIT(4096), err = BUF_INIT(4096);

	s->logins = 0;
	if (too_many(s))
		return;
	if (find_mailbox(s, fields, &path, &err) == 0 && (!s->confine || confine(path.data, &err) == 0))
		s->box = mailbox_open(path.data, &err);
	if (!s->box) {
		log_error("pop3(%s): %s", s->user, err.data);
		reply(s, "-ERR [SYS/TEMP] Mailbox cannot be opened now.");
		s->done = true;
	} else if (s->p->lock && mailbox_lock(s->box) < 0) {
		reply(s, "-ERR [IN-USE] Another session uses the mailbox.");
		mailbox_close(&s->box);
		s->done = true;
	} else {
		s->mark = mem_zalloc(mailbox_count(s->box) + 1);
		s->state = POP_TRANSACTION;
		login_log(s, "Login", s->user, method);
		reply(s, "+OK Logged in.");
	}
	buf_free(&path);
	buf_free(&err);
}

/* Somebody logged in. Where sessions get processes of their own they all do: this worker may change no file at all. */
static void
logged_in(struct session *s, const char *method, struct auth_result *res)
{
	free(s->user);
	s->user = mem_strdup(res->user.data);
	if (!s->p->monitor) {
		login_done(s, method, res->fields.data);
		return;
	}
	if (monitor_hand_over(s, method, res->id) < 0) {
		log_error("pop3(%s): hand the session over: %s", s->user, strerror(errno));
		reply(s, "-ERR [SYS/TEMP] Login is not possible now.");
	}
	s->logins = 0; /* the other process logs */
	s->done = true;
}

static void
judge(struct session *s, const char *method, int r, struct auth_result *res)
{
	switch (r) {
	case AUTH_OK:
		logged_in(s, method, res);
		return;
	case AUTH_FAIL:
		reply(s, "-ERR [AUTH] Authentication failed.");
		if (++s->logins >= POP_LOGINS_MAX)
			s->done = true;
		return;
	default:
		log_warn("pop3-login: auth server: %s", res->text.len ? res->text.data : "temporary failure");
		reply(s, "-ERR [SYS/TEMP] Authentication is not possible now.");
	}
}

static struct auth_request
request(const struct session *s)
{
	return (struct auth_request){ .mech = "PLAIN", .service = "pop3", .local_ip = s->lport ? s->lip : NULL, .remote_ip = s->rport ? s->rip : NULL,
		.local_port = s->lport, .remote_port = s->rport, .secured = s->secure };
}

void
command_pass(struct session *s, char *arg)
{
	struct auth_request req = request(s);
	struct auth_result res;
	int r;

	if (refuse_plaintext(s))
		return;
	if (!s->user) {
		reply(s, "-ERR USER first.");
		return;
	}
	auth_result_init(&res);
	r = authclient_plain(s->p->auth, &req, s->user, arg, clock_deadline(AUTH_WAIT), &res);
	explicit_bzero(arg, strlen(arg));
	judge(s, "PLAIN", r, &res);
	auth_result_free(&res);
}

/* The client's answer to "+ ", without its end. NULL when there is none. */
static char *
ask_response(struct session *s)
{
	char *line;
	size_t n;

	io_puts(&s->io, "+ \r\n");
	if (io_line(&s->io, &line, &n, POP_LINE_MAX) <= 0 || line[n - 1] != '\n') {
		s->done = s->io.error != IO_LONG;
		if (!s->done)
			reply(s, "-ERR Line is too long.");
		return NULL;
	}
	n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	if (strlen(line) == n)
		return line;
	reply(s, "-ERR NUL in response.");
	return NULL;
}

/* Keeps the name in a PLAIN response that was refused, for the log. */
static void
note_user(struct session *s, const char *resp)
{
	struct buf raw = BUF_INIT(POP_LINE_MAX);
	const char *name;

	if (base64_decode(resp, strlen(resp), &raw) == 0 && (name = memchr(raw.data, '\0', raw.len)) != NULL) {
		free(s->user);
		s->user = mem_strdup(name + 1);
	}
	if (raw.len > 0)
		explicit_bzero(raw.data, raw.len);
	buf_free(&raw);
}

void
command_auth(struct session *s, char *arg)
{
	struct auth_request req = request(s);
	struct auth_result res;
	char *mech = strsep(&arg, " "), *resp = arg;
	int r;

	if (!*mech) { /* how clients asked before CAPA */
		reply(s, "+OK");
		io_puts(&s->io, login_allowed(s) ? "PLAIN\r\n.\r\n" : ".\r\n");
		return;
	}
	if (strcasecmp(mech, "PLAIN") != 0) {
		reply(s, "-ERR Unsupported mechanism.");
		return;
	}
	if (refuse_plaintext(s) || (!resp && !(resp = ask_response(s))))
		return;
	if (strcmp(resp, "*") == 0) {
		reply(s, "-ERR Authentication cancelled.");
		return;
	}
	req.resp = strcmp(resp, "=") == 0 ? "" : resp;
	auth_result_init(&res);
	r = authclient_start(s->p->auth, &req, clock_deadline(AUTH_WAIT), &res);
	if (r == AUTH_CONTINUE)
		r = AUTH_FAIL; /* PLAIN asks nothing more */
	if (r == AUTH_FAIL)
		note_user(s, req.resp);
	explicit_bzero(resp, strlen(resp));
	judge(s, "PLAIN", r, &res);
	auth_result_free(&res);
}

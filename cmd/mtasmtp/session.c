/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The command loop (RFC 5321 4.1, 4.3) and its table: which commands there are and in which states they
 * are allowed. Replies to pipelined commands leave together, when io is about to wait for input
 * (RFC 2920 3.2). */
#include "session.h"

#include "client.h"
#include "commands.h"
#include "content.h"
#include "record.h"
#include "reply.h"
#include "settings.h"

#include "mail/log.h"
#include "sys/tls.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	CMD_CLEAR = 1,            /* allowed without TLS where TLS is required */
	CMD_HELO = 2,             /* needs HELO or EHLO where smtpd_helo_required says so */
	CMD_LAST = 4,             /* nothing may be pipelined behind it (RFC 2920 3.1) */
	CMD_JUNK = 8,             /* does not bring mail forward: counted */
	CMD_IDLE = 16,            /* not within a transaction */
	CMD_TX = 32,              /* within a transaction only */
	CMD_NOARG = 64,
	CMD_CHUNK = 128,          /* allowed between two chunks of a message */
};

static const struct command {
	const char *name;
	void (*run)(struct session *s, const struct smtp_command *c);
	unsigned flags;
} commands[] = {
	{ "HELO", command_helo, CMD_CLEAR | CMD_LAST },
	{ "EHLO", command_ehlo, CMD_CLEAR | CMD_LAST },
	{ "STARTTLS", command_starttls, CMD_CLEAR | CMD_LAST | CMD_IDLE | CMD_NOARG },
	{ "AUTH", command_auth, CMD_HELO | CMD_LAST | CMD_IDLE },
	{ "MAIL", command_mail, CMD_HELO },
	{ "RCPT", command_rcpt, CMD_HELO | CMD_TX },
	{ "DATA", command_data, CMD_LAST | CMD_TX | CMD_NOARG },
	{ "BDAT", command_bdat, CMD_CHUNK },
	{ "RSET", command_rset, CMD_CLEAR | CMD_JUNK | CMD_NOARG | CMD_CHUNK },
	{ "NOOP", command_noop, CMD_CLEAR | CMD_JUNK | CMD_CHUNK },
	{ "VRFY", command_vrfy, CMD_HELO | CMD_JUNK },
	{ "EXPN", command_expn, CMD_JUNK },
	{ "HELP", command_help, CMD_CLEAR | CMD_JUNK },
	{ "QUIT", command_quit, CMD_CLEAR | CMD_CHUNK },
};

enum { COMMANDS = sizeof commands / sizeof commands[0], UNKNOWN = COMMANDS };
_Static_assert(COMMANDS < SESSION_COMMANDS, "SESSION_COMMANDS is too small");

void
session_init(struct session *s, struct settings *set, struct queue *q, struct io *io, struct authclient *auth)
{
	*s = (struct session){ .set = set, .queue = q, .io = io, .auth = auth };
	buf_init(&s->name, 256);
	buf_init(&s->client, 512);
	buf_init(&s->helo, 1024);
	buf_init(&s->tls_text, 256);
	buf_init(&s->sasl_method, 64);
	buf_init(&s->sasl_user, 1024);
	buf_init(&s->scratch, 16384);
	address_init(&s->addr);
	buf_init(&s->addr_text, 2 * ADDRESS_MAX);
	s->content = content_new();
	s->chunk = mem_alloc(IO_BUFFER + 2);
	buf_init(&s->tx.sender, 2 * ADDRESS_MAX);
	buf_init(&s->tx.opt, 4096);
	dupfilter_init(&s->tx.named, set->duplicate_limit);
}

void
session_free(struct session *s)
{
	session_reset_tx(s);
	buf_free(&s->name);
	buf_free(&s->client);
	buf_free(&s->helo);
	buf_free(&s->tls_text);
	buf_free(&s->sasl_method);
	buf_free(&s->sasl_user);
	buf_free(&s->scratch);
	content_free(&s->content);
	free(s->chunk);
	address_free(&s->addr);
	buf_free(&s->addr_text);
	buf_free(&s->tx.sender);
	buf_free(&s->tx.opt);
	dupfilter_free(&s->tx.named);
	transcript_free(&s->record.said);
}

const char *
session_proto(const struct session *s)
{
	return s->esmtp ? "ESMTP" : "SMTP";
}

void
session_reset_tx(struct session *s)
{
	struct tx *t = &s->tx;

	if (!t->open)
		return;
	content_abort(s);
	queue_envelope_free(&t->env);
	t->env = (struct queue_envelope){ 0 };
	buf_clear(&t->sender);
	buf_clear(&t->opt);
	t->open = t->utf8 = t->eight_bit = t->chunking = false;
	t->size = 0;
	t->accepted = t->refused = 0;
	dupfilter_clear(&t->named);
}

void
session_set_deadline(struct session *s)
{
	int64_t d = clock_deadline(s->set->timeout);

	io_set_deadline(s->io, d < s->ends ? d : s->ends);
}

void
session_lost(struct session *s, int r)
{
	enum io_error e = r == 0 ? IO_EOF : s->io->error;

	s->closing = true;
	record_note(s, TRANSCRIPT_NOTE, "%s after %s", e == IO_TIMEOUT ? "the client says nothing more" : e == IO_STOPPED ? "this process is to end" :
	    "the connection is lost", s->doing);
	s->code = 421; /* the command did not succeed, whatever was replied before */
	switch (e) {
	case IO_TIMEOUT:
		log_info("timeout after %s from %s", s->doing, s->client.data);
		io_set_deadline(s->io, clock_deadline(1)); /* the one reply that is left */
		reply_goodbye(s, 421, "4.4.2", "Error: timeout exceeded");
		break;
	case IO_STOPPED:
		reply_goodbye(s, 421, "4.3.2", "Service shutting down");
		break;
	case IO_TLS:
		log_info("lost connection after %s from %s (TLS: %s)", s->doing, s->client.data, io_strerror(s->io));
		break;
	default:
		if (!s->peer->terminal)
			log_info("lost connection after %s from %s", s->doing, s->client.data);
		break;
	}
}

static void
bare_newline(struct session *s)
{
	log_info("bare <LF> received after %s from %s", s->doing, s->client.data);
	record_note(s, TRANSCRIPT_CLIENT, "(a line that ends in LF without CR)");
	reply(s, s->set->bare_newline_code, "5.5.2", "Error: bare <LF> received");
	if (s->set->bare_newline_code == 521)
		s->closing = true;
}

int
session_read_line(struct session *s, char **line, size_t *n, size_t max)
{
	int r;

	session_set_deadline(s);
	s->io->stopping = server_stopping;
	r = io_line(s->io, line, n, max);
	if (r < 0 && s->io->error == IO_LONG) {
		record_note(s, TRANSCRIPT_CLIENT, "(a line that is too long)");
		reply(s, 500, "5.5.2", "Error: line too long");
		return 0;
	}
	if (r > 0 && (*n == 0 || (*line)[*n - 1] != '\n') && !s->peer->terminal)
		r = 0; /* cut off in the middle of a line: not a command */
	if (r <= 0) {
		session_lost(s, r);
		return -1;
	}
	if (*n && (*line)[*n - 1] == '\n') {
		--*n;
		if (*n && (*line)[*n - 1] == '\r') {
			--*n;
		} else if (!s->bare_newline) {
			bare_newline(s);
			return 0;
		}
	}
	return 1;
}

/* Is something there that the client should have kept until it had our reply? */
static bool
early_input(struct session *s, unsigned flags)
{
	if (!s->set->forbid_pipelining || s->local || io_pending(s->io) == 0)
		return false;
	return flags & CMD_LAST || !s->esmtp;
}

static void
refuse_early_input(struct session *s)
{
	log_info("improper command pipelining after %s from %s", s->doing, s->client.data);
	record_note(s, TRANSCRIPT_NOTE, "the client goes on before it has the reply");
	s->errors++;
	reply_goodbye(s, 554, "5.5.0", "Error: SMTP protocol synchronization");
}

/* Is the verb in a list of main.cf? */
static bool
verb_listed(const char *list, const struct smtp_command *c)
{
	while (*(list += strspn(list, ", \t"))) {
		size_t n = strcspn(list, ", \t");

		if (n == c->verb_len && strncasecmp(list, c->verb, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static void
unknown_command(struct session *s, const struct smtp_command *c)
{
	s->doing = "UNKNOWN";
	s->count[UNKNOWN].all++;
	if (verb_listed(s->set->forbidden, c)) { /* a web browser, or one that is abused to speak to us */
		log_warn("non-SMTP command from %s: %.*s", s->client.data, (int)(c->verb_len < 100 ? c->verb_len : 100), c->verb);
		reply_goodbye(s, 221, "2.7.0", "Error: this is a mail server");
		return;
	}
	if (verb_listed(s->set->noop, c)) {
		command_noop(s, c);
		return;
	}
	reply(s, 500, "5.5.2", c->verb_len ? "Error: command not recognized" : "Error: bad syntax");
}

/* Whether the state of the session allows the command; replies when it does not. */
static bool
allowed(struct session *s, const struct command *k, const struct smtp_command *c)
{
	if (!(k->flags & CMD_CLEAR) && s->set->tls_level == TLS_ENCRYPT && !s->io->tls && !s->local)
		reply(s, 530, "5.7.0", "Must issue a STARTTLS command first");
	else if (k->flags & CMD_HELO && s->helo.len == 0 && s->set->helo_required)
		reply(s, 503, "5.5.1", "Error: send HELO/EHLO first");
	else if (k->flags & CMD_NOARG && c->arg_len)
		reply(s, 501, "5.5.4", "Syntax: %s", k->name);
	else if (k->flags & CMD_IDLE && s->tx.open)
		reply(s, 503, "5.5.1", "Error: MAIL transaction in progress");
	else if (k->flags & CMD_TX && !s->tx.open)
		reply(s, 503, "5.5.1", "Error: need MAIL command");
	else if (s->tx.chunking && !(k->flags & CMD_CHUNK))
		reply(s, 503, "5.5.1", "Error: %s within BDAT", k->name);
	else
		return true;
	return false;
}

static void
dispatch(struct session *s, const struct smtp_command *c)
{
	size_t i = 0;

	while (i < COMMANDS && !smtp_verb_is(c, commands[i].name))
		i++;
	record_command(s, c, i < COMMANDS);
	if (i == COMMANDS) {
		unknown_command(s, c);
		record_command_done(s, NULL);
		return;
	}
	s->doing = commands[i].name;
	s->count[i].all++;
	if (early_input(s, commands[i].flags)) {
		refuse_early_input(s);
		return;
	}
	if (commands[i].flags & CMD_JUNK && ++s->junk > s->set->junk_limit)
		s->errors++;
	if (allowed(s, &commands[i], c))
		commands[i].run(s, c);
	record_command_done(s, commands[i].name);
	if (s->code < 400)
		s->count[i].ok++;
}

static void
one_command(struct session *s)
{
	struct smtp_command c;
	const char *err;
	char *line;
	size_t n;

	if (session_read_line(s, &line, &n, s->set->line_limit) <= 0)
		return;
	if (smtp_command_parse(&c, line, n, &err) < 0) {
		s->count[UNKNOWN].all++;
		record_line(s, line, n);
		reply(s, 500, "5.5.2", "Error: bad syntax (%s)", err);
		return;
	}
	dispatch(s, &c);
}

/* Ends the session where it must end: too many errors, or this process is to go. */
static void
check_end(struct session *s)
{
	if (s->closing)
		return;
	if (s->errors >= s->set->hard_errors) {
		log_info("too many errors after %s from %s", s->doing, s->client.data);
		reply_goodbye(s, 421, "4.7.0", "Error: too many errors");
	} else if (server_stopping()) {
		reply_goodbye(s, 421, "4.3.2", "Service shutting down");
	}
}

/* " mail=2" or, when some were refused, " mail=1/2". */
static void
add_count(struct buf *line, const char *name, unsigned ok, unsigned all)
{
	buf_addc(line, ' ');
	for (; *name; name++)
		buf_addc(line, (char)(*name | 0x20));
	buf_addf(line, "=%u", ok);
	if (ok < all)
		buf_addf(line, "/%u", all);
}

static void
log_disconnect(struct session *s)
{
	struct buf *line = &s->scratch;
	unsigned ok = 0, all = 0;

	buf_clear(line);
	for (size_t i = 0; i <= UNKNOWN; i++) {
		const char *name = i == UNKNOWN ? "UNKNOWN" : commands[i].name;

		if (s->count[i].all == 0)
			continue;
		ok += s->count[i].ok;
		all += s->count[i].all;
		add_count(line, name, s->count[i].ok, s->count[i].all);
	}
	add_count(line, "COMMANDS", ok, all);
	log_info("disconnect from %s%s", s->client.data, line->data);
}

/* A fresh state for a new client, in the memory of the last one. */
static void
begin(struct session *s, const struct server_peer *peer)
{
	s->peer = peer;
	s->doing = "CONNECT";
	s->esmtp = s->sasl_sender = s->closing = false;
	s->errors = s->junk = s->code = 0;
	s->ends = s->set->session_limit > 0 ? clock_deadline(s->set->session_limit) : CLOCK_NEVER;
	memset(s->count, 0, sizeof s->count);
	buf_clear(&s->helo);
	buf_clear(&s->tls_text);
	buf_clear(&s->sasl_method);
	buf_clear(&s->sasl_user);
	record_begin(s);
	client_identify(s);
	s->bare_newline = s->local || s->set->bare_newline == BARE_ACCEPT || client_listed(s, s->set->bare_allowed);
}

/* TLS from the first byte (port 465). 0, or -1: no session. */
static int
implicit_tls(struct session *s)
{
	io_set_deadline(s->io, clock_deadline(s->set->tls_timeout));
	if (!s->set->tls) {
		log_warn("connection from %s closed: TLS is not available", s->client.data);
		return -1;
	}
	if (io_tls_accept(s->io, s->set->tls) < 0) {
		log_info("SSL_accept error from %s: %s", s->client.data, io_strerror(s->io));
		return -1;
	}
	client_tls_started(s);
	return 0;
}

/* Before the greeting. Who has gone already, as those do who only look whether the port is open, does not. */
static bool
speaks_first(struct session *s)
{
	char *data;
	size_t n;

	return !s->local && s->set->forbid_pipelining && io_input_waits(s->io) && io_peek(s->io, &data, &n) > 0;
}

void
session_serve(struct session *s, const struct server_peer *peer)
{
	begin(s, peer);
	if (!s->local)
		log_info("connect from %s", s->client.data);
	if (peer->tls && implicit_tls(s) < 0) {
		log_disconnect(s);
		return;
	}
	if (speaks_first(s))
		refuse_early_input(s);
	else
		reply(s, 220, NULL, "%s", s->set->banner);
	while (!s->closing) {
		check_end(s);
		if (!s->closing)
			one_command(s);
	}
	io_flush(s->io);
	session_reset_tx(s);
	record_finish(s);
	if (!s->local) /* of users of this host the log has their messages */
		log_disconnect(s);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One POP3 session (RFC 1939): reading commands, the table of them, replies, and the log line at the end. */
#include "base/clock.h"
#include "base/mem.h"
#include "mail/log.h"
#include "mail/maildir_read.h"
#include "map/map.h"
#include "mtapop.h"
#include "sys/tls.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BOTH = POP_AUTHORIZATION | POP_TRANSACTION };

const struct command commands[] = {
	{ "USER", POP_AUTHORIZATION, command_user },
	{ "PASS", POP_AUTHORIZATION, command_pass },
	{ "AUTH", POP_AUTHORIZATION, command_auth },
	{ "STLS", POP_AUTHORIZATION, command_stls },
	{ "CAPA", BOTH, command_capa },
	{ "QUIT", BOTH, command_quit },
	{ "STAT", POP_TRANSACTION, command_stat },
	{ "LIST", POP_TRANSACTION, command_list },
	{ "RETR", POP_TRANSACTION, command_retr },
	{ "DELE", POP_TRANSACTION, command_dele },
	{ "UIDL", POP_TRANSACTION, command_uidl },
	{ "TOP", POP_TRANSACTION, command_top },
	{ "NOOP", POP_TRANSACTION, command_noop },
	{ "RSET", POP_TRANSACTION, command_rset },
	{ "LAST", POP_TRANSACTION, command_last },
	{ NULL, 0, NULL },
};

/* One line of reply. Text from a client never gets in with control characters: the command line had none. */
int
reply(struct session *s, const char *fmt, ...)
{
	struct buf line = BUF_INIT(1024);
	va_list ap;
	int r;

	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	buf_adds(&line, "\r\n");
	if (line.data[0] == '-')
		s->errors++;
	r = io_write(&s->io, line.data, line.len);
	buf_free(&line);
	return r;
}

/* A line without its end, checked: no control characters. NULL after a reply. */
static char *
clean_line(struct session *s, char *line, size_t n)
{
	n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) {
			reply(s, "-ERR Control character in command.");
			return NULL;
		}
	line[n] = '\0';
	return line;
}

static void
dispatch(struct session *s, char *line)
{
	char *arg = line + strcspn(line, " ");

	if (*arg)
		*arg++ = '\0';
	for (const struct command *c = commands; c->verb; c++) {
		if (strcasecmp(line, c->verb) != 0)
			continue;
		if (c->states & (int)s->state) {
			/* a password may begin and end with blanks */
			if (c->run != command_pass) {
				size_t n;

				arg += strspn(arg, " ");
				for (n = strlen(arg); n > 0 && arg[n - 1] == ' ';)
					arg[--n] = '\0';
			}
			c->run(s, arg);
		} else if (s->state == POP_TRANSACTION) {
			reply(s, "-ERR You are logged in.");
		} else {
			reply(s, "-ERR Log in first.");
		}
		return;
	}
	reply(s, "-ERR Unknown command: %.40s", line);
}

/* What an io error means for the session: true when it is over. */
static bool
broken(struct session *s)
{
	if (s->io.error == IO_LONG) {
		reply(s, "-ERR Line is too long.");
		return false;
	}
	if (s->io.error == IO_TIMEOUT)
		reply(s, "-ERR Disconnected for inactivity.");
	else if (s->io.error == IO_STOPPED)
		reply(s, "-ERR [SYS/TEMP] Server is shutting down.");
	if (s->io.error == IO_TIMEOUT || s->io.error == IO_STOPPED) {
		io_set_deadline(&s->io, clock_deadline(5));
		(void)io_flush(&s->io);
	}
	return true;
}

static const char *
end_reason(const struct session *s)
{
	return s->quit ? "Logged out" : s->io.error == IO_EOF || s->io.error == IO_OK ? "Connection closed" : io_strerror(&s->io);
}

/* pop3_logout_format: %t %p TOPs and their bytes, %r %b RETRs, %d %m deleted of all messages, %s octets in the mailbox. */
static void
log_end(struct session *s)
{
	const char *f = config_any(s->p->config, "pop3_logout_format");
	struct buf line = BUF_INIT(1024);
	uint64_t size = 0;

	for (size_t i = 0; i < mailbox_count(s->box); i++)
		size += message_size(s, i);
	for (; f && *f; f++) {
		unsigned long long v;

		if (*f != '%' || !f[1]) {
			buf_addc(&line, *f);
			continue;
		}
		switch (*++f) {
		case 't': v = s->top; break;
		case 'p': v = s->top_bytes; break;
		case 'r': v = s->retr; break;
		case 'b': v = s->retr_bytes; break;
		case 'd': v = s->deleted; break;
		case 'm': v = mailbox_count(s->box); break;
		case 'o': v = s->del_bytes; break;
		case 's': v = size; break;
		default: buf_addc(&line, *f); continue;
		}
		buf_addf(&line, "%llu", v);
	}
	log_info("pop3(%s): Disconnected: %s %s", s->user, end_reason(s), line.data);
	buf_free(&line);
}

static struct session *current;

/* Memory is gone (default_vsz_limit), and this process goes with it: nothing that was marked is deleted. */
static void
last_words(void)
{
	log_warn("pop3(%s): out of memory (default_vsz_limit), rip=%s", current->user ? current->user : "", current->rip);
	io_set_deadline(&current->io, clock_deadline(1));
	io_puts(&current->io, "-ERR [SYS/TEMP] Out of memory.\r\n");
	(void)io_flush(&current->io);
}

void
session_begin(struct session *s)
{
	current = s;
	mem_exhausted = last_words;
}

void
session_loop(struct session *s)
{
	char *line;
	size_t n;

	while (!s->done && s->errors < POP_ERRORS_MAX) {
		int64_t until = clock_deadline(s->p->timeout);
		int r;

		/* strangers hold a worker for so long and no longer, however busy they look */
		io_set_deadline(&s->io, s->state == POP_AUTHORIZATION && s->login_ends < until ? s->login_ends : until);
		r = io_line(&s->io, &line, &n, POP_LINE_MAX);
		if (r < 0 ? broken(s) : r == 0 || line[n - 1] != '\n')
			break;
		if (r > 0 && (line = clean_line(s, line, n)) != NULL)
			dispatch(s, line);
	}
	if (s->errors >= POP_ERRORS_MAX)
		io_puts(&s->io, "-ERR Too many errors.\r\n");
	(void)io_flush(&s->io);
	if (s->box)
		log_end(s);
	else if (s->logins > 0)
		login_log(s, s->quit ? "Disconnected: Aborted login" : "Disconnected: Connection closed", s->user, "PLAIN");
	mem_exhausted = NULL;
	mailbox_close(&s->box);
	free(s->mark);
	free(s->user);
}

bool
session_is_near(struct pop *p, const struct server_peer *peer)
{
	struct buf err = BUF_INIT(512);
	bool near = peer->terminal || peer->addr.ss_family == AF_UNIX || strcmp(peer->text, peer->local_text) == 0 ||
		    matchlist_address(p->trusted, peer->text, &err) == MAP_FOUND;

	buf_free(&err);
	return near;
}

void
session_serve(struct pop *p, const struct server_peer *peer)
{
	struct session s = { .p = p, .state = POP_AUTHORIZATION, .rip = peer->text, .lip = peer->local_text, .rport = peer->port,
		.lport = peer->local_port, .login_ends = clock_deadline(p->login_time) };

	io_init(&s.io, peer->rfd, peer->wfd);
	s.io.stopping = server_stopping;
	session_begin(&s);
	io_set_deadline(&s.io, clock_deadline(60));
	if (peer->tls) {
		if (!p->tls || io_tls_accept(&s.io, p->tls) < 0) {
			log_info("pop3-login: Disconnected: TLS handshaking: %s, rip=%s, lip=%s", p->tls ? io_strerror(&s.io) : "no certificate",
				 s.rip, s.lip);
			io_free(&s.io);
			return;
		}
		s.tls = true;
	}
	s.secure = s.tls || session_is_near(p, peer);
	reply(&s, "+OK %s", config_str(p->config, "login_greeting"));
	session_loop(&s);
	io_free(&s.io);
}

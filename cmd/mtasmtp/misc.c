/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The small commands: RSET NOOP VRFY EXPN HELP QUIT (RFC 5321 4.1.1.5 to 4.1.1.10). */
#include "client.h"
#include "commands.h"
#include "reply.h"
#include "settings.h"

#include "mail/log.h"
#include "mail/route.h"

void
command_rset(struct session *s, const struct smtp_command *c)
{
	(void)c;
	session_reset_tx(s);
	reply(s, 250, "2.0.0", "Ok");
}

void
command_noop(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, 250, "2.0.0", "Ok");
}

/* VRFY says nothing that a stranger could collect: 252 to all, unless smtpd_vrfy_answers is set and the client is
 * trusted (RFC 5321 3.5.3, 7.3). */
void
command_vrfy(struct session *s, const struct smtp_command *c)
{
	struct buf text = BUF_INIT(1024), err = BUF_INIT(1024);
	const char *bad;
	size_t used;
	int known = -1;

	if (s->set->disable_vrfy) {
		reply(s, 502, "5.5.1", "VRFY command is disabled");
		return;
	}
	if (c->arg_len == 0) {
		reply(s, 501, "5.5.4", "Syntax: VRFY address");
		return;
	}
	if (address_path(&s->addr, c->arg, c->arg_len, ADDRESS_BARE | ADDRESS_NODOMAIN | ADDRESS_PADDED, &used, &bad) < 0) {
		reply(s, 501, "5.1.3", "Bad recipient address syntax: %s", bad);
		return;
	}
	if (s->set->vrfy_answers && client_trusted(s) > 0) {
		if (s->addr.domain.len == 0)
			buf_adds(&s->addr.domain, s->set->origin);
		buf_clear(&s->addr_text);
		address_format(&s->addr, &s->addr_text);
		known = route_recipient(s->set->routes, s->addr_text.data, &text, &err);
	}
	if (known == 0)
		reply(s, 550, "5.1.1", "<%s>: Recipient address rejected: %s", s->addr_text.data, text.data);
	else
		reply(s, 252, "2.1.5", "Cannot VRFY user, but will take mail for it where it is ours");
	buf_free(&text);
	buf_free(&err);
}

void
command_expn(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, 502, "5.5.1", "Error: command not implemented");
}

void
command_help(struct session *s, const struct smtp_command *c)
{
	(void)c;
	reply(s, 214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH QUIT: see RFC 5321");
}

void
command_quit(struct session *s, const struct smtp_command *c)
{
	(void)c;
	session_reset_tx(s);
	reply(s, 221, "2.0.0", "Bye");
	s->closing = true;
}

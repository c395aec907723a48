/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* HELO, EHLO (RFC 5321 4.1.1.1) and STARTTLS (RFC 3207). */
#include "auth.h"
#include "client.h"
#include "commands.h"
#include "record.h"
#include "reply.h"
#include "settings.h"

#include "mail/log.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

#define HELO_MAX 255              /* RFC 5321 4.5.3.1.2 */

/* Keeps the name the client gives itself. It is believed nowhere and shown in many places: what is not part of
 * a host name or an address becomes '?'. 0, or -1 and a reply. */
static int
take_name(struct session *s, const struct smtp_command *c, const char *verb)
{
	if (c->arg_len == 0 || c->arg_len > HELO_MAX) {
		reply(s, 501, c->arg_len ? "5.5.2" : "5.5.4", "Syntax: %s hostname", verb);
		return -1;
	}
	session_reset_tx(s);
	buf_clear(&s->helo);
	for (size_t i = 0; i < c->arg_len; i++) {
		unsigned char ch = (unsigned char)c->arg[i];

		buf_addc(&s->helo, ch > ' ' && ch < 0x7f && !strchr("()<>\\\"=,;", ch) ? (char)ch : '?');
	}
	return 0;
}

void
command_helo(struct session *s, const struct smtp_command *c)
{
	if (take_name(s, c, "HELO") < 0)
		return;
	s->esmtp = false;
	reply(s, 250, NULL, "%s", s->set->hostname);
}

static bool
starttls_offered(const struct session *s)
{
	return s->set->tls && s->set->tls_level != TLS_NONE && !s->io->tls;
}

/* The keywords of the EHLO reply, each with a LF. */
static void
list_keywords(struct session *s, struct buf *out)
{
	unsigned hidden = s->set->hidden;
	struct buf mechs = BUF_INIT(1024);

	if (!(hidden & EHLO_PIPELINING))
		buf_adds(out, "PIPELINING\n");
	if (!(hidden & EHLO_SIZE))
		buf_addf(out, "SIZE %" PRIu64 "\n", s->set->size_limit);
	if (!(hidden & EHLO_VRFY) && !s->set->disable_vrfy)
		buf_adds(out, "VRFY\n");
	if (!(hidden & EHLO_STARTTLS) && starttls_offered(s))
		buf_adds(out, "STARTTLS\n");
	if (!(hidden & EHLO_AUTH) && auth_offered(s, &mechs)) {
		buf_addf(out, "AUTH %s\n", mechs.data);
		if (s->set->auth_broken_clients)
			buf_addf(out, "AUTH=%s\n", mechs.data);
	}
	if (!(hidden & EHLO_ENHANCED))
		buf_adds(out, "ENHANCEDSTATUSCODES\n");
	if (!(hidden & EHLO_8BITMIME))
		buf_adds(out, "8BITMIME\n");
	if (!(hidden & EHLO_DSN) || s->local) /* sendmail -N relies on it */
		buf_adds(out, "DSN\n");
	if (!(hidden & EHLO_SMTPUTF8) && s->set->smtputf8)
		buf_adds(out, "SMTPUTF8\n");
	if (!(hidden & EHLO_CHUNKING))
		buf_adds(out, "CHUNKING\n");
	buf_free(&mechs);
}

void
command_ehlo(struct session *s, const struct smtp_command *c)
{
	struct buf out = BUF_INIT(4096);

	if (take_name(s, c, "EHLO") < 0)
		return;
	s->esmtp = true;
	buf_addf(&out, "%s\n", s->set->hostname);
	list_keywords(s, &out);
	for (const char *line = out.data; *line;) {
		size_t n = strcspn(line, "\n");

		io_puts(s->io, line[n + 1] ? "250-" : "250 ");
		io_write(s->io, line, n);
		io_puts(s->io, "\r\n");
		line += n + 1;
	}
	s->code = 250;
	for (char *p = out.data; (p = strchr(p, '\n'));)
		*p = p[1] ? ',' : '\0';
	record_reply(s, "250 ", 4, out.data, out.len - 1);
	buf_free(&out);
}

/* The session before TLS never happened (RFC 3207 4.2). */
static void
forget(struct session *s)
{
	session_reset_tx(s);
	buf_clear(&s->helo);
	buf_clear(&s->sasl_method);
	buf_clear(&s->sasl_user);
	s->sasl_sender = s->esmtp = false;
}

void
command_starttls(struct session *s, const struct smtp_command *c)
{
	(void)c;
	if (s->io->tls) {
		reply(s, 503, "5.5.1", "Error: TLS already active");
		return;
	}
	if (s->sasl_sender) {
		reply(s, 503, "5.5.1", "Error: STARTTLS after AUTH");
		return;
	}
	if (s->set->tls_level == TLS_NONE) {
		reply(s, 502, "5.5.1", "Error: command not implemented");
		return;
	}
	if (!s->set->tls) {
		reply_trouble(s, 454, "4.7.0", "TLS not available due to local problem");
		return;
	}
	/* What came in the clear behind the command is not what TLS will protect (CVE-2011-0411). */
	io_discard_input(s->io);
	reply(s, 220, "2.0.0", "Ready to start TLS");
	io_set_deadline(s->io, clock_deadline(s->set->tls_timeout));
	if (io_tls_accept(s->io, s->set->tls) < 0) {
		log_info("SSL_accept error from %s: %s", s->client.data, io_strerror(s->io));
		s->closing = true;
		return;
	}
	forget(s);
	client_tls_started(s);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See record.h. What is shown of a client's lines: commands with their arguments; of AUTH the mechanism. Lines that are
 * no command can be what a client sends that did not listen: after AUTH a password, after DATA or BDAT the message. So they are
 * hidden from the first AUTH on; and from DATA or BDAT on no arguments are shown either, until a command is accepted, or for the
 * rest of the session when a line comes first that is none. */
#include "record.h"

#include "settings.h"

#include "mail/log.h"
#include "mail/notice.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The class of a refusal by the detail of its enhanced code (RFC 3463): what Postfix counts as what. First match. */
static const struct row {
	const char *detail;       /* of x.DETAIL; an end in '.' matches all below it */
	unsigned class;           /* 0: none */
} rows[] = {
	{ "1.1", NOTICE_BOUNCE },         /* no such user */
	{ "1.6", NOTICE_BOUNCE },         /* has moved */
	{ "1.", NOTICE_PROTOCOL },        /* bad address syntax */
	{ "3.0", NOTICE_DATA },           /* a table cannot be searched */
	{ "3.1", NOTICE_RESOURCE },       /* the disk is full */
	{ "3.2", 0 },                     /* we are going down */
	{ "3.4", NOTICE_POLICY },         /* too large, said at MAIL */
	{ "3.5", NOTICE_SOFTWARE },       /* main.cf is wrong */
	{ "4.", 0 },                      /* timeouts */
	{ "5.3", NOTICE_POLICY },         /* too many recipients */
	{ "5.", NOTICE_PROTOCOL },
	{ "6.", NOTICE_PROTOCOL },
	{ "7.8", 0 },                     /* a wrong password: the log has it, and guessers come by the thousand */
	{ "7.", NOTICE_POLICY },
};

static unsigned
class_of(const struct session *s, bool trouble, int code, const char *dsn)
{
	bool message = strcmp(s->doing, "END-OF-MESSAGE") == 0;
	const struct row *r = rows;

	if (code < 400 || !dsn || strlen(dsn) < 5)
		return 0;
	if (code == 554 && strcmp(dsn + 2, "5.1") == 0) /* DATA after refused recipients: every client that pipelines */
		return 0;
	if (code == 421) /* ours to end it; too many errors are the client's */
		return strcmp(dsn, "4.7.0") == 0 ? NOTICE_PROTOCOL : 0;
	if (trouble && strcmp(dsn + 2, "5.3") == 0) /* some recipients more than we take at once: the client goes on later */
		return 0;
	if (trouble && strncmp(dsn + 2, "7.", 2) == 0) /* no TLS, no auth server */
		return NOTICE_SOFTWARE;
	if ((trouble || message) && strcmp(dsn + 2, "3.0") == 0) /* the queue file cannot be written */
		return NOTICE_RESOURCE;
	if (message && strncmp(dsn + 2, "3.1", 3) != 0 && strncmp(dsn + 2, "5.", 2) != 0) /* its content is refused */
		return NOTICE_BOUNCE;
	for (; r < rows + sizeof rows / sizeof *rows; r++) {
		size_t n = strlen(r->detail);

		if (r->detail[n - 1] == '.' ? strncmp(dsn + 2, r->detail, n) == 0 : strcmp(dsn + 2, r->detail) == 0)
			return r->class;
	}
	return 0;
}

void
record_begin(struct session *s)
{
	s->record.errors = 0;
	s->record.ours = s->record.login = s->record.in_doubt = s->record.out_of_step = false;
	transcript_clear(&s->record.said);
}

/* The name of a mechanism is shown when it is one: a client may send the password in its place. */
static const char *
mechanism(const struct smtp_command *c)
{
	static const char *const names[] = { "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
		"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS", "GSSAPI", "NTLM" };
	size_t n = 0;

	while (n < c->arg_len && c->arg[n] != ' ' && c->arg[n] != '\t')
		n++;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], c->arg, n) == 0)
			return names[i];
	return NULL;
}

static void
hidden_line(struct session *s, size_t n)
{
	record_note(s, TRANSCRIPT_CLIENT, "(a line of %zu bytes that is no command and is not shown: it may be part of a %s)", n,
	    s->record.in_doubt ? "message" : "login");
}

void
record_line(struct session *s, const char *line, size_t n)
{
	if (!s->set->notices)
		return;
	if (s->record.in_doubt || s->record.login || (n >= 4 && strncasecmp(line, "AUTH", 4) == 0))
		hidden_line(s, n);
	else
		transcript_add(&s->record.said, TRANSCRIPT_CLIENT, line, n);
}

void
record_command(struct session *s, const struct smtp_command *c, bool known)
{
	struct transcript *t = &s->record.said;
	const char *mech;

	if (!s->set->notices)
		return;
	if (smtp_verb_is(c, "AUTH")) {
		mech = mechanism(c);
		transcript_addf(t, TRANSCRIPT_CLIENT, "AUTH%s%s (what follows is not shown)", mech ? " " : "", mech ? mech : "");
	} else if (!known && (s->record.in_doubt || s->record.login || (c->verb_len > 4 && strncasecmp(c->verb, "AUTH", 4) == 0))) {
		hidden_line(s, c->verb_len + c->arg_len);
	} else if (known && s->record.in_doubt) {
		transcript_addf(t, TRANSCRIPT_CLIENT, "%.*s%s", (int)c->verb_len, c->verb, c->arg_len ? " (arguments are not shown)" : "");
	} else { /* verb and argument point into the line, which ends with the argument */
		transcript_add(t, TRANSCRIPT_CLIENT, c->verb, c->arg_len ? (size_t)(c->arg + c->arg_len - c->verb) : c->verb_len);
	}
}

void
record_command_done(struct session *s, const char *verb)
{
	if (verb && strcmp(verb, "AUTH") == 0)
		s->record.login = true;
	if (verb && (strcmp(verb, "DATA") == 0 || strcmp(verb, "BDAT") == 0)) {
		s->record.in_doubt = true;
	} else if (s->record.in_doubt) {
		if (!verb)
			s->record.out_of_step = true;
		else if (s->code < 400 && !s->record.out_of_step)
			s->record.in_doubt = false;
	}
}

void
record_reply(struct session *s, const char *start, size_t start_len, const char *text, size_t n)
{
	char line[1024];          /* more than is kept of a line */

	if (!s->set->notices)
		return;
	if (n > sizeof line - start_len)
		n = sizeof line - start_len;
	memcpy(line, start, start_len);
	memcpy(line + start_len, text, n);
	transcript_add(&s->record.said, TRANSCRIPT_SERVER, line, start_len + n);
}

void
record_note(struct session *s, enum transcript_who who, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (!s->set->notices)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	transcript_add(&s->record.said, who, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void
record_error(struct session *s, bool trouble, int code, const char *dsn)
{
	s->record.errors |= class_of(s, trouble, code, dsn);
}

void
record_success(struct session *s)
{
	s->record.errors = 0;
}

/* Why the postmaster gets this, in words. */
static void
explain(struct buf *out, unsigned classes)
{
	static const struct { unsigned class; const char *text; } words[] = {
		{ NOTICE_BOUNCE, "mail was refused for its content or its recipient" },
		{ NOTICE_DATA, "a lookup table could not be searched" },
		{ NOTICE_POLICY, "something was asked for that is not allowed here" },
		{ NOTICE_PROTOCOL, "the client did not keep to the protocol" },
		{ NOTICE_RESOURCE, "this system has run out of something, such as disk space" },
		{ NOTICE_SOFTWARE, "this system is not set up as it should be" },
	};
	struct buf name = BUF_INIT(64);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (classes & words[i].class) {
			buf_clear(&name);
			notice_class_names(words[i].class, &name);
			buf_addf(out, "    %s: %s\n", name.data, words[i].text);
		}
	buf_free(&name);
}

static void
compose(struct session *s, unsigned classes, uint64_t left_out, struct buf *out)
{
	buf_addf(out, "In an SMTP session with %s there were errors that you asked\nto be told of (notify_classes):\n\n", s->client.data);
	explain(out, classes);
	buf_adds(out, "\nWhat was said (C: the client, S: this server; passwords and the content of\nmessages are not shown):\n\n");
	transcript_format(&s->record.said, out);
	notice_left_out(left_out, out);
	buf_adds(out, "\nThe log has more.\n");
}

static void
notify(struct session *s, unsigned classes, uint64_t left_out)
{
	const char *to = classes & ~(unsigned)NOTICE_BOUNCE ? "error_notice_recipient" : "bounce_notice_recipient";
	struct buf subject = BUF_INIT(1024), text = BUF_INIT(1 << 18), err = BUF_INIT(4096), names = BUF_INIT(256);
	char id[QUEUE_ID_MAX + 1];
	int r;

	notice_class_names(classes, &names);
	buf_addf(&subject, "SMTP server: errors from %s (%s)", s->client.data, names.data);
	compose(s, classes, left_out, &text);
	r = notice_queue(s->set->conf, s->queue, to, subject.data, text.data, id, &err);
	if (r < 0)
		log_warn("postmaster notice (%s) about %s not queued: %s", names.data, s->client.data, err.data);
	else if (r > 0)
		log_info("postmaster notice (%s): errors from %s: %s", names.data, s->client.data, id);
	buf_free(&subject);
	buf_free(&text);
	buf_free(&err);
	buf_free(&names);
}

void
record_finish(struct session *s)
{
	unsigned classes = s->record.errors & s->set->notices;
	uint64_t left_out;
	int r;

	if (s->local) /* the caller is told, and has no use for another's notice: only what is wrong with us counts */
		classes &= NOTICE_DATA | NOTICE_RESOURCE | NOTICE_SOFTWARE;
	if (!classes || s->record.ours)
		return;
	r = notice_budget(s->queue, "smtpd", &left_out);
	if (r < 0)
		log_warn("postmaster notice about %s not sent: %s/state/notices-smtpd: %s", s->client.data, s->set->queue_dir, strerror(errno));
	else if (r > 0)
		notify(s, classes, left_out);
}

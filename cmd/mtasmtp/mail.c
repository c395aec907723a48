/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3). People who type by hand are understood as well: "mail from:abc@abc.com",
 * "rcpt to:root" (strict_rfc821_envelopes ends that). */
#include "commands.h"
#include "esmtp.h"
#include "policy.h"
#include "reply.h"
#include "settings.h"

#include "mail/log.h"
#include "mail/userlist.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>

/* Parses "FROM:<path> parameters" into s->addr and s->addr_text; *rest is what follows the path. NULL, or what is wrong. */
static const char *
parse_path(struct session *s, const struct smtp_command *c, const char *word, unsigned flags, const char **rest, size_t *rest_len)
{
	const char *p = c->arg, *end = c->arg + c->arg_len, *err = NULL;
	size_t len = strlen(word), used;

	if ((size_t)(end - p) < len || strncasecmp(p, word, len) != 0)
		return "";
	for (p += len; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	if (p == end || *p++ != ':')
		return "";
	while (p < end && *p == ' ') /* "FROM: <a@b>" is wrong and common */
		p++;
	flags |= ADDRESS_NODOMAIN | (s->set->strict_paths ? 0 : ADDRESS_BARE | ADDRESS_PADDED);
	if (address_path(&s->addr, p, (size_t)(end - p), flags, &used, &err) < 0)
		return err;
	*rest = p + used;
	*rest_len = (size_t)(end - p) - used;
	if (s->addr.local.len && s->addr.domain.len == 0) /* "root": one of ours */
		buf_adds(&s->addr.domain, s->set->origin);
	buf_clear(&s->addr_text);
	if (address_format(&s->addr, &s->addr_text) < 0 || s->addr.domain.full)
		return "address too long";
	return NULL;
}

static bool
ascii(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] >= 0x80)
			return false;
	return true;
}

/* Is there room for a message of that size? Looked at once a second at most. */
static bool
room(struct session *s, uint64_t size)
{
	static int64_t looked = -1;
	static uint64_t space;
	uint64_t need = s->set->size_limit / 2 + s->set->size_limit;
	struct statvfs fs;
	int64_t now = clock_mono();

	if (looked < 0 || now - looked > 1000000) {
		if (fstatvfs(s->queue->top, &fs) < 0)
			return true; /* the write will tell */
		space = (uint64_t)fs.f_bavail > UINT64_MAX / fs.f_frsize ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
		looked = now;
	}
	if (need < s->set->min_free)
		need = s->set->min_free;
	return space >= need && space >= size;
}

/* What speaks against a message as MAIL declares it; replies. */
static bool
message_allowed(struct session *s, const struct esmtp_mail *m)
{
	if (!m->utf8 && !ascii(&s->addr_text)) {
		reply(s, 553, "5.6.7", "Error: non-ASCII address without SMTPUTF8");
		return false;
	}
	if (s->set->size_limit && m->size > s->set->size_limit) {
		reply_reject(s, NULL, 552, "5.3.4", "Message size exceeds fixed limit");
		return false;
	}
	if (!room(s, m->size)) {
		log_warn("not enough free space in %s: message of %s is put off", s->set->queue_dir, s->client.data);
		reply_trouble(s, 452, "4.3.1", "Insufficient system storage");
		return false;
	}
	return true;
}

/* authorized_submit_users, for users of this host: the kernel says who they are. Replies. */
static bool
may_submit(struct session *s)
{
	struct buf why = BUF_INIT(4096);
	int r = s->local ? userlist_allow(s->set->submitters, s->uid, &why) : 1;

	if (r == 0)
		reply_reject(s, NULL, 550, "5.7.1", "%s", why.data);
	else if (r < 0) {
		log_warn("%s", why.data);
		reply_trouble(s, 451, "4.3.0", "Temporary lookup failure");
	}
	buf_free(&why);
	return r > 0;
}

void
command_mail(struct session *s, const struct smtp_command *c)
{
	const char *rest, *err;
	size_t rest_len;
	struct esmtp_mail m;
	struct esmtp_error e;

	if (s->tx.open) {
		reply(s, 503, "5.5.1", "Error: nested MAIL command");
		return;
	}
	err = parse_path(s, c, "FROM", ADDRESS_NULL | (s->set->smtputf8 ? ADDRESS_UTF8 : 0), &rest, &rest_len);
	if (err && !*err) {
		reply(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return;
	}
	if (err) {
		reply(s, 501, "5.1.7", "Bad sender address syntax: %s", err);
		return;
	}
	buf_clear(&s->tx.opt);
	if (esmtp_mail(&m, rest, rest_len, s->set->smtputf8, &s->tx.opt, &e) < 0) {
		reply(s, e.code, e.dsn, "%s", e.text);
		return;
	}
	if (!message_allowed(s, &m) || !may_submit(s))
		return;
	buf_clear(&s->tx.sender);
	buf_add(&s->tx.sender, s->addr_text.data, s->addr_text.len);
	s->record.ours = s->record.ours || strcasecmp(s->set->notices_from, s->addr_text.data) == 0;
	s->tx.open = true;
	s->tx.size = m.size;
	s->tx.utf8 = m.utf8;
	s->tx.eight_bit = m.eight_bit;
	reply(s, 250, "2.1.0", "Ok");
}

/* The recipient count: past the limit the rest is for another transaction (RFC 5321 4.5.3.1.10). A client that does
 * not listen gets its errors counted in the end. */
static bool
too_many(struct session *s)
{
	if (s->tx.accepted < s->set->rcpt_limit)
		return false;
	if (++s->tx.refused > s->set->rcpt_overshoot)
		reply(s, 452, "4.5.3", "Error: too many recipients");
	else
		reply_trouble(s, 452, "4.5.3", "Error: too many recipients");
	return true;
}

void
command_rcpt(struct session *s, const struct smtp_command *c)
{
	struct policy_rcpt r = { .addr = &s->addr, .text = NULL };
	struct buf params = BUF_INIT(2048);
	struct esmtp_error e;
	const char *rest, *err;
	size_t rest_len;

	err = parse_path(s, c, "TO", s->tx.utf8 ? ADDRESS_UTF8 : 0, &rest, &rest_len);
	if (err && !*err)
		reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
	else if (err)
		reply(s, 501, "5.1.3", "Bad recipient address syntax: %s", err);
	else if (esmtp_rcpt(rest, rest_len, s->tx.utf8, &params, &e) < 0)
		reply(s, e.code, e.dsn, "%s", e.text);
	else if (!too_many(s)) {
		r.text = s->addr_text.data;
		/* sendmail(1) takes any recipient and a bounce tells of unknown ones; all others hear it at once */
		if (policy_rcpt(s, &r) == 0 && (s->peer->uid != (uid_t)-1 || !s->set->reject_unlisted || policy_listed(s, &r) == 0)) {
			s->tx.accepted++;
			if (!dupfilter_again(&s->tx.named, s->addr_text.data, params.data))
				queue_envelope_rcpt(&s->tx.env, s->addr_text.data, params.data);
			reply(s, 250, "2.1.5", "Ok");
		}
	}
	buf_free(&params);
}

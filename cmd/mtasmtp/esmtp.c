/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The parameters of MAIL and RCPT, one row of a table each: see esmtp.h. What is passed on with the message is
 * kept as "name=xtext" in the form of the queue file. */
#include "esmtp.h"

#include "syntax/address.h"
#include "syntax/envelope.h"
#include "syntax/smtp.h"

#include "base/num.h"

#include <string.h>
#include <strings.h>

#define ENVID_MAX 100             /* RFC 3461 4.4, before decoding */
#define ORCPT_MAX 500             /* RFC 3461 4.2 */

struct context {
	struct esmtp_mail *mail;
	struct buf *opt;
	bool utf8;                /* MAIL: SMTPUTF8 is offered; RCPT: it is in force */
	unsigned seen;            /* a bit for each row */
	struct esmtp_error *e;
};

static int
refuse(struct context *c, int code, const char *dsn, const char *text)
{
	*c->e = (struct esmtp_error){ code, dsn, text };
	return -1;
}

static bool
value_is(const struct smtp_param *p, const char *word)
{
	return p->value && p->value_len == strlen(word) && strncasecmp(p->value, word, p->value_len) == 0;
}

static int
size(struct context *c, const struct smtp_param *p)
{
	bool digits = p->value && p->value_len > 0 && p->value_len <= 20;

	for (size_t i = 0; digits && i < p->value_len; i++)
		digits = p->value[i] >= '0' && p->value[i] <= '9';
	if (!digits)
		return refuse(c, 501, "5.5.4", "Error: malformed SIZE value");
	if (num_u64n(p->value, p->value_len, UINT64_MAX, &c->mail->size) < 0)
		c->mail->size = UINT64_MAX; /* 20 digits may be more than 64 bits hold */
	return 0;
}

static int
body(struct context *c, const struct smtp_param *p)
{
	if (value_is(p, "8BITMIME")) {
		c->mail->eight_bit = true;
		envelope_param_add(c->opt, "body", "8BITMIME");
	} else if (!value_is(p, "7BIT")) {
		return refuse(c, 501, "5.5.4", "Error: unsupported BODY type");
	}
	return 0;
}

static int
smtputf8(struct context *c, const struct smtp_param *p)
{
	if (p->value || !c->utf8)
		return refuse(c, 555, "5.5.4", "Error: SMTPUTF8 is not offered or has a value");
	c->mail->utf8 = true;
	envelope_param_add(c->opt, "smtputf8", NULL);
	return 0;
}

/* Who submitted the message elsewhere: checked and, as we trust nobody to know, not kept. */
static int
auth(struct context *c, const struct smtp_param *p)
{
	struct buf out = BUF_INIT(1024);
	const char *err;
	int r = p->value ? xtext_decode(p->value, p->value_len, &out, &err) : -1;

	buf_free(&out);
	return r < 0 ? refuse(c, 501, "5.5.4", "Error: malformed AUTH value") : 0;
}

static int
ret(struct context *c, const struct smtp_param *p)
{
	if (!value_is(p, "FULL") && !value_is(p, "HDRS"))
		return refuse(c, 501, "5.5.4", "Error: RET is FULL or HDRS");
	envelope_param_add(c->opt, "ret", value_is(p, "FULL") ? "FULL" : "HDRS");
	return 0;
}

/* The sender's own name for the message: xtext in the command, kept decoded and encoded again. */
static int
envid(struct context *c, const struct smtp_param *p)
{
	struct buf out = BUF_INIT(ENVID_MAX);
	const char *err;
	int r = -1;

	if (p->value && p->value_len > 0 && p->value_len <= ENVID_MAX && xtext_decode(p->value, p->value_len, &out, &err) == 0)
		r = envelope_param_add(c->opt, "envid", out.data);
	buf_free(&out);
	return r < 0 ? refuse(c, 501, "5.5.4", "Error: malformed ENVID value") : 0;
}

static int
notify(struct context *c, const struct smtp_param *p)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY", "NEVER" };
	struct buf out = BUF_INIT(64);
	unsigned seen = 0;

	for (size_t at = 0; p->value && at <= p->value_len;) {
		const char *comma = memchr(p->value + at, ',', p->value_len - at);
		size_t n = comma ? (size_t)(comma - p->value) - at : p->value_len - at, i = 0;

		while (i < 4 && (strlen(words[i]) != n || strncasecmp(words[i], p->value + at, n) != 0))
			i++;
		if (i == 4 || seen & 1u << i || (seen && i == 3) || seen & 8) {
			seen = 0;
			break;
		}
		seen |= 1u << i;
		buf_addf(&out, "%s%s", out.len ? "," : "", words[i]);
		at += n + 1;
	}
	if (seen)
		envelope_param_add(c->opt, "notify", out.data);
	buf_free(&out);
	return seen ? 0 : refuse(c, 501, "5.5.4", "Error: NOTIFY is NEVER, or of SUCCESS,FAILURE,DELAY");
}

/* addr-type ";" xtext, or with SMTPUTF8 "utf-8;" and its own encoding (RFC 6533 3), which is kept as it is. */
static int
orcpt(struct context *c, const struct smtp_param *p)
{
	struct buf out = BUF_INIT(ORCPT_MAX);
	const char *semicolon = p->value ? memchr(p->value, ';', p->value_len) : NULL, *err;
	size_t type = semicolon ? (size_t)(semicolon - p->value) : 0;
	int r = -1;

	if (type > 0 && type + 1 < p->value_len && p->value_len <= ORCPT_MAX) {
		bool utf8 = type == 5 && strncasecmp(p->value, "utf-8", 5) == 0;
		size_t n = p->value_len - type - 1;

		buf_add(&out, p->value, type + 1);
		if (utf8)
			r = c->utf8 && utf8_ok(semicolon + 1, n) ? buf_add(&out, semicolon + 1, n) : -1;
		else
			r = xtext_decode(semicolon + 1, n, &out, &err);
		if (r == 0)
			r = envelope_param_add(c->opt, "orcpt", out.data);
	}
	buf_free(&out);
	return r < 0 ? refuse(c, 501, "5.5.4", "Error: malformed ORCPT value") : 0;
}

struct row {
	const char *name;
	int (*take)(struct context *c, const struct smtp_param *p);
};

static const struct row mail_params[] = {
	{ "SIZE", size }, { "BODY", body }, { "SMTPUTF8", smtputf8 }, { "AUTH", auth }, { "RET", ret }, { "ENVID", envid }, { NULL, NULL },
};
static const struct row rcpt_params[] = { { "NOTIFY", notify }, { "ORCPT", orcpt }, { NULL, NULL } };

static int
take_all(struct context *c, const struct row *rows, const char *text, size_t n)
{
	struct smtp_param p;
	const char *err;
	size_t at = 0;
	int r;

	while ((r = smtp_param_next(&p, text, n, &at, &err)) > 0) {
		size_t i = 0;

		while (rows[i].name && (strlen(rows[i].name) != p.name_len || strncasecmp(rows[i].name, p.name, p.name_len) != 0))
			i++;
		if (!rows[i].name)
			return refuse(c, 555, "5.5.4", "Error: unsupported parameter");
		if (c->seen & 1u << i)
			return refuse(c, 501, "5.5.4", "Error: parameter given twice");
		c->seen |= 1u << i;
		if (rows[i].take(c, &p) < 0)
			return -1;
	}
	if (r < 0)
		return refuse(c, 501, "5.5.4", err);
	return c->opt->full ? refuse(c, 501, "5.5.4", "Error: parameters too long") : 0;
}

int
esmtp_mail(struct esmtp_mail *m, const char *text, size_t n, bool utf8_offered, struct buf *opt, struct esmtp_error *e)
{
	struct context c = { .mail = m, .opt = opt, .utf8 = utf8_offered, .e = e };

	*m = (struct esmtp_mail){ 0 };
	return take_all(&c, mail_params, text, n);
}

int
esmtp_rcpt(const char *text, size_t n, bool utf8, struct buf *opt, struct esmtp_error *e)
{
	struct context c = { .opt = opt, .utf8 = utf8, .e = e };

	return take_all(&c, rcpt_params, text, n);
}

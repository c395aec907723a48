/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3) with the parameters of SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC
 * 6531) and DSN (RFC 3461), each where the server has offered it. */
#include "transaction.h"

#include "syntax/address.h"
#include "syntax/envelope.h"
#include "syntax/smtp.h"

#include <string.h>
#include <strings.h>

#define VALUE_MAX 4096

static bool
find(const char *params, const char *name, struct buf *out)
{
	const char *err;

	buf_clear(out);
	return envelope_param(params, strlen(params), name, out, &err) > 0 && !out->full;
}

static bool
ascii(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] > 126)
			return false;
	return true;
}

bool
command_address_ok(const char *addr)
{
	const char *err;
	struct address a;
	int rc;

	for (const char *p = addr; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '>' || *p == '<')
			return false;
	address_init(&a);
	rc = address_parse(&a, addr, strlen(addr), ADDRESS_UTF8 | ADDRESS_NULL | ADDRESS_NODOMAIN, &err);
	address_free(&a);
	return rc == 0;
}

bool
command_needs_utf8(const struct agent_job *j, const char *content, size_t n)
{
	struct buf value = BUF_INIT(VALUE_MAX);
	const char *end = n > 0 && content[0] == '\n' ? content : memmem(content, n, "\n\n", 2);
	bool utf8 = find(j->opt, "smtputf8", &value);

	buf_free(&value);
	if (!utf8)
		return false;
	for (size_t i = 0; i < j->rcpts; i++)
		if (!ascii(j->rcpt[i].addr, strlen(j->rcpt[i].addr)))
			return true;
	return !ascii(j->sender, strlen(j->sender)) || !ascii(content, end ? (size_t)(end - content) : n);
}

void
command_mail(struct buf *out, const struct conn *c, const struct agent_job *j)
{
	struct buf value = BUF_INIT(VALUE_MAX);

	buf_adds(out, "MAIL FROM:<");
	buf_adds(out, j->sender);
	buf_addc(out, '>');
	if (c->size_known)
		buf_addf(out, " SIZE=%llu", (unsigned long long)j->size);
	if (c->eightbit && find(j->opt, "body", &value)) {
		if (strcasecmp(value.data, "8BITMIME") == 0)
			buf_adds(out, " BODY=8BITMIME");
		else if (strcasecmp(value.data, "7BIT") == 0)
			buf_adds(out, " BODY=7BIT");
	}
	if (c->smtputf8 && find(j->opt, "smtputf8", &value))
		buf_adds(out, " SMTPUTF8");
	if (c->dsn && find(j->opt, "ret", &value)) {
		if (strcasecmp(value.data, "HDRS") == 0)
			buf_adds(out, " RET=HDRS");
		else if (strcasecmp(value.data, "FULL") == 0)
			buf_adds(out, " RET=FULL");
	}
	if (c->dsn && find(j->opt, "envid", &value) && value.len > 0 && ascii(value.data, value.len)) {
		buf_adds(out, " ENVID=");
		xtext_encode(value.data, value.len, out);
	}
	buf_adds(out, "\r\n");
	buf_free(&value);
}

/* ORCPT=type;address: the address in xtext. */
static void
add_orcpt(struct buf *out, const struct buf *value)
{
	const char *semicolon = strchr(value->data, ';');

	if (!semicolon || semicolon == value->data || !ascii(value->data, value->len))
		return;
	for (const char *p = value->data; p < semicolon; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", *p))
			return;
	buf_adds(out, " ORCPT=");
	buf_add(out, value->data, (size_t)(semicolon - value->data) + 1);
	xtext_encode(semicolon + 1, strlen(semicolon + 1), out);
}

void
command_rcpt(struct buf *out, const struct conn *c, const struct agent_rcpt *r)
{
	struct buf value = BUF_INIT(VALUE_MAX);

	buf_adds(out, "RCPT TO:<");
	buf_adds(out, r->addr);
	buf_addc(out, '>');
	if (c->dsn && find(r->params, "notify", &value) && value.len > 0 &&
	    value.data[strspn(value.data, "NEVERSUCFAILDYneversucfaildy,")] == '\0')
		buf_addf(out, " NOTIFY=%s", value.data);
	if (c->dsn && find(r->params, "orcpt", &value))
		add_orcpt(out, &value);
	buf_adds(out, "\r\n");
	buf_free(&value);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See vouch.h. What the submission server would have asked of the same message (RFC 5321 4.1.2, RFC 3461 4, RFC 6152), asked of a
 * file; anything that is not asked for here does not go on, so what an option will mean to a later version cannot be used by users. */
#include "vouch.h"

#include "mail/dupfilter.h"
#include "syntax/address.h"
#include "syntax/envelope.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define ENVID_MAX 100             /* RFC 3461 4.4 */
#define ORCPT_MAX 500             /* RFC 3461 4.2 */

/* The canonical form of an address into out. */
static int
canonical(const char *text, unsigned flags, bool *utf8, struct buf *out)
{
	struct address a;
	const char *err;
	int r;

	address_init(&a);
	r = address_parse(&a, text, strlen(text), flags | ADDRESS_UTF8, &err);
	if (r == 0)
		r = address_format(&a, out);
	for (size_t i = 0; i < out->len; i++)
		*utf8 |= (out->data[i] & 0x80) != 0;
	address_free(&a);
	return r;
}

/* The value of a name=value text: 1 with out, 0 not there, -1 broken. */
static int
value(const char *text, const char *name, struct buf *out)
{
	const char *err;

	buf_clear(out);
	return envelope_param(text, strlen(text), name, out, &err);
}

static bool
one_of(const char *text, const char *const *words)
{
	while (*words && strcasecmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

/* "NEVER", or some of the others, each once. */
static bool
notify_ok(const char *text)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY", NULL };
	char list[40], *save = NULL;
	size_t n = 0;

	if (strcasecmp(text, "NEVER") == 0)
		return true;
	if (!*text || strlen(text) >= sizeof list)
		return false;
	memcpy(list, text, strlen(text) + 1);
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save), n++)
		if (!one_of(w, words))
			return false;
	return n > 0 && n <= 3;
}

/* "type;address". */
static bool
orcpt_ok(const char *text)
{
	const char *semicolon = strchr(text, ';');

	return semicolon && semicolon > text && semicolon[1] && strlen(text) <= ORCPT_MAX && utf8_ok(text, strlen(text));
}

static int
options(const struct queue_envelope *from, bool utf8, struct buf *out, struct buf *why)
{
	static const char *const bodies[] = { "7BIT", "8BITMIME", NULL }, *const rets[] = { "FULL", "HDRS", NULL };
	struct buf v = BUF_INIT(ENVELOPE_LINE_MAX);
	int r;

	if ((r = value(from->opt, "body", &v)) < 0 || (r > 0 && !one_of(v.data, bodies)))
		buf_adds(why, "its option body is wrong");
	else if (r > 0 && strcasecmp(v.data, bodies[1]) == 0)
		envelope_param_add(out, "body", bodies[1]);
	if ((r = value(from->opt, "ret", &v)) < 0 || (r > 0 && !one_of(v.data, rets)))
		buf_adds(why, "its option ret is wrong");
	else if (r > 0)
		envelope_param_add(out, "ret", strcasecmp(v.data, rets[0]) == 0 ? rets[0] : rets[1]);
	if ((r = value(from->opt, "envid", &v)) < 0 || (r > 0 && (!v.len || v.len > ENVID_MAX)))
		buf_adds(why, "its option envid is wrong");
	else if (r > 0)
		envelope_param_add(out, "envid", v.data);
	if (utf8 || value(from->opt, "smtputf8", &v) > 0)
		envelope_param_add(out, "smtputf8", NULL);
	buf_free(&v);
	return why->len ? -1 : 0;
}

/* For all recipients. */
struct work { struct buf v, addr, params; struct dupfilter named; };

static int
recipient(const struct queue_rcpt *rcpt, struct queue_envelope *to, bool *utf8, struct work *w, struct buf *why)
{
	struct buf *v = &w->v, *addr = &w->addr, *params = &w->params;
	int r;

	buf_clear(addr);
	buf_clear(params);
	if (rcpt->status != 'T')
		buf_addf(why, "the status of a recipient is %c", rcpt->status);
	else if (canonical(rcpt->addr, 0, utf8, addr) < 0)
		buf_addf(why, "recipient <%.100s> is no address", rcpt->addr);
	else if ((r = value(rcpt->params, "notify", v)) < 0 || (r > 0 && !notify_ok(v->data)))
		buf_adds(why, "notify of a recipient is wrong");
	else if (r > 0)
		envelope_param_add(params, "notify", v->data);
	if (why->len)
		return -1;
	if ((r = value(rcpt->params, "orcpt", v)) < 0 || (r > 0 && !orcpt_ok(v->data))) {
		buf_adds(why, "orcpt of a recipient is wrong");
		return -1;
	}
	if (r > 0)
		envelope_param_add(params, "orcpt", v->data);
	if (!dupfilter_again(&w->named, addr->data, params->data))
		queue_envelope_rcpt(to, addr->data, params->data);
	return 0;
}

int
vouch_envelope(const struct queue_envelope *from, uid_t uid, size_t dup_limit, struct queue_envelope *to, struct buf *why)
{
	struct work w = { BUF_INIT(ENVELOPE_LINE_MAX), BUF_INIT(ENVELOPE_LINE_MAX), BUF_INIT(ENVELOPE_LINE_MAX), .named = { 0 } };
	struct buf opt = BUF_INIT(ENVELOPE_LINE_MAX), line = BUF_INIT(100);
	bool utf8 = false;

	*to = (struct queue_envelope){ 0 };
	dupfilter_init(&w.named, dup_limit);
	if (canonical(from->sender, ADDRESS_NULL, &utf8, &w.addr) < 0)
		buf_addf(why, "sender <%.100s> is no address", from->sender);
	else
		to->sender = mem_strdup(w.addr.data);
	for (size_t i = 0; i < from->rcpts && !why->len; i++)
		recipient(&from->rcpt[i], to, &utf8, &w, why);
	if (!why->len && options(from, utf8, &opt, why) == 0) {
		buf_addf(&line, "proto=local uid=%ju", (uintmax_t)uid);
		to->opt = mem_strdup(opt.data);
		to->from = buf_steal(&line);
	}
	buf_free(&w.v);
	buf_free(&w.addr);
	buf_free(&w.params);
	dupfilter_free(&w.named);
	buf_free(&opt);
	buf_free(&line);
	if (!why->len)
		return 0;
	queue_envelope_free(to);
	return -1;
}

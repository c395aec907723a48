/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Fields that a message from a local program lacks (RFC 5322 3.6, RFC 2047 for the name). */
#include "mail/compose_add.h"

#include "mail/queue.h"
#include "syntax/address.h"
#include "syntax/base64.h"
#include "syntax/date.h"

#include "base/mem.h"
#include "base/msg.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 42             /* as base64 with its frame under RFC 2047's 75 characters */

static void
quoted(const char *name, struct buf *out)
{
	buf_addc(out, '"');
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *name);
	}
	buf_addc(out, '"');
}

static void
encoded_words(const char *name, struct buf *out)
{
	size_t n = strlen(name);

	while (n > 0) {
		size_t k = n < WORD_BYTES ? n : WORD_BYTES;

		while (k < n && k > 1 && ((unsigned char)name[k] & 0xc0) == 0x80) /* whole characters */
			k--;
		buf_adds(out, "=?utf-8?B?");
		base64_encode(name, k, out);
		buf_adds(out, "?=");
		name += k;
		n -= k;
		if (n > 0)
			buf_adds(out, "\n ");
	}
}

int
compose_phrase(const char *name, struct buf *out)
{
	static const char atext[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~ ";
	char *clean = mem_strdup(name);

	msg_clean(clean, strlen(clean));
	if (clean[strspn(clean, atext)] == '\0' && !strstr(clean, "=?"))
		buf_adds(out, clean);
	else {
		const char *p = clean;

		while (*p && !(*p & 0x80))
			p++;
		if (*p || strstr(clean, "=?"))
			encoded_words(clean, out);
		else
			quoted(clean, out);
	}
	free(clean);
	return out->full ? -1 : 0;
}

static void
from(const struct compose_settings *s, const char *prefix, struct buf *out)
{
	const char *addr = "", *name = "";

	s->identity(s->identity_arg, &addr, &name);
	buf_addf(out, "%sFrom: ", prefix);
	if (*name) {
		compose_phrase(name, out);
		buf_addf(out, " <%s>\n", addr);
	} else {
		buf_addf(out, "%s\n", addr);
	}
}

static void
date(const struct compose_settings *s, const char *prefix, struct buf *out)
{
	buf_addf(out, "%sDate: ", prefix);
	date_format(s->now, out);
	buf_addc(out, '\n');
}

static void
message_id(const struct compose_settings *s, const char *prefix, struct buf *out)
{
	char id[QUEUE_ID_MAX + 1];

	queue_id_new(id);
	buf_addf(out, "%sMessage-Id: <%s@%s>\n", prefix, id, s->host);
}

int
compose_missing(const struct compose_settings *s, unsigned seen, struct buf *out)
{
	static const struct {
		unsigned bit;
		void (*add)(const struct compose_settings *, const char *, struct buf *);
		const char *prefix;
	} rows[] = {
		{ COMPOSE_RESENT_FROM, from, "Resent-" },
		{ COMPOSE_RESENT_DATE, date, "Resent-" },
		{ COMPOSE_RESENT_MESSAGE_ID, message_id, "Resent-" },
		{ COMPOSE_FROM, from, "" },
		{ COMPOSE_DATE, date, "" },
		{ COMPOSE_MESSAGE_ID, message_id, "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!(seen & rows[i].bit) && (!*rows[i].prefix || seen & COMPOSE_RESENT))
			rows[i].add(s, rows[i].prefix, out);
	return out->full ? -1 : 0;
}

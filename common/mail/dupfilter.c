/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See dupfilter.h. What is remembered is one line of text: reports asked for, original recipient, address. */
#include "mail/dupfilter.h"

#include "syntax/envelope.h"

#include "base/strmap.h"

#include <string.h>
#include <strings.h>

#define KEY_MAX (4 * ENVELOPE_LINE_MAX)

/* The words of notify= in one order. */
static void
add_notify(struct buf *key, const char *words)
{
	static const char *const names[] = { "SUCCESS", "FAILURE", "DELAY", "NEVER" };

	for (int i = 0; i < 4; i++)
		if (strcasestr(words, names[i]))
			buf_addc(key, names[i][0]);
}

static void
make_key(struct buf *key, const char *addr, const char *params)
{
	struct buf value = BUF_INIT(ENVELOPE_LINE_MAX);
	size_t n = strlen(params);
	const char *err;

	if (n && envelope_param(params, n, "notify", &value, &err) > 0)
		add_notify(key, value.data);
	buf_addc(key, '\n');
	buf_clear(&value);
	if (n && envelope_param(params, n, "orcpt", &value, &err) > 0 &&
	    (strncasecmp(value.data, "rfc822;", 7) != 0 || strcasecmp(value.data + 7, addr) != 0))
		buf_add(key, value.data, value.len);
	buf_free(&value);
	buf_addc(key, '\n');
	buf_adds(key, addr);
	for (size_t i = 0; i < key->len; i++)
		if (key->data[i] >= 'A' && key->data[i] <= 'Z')
			key->data[i] = (char)(key->data[i] | 0x20);
}

void
dupfilter_init(struct dupfilter *d, size_t limit)
{
	*d = (struct dupfilter){ .limit = limit };
	buf_init(&d->first, KEY_MAX);
	buf_init(&d->key, KEY_MAX);
}

void
dupfilter_free(struct dupfilter *d)
{
	dupfilter_clear(d);
	buf_free(&d->first);
	buf_free(&d->key);
}

bool
dupfilter_again(struct dupfilter *d, const char *addr, const char *params)
{
	struct buf *key = d->first.len ? &d->key : &d->first;

	buf_clear(key);
	make_key(key, addr, params);
	if (key == &d->first || key->full)
		return false;
	if (!d->seen) {
		d->seen = strmap_new();
		strmap_set(d->seen, d->first.data, d);
	}
	if (strmap_get(d->seen, key->data))
		return true;
	if (d->limit == 0 || strmap_count(d->seen) < d->limit)
		strmap_set(d->seen, key->data, d);
	return false;
}

void
dupfilter_clear(struct dupfilter *d)
{
	buf_clear(&d->first);
	strmap_free(&d->seen, NULL);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A message as one JSON object on one line (RFC 8259; JSON lines). The names that Postfix's postqueue -j has are used
 * as it uses them, the others are ours: mtaqueue(5). */
#include "pause.h"
#include "print.h"

#include "syntax/address.h"
#include "syntax/envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
json_string(const char *text)
{
	bool utf8 = utf8_ok(text, strlen(text));

	putchar('"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			printf("\\u%04x", *p);
		else if (*p == 0xc2 && utf8 && p[1] < 0xa0) /* the C1 controls: some terminals obey them */
			printf("\\u%04x", *++p);
		else if (*p >= 0x80 && !utf8) /* bytes that are no characters: as Latin-1, so that none is lost */
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

static void
member(const char *name, const char *text)
{
	printf(", \"%s\": ", name);
	json_string(text);
}

static void
json_params(const char *name, const char *text)
{
	static const char blanks[] = " ";
	struct buf key = BUF_INIT(8192), value = BUF_INIT(8192);
	bool any = false;

	printf(", \"%s\": {", name);
	for (const char *p = text + strspn(text, blanks); *p; p += strspn(p, blanks)) {
		size_t n = strcspn(p, blanks), k = strcspn(p, "= ");
		const char *why;

		buf_clear(&key);
		buf_clear(&value);
		buf_add(&key, p, k);
		if (envelope_param(p, n, key.data, &value, &why) > 0) {
			fputs(any ? ", " : "", stdout);
			json_string(key.data);
			fputs(": ", stdout);
			json_string(value.data);
			any = true;
		}
		p += n;
	}
	putchar('}');
	buf_free(&key);
	buf_free(&value);
}

static void
json_rcpts(struct item *it)
{
	static const struct { char letter; const char *name; } names[] = {
		{ 'T', "waiting" }, { 'D', "delivered" }, { 'B', "bounced" }, { 'X', "expanded" },
	};

	printf(", \"recipients\": [");
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why = r->status == 'T' ? item_reason(it, r->addr) : NULL;

		printf("%s{\"address\": ", i ? ", " : "");
		json_string(r->addr);
		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
			if (names[k].letter == r->status)
				member("status", names[k].name);
		if (why) {
			member("delay_reason", why->text);
			member("dsn", why->dsn);
			printf(", \"last_attempt\": %" PRId64, why->time);
		}
		if (r->status == 'T' && pause_of(it, r->addr))
			printf(", \"paused\": true");
		if (*r->params)
			json_params("options", r->params);
		putchar('}');
	}
	putchar(']');
}

void
print_json_object(struct item *it)
{
	int64_t arrival = item_arrival(it) / 1000000, next = item_next(it);
	bool good = item_envelope(it);

	printf("{\"queue_name\": \"%s\", \"queue_id\": \"%s\", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64,
	    queue_names[it->where], it->id, arrival, item_size(it));
	if (next)
		printf(", \"next_attempt\": %" PRId64, next);
	if (good) {
		printf(", \"forced_expire\": %s", item_expire(it) ? "true" : "false");
		member("sender", it->e.sender);
		json_params("options", it->e.opt);
		json_params("origin", it->e.from);
		json_rcpts(it);
	} else {
		member("error", it->err.data);
	}
	putchar('}');
}

void
print_json(struct item *it)
{
	item_envelope(it);
	if (it->gone)
		return;
	print_json_object(it);
	putchar('\n');
}

void
print_mailq_json(struct item *it)
{
	bool any = false;

	if (!item_envelope(it))
		return;
	printf("{\"queue_name\": \"%s\", \"queue_id\": \"%s\", \"arrival_time\": %" PRId64 ", \"message_size\": %" PRIu64
	    ", \"forced_expire\": %s", queue_names[it->where], it->id, item_arrival(it) / 1000000, item_size(it),
	    item_expire(it) ? "true" : "false");
	member("sender", *it->e.sender ? it->e.sender : "MAILER-DAEMON");
	printf(", \"recipients\": [");
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why = r->status == 'T' ? item_reason(it, r->addr) : NULL;

		if (r->status != 'T')
			continue;
		printf("%s{\"address\": ", any ? ", " : "");
		json_string(r->addr);
		if (why)
			member("delay_reason", why->text);
		putchar('}');
		any = true;
	}
	puts("]}");
}

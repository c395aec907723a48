/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The header of a message from a local program: see compose.h. */
#include "mail/compose.h"

#include "mail/compose_add.h"
#include "syntax/addrlist.h"
#include "syntax/header.h"

#include "base/mem.h"
#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	F_ADDR = 1,               /* holds addresses */
	F_RCPT = 2,               /* they are recipients */
	F_RESENT = 4,
	F_SENDER = 8,             /* its first address may be the sender */
};

/* RFC 5322 3.6; the later rows of F_SENDER count more. */
static const struct field {
	const char *name;
	unsigned flags;
	unsigned seen;            /* compose_missing's bit */
} fields[] = {
	{ "From", F_ADDR | F_SENDER, COMPOSE_FROM },
	{ "Sender", F_ADDR | F_SENDER, 0 },
	{ "Resent-From", F_ADDR | F_SENDER | F_RESENT, COMPOSE_RESENT_FROM },
	{ "Resent-Sender", F_ADDR | F_SENDER | F_RESENT, 0 },
	{ "To", F_ADDR | F_RCPT, 0 },
	{ "Cc", F_ADDR | F_RCPT, 0 },
	{ "Bcc", F_ADDR | F_RCPT, 0 },
	{ "Resent-To", F_ADDR | F_RCPT | F_RESENT, 0 },
	{ "Resent-Cc", F_ADDR | F_RCPT | F_RESENT, 0 },
	{ "Resent-Bcc", F_ADDR | F_RCPT | F_RESENT, 0 },
	{ "Reply-To", F_ADDR, 0 },
	{ "Resent-Reply-To", F_ADDR | F_RESENT, 0 },
	{ "Errors-To", F_ADDR, 0 },
	{ "Return-Receipt-To", F_ADDR, 0 },
	{ "Disposition-Notification-To", F_ADDR, 0 },
	{ "Mail-Followup-To", F_ADDR, 0 },
	{ "Date", 0, COMPOSE_DATE },
	{ "Message-Id", 0, COMPOSE_MESSAGE_ID },
	{ "Resent-Date", F_RESENT, COMPOSE_RESENT_DATE },
	{ "Resent-Message-Id", F_RESENT, COMPOSE_RESENT_MESSAGE_ID },
};

/* A list of addresses, each once. */
struct list {
	char **addr;
	size_t n;
	struct strmap *seen;
};

struct compose {
	struct compose_settings s;
	struct header h;
	struct buf out;
	struct list to, resent;
	bool is_resent;           /* there was a recipient field of the Resent- kind */
	const struct field *sender_field;
	char *sender, *message_id;
	unsigned seen;
	/* Recognising a leading "From " line of an mbox file, over any portions. */
	enum { BEGIN, SKIP_LINE, HEADER } state;
	size_t early;             /* bytes of that line's beginning that came in earlier portions */
	char begin[8];
};

struct compose *
compose_new(const struct compose_settings *s)
{
	struct compose *c = mem_zalloc(sizeof *c);

	c->s = *s;
	header_init(&c->h, COMPOSE_HEADER_MAX);
	buf_init(&c->out, COMPOSE_HEADER_MAX + 65536);
	c->to.seen = strmap_new();
	c->resent.seen = strmap_new();
	return c;
}

static void
list_free(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->addr[i]);
	free(l->addr);
	strmap_free(&l->seen, NULL);
}

void
compose_free(struct compose **cp)
{
	struct compose *c = *cp;

	if (!c)
		return;
	header_free(&c->h);
	buf_free(&c->out);
	list_free(&c->to);
	list_free(&c->resent);
	free(c->sender);
	free(c->message_id);
	free(c);
	*cp = NULL;
}

/* The canonical text of an address; origin where it has no domain. */
static int
canonical(struct address *a, const char *origin, struct buf *out)
{
	if (!a->domain.len && origin)
		buf_adds(&a->domain, origin);
	return address_format(a, out);
}

int
compose_addresses(const char *text, size_t n, const char *origin, int (*add)(void *, const char *), void *arg, struct buf *err)
{
	struct buf one = BUF_INIT(ADDRESS_MAX + 256);
	struct addrlist_item item = { 0 };
	struct addrlist l;
	const char *why;
	int r;

	addrlist_init(&l, text, n, ADDRESS_UTF8 | ADDRESS_NODOMAIN);
	while ((r = addrlist_next(&l, &item, &why)) > 0) {
		buf_clear(&one);
		if (canonical(&item.addr, origin, &one) < 0) {
			why = "address too long";
			r = -1;
			break;
		}
		if ((r = add(arg, one.data)) < 0) {
			why = "";
			break;
		}
	}
	if (r < 0 && *why)
		buf_addf(err, "%s at \"%.*s\"", why, (int)(n - l.at < 40 ? n - l.at : 40), text + l.at);
	addrlist_item_free(&item);
	buf_free(&one);
	return r < 0 ? -1 : 0;
}

struct one { struct buf *out; int n; };

static int
add_one(void *arg, const char *addr)
{
	struct one *one = arg;

	return one->n++ ? 0 : buf_adds(one->out, addr);
}

int
compose_address(const char *text, const char *origin, struct buf *out, struct buf *err)
{
	struct one one = { out, 0 };

	if (!*text || strcmp(text, "<>") == 0)
		return 0;
	if (compose_addresses(text, strlen(text), origin, add_one, &one, err) < 0)
		return -1;
	if (one.n == 1)
		return 0;
	buf_adds(err, one.n ? "more than one address" : "no address");
	return -1;
}

size_t
compose_line_ends(bool *cr, const char *in, size_t n, char *out)
{
	const char *end = in + n;
	char *o = out;

	if (*cr && (n == 0 || *in != '\n'))
		*o++ = '\r';
	*cr = false;
	while (in < end) {
		const char *p = memchr(in, '\r', (size_t)(end - in));
		size_t k = (size_t)((p ? p : end) - in);

		memcpy(o, in, k);
		o += k;
		in += k;
		if (!p)
			break;
		if (++in == end)
			*cr = true;
		else if (*in != '\n')
			*o++ = '\r';
	}
	return (size_t)(o - out);
}

struct adding { struct compose *c; struct list *list; bool sender; };

static int
add_address(void *arg, const char *addr)
{
	struct adding *a = arg;
	struct list *l = a->list;
	char *key, *at;

	if (a->sender) {
		free(a->c->sender);
		a->c->sender = mem_strdup(addr);
		return 1; /* the first is enough; the rest is still checked */
	}
	key = mem_strdup(addr);
	at = strrchr(key, '@');
	for (char *p = at ? at : key + strlen(key); *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	if (!strmap_set(l->seen, key, l)) {
		if (l->n >= a->c->s.max_rcpts) {
			free(key);
			return -1;
		}
		if (l->n == 0 || (l->n >= 8 && (l->n & (l->n - 1)) == 0))
			l->addr = mem_resize(l->addr, l->n ? l->n * 2 : 8, sizeof *l->addr);
		l->addr[l->n++] = mem_strdup(addr);
	}
	free(key);
	return 0;
}

static int
first_only(void *arg, const char *addr)
{
	return ((struct adding *)arg)->c->sender ? 0 : add_address(arg, addr);
}

static int
collect(struct compose *c, const struct field *f, struct buf *err)
{
	struct adding a = { c, f->flags & F_RESENT ? &c->resent : &c->to, false };
	struct buf why = BUF_INIT(1000);
	int r = 0;

	if (c->s.recipients && f->flags & F_RCPT) {
		c->is_resent |= (f->flags & F_RESENT) != 0;
		r = compose_addresses(c->h.value, c->h.value_len, c->s.origin, add_address, &a, &why);
	} else if (c->s.sender && f->flags & F_SENDER && (!c->sender_field || f > c->sender_field)) {
		free(c->sender);
		c->sender = NULL;
		a.sender = true;
		r = compose_addresses(c->h.value, c->h.value_len, c->s.origin, first_only, &a, &why);
		if (c->sender)
			c->sender_field = f;
	}
	if (r < 0 && why.len)
		buf_addf(err, "header %s: %s", f->name, why.data);
	else if (r < 0)
		buf_addf(err, "header %s: more than %zu recipients", f->name, c->s.max_rcpts);
	buf_free(&why);
	return r;
}

/* The raw field with a domain behind each bare address. What cannot be read as addresses stays as it is. */
static void
put_addresses(struct compose *c)
{
	struct addrlist_item item = { 0 };
	size_t head = (size_t)(c->h.value - c->h.field.data), start = c->out.len, done = 0;
	struct addrlist l;
	const char *why;
	int r;

	buf_add(&c->out, c->h.field.data, head);
	addrlist_init(&l, c->h.value, c->h.value_len, ADDRESS_UTF8 | ADDRESS_NODOMAIN);
	while ((r = addrlist_next(&l, &item, &why)) > 0)
		if (!item.addr.domain.len) {
			buf_add(&c->out, c->h.value + done, item.end - done);
			buf_addc(&c->out, '@');
			buf_adds(&c->out, c->s.origin);
			done = item.end;
		}
	if (r == 0) {
		buf_add(&c->out, c->h.value + done, c->h.value_len - done);
	} else {
		buf_truncate(&c->out, start);
		buf_add(&c->out, c->h.field.data, c->h.field.len);
	}
	addrlist_item_free(&item);
}

/* True when name is a word of the list (blanks and commas between). */
static bool
listed(const char *list, const char *name, size_t n)
{
	static const char between[] = ", \t\r\n";

	for (const char *p = list + strspn(list, between); *p; p += strspn(p, between)) {
		size_t k = strcspn(p, between);

		if (k == n && strncasecmp(p, name, n) == 0)
			return true;
		p += k;
	}
	return false;
}

static int
take_field(struct compose *c, struct buf *err)
{
	const struct field *f = NULL;

	for (size_t i = 0; i < sizeof fields / sizeof fields[0] && !f; i++)
		if (header_is(&c->h, fields[i].name))
			f = &fields[i];
	if (f && f->flags & F_ADDR && collect(c, f, err) < 0)
		return -1;
	if (c->h.name_len > 7 && strncasecmp(c->h.name, "Resent-", 7) == 0)
		c->seen |= COMPOSE_RESENT;
	if (f)
		c->seen |= f->seen;
	if (f && f->seen == COMPOSE_MESSAGE_ID && !c->message_id)
		c->message_id = mem_strndup(c->h.value, c->h.value_len);
	if (c->s.drop && listed(c->s.drop, c->h.name, c->h.name_len))
		return 0;
	if (f && f->flags & F_ADDR && c->s.origin)
		put_addresses(c);
	else
		buf_add(&c->out, c->h.field.data, c->h.field.len);
	buf_addc(&c->out, '\n');
	return 0;
}

/* Decides whether the message begins with the "From " line of an mbox file, also as ">From ", which is not
 * part of it. False: not known yet. */
static bool
passed_from_line(struct compose *c, const char *data, size_t n, size_t *at)
{
	static const char *const forms[] = { "From ", ">From " };

	for (size_t i = 0; c->state == BEGIN && i < n; i++) {
		size_t len = c->early + i + 1;
		bool prefix = false;

		c->begin[len - 1] = data[i];
		for (size_t k = 0; k < 2; k++) {
			prefix |= strncmp(c->begin, forms[k], len) == 0;
			if (prefix && strlen(forms[k]) == len) {
				c->state = SKIP_LINE;
				break;
			}
		}
		if (!prefix)
			c->state = HEADER;
	}
	if (c->state == BEGIN) {
		c->early += n;
		*at = n;
	}
	if (c->state == SKIP_LINE) {
		const char *lf = memchr(data, '\n', n);

		*at = lf ? (size_t)(lf - data) + 1 : n;
		c->early = 0;
		if (lf)
			c->state = HEADER;
	}
	return c->state == HEADER;
}

static int
header_over(struct compose *c, size_t base, size_t *used, struct buf *err)
{
	size_t before = c->out.len;

	if (c->s.host)
		compose_missing(&c->s, c->seen, &c->out);
	if (!c->message_id) {
		const char *added = strstr(c->out.data + (before ? before - 1 : 0), "\nMessage-Id: ");

		c->message_id = added ? mem_strndup(added + 13, strcspn(added + 13, "\n")) : mem_strdup("");
	}
	buf_addc(&c->out, '\n');
	if (c->h.rest < base) { /* the first line of the body began in an earlier portion */
		buf_add(&c->out, c->h.field.data, base - c->h.rest);
		*used = 0;
	} else {
		*used = c->h.rest - base;
	}
	if (!c->out.full)
		return 1;
	buf_addf(err, "the header is larger than %d bytes", COMPOSE_HEADER_MAX);
	return -1;
}

int
compose_feed(struct compose *c, const char *data, size_t n, bool last, size_t *used, struct buf *err)
{
	size_t skipped = 0, at = 0, early = 0, base;

	if (c->state != HEADER && !passed_from_line(c, data, n, &skipped) && !last)
		return 0;
	c->state = HEADER;
	base = c->h.total;
	if (c->early) { /* bytes that looked like "From " so far: part of a line, no event yet */
		header_next(&c->h, c->begin, c->early, &early, false);
		base += c->early;
		c->early = 0;
	}
	for (;;)
		switch (header_next(&c->h, data + skipped, n - skipped, &at, last)) {
		case HEADER_MORE:
			return 0;
		case HEADER_FIELD:
			if (take_field(c, err) < 0)
				return -1;
			if (!c->out.full)
				break;
			/* fall through */
		case HEADER_LONG:
			buf_addf(err, "the header is larger than %d bytes", COMPOSE_HEADER_MAX);
			return -1;
		case HEADER_END:
			if (header_over(c, base, used, err) < 0)
				return -1;
			*used += skipped;
			return 1;
		}
}

const struct buf *
compose_header(const struct compose *c)
{
	return &c->out;
}

char **
compose_recipients(const struct compose *c, size_t *n)
{
	const struct list *l = c->is_resent ? &c->resent : &c->to;

	*n = l->n;
	return l->addr;
}

const char *
compose_sender(const struct compose *c)
{
	return c->sender;
}

const char *
compose_message_id(const struct compose *c)
{
	return c->message_id;
}

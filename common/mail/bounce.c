/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See bounce.h. */
#include "mail/bounce.h"

#include "mail/bounce_meaning.h"
#include "mail/bounce_template.h"
#include "mail/queue.h"
#include "syntax/date.h"
#include "syntax/envelope.h"

#include "base/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define WIDTH 76                  /* columns of the text for people and of folded fields */
#define HARD 900                  /* a word longer than this is broken: no line passes 998 (RFC 5322 2.1.1) */
#define FLUSH 32768

struct out {
	struct queue_writer *w;
	struct buf b;
	int failed;               /* errno */
};

static void
flush(struct out *o)
{
	if (!o->failed && queue_write(o->w, o->b.data, o->b.len) < 0)
		o->failed = errno ? errno : EIO;
	buf_clear(&o->b);
}

static void
put(struct out *o, const char *s)
{
	size_t n = strlen(s);

	if (o->b.len + n > FLUSH)
		flush(o);
	if (n <= FLUSH)
		buf_adds(&o->b, s);
	else if (!o->failed && queue_write(o->w, s, n) < 0)
		o->failed = errno ? errno : EIO;
}

bool
bounce_wanted(const char *params, const char *what)
{
	struct buf notify = BUF_INIT(256);
	const char *why;
	bool wanted;

	if (envelope_param(params, strlen(params), "notify", &notify, &why) <= 0)
		wanted = strcmp(what, "SUCCESS") != 0;
	else
		wanted = strcasestr(notify.data, what) != NULL;
	buf_free(&notify);
	return wanted;
}

static bool
eight_bit(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return true;
	return false;
}

bool
bounce_utf8(const struct bounce *b)
{
	if (eight_bit(b->sender) || eight_bit(b->to) || envelope_param(b->opt, strlen(b->opt), "smtputf8", NULL, &(const char *){ NULL }) == 1)
		return true;
	for (size_t i = 0; i < b->rcpts; i++)
		if (eight_bit(b->rcpt[i].addr))
			return true;
	return false;
}

static bool
option_is(const struct bounce *b, const char *name, const char *value)
{
	struct buf v = BUF_INIT(1024);
	const char *why;
	bool same;

	same = envelope_param(b->opt, strlen(b->opt), name, &v, &why) == 1 && strcasecmp(v.data, value) == 0;
	buf_free(&v);
	return same;
}

static enum bounce_action
action_of(const struct bounce *b)
{
	return b->rcpts ? b->rcpt[0].action : BOUNCE_FAILED;
}

/* The words of an administrator; empty where there are none. */
static const struct bounce_template *
template_of(const struct bounce *b)
{
	static const struct bounce_template none;

	if (!b->templates)
		return &none;
	return action_of(b) == BOUNCE_FAILED ? &b->templates->failure : action_of(b) == BOUNCE_DELAYED ? &b->templates->delay :
	    &b->templates->success;
}

/* RFC 3461 5.2.2: RET=FULL is for failures only. */
static bool
header_only(const struct bounce *b)
{
	return b->copy || b->size > b->size_limit || option_is(b, "ret", "HDRS") || action_of(b) >= BOUNCE_DELAYED;
}

/* Gives the message, or its header, to f in portions. An empty line ends the header, wherever the portions are cut. 0; -1 with errno;
 * or what f returned other than 0. */
static int
each_portion(const struct bounce *b, int (*f)(void *arg, const char *data, size_t n), void *arg)
{
	bool header = header_only(b);
	uint64_t left = b->size < b->size_limit || !header ? b->size : b->size_limit, at = b->content;
	char data[FLUSH], last = '\n';
	int r = 0;

	while (left && r == 0) {
		ssize_t n = pread(b->fd, data, left < sizeof data ? (size_t)left : sizeof data, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		at += (uint64_t)n;
		left -= (uint64_t)n;
		for (ssize_t i = 0; header && i < n; i++) {
			if (last == '\n' && data[i] == '\n') {
				n = i;
				left = 0;
			} else {
				last = data[i];
			}
		}
		if (n)
			r = f(arg, data, (size_t)n);
	}
	return r;
}

static int
find_eight_bit(void *arg, const char *data, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)data[i] >= 0x80)
			return 1;
	return 0;
}

bool
bounce_8bit(const struct bounce *b)
{
	if (bounce_utf8(b) || option_is(b, "body", "8BITMIME"))
		return true;
	/* what came without a word about eight bits may have them all the same */
	if (each_portion(b, find_eight_bit, NULL) == 1)
		return true;
	for (size_t i = 0; i < b->rcpts; i++)
		if (eight_bit(b->rcpt[i].text))
			return true;
	return template_of(b)->body && eight_bit(template_of(b)->body);
}

/* Words of text in lines of WIDTH, each with the indent in front; the first line has 'first' instead. ascii: other bytes come
 * out as '?'. */
static void
put_wrapped(struct out *o, const char *first, const char *indent, const char *text, bool ascii)
{
	struct buf clean = BUF_INIT(1 << 16);
	size_t column = strlen(first);
	bool begun = false;       /* the line has a word: a space goes before the next one */

	buf_adds(&clean, text);
	msg_clean(clean.data, clean.len);
	for (size_t i = 0; ascii && i < clean.len; i++)
		if ((unsigned char)clean.data[i] >= 0x80)
			clean.data[i] = '?';
	put(o, first);
	for (const char *p = clean.data + strspn(clean.data, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n > HARD)
			n = HARD;
		if (begun && column + n + 1 > WIDTH) {
			put(o, "\n");
			put(o, indent);
			column = strlen(indent);
		} else if (begun) {
			put(o, " ");
			column++;
		}
		begun = true;
		if (o->b.len + n > FLUSH)
			flush(o);
		buf_add(&o->b, p, n);
		column += n;
		p += n;
	}
	put(o, "\n");
	buf_free(&clean);
}

static const char *
subject(const struct bounce *b)
{
	bool copy = b->copy || !*b->sender;

	if (copy && template_of(b)->postmaster_subject)
		return template_of(b)->postmaster_subject;
	if (!copy && template_of(b)->subject)
		return template_of(b)->subject;
	if (copy)
		return action_of(b) == BOUNCE_DELAYED ? "Postmaster Warning: Delayed Mail" : "Postmaster Copy: Undelivered Mail";
	switch (action_of(b)) {
	case BOUNCE_DELAYED:
		return "Delayed Mail (still being retried)";
	case BOUNCE_DELIVERED:
	case BOUNCE_RELAYED:
	case BOUNCE_EXPANDED:
		return "Successful Mail Delivery Report";
	case BOUNCE_FAILED:
		break;
	}
	return "Undelivered Mail Returned to Sender";
}

static void
put_header(struct out *o, const struct bounce *b, const char *boundary, bool wide)
{
	const char *from = template_of(b)->from;
	struct buf h = BUF_INIT(1 << 16);

	buf_adds(&h, "Date: ");
	date_format(b->now, &h);
	if (from && strchr(from, '@'))
		buf_addf(&h, "\nFrom: %s", from);
	else
		buf_addf(&h, "\nFrom: Mail Delivery System <%s>", b->from);
	buf_addf(&h, "\nTo: <%s>\nSubject: %s\n", b->to, subject(b));
	buf_addf(&h, "Message-ID: <%s.%lld@%s>\n", b->id, (long long)b->now, b->hostname);
	buf_addf(&h, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"\n", boundary);
	if (wide)
		buf_adds(&h, "Content-Transfer-Encoding: 8bit\n");
	buf_adds(&h, "\nThis is a MIME-encapsulated message.\n");
	put(o, h.data);
	buf_free(&h);
}

static void
put_part(struct out *o, const char *boundary, const char *description, const char *type, bool wide)
{
	put(o, "\n--");
	put(o, boundary);
	put(o, "\nContent-Description: ");
	put(o, description);
	put(o, "\nContent-Type: ");
	put(o, type);
	if (wide)
		put(o, "\nContent-Transfer-Encoding: 8bit");
	put(o, "\n\n");
}

/* The reply of another server, which an agent has as "host NAME said: REPLY (in reply to ... command)", or bare. NULL: nobody
 * replied, such as when there was no connection. *n: its length. An agent of ours has its own name, without an address, as relay. */
static const char *
reply_of(const struct bounce_rcpt *r, size_t *n)
{
	static const char said[] = " said: ", in_reply[] = " (in reply to ";
	const char *reply = r->text, *end = NULL, *p;

	if (!strchr(r->relay, '['))
		return NULL;
	if (strncmp(reply, "host ", 5) == 0 && (p = strstr(reply, said)) != NULL)
		reply = p + sizeof said - 1;
	if (!strchr("245", *reply) || strspn(reply, "0123456789") != 3 || (reply[3] && !strchr(" -", reply[3])))
		return NULL;
	for (p = reply; reply != r->text && (p = strstr(p, in_reply)) != NULL; p++)
		end = p; /* the last one: the server may say such words, too */
	*n = end ? (size_t)(end - reply) : strlen(reply);
	return reply;
}

static void
put_delivered(struct out *o, const struct bounce_rcpt *r)
{
	static const char *const words[] = { [BOUNCE_DELIVERED] = "has been delivered.",
	    [BOUNCE_RELAYED] = "has been passed on to a system that may send no report of its own.",
	    [BOUNCE_EXPANDED] = "has been passed on to the addresses that this one stands for." };

	put_wrapped(o, "    ", "    ", words[r->action], false);
}

static void
put_said(struct out *o, const struct bounce_rcpt *r)
{
	struct buf first = BUF_INIT(1 << 16), said = BUF_INIT(1 << 20);
	const char *reply;
	size_t n;

	if ((reply = reply_of(r, &n)) != NULL) {
		buf_addf(&first, "    The server %s said: ", r->relay);
		buf_add(&said, reply, n);
		put_wrapped(o, first.data, "      ", said.data, false);
	} else {
		put_wrapped(o, "    In detail: ", "      ", r->text, false);
	}
	buf_free(&first);
	buf_free(&said);
}

static void
put_person_rcpt(struct out *o, const struct bounce *b, const struct bounce_rcpt *r)
{
	const struct bounce_meaning *m = bounce_meaning(r->dsn);

	put(o, "\n  <");
	put(o, r->addr);
	put(o, ">\n");
	if (r->action >= BOUNCE_DELIVERED) {
		put_delivered(o, r);
		return;
	}
	put_wrapped(o, "    ", "    ", m->what, false);
	if (r->action == BOUNCE_FAILED && *r->dsn == '4') {
		struct buf t = BUF_INIT(256);
		int64_t hours = (b->now - b->arrival) / 3600;

		buf_addf(&t, "That was so for %lld %s, and the message is given up now.", (long long)(hours < 48 ? hours : hours / 24),
		    hours < 48 ? "hours" : "days");
		put_wrapped(o, "    ", "    ", hours < 1 ? "The message is given up now." : t.data, false);
		buf_free(&t);
	}
	if (r->action == BOUNCE_FAILED)
		put_wrapped(o, "    What to do: ", "    ", m->todo, false);
	put_said(o, r);
}

/* How the text for people begins, without a template. */
static void
add_start(struct buf *t, const struct bounce *b)
{
	buf_addf(t, "This is the mail system at %s.\n\n", b->hostname);
	if (action_of(b) == BOUNCE_DELAYED) {
		if (b->copy)
			buf_addf(t, "A message of <%s>\nhas not been delivered yet to the recipients below. The sender has been told.\nIt will be tried until ",
			    b->sender);
		else
			buf_adds(t, "Your message has not been delivered yet to the recipients below. You need not\nsend it again: it will be tried until\n");
		date_format(b->retry_until, t);
		buf_adds(t, ".\n");
	} else if (action_of(b) >= BOUNCE_DELIVERED) {
		buf_adds(t, "As you asked to be told, this is what became of your message:\n");
	} else if (!*b->sender) {
		buf_adds(t, "A report could not be delivered to the one that it was for. Nothing more will be\ntried.\n");
	} else if (b->copy) {
		buf_addf(t, "A message of <%s>\ncould not be delivered to the recipients below. The sender has been told, but for\n"
		    "recipients about whom no report was asked for (NOTIFY).\n", b->sender);
	} else {
		buf_adds(t, "Your message could not be delivered to the recipients below. Nothing more will\n"
		    "be tried for them; they have not got it.\n");
	}
}

void
bounce_words(const struct bounce *b, struct buf *text)
{
	const char *body = template_of(b)->body;

	if (body)
		buf_adds(text, body);
	else
		add_start(text, b);
}

static void
put_person(struct out *o, const struct bounce *b)
{
	const char *body = template_of(b)->body;
	struct buf t = BUF_INIT(8 << 20);

	bounce_words(b, &t);
	put(o, t.data);
	buf_clear(&t);
	for (size_t i = 0; i < b->rcpts; i++)
		put_person_rcpt(o, b, &b->rcpt[i]);
	if (!body && !b->copy) {
		buf_addf(&t, "\nIf you need help, write to <%s>\nand include this report. Your message, or its header, is attached.\n",
		    b->postmaster);
		put(o, t.data);
	}
	buf_free(&t);
}

static void
put_date(struct out *o, const char *field, int64_t when)
{
	struct buf t = BUF_INIT(256);

	buf_addf(&t, "%s: ", field);
	date_format(when, &t);
	buf_addc(&t, '\n');
	put(o, t.data);
	buf_free(&t);
}

static void
put_utf8(struct buf *b, unsigned long c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
		return;
	}
	if (c >= 0x10000)
		buf_addc(b, (char)(0xf0 | c >> 18));
	if (c >= 0x800)
		buf_addc(b, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12));
	buf_addc(b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
	buf_addc(b, (char)(0x80 | (c & 0x3f)));
}

/* Original-Recipient: "rfc822;bob@example.org" of orcpt= is what RFC 3464 2.3.1 wants; it comes decoded, but for the \x{E9} of the
 * type utf-8 (RFC 6533 3), which are for reports that cannot hold UTF-8 itself. */
static void
put_original(struct out *o, const struct bounce *b, const char *orcpt)
{
	struct buf v = BUF_INIT(8192);

	for (const char *p = orcpt; *p; p++) {
		char *end = NULL;
		unsigned long c = 0;

		if (bounce_utf8(b) && strncasecmp(orcpt, "utf-8;", 6) == 0 && strncmp(p, "\\x{", 3) == 0)
			c = strtoul(p + 3, &end, 16);
		/* no control characters, halves of pairs or what is no character */
		if (end && *end == '}' && end - p <= 9 && c > ' ' && c < 0x110000 && c != 0x7f && (c < 0xd800 || c > 0xdfff) && (c < 0x80 || c > 0x9f)) {
			put_utf8(&v, c);
			p = end;
		} else {
			buf_addc(&v, *p);
		}
	}
	put_wrapped(o, "Original-Recipient: ", " ", v.data, !bounce_utf8(b));
	buf_free(&v);
}

static void
put_status_rcpt(struct out *o, const struct bounce *b, const struct bounce_rcpt *r)
{
	static const char *const actions[] = { "failed", "delayed", "delivered", "relayed", "expanded" };
	struct buf t = BUF_INIT(1 << 16), v = BUF_INIT(1 << 20);
	const char *why, *reply;
	size_t n;

	put(o, "\n");
	if (envelope_param(r->params, strlen(r->params), "orcpt", &v, &why) == 1 && strchr(v.data, ';'))
		put_original(o, b, v.data);
	buf_addf(&t, "Final-Recipient: %s; ", eight_bit(r->addr) ? "utf-8" : "rfc822");
	put_wrapped(o, t.data, " ", r->addr, false);
	buf_clear(&t);
	buf_addf(&t, "Action: %s\nStatus: %s\n", actions[r->action], r->dsn);
	if ((reply = reply_of(r, &n)) != NULL)
		buf_addf(&t, "Remote-MTA: dns; %.*s\n", (int)strcspn(r->relay, "[:"), r->relay);
	put(o, t.data);
	buf_clear(&v);
	buf_add(&v, reply ? reply : r->text, reply ? n : strlen(r->text));
	if (*r->text)
		put_wrapped(o, reply ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: X-mtakit; ", "    ", v.data, !bounce_utf8(b));
	if (r->tried)
		put_date(o, "Last-Attempt-Date", r->tried);
	if (r->action == BOUNCE_DELAYED)
		put_date(o, "Will-Retry-Until", b->retry_until);
	buf_free(&t);
	buf_free(&v);
}

static void
put_status(struct out *o, const struct bounce *b)
{
	struct buf t = BUF_INIT(1 << 16), v = BUF_INIT(8192);
	const char *why;

	buf_addf(&t, "Reporting-MTA: dns; %s\n", b->hostname);
	if (envelope_param(b->opt, strlen(b->opt), "envid", &v, &why) == 1 && v.len) {
		put(o, t.data);
		buf_clear(&t);
		put_wrapped(o, "Original-Envelope-Id: ", " ", v.data, true);
	}
	buf_addf(&t, "X-Queue-ID: %s\nArrival-Date: ", b->id);
	date_format(b->arrival, &t);
	buf_addc(&t, '\n');
	put(o, t.data);
	for (size_t i = 0; i < b->rcpts; i++)
		put_status_rcpt(o, b, &b->rcpt[i]);
	buf_free(&t);
	buf_free(&v);
}

static int
put_portion(void *arg, const char *data, size_t n)
{
	struct out *o = arg;

	return queue_write(o->w, data, n) < 0 ? -1 : 0;
}

/* The message, or its header. */
static void
put_message(struct out *o, const struct bounce *b)
{
	flush(o);
	if (!o->failed && each_portion(b, put_portion, o) < 0)
		o->failed = errno ? errno : EIO;
}

int
bounce_write(struct queue_writer *w, const struct bounce *b)
{
	struct out o = { .w = w, .b = BUF_INIT(1 << 20) };
	bool utf8 = bounce_utf8(b), wide = bounce_8bit(b), header = header_only(b);
	const char *charset = template_of(b)->charset;
	struct buf boundary = BUF_INIT(1024), type = BUF_INIT(2048);

	/* what is said about recipients may be UTF-8, which holds ASCII */
	buf_addf(&type, "text/plain; charset=%s", charset && strcasecmp(charset, "us-ascii") != 0 ? charset : "utf-8");

	/* the ID was made after the message was sent, so it cannot hold it */
	buf_addf(&boundary, "=_%s.%lld/mtakit", b->id, (long long)b->now);
	put_header(&o, b, boundary.data, wide);
	put_part(&o, boundary.data, "Notification", type.data, wide);
	put_person(&o, b);
	put_part(&o, boundary.data, "Delivery report", utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
	put_status(&o, b);
	put_part(&o, boundary.data, header ? "Header of the message" : "The message",
	    header ? utf8 ? "message/global-headers" : "text/rfc822-headers" : utf8 ? "message/global" : "message/rfc822", wide);
	put_message(&o, b);
	put(&o, "\n--");
	put(&o, boundary.data);
	put(&o, "--\n");
	flush(&o);
	buf_free(&boundary);
	buf_free(&type);
	buf_free(&o.b);
	errno = o.failed;
	return o.failed ? -1 : 0;
}

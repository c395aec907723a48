/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See bounce.h. */
#include "mail/bounce.h"

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

/* What an enhanced code (RFC 3463) means to a person, and what that person can do. The longest prefix counts. */
static const struct { const char *code, *what, *todo; } meanings[] = {
	{ "1.1", "There is no mailbox with this address.", "Check the address for a mistake in writing, or ask the recipient in another way for the new one." },
	{ "1.2", "The part behind the @ is not a mail domain that can be found.", "Check the address for a mistake in writing." },
	{ "1.3", "The address is not well formed.", "Check the address for a mistake in writing." },
	{ "1.6", "The recipient has moved.", "Use the new address, if one is given below." },
	{ "1.10", "The domain does not accept any mail.", "Check the part of the address behind the @." },
	{ "1", "There is something wrong with the address.", "Check the address for a mistake in writing." },
	{ "2.1", "The mailbox is disabled.", "Reach the recipient in another way." },
	{ "2.2", "The mailbox is full.", "Send the message again later, or reach the recipient in another way." },
	{ "2.3", "The message is too large for this mailbox.", "Send less, or send it in parts." },
	{ "2", "The mailbox cannot take the message.", "Send the message again later, or reach the recipient in another way." },
	{ "3.4", "The message is too large for the recipient's mail system.", "Send less, or send it in parts." },
	{ "3", "The recipient's mail system had a problem.", "Send the message again later; tell the recipient if it goes on." },
	{ "4.6", "The message went round in a loop between mail systems.", "Tell the administrator of the recipient's mail system." },
	{ "4", "The recipient's mail system could not be reached.", "Check the part of the address behind the @, and send the message again later." },
	{ "5", "The mail systems did not understand each other.", "Tell your administrator, and include this report." },
	{ "6", "The recipient's mail system cannot process this kind of message.", "Send the message in another form." },
	{ "7", "The recipient's mail system refused the message by its rules.", "Read what it said below; your administrator may be able to help." },
	{ "", "The message could not be delivered.", "Read what was said below; your administrator may be able to help." },
};

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
	if (o->b.len + strlen(s) > FLUSH)
		flush(o);
	buf_adds(&o->b, s);
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

bool
bounce_8bit(const struct bounce *b)
{
	if (bounce_utf8(b) || option_is(b, "body", "8BITMIME"))
		return true;
	for (size_t i = 0; i < b->rcpts; i++)
		if (eight_bit(b->rcpt[i].text))
			return true;
	return false;
}

/* Words of text in lines of WIDTH, each with the indent in front; the first line has 'first' instead. ascii: other bytes come
 * out as '?'. */
static void
put_wrapped(struct out *o, const char *first, const char *indent, const char *text, bool ascii)
{
	struct buf clean = BUF_INIT(1 << 16);
	size_t column = strlen(first);

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
		if (column > strlen(indent) && column + n + 1 > WIDTH && column > strlen(first)) {
			put(o, "\n");
			put(o, indent);
			column = strlen(indent);
		} else if (column > strlen(first)) {
			put(o, " ");
			column++;
		}
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
	if (!*b->sender)
		return "Postmaster Copy: Undelivered Mail";
	switch (b->rcpts ? b->rcpt[0].action : BOUNCE_FAILED) {
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
put_header(struct out *o, const struct bounce *b, const char *boundary)
{
	struct buf h = BUF_INIT(1 << 16);

	buf_adds(&h, "Date: ");
	date_format(b->now, &h);
	buf_addf(&h, "\nFrom: Mail Delivery System <%s>\nTo: <%s>\nSubject: %s\n", b->from, b->to, subject(b));
	buf_addf(&h, "Message-ID: <%s.%lld@%s>\n", b->id, (long long)b->now, b->hostname);
	buf_addf(&h, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"\n", boundary);
	if (bounce_8bit(b))
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

/* The meaning of "5.1.1". */
static size_t
meaning(const char *dsn)
{
	const char *code = strlen(dsn) > 2 ? dsn + 2 : "";
	size_t i, best = 0, best_len = 0;

	for (i = 0; i < sizeof meanings / sizeof *meanings; i++) {
		size_t n = strlen(meanings[i].code);

		if (strncmp(code, meanings[i].code, n) == 0 && (code[n] == '\0' || code[n] == '.' || n == 0) &&
		    (n > best_len || (n == 0 && best_len == 0))) {
			best = i;
			best_len = n;
		}
	}
	return best;
}

static bool
from_relay(const struct bounce_rcpt *r)
{
	return *r->relay && strcmp(r->relay, "none") != 0;
}

static void
put_person_rcpt(struct out *o, const struct bounce_rcpt *r)
{
	size_t m = meaning(r->dsn);

	put(o, "\n  <");
	put(o, r->addr);
	put(o, ">\n");
	if (r->action >= BOUNCE_DELIVERED) {
		put_wrapped(o, "    ", "    ", r->action == BOUNCE_DELIVERED ? "has been delivered." :
		    "has been passed on to a system that may send no report of its own.", false);
		return;
	}
	put_wrapped(o, "    ", "    ", meanings[m].what, false);
	put_wrapped(o, "    What to do: ", "    ", meanings[m].todo, false);
	if (from_relay(r)) {
		struct buf first = BUF_INIT(1 << 16);

		buf_addf(&first, "    The server %s said: ", r->relay);
		put_wrapped(o, first.data, "      ", r->text, false);
		buf_free(&first);
	} else {
		put_wrapped(o, "    In detail: ", "      ", r->text, false);
	}
}

static void
put_person(struct out *o, const struct bounce *b)
{
	enum bounce_action action = b->rcpts ? b->rcpt[0].action : BOUNCE_FAILED;
	struct buf t = BUF_INIT(1 << 16);

	buf_addf(&t, "This is the mail system at %s.\n\n", b->hostname);
	if (action == BOUNCE_DELAYED) {
		buf_adds(&t, "Your message has not been delivered yet to the recipients below. You need not\n"
		    "send it again: it will be tried until ");
		date_format(b->retry_until, &t);
		buf_adds(&t, ".\n");
	} else if (action >= BOUNCE_DELIVERED) {
		buf_adds(&t, "As you asked to be told, this is what became of your message:\n");
	} else if (!*b->sender) {
		buf_adds(&t, "A report could not be delivered to the one that it was for. Nothing more will be\ntried.\n");
	} else {
		buf_adds(&t, "Your message could not be delivered to the recipients below. Nothing more will be\n"
		    "tried for them; they have not got it.\n");
	}
	put(o, t.data);
	for (size_t i = 0; i < b->rcpts; i++)
		put_person_rcpt(o, &b->rcpt[i]);
	buf_clear(&t);
	buf_addf(&t, "\nIf you need help, write to <%s> and include this report. Your\nmessage, or its header, is attached.\n", b->postmaster);
	put(o, t.data);
	buf_free(&t);
}

/* "rfc822;bob@example.org" of orcpt= is what RFC 3464 2.3.1 wants; it comes decoded. */
static void
put_status_rcpt(struct out *o, const struct bounce *b, const struct bounce_rcpt *r)
{
	static const char *const actions[] = { "failed", "delayed", "delivered", "relayed", "expanded" };
	struct buf t = BUF_INIT(1 << 16), v = BUF_INIT(8192);
	const char *why;

	put(o, "\n");
	if (envelope_param(r->params, strlen(r->params), "orcpt", &v, &why) == 1 && strchr(v.data, ';'))
		put_wrapped(o, "Original-Recipient: ", " ", v.data, !bounce_utf8(b));
	buf_addf(&t, "Final-Recipient: %s; ", eight_bit(r->addr) ? "utf-8" : "rfc822");
	put_wrapped(o, t.data, " ", r->addr, false);
	buf_clear(&t);
	buf_addf(&t, "Action: %s\nStatus: %s\n", actions[r->action], r->dsn);
	if (from_relay(r))
		buf_addf(&t, "Remote-MTA: dns; %.*s\n", (int)strcspn(r->relay, "[:"), r->relay);
	put(o, t.data);
	put_wrapped(o, from_relay(r) ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: X-mtakit; ", "    ", r->text, !bounce_utf8(b));
	if (r->action == BOUNCE_DELAYED) {
		buf_clear(&t);
		buf_adds(&t, "Will-Retry-Until: ");
		date_format(b->retry_until, &t);
		buf_addc(&t, '\n');
		put(o, t.data);
	}
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

/* The message, or its header. An empty line ends the header, wherever the portions are cut. */
static void
put_message(struct out *o, const struct bounce *b, bool header_only)
{
	uint64_t left = b->size < b->size_limit || !header_only ? b->size : b->size_limit, at = b->content;
	char data[FLUSH], last = '\n';

	flush(o);
	while (left && !o->failed) {
		ssize_t n = pread(b->fd, data, left < sizeof data ? (size_t)left : sizeof data, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->failed = n < 0 ? errno : EIO;
			return;
		}
		at += (uint64_t)n;
		left -= (uint64_t)n;
		for (ssize_t i = 0; header_only && i < n; i++) {
			if (last == '\n' && data[i] == '\n') {
				n = i;
				left = 0;
			} else {
				last = data[i];
			}
		}
		if (n && queue_write(o->w, data, (size_t)n) < 0)
			o->failed = errno ? errno : EIO;
	}
}

int
bounce_write(struct queue_writer *w, const struct bounce *b)
{
	struct out o = { .w = w, .b = BUF_INIT(1 << 20) };
	bool utf8 = bounce_utf8(b), wide = bounce_8bit(b);
	bool header_only = b->size > b->size_limit || option_is(b, "ret", "HDRS") ||
	    (b->rcpts && b->rcpt[0].action >= BOUNCE_DELAYED && !option_is(b, "ret", "FULL"));
	struct buf boundary = BUF_INIT(1024);

	/* the ID was made after the message was sent, so it cannot hold it */
	buf_addf(&boundary, "=_%s.%lld/mtakit", b->id, (long long)b->now);
	put_header(&o, b, boundary.data);
	put_part(&o, boundary.data, "Notification", "text/plain; charset=utf-8", wide);
	put_person(&o, b);
	put_part(&o, boundary.data, "Delivery report", utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
	put_status(&o, b);
	put_part(&o, boundary.data, header_only ? "Header of the message" : "The message",
	    header_only ? utf8 ? "message/global-headers" : "text/rfc822-headers" : utf8 ? "message/global" : "message/rfc822", wide);
	put_message(&o, b, header_only);
	put(&o, "\n--");
	put(&o, boundary.data);
	put(&o, "--\n");
	flush(&o);
	buf_free(&boundary);
	buf_free(&o.b);
	errno = o.failed;
	return o.failed ? -1 : 0;
}

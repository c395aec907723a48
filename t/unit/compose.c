/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The header of a message from a local program: each case is fed at once and byte by byte, and must come out alike. */
#include "mail/compose.h"
#include "mail/compose_add.h"

#include "base/mem.h"

#include "tap.h"

#include <stdlib.h>

static void
identity(void *arg, const char **addr, const char **name)
{
	(void)arg;
	*addr = "me@o.example";
	*name = "Me";
}

/* Feeds text in portions of n bytes. Header and body; NULL on error (err). */
static char *
run(const struct compose_settings *s, const char *text, size_t n, struct compose **cp, struct buf *err)
{
	struct compose *c = compose_new(s);
	struct buf out = BUF_INIT(SIZE_MAX / 2);
	size_t len = strlen(text), at = 0, used = 0;
	int r = 0;

	while (r == 0) {
		size_t k = len - at < n ? len - at : n;

		r = compose_feed(c, text + at, k, at + k == len, &used, err);
		if (r == 0)
			at += k;
	}
	*cp = c;
	if (r < 0)
		return NULL;
	buf_add(&out, compose_header(c)->data, compose_header(c)->len);
	buf_adds(&out, text + at + used);
	return buf_steal(&out);
}

static char *
rcpt_text(const struct compose *c)
{
	struct buf out = BUF_INIT(10000);
	size_t n;
	char **rcpt = compose_recipients(c, &n);

	for (size_t i = 0; i < n; i++)
		buf_addf(&out, "%s%s", i ? " " : "", rcpt[i]);
	return buf_steal(&out);
}

static const struct {
	const char *name, *text, *want, *rcpts, *sender;
} rows[] = {
	{ "plain", "Subject: x\nTo: a@b\n\nbody\n", "Subject: x\nTo: a@b\n\nbody\n", "a@b", NULL },
	{ "no header", "hello world\nmore\n", "\nhello world\nmore\n", "", NULL },
	{ "nothing", "", "\n", "", NULL },
	{ "only a header", "Subject: x\n", "Subject: x\n\n", "", NULL },
	{ "no line end", "Subject: x", "Subject: x\n\n", "", NULL },
	{ "a body line ends the header", "Subject: x\nno field\n\nbody", "Subject: x\n\nno field\n\nbody", "", NULL },
	{ "an empty line first", "\nTo: a@b\n", "\nTo: a@b\n", "", NULL },
	{ "mbox line", "From a b c\nTo: a@b\n\nx", "To: a@b\n\nx", "a@b", NULL },
	{ "quoted mbox line", ">From a b c\nTo: a@b\n\nx", "To: a@b\n\nx", "a@b", NULL },
	{ "only an mbox line", "From a", "\n", "", NULL },
	{ "nearly an mbox line", "From: a@b\nFrom \n", "From: a@b\n\nFrom \n", "", "a@b" },
	{ "begins like one", "Fro", "\nFro", "", NULL },
	{ "bare addresses", "To: root, Bob <bob>, \"q r\" <x@y>\nCc:\n root\n\n", "To: root@o.example, Bob <bob@o.example>, \"q r\" <x@y>\nCc:\n root@o.example\n\n",
	    "root@o.example bob@o.example x@y", NULL },
	{ "blind copies", "Bcc: a@b\nTo: c@d\nBCC: e@f\n\n", "To: c@d\n\n", "a@b c@d e@f", NULL },
	{ "each once, domains in any case", "To: a@B.example, A@b.example, a@b.EXAMPLE\n\n", "To: a@B.example, A@b.example, a@b.EXAMPLE\n\n",
	    "a@B.example A@b.example", NULL },
	{ "group and comments", "To: g: a@b, c@d; (not x@y), e@f (z)\n\n", "To: g: a@b, c@d; (not x@y), e@f (z)\n\n", "a@b c@d e@f", NULL },
	{ "resent", "To: a@b\nResent-Cc: c@d\nResent-From: r@s\nFrom: f@g\n\n", "To: a@b\nResent-Cc: c@d\nResent-From: r@s\nFrom: f@g\n\n", "c@d", "r@s" },
	{ "sender before from", "Sender: s@t\nFrom: f@g, h@i\n\n", "Sender: s@t\nFrom: f@g, h@i\n\n", "", "s@t" },
	{ "first of from", "From: f@g, h@i\n\n", "From: f@g, h@i\n\n", "", "f@g" },
	{ "folded", "To: a@b,\n\tc@d\nX: y\n z\n\n", "To: a@b,\n\tc@d\nX: y\n z\n\n", "a@b c@d", NULL },
	{ "blank before colon", "To : a@b\n\n", "To : a@b\n\n", "a@b", NULL },
	{ "unreadable reply-to stays", "Reply-To: <<\n\n", "Reply-To: <<\n\n", "", NULL },
};

static void
test_rows(void)
{
	struct compose_settings s = { .recipients = true, .sender = true, .drop = "bcc, Resent-Bcc", .origin = "o.example", .max_rcpts = 10 };
	static const size_t portions[] = { 1, 2, 5, 100000 };
	struct buf err = BUF_INIT(1000);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t k = 0; k < 4; k++) {
			struct compose *c;
			char *got = run(&s, rows[i].text, portions[k], &c, &err), *rcpts = rcpt_text(c);
			bool good = got && strcmp(got, rows[i].want) == 0 && strcmp(rcpts, rows[i].rcpts) == 0 &&
			    (rows[i].sender ? compose_sender(c) && strcmp(compose_sender(c), rows[i].sender) == 0 : !compose_sender(c));

			if (!ok(good, "%s, in portions of %zu", rows[i].name, portions[k]))
				printf("# %s\n# header and body: %s\n# recipients: %s\n# sender: %s\n", err.data, got ? got : "-", rcpts,
				    compose_sender(c) ? compose_sender(c) : "-");
			free(got);
			free(rcpts);
			compose_free(&c);
		}
}

static void
test_errors(void)
{
	struct compose_settings s = { .recipients = true, .max_rcpts = 3 };
	struct buf err = BUF_INIT(1000), big = BUF_INIT(20 << 20);
	struct compose *c;

	ok(!run(&s, "To: a@b, c@d\nCc: e@f, g@h\n\n", 100, &c, &err) && strstr(err.data, "more than 3 recipients"), "too many recipients: %s", err.data);
	compose_free(&c);
	buf_clear(&err);
	ok(!run(&s, "To: a@b, <c@, d@e\n\n", 100, &c, &err) && strstr(err.data, "header To: "), "an address that cannot be read: %s", err.data);
	compose_free(&c);
	buf_clear(&err);
	buf_adds(&big, "X: y\n");
	while (big.len < COMPOSE_HEADER_MAX + 100000)
		buf_adds(&big, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n");
	ok(!run(&s, big.data, 65536, &c, &err) && strstr(err.data, "larger than"), "a header without end: %s", err.data);
	compose_free(&c);
	buf_clear(&err);
	buf_clear(&big);
	buf_adds(&big, "X: y\n");
	while (big.len < COMPOSE_HEADER_MAX + 100000)
		buf_adds(&big, " yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n");
	ok(!run(&s, big.data, 65536, &c, &err) && strstr(err.data, "larger than"), "a field without end: %s", err.data);
	compose_free(&c);
	buf_free(&big);
	buf_free(&err);
}

static void
test_missing(void)
{
	struct compose_settings s = { .host = "h.example", .now = 1700000000, .identity = identity };
	struct buf err = BUF_INIT(1000);
	struct compose *c;
	char *got;

	setenv("TZ", "UTC", 1);
	got = run(&s, "Subject: x\n\nbody", 100, &c, &err);
	ok(strstr(got, "\nFrom: Me <me@o.example>\n") && strstr(got, "\nDate: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)\n") &&
	    strstr(got, "\nMessage-Id: <") && strstr(got, "@h.example>\n\nbody"), "From, Date and Message-Id are added");
	ok(strlen(compose_message_id(c)) == 17 + 12 && strstr(got, compose_message_id(c)), "the message-id is known: %s", compose_message_id(c));
	free(got);
	compose_free(&c);
	got = run(&s, "from: a@b\nMESSAGE-ID: <x@y>\nDate: z\n\n", 100, &c, &err);
	is(got, "from: a@b\nMESSAGE-ID: <x@y>\nDate: z\n\n", "what is there is not added");
	is(compose_message_id(c), "<x@y>", "the message-id that was there");
	free(got);
	compose_free(&c);
	got = run(&s, "from: a@b\nMessage-Id: <x@y>\nDate: z\nResent-To: a@b\n\n", 100, &c, &err);
	ok(strstr(got, "\nResent-From: ") && strstr(got, "\nResent-Date: ") && strstr(got, "\nResent-Message-Id: "), "a resent message gets its own");
	free(got);
	compose_free(&c);
}

static void
test_phrases(void)
{
	static const struct { const char *name, *want; } table[] = {
		{ "Bob", "Bob" }, { "Bob A Smith", "Bob A Smith" }, { "Smith, Bob", "\"Smith, Bob\"" }, { "say \"x\\y\"", "\"say \\\"x\\\\y\\\"\"" },
		{ "J\303\266rg", "=?utf-8?B?SsO2cmc=?=" }, { "=?utf-8?B?eA==?=", "=?utf-8?B?PT91dGYtOD9CP2VBPT0/PQ==?=" },
		{ "a\nBcc: x", "\"a?Bcc: x\"" }, { "\377", "?" },
	};
	struct buf out = BUF_INIT(1000);

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		buf_clear(&out);
		compose_phrase(table[i].name, &out);
		is(out.data, table[i].want, "a name as a phrase");
	}
	buf_free(&out);
}

static void
test_arguments(void)
{
	static const struct { const char *text, *want; } table[] = {
		{ "a@b", "a@b" }, { "<a@b>", "a@b" }, { "Bob <a@b>", "a@b" }, { "bob", "bob@o" }, { "", "" }, { "<>", "" },
		{ "a@b, c@d", NULL }, { "a b c@@d", NULL }, { "a@b\nrcpt T <x@y>", NULL }, { "\"a b\"@c", "\"a b\"@c" },
	};
	struct buf out = BUF_INIT(1000), err = BUF_INIT(1000);

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int r;

		buf_clear(&out);
		r = compose_address(table[i].text, "o", &out, &err);
		ok(table[i].want ? r == 0 && strcmp(out.data, table[i].want) == 0 : r < 0, "argument %zu: %s", i, r < 0 ? "refused" : out.data);
	}
	buf_free(&out);
	buf_free(&err);
}

static void
test_line_ends(void)
{
	static const struct { const char *in, *want; } table[] = {
		{ "a\r\nb\n", "a\nb\n" }, { "a\rb", "a\rb" }, { "\r\r\n", "\r\n" }, { "\r\n\r\n", "\n\n" }, { "a\r", "a\r" }, { "", "" }, { "\n\r", "\n\r" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		for (size_t portion = 1; portion < 4; portion++) {
			char out[100];
			size_t len = strlen(table[i].in), n = 0;
			bool cr = false;

			for (size_t at = 0; at < len; at += portion)
				n += compose_line_ends(&cr, table[i].in + at, len - at < portion ? len - at : portion, out + n);
			n += compose_line_ends(&cr, "", 0, out + n);
			out[n] = '\0';
			ok(strcmp(out, table[i].want) == 0, "line ends, case %zu in portions of %zu", i, portion);
		}
}

int
main(void)
{
	test_rows();
	test_errors();
	test_missing();
	test_phrases();
	test_arguments();
	test_line_ends();
	return tap_done();
}

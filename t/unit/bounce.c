/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reports: what they hold, and that no text of another server can change their form. */
#include "mail/bounce.h"
#include "mail/bounce_template.h"
#include "mail/config.h"
#include "mail/queue.h"

#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

static struct queue queue;
static char dir[] = "/tmp/mta-bounce.XXXXXX";

/* The report as a string in text. */
static bool
report(const struct bounce *b, struct buf *text)
{
	struct queue_envelope e = { .sender = strdup(""), .opt = strdup(""), .from = strdup("") };
	struct buf err = BUF_INIT(4096);
	char id[QUEUE_ID_MAX + 1];
	struct queue_writer *w;
	bool good = false;
	int fd;

	queue_envelope_rcpt(&e, b->to, "");
	w = queue_write_begin(&queue, &e, &err);
	if (w && bounce_write(w, b) == 0 && queue_write_commit(&w, QUEUE_INCOMING, id, &err) == 0) {
		queue_envelope_free(&e);
		fd = queue_open_file(&queue, QUEUE_INCOMING, id, false);
		good = fd >= 0 && queue_read(fd, &e, 0, NULL, &err) == 0;
		buf_clear(text);
		buf_reserve(text, e.size);
		good = good && pread(fd, text->data, e.size, (off_t)e.content) == (ssize_t)e.size;
		text->len = e.size;
		text->data[e.size] = '\0';
		close(fd);
		queue_remove(&queue, QUEUE_INCOMING, id);
	}
	if (!good)
		printf("# %s\n", err.data);
	queue_envelope_free(&e);
	buf_free(&err);
	return good;
}

static size_t
longest_line(const char *s)
{
	size_t longest = 0;

	for (; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		size_t n = strcspn(s, "\n");

		longest = n > longest ? n : longest;
	}
	return longest;
}

static void
has(const struct buf *text, const char *what, const char *name)
{
	ok(strstr(text->data, what) != NULL, "%s", name);
}

static void
has_not(const struct buf *text, const char *what, const char *name)
{
	ok(strstr(text->data, what) == NULL, "%s", name);
}

static void
test_reports(int fd, uint64_t size)
{
	static const char hostile[] = "a\r\n\n--=_x\nAction: delivered\x1b[31m\xff ";
	char noise[4001];
	struct bounce_rcpt rcpt[] = {
		{ "bob@b.test", "orcpt=rfc822;Bob@b.test", BOUNCE_FAILED, "5.1.1", "mx.b.test[192.0.2.1]:25", "550 5.1.1 no such user", 0 },
		{ "c@c.test", "", BOUNCE_FAILED, "5.4.4", "", noise, 0 },
	};
	struct bounce b = { .hostname = "mx.here.test", .from = "MAILER-DAEMON@here.test", .to = "a@a.test", .postmaster = "postmaster@here.test",
	    .sender = "a@a.test", .id = "0abcDEF", .opt = "envid=QQ314", .arrival = 1000000000, .now = 1000000100, .rcpt = rcpt, .rcpts = 2, .fd = fd,
	    .content = 0, .size = size, .size_limit = 50000 };
	struct buf text = BUF_INIT(1 << 22);

	memset(noise, 'z', 4000);
	memcpy(noise, hostile, sizeof hostile - 1);
	noise[4000] = '\0';
	if (!ok(report(&b, &text), "a report is written"))
		return;
	has(&text, "\nOriginal-Recipient: rfc822;Bob@b.test\nFinal-Recipient: rfc822; bob@b.test\nAction: failed\nStatus: 5.1.1\n"
	    "Remote-MTA: dns; mx.b.test\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n", "the fields of RFC 3464");
	has(&text, "\nOriginal-Envelope-Id: QQ314\n", "the envelope ID (RFC 3461)");
	has(&text, "There is no mailbox with this address", "words for people");
	has(&text, "mx.b.test[192.0.2.1]:25 said: 550", "what the other server said");
	has(&text, "\nthe body\n", "the message");
	has_not(&text, "\nAction: delivered", "no text of another server becomes a field");
	ok(!strchr(text.data, 0x1b) && !strchr(text.data, '\r'), "no control characters");
	ok(longest_line(text.data) <= 998, "no line is longer than 998 bytes");
	b.opt = "ret=HDRS";
	report(&b, &text);
	has(&text, "text/rfc822-headers", "RET=HDRS: the header");
	has(&text, "\nSubject: the subject\n", "is there");
	has_not(&text, "the body", "and the body is not");
	b.opt = "";
	b.size_limit = 40;
	report(&b, &text);
	has_not(&text, "the body", "a message larger than bounce_size_limit is not returned");
	ok(strlen(text.data) == text.len, "no NUL");
	rcpt[0].addr = "b\303\266b@b.test";
	report(&b, &text);
	has(&text, "message/global-delivery-status", "UTF-8 addresses: RFC 6533");
	has(&text, "Final-Recipient: utf-8; b\303\266b@b.test", "with their type");
	rcpt[0].params = "orcpt=utf-8;b\\x{F6}\\x{1F600}\\x{A}\\x{D800}@b.test";
	report(&b, &text);
	has(&text, "\nOriginal-Recipient: utf-8;b\303\266\360\237\230\200\\x{A}\\x{D800}@b.test\n", "ORCPT of type utf-8 becomes UTF-8 (RFC 6533 3)");
	rcpt[0].addr = "bob@b.test";
	report(&b, &text);
	has(&text, "\nOriginal-Recipient: utf-8;b\\x{F6}\\x{1F600}", "but not in a report that is ASCII");
	buf_free(&text);
}

/* What only some reports say. */
static void
test_kinds(int fd, uint64_t size)
{
	struct bounce_rcpt rcpt[] = { { "bob@b.test", "", BOUNCE_FAILED, "4.4.1", "local", "connect to mx.b.test: timed out", 1000000050 } };
	struct bounce b = { .hostname = "mx.here.test", .from = "MAILER-DAEMON@here.test", .to = "a@a.test", .postmaster = "postmaster@here.test",
	    .sender = "a@a.test", .id = "0abcDEF", .opt = "ret=FULL", .arrival = 1000000000, .now = 1000432000, .rcpt = rcpt, .rcpts = 1, .fd = fd,
	    .size = size, .size_limit = 50000, .retry_until = 1000432000 };
	struct bounce_templates templates = { .failure = { .charset = (char *)"us-ascii", .subject = (char *)"Sorry", .postmaster_subject = (char *)"Seen",
	    .body = (char *)"Our words.\n" } };
	struct buf text = BUF_INIT(1 << 20);

	report(&b, &text);
	has(&text, "That was so for 5 days, and the message is given up now.", "after the last attempt: how long it was tried");
	has_not(&text, "Remote-MTA", "an agent of ours is no other server");
	has(&text, "\nDiagnostic-Code: X-mtakit; connect to mx.b.test: timed out\nLast-Attempt-Date: Sun, 9 Sep 2001 01:47:30", "what we say is no SMTP reply; and when it was tried last");
	rcpt[0].action = BOUNCE_DELAYED;
	report(&b, &text);
	has(&text, "\nAction: delayed\n", "a delay");
	has(&text, "\nWill-Retry-Until: Fri, 14 Sep 2001 01:46:40", "and until when it is tried");
	has(&text, "need not\nsend it again", "and that nothing is to be done");
	has_not(&text, "the body", "RET=FULL is for failures (RFC 3461 5.2.2)");
	rcpt[0].action = BOUNCE_EXPANDED;
	report(&b, &text);
	has(&text, "\nAction: expanded\n", "an expansion");
	rcpt[0].action = BOUNCE_FAILED;
	b.templates = &templates;
	report(&b, &text);
	has(&text, "\nSubject: Sorry\n", "a template: its subject");
	has(&text, "charset=utf-8\n\nOur words.\n", "its text");
	has_not(&text, "This is the mail system", "and not the built-in one");
	b.copy = true;
	report(&b, &text);
	has(&text, "\nSubject: Seen\n", "the postmaster's copy: its subject");
	has_not(&text, "the body", "and only the header of the message");
	buf_free(&text);
}

/* Diagnostic-Code: smtp has the reply of a server and nothing else (RFC 3464 2.3.6, appendix E). */
static void
test_diagnostics(int fd, uint64_t size)
{
	static const struct { const char *relay, *text, *code, *said; } cases[] = {
		{ "mx.b.test[192.0.2.1]:25", "host mx.b.test[192.0.2.1] said: 550 5.1.1 none (in reply to RCPT TO command)", "smtp; 550 5.1.1 none\n",
		    "The server mx.b.test[192.0.2.1]:25 said: 550 5.1.1 none\n" },
		{ "mx.b.test[192.0.2.1]:25", "host mx.b.test[192.0.2.1] said: 550 it said: no (in reply to you) so (in reply to RCPT TO command)",
		    "smtp; 550 it said: no (in reply to you) so\n", "said: 550 it said: no (in" },
		{ "mx.b.test[192.0.2.1]:25", "host mx.b.test[192.0.2.1] said: 550 (in reply to DATA command)", "smtp; 550\n", "said: 550\n" },
		{ "mx.b.test[192.0.2.1]:25", "550 bare", "smtp; 550 bare\n", "said: 550 bare\n" },
		{ "mx.b.test[192.0.2.1]:25", "lost connection with mx.b.test[192.0.2.1] while sending RCPT TO",
		    "X-mtakit; lost connection with mx.b.test[192.0.2.1] while\n    sending RCPT TO\n", "In detail: lost connection with mx.b.test[192.0.2.1] while sending" },
		{ "mx.b.test[192.0.2.1]:25", "5501 no code", "X-mtakit; 5501 no code\n", "In detail: 5501 no code\n" },
		{ "none", "550 of ours", "X-mtakit; 550 of ours\n", "In detail: 550 of ours\n" },
	};
	struct bounce_rcpt rcpt[] = { { "bob@b.test", "", BOUNCE_FAILED, "5.1.1", "", "", 0 } };
	struct bounce b = { .hostname = "mx.here.test", .from = "MAILER-DAEMON@here.test", .to = "a@a.test", .postmaster = "postmaster@here.test",
	    .sender = "a@a.test", .id = "0abcDEF", .opt = "", .arrival = 1000000000, .now = 1000432000, .rcpt = rcpt, .rcpts = 1, .fd = fd,
	    .size = size, .size_limit = 50000 };
	struct buf text = BUF_INIT(1 << 20), want = BUF_INIT(4096);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		rcpt[0].relay = cases[i].relay;
		rcpt[0].text = cases[i].text;
		report(&b, &text);
		buf_clear(&want);
		buf_addf(&want, "\nDiagnostic-Code: %s", cases[i].code);
		has(&text, want.data, cases[i].text);
		has(&text, cases[i].said, "in words");
		ok((strstr(text.data, "\nRemote-MTA: dns; mx.b.test\n") != NULL) == (cases[i].code[0] == 's'), "Remote-MTA: of whom it was told");
	}
	rcpt[0].text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty";
	report(&b, &text);
	has(&text, "nine ten\n    eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen\n    nineteen twenty\n",
	    "folding keeps the spaces between words");
	buf_free(&text);
	buf_free(&want);
}

/* A file of templates: what is wrong with it, or NULL. */
static void
test_template(const char *text, const char *wrong)
{
	struct bounce_templates *t = NULL;
	struct buf err = BUF_INIT(4096), path = BUF_INIT(4096);
	char *none[] = { NULL };
	struct config *c;
	FILE *f;

	buf_addf(&path, "%s/main.cf", dir);
	f = fopen(path.data, "w");
	if (f) {
		fputs("myhostname = mx.here.test\n", f);
		fclose(f);
	}
	c = config_open(dir, none, &err);
	buf_clear(&path);
	buf_addf(&path, "%s/bounce.cf", dir);
	f = fopen(path.data, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	if (!ok(c != NULL, "main.cf"))
		return;
	buf_clear(&err);
	is_num(bounce_templates_read(c, path.data, &t, &err), wrong ? -1 : 0, wrong ? wrong : "a template is read");
	if (wrong)
		ok(strstr(err.data, wrong) != NULL && !t, "and the error says so");
	else
		is(t->failure.body, "mx.here.test for 5 days\n", "and expanded");
	bounce_templates_free(&t);
	config_close(&c);
	buf_free(&err);
	buf_free(&path);
}

static void
test_templates(void)
{
	test_template("# c\n\nfailure_template = <<E\nSubject: x\n\n$myhostname for ${maximal_queue_lifetime_days} days\nE\n", NULL);
	test_template("failure_template = <<E\r\nSubject: x\r\n\r\n$myhostname for $maximal_queue_lifetime_days days\r\nE\r\n", NULL);
	test_template("failure_template = <<E\nSubject: x\n\nx\n", "line 4: the end of the template is missing");
	test_template("failure_template = <<E\nSubject: x\nE\n", "line 3: the template has no text");
	test_template("other_template = <<E\n\nx\nE\n", "line 1: \"failure_template = <<EOF\" is expected");
	test_template("failure_template = x\n", "line 1: << and a word");
	test_template("failure_template = <<\n", "line 1: the word behind << is missing");
	test_template("failure_template = <<E\nTo: x\n\nx\nE\n", "line 2: known headers are");
	test_template("failure_template = <<E\nSubject\n\nx\nE\n", "line 2: a header of a template");
	test_template("failure_template = <<E\nSubject: \303\274\n\nx\nE\n", "line 2: a header of a template may hold only ASCII");
	test_template("failure_template = <<E\nCharset: a; b=c\n\nx\nE\n", "line 2: Charset: is the name");
	test_template("failure_template = <<E\nSubject: x\n\n$no_such_name\nE\n", "no_such_name");
}

int
main(void)
{
	static const char message[] = "From: a@a.test\nSubject: the subject\n\nthe body\n";
	struct buf err = BUF_INIT(4096);
	char path[64], command[128];
	FILE *f;

	ok(bounce_wanted("", "FAILURE") && bounce_wanted("", "DELAY") && !bounce_wanted("", "SUCCESS"), "without NOTIFY: failures");
	ok(!bounce_wanted("notify=NEVER", "FAILURE"), "NOTIFY=NEVER: none");
	ok(!bounce_wanted("orcpt=x notify=SUCCESS,DELAY", "FAILURE") && bounce_wanted("notify=SUCCESS,FAILURE", "FAILURE"), "NOTIFY lists count");
	if (!mkdtemp(dir) || queue_open(&queue, dir, true, &err) < 0)
		return 1;
	snprintf(path, sizeof path, "%s/message", dir);
	f = fopen(path, "w+");
	if (f) {
		fputs(message, f);
		fflush(f);
		test_reports(fileno(f), sizeof message - 1);
		test_kinds(fileno(f), sizeof message - 1);
		test_diagnostics(fileno(f), sizeof message - 1);
		test_templates();
		fclose(f);
	}
	queue_close(&queue);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return tap_done();
}

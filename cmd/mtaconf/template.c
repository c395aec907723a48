/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaconf -b, -t: how reports to senders begin, and bounce_template_file; also its check. See mtaconf.h. */
#include "mtaconf.h"

#include "base/clock.h"
#include "base/msg.h"
#include "mail/bounce.h"
#include "mail/bounce_template.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* What may stand in a file, and reads as the built-in texts do. verify has no text of ours: nothing is sent by it. */
static const struct { const char *name, *text; enum bounce_action action; } kinds[] = {
	{ "failure", "Charset: utf-8\nFrom: Mail Delivery System <MAILER-DAEMON>\nSubject: Undelivered Mail Returned to Sender\n"
	    "Postmaster-Subject: Postmaster Copy: Undelivered Mail\n\nThis is the mail system at $myhostname.\n\n"
	    "Your message could not be delivered to the recipients below. Nothing more will\nbe tried for them; they have not got it.\n",
	    BOUNCE_FAILED },
	{ "delay", "Charset: utf-8\nFrom: Mail Delivery System <MAILER-DAEMON>\nSubject: Delayed Mail (still being retried)\n"
	    "Postmaster-Subject: Postmaster Warning: Delayed Mail\n\nThis is the mail system at $myhostname.\n\n"
	    "Your message has not been delivered yet to the recipients below. You need not\nsend it again: "
	    "it will be tried until it is ${maximal_queue_lifetime_days} days old.\n", BOUNCE_DELAYED },
	{ "success", "Charset: utf-8\nFrom: Mail Delivery System <MAILER-DAEMON>\nSubject: Successful Mail Delivery Report\n\n"
	    "This is the mail system at $myhostname.\n\nAs you asked to be told, this is what became of your message:\n", BOUNCE_DELIVERED },
};
#define KINDS (sizeof kinds / sizeof *kinds)

static const char *
body_of(const struct bounce_templates *t, size_t kind)
{
	const char *const bodies[KINDS] = { t ? t->failure.body : NULL, t ? t->delay.body : NULL, t ? t->success.body : NULL };

	return bodies[kind];
}

/* -b: the words, with all names replaced. */
static void
print_words(struct config *c, const struct bounce_templates *t)
{
	struct buf words = BUF_INIT(8 << 20);

	for (size_t i = 0; i < KINDS; i++) {
		struct bounce_rcpt rcpt = { .addr = "", .params = "", .action = kinds[i].action, .dsn = "", .relay = "", .text = "" };
		struct bounce b = { .hostname = config_str(c, "myhostname"), .sender = "sender", .rcpt = &rcpt, .rcpts = 1, .templates = t,
			.retry_until = clock_real() / 1000000 + config_time(c, "maximal_queue_lifetime") };

		buf_clear(&words);
		bounce_words(&b, &words);
		printf("expanded_%s_text = <<EOF\n%sEOF\n%s", kinds[i].name, words.data, i + 1 < KINDS ? "\n" : "");
	}
	buf_free(&words);
}

/* -t: what is in the file, and for what is not there something to begin with. */
static int
print_templates(const char *path, const struct bounce_templates *t)
{
	struct buf text = BUF_INIT(1 << 20);

	if (*path && file_read(AT_FDCWD, path, &text) < 0) {
		msg_warn("%s: %s", path, strerror(errno));
		buf_free(&text);
		return EX_NOINPUT;
	}
	fputs(text.data ? text.data : "", stdout);
	for (size_t i = 0; i < KINDS; i++)
		if (!body_of(t, i))
			printf("%s%s_template = <<EOF\n%sEOF\n", i || text.len ? "\n" : "", kinds[i].name, kinds[i].text);
	buf_free(&text);
	return EX_OK;
}

int
template_print(const struct config_options *o, bool words, const char *path)
{
	struct buf err = BUF_INIT(65536);
	struct config *c = config_open(o->dir, o->overrides, &err);
	struct bounce_templates *t = NULL;
	int r = EX_OK;

	if (c && !path)
		path = config_str(c, "bounce_template_file");
	if (!c || bounce_templates_read(c, path, &t, &err) < 0) {
		msg_warn("%s", err.data);
		r = EX_CONFIG;
	} else if (words) {
		print_words(c, t);
	} else {
		r = print_templates(path, t);
	}
	bounce_templates_free(&t);
	config_close(&c);
	buf_free(&err);
	return r;
}

void
check_templates(struct check *k)
{
	struct buf err = BUF_INIT(65536);
	struct bounce_templates *t;
	const char *where = config_where(k->c, "bounce_template_file");

	if (where && bounce_templates_read(k->c, config_str(k->c, "bounce_template_file"), &t, &err) < 0)
		check_say(k, true, where, "%s", err.data);
	else if (where)
		bounce_templates_free(&t);
	buf_free(&err);
}

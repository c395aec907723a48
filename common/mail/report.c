/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See report.h. */
#include "mail/report.h"

#include "mail/config.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

void
report_qualify(struct config *c, struct buf *out, const char *name)
{
	buf_adds(out, name);
	if (!strchr(name, '@')) {
		buf_addc(out, '@');
		buf_adds(out, config_str(c, "myorigin"));
	}
}

bool
report_class(struct config *c, const char *class)
{
	const char *p = config_str(c, "notify_classes");
	size_t n = strlen(class);

	for (p += strspn(p, ", \t"); *p; p += strspn(p, ", \t")) {
		size_t word = strcspn(p, ", \t");

		if (word == n && strncasecmp(p, class, n) == 0)
			return true;
		if (word == 6 && strncasecmp(p, "bounce", 6) == 0 && strcmp(class, "2bounce") == 0)
			return true; /* who wants copies of all reports wants those that nobody else gets */
		p += word;
	}
	return false;
}

bool
report_ours(struct config *c, const char *sender)
{
	struct buf ours = BUF_INIT(4096);
	bool same;

	report_qualify(c, &ours, config_str(c, "double_bounce_sender"));
	same = strcasecmp(ours.data, sender) == 0;
	buf_free(&ours);
	return same;
}

int
report_address(struct config *c, const char *sender, struct buf *from, struct buf *to, const char **why)
{
	const char *notice = config_str(c, "2bounce_notice_recipient");

	if (*sender) {
		if (report_ours(c, sender)) {
			*why = "a report to the postmaster could not be delivered: dropped";
			return 0;
		}
		buf_adds(to, sender);
		return 1;
	}
	if (!*notice || !report_class(c, "2bounce")) {
		*why = "a report could not be delivered: dropped";
		return 0;
	}
	report_qualify(c, from, config_str(c, "double_bounce_sender"));
	report_qualify(c, to, notice);
	return 1;
}

static int
write_report(struct queue *q, const struct bounce *b, const char *from, char id[QUEUE_ID_MAX + 1], struct buf *err)
{
	struct queue_envelope e = { .sender = mem_strdup(from), .from = mem_strdup("") };
	struct queue_writer *w;
	int r = -1;

	e.opt = mem_strdup(bounce_utf8(b) ? "body=8BITMIME smtputf8" : bounce_8bit(b) ? "body=8BITMIME" : "");
	queue_envelope_rcpt(&e, b->to, "");
	w = queue_write_begin(q, &e, err);
	if (w && bounce_write(w, b) < 0) {
		buf_addf(err, "write the report: %s", strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		r = queue_write_commit(&w, QUEUE_INCOMING, id, err);
	queue_envelope_free(&e);
	return r;
}

int
report_queue(struct config *c, struct queue *q, struct bounce *b, const char *from, const char *to, char id[QUEUE_ID_MAX + 1],
    struct buf *err)
{
	struct buf daemon = BUF_INIT(4096), postmaster = BUF_INIT(4096);
	int r;

	report_qualify(c, &daemon, "MAILER-DAEMON");
	report_qualify(c, &postmaster, "postmaster");
	b->hostname = config_str(c, "myhostname");
	b->size_limit = (uint64_t)config_size(c, "bounce_size_limit");
	b->from = daemon.data;
	b->postmaster = postmaster.data;
	b->to = to;
	r = write_report(q, b, from, id, err);
	b->from = b->postmaster = b->to = "";
	buf_free(&daemon);
	buf_free(&postmaster);
	return r;
}

int
report_copy(struct config *c, struct queue *q, struct bounce *b, const char *class, const char *notice_to,
    char id[QUEUE_ID_MAX + 1], struct buf *err)
{
	const char *notice = config_str(c, notice_to);
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096);
	int r = 0;

	if (*notice && report_class(c, class)) {
		report_qualify(c, &from, config_str(c, "double_bounce_sender"));
		report_qualify(c, &to, notice);
		b->copy = true;
		r = report_queue(c, q, b, from.data, to.data, id, err) < 0 ? -1 : 1;
	}
	buf_free(&from);
	buf_free(&to);
	return r;
}

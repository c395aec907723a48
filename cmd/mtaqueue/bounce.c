/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue bounce: gives a message up by hand. In this order, so that a crash at any point loses nothing: the message is
 * on hold (take.c); the report is durable in incoming/; the recipients are marked as bounced; the file is removed. A crash between
 * the report and the removal leaves a message on hold that was reported: at worst it is reported twice. */
#include "take.h"

#include "mail/bounce_template.h"
#include "mail/config.h"
#include "mail/log.h"
#include "mail/report.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_TEXT = 1000, OPT_STATUS };

struct giving_up {
	const char *text;         /* for all recipients; NULL: why they waited */
	const char *status;       /* enhanced code */
	bool quiet;
};

/* "5.1.1": class 5, then two numbers of up to three digits (RFC 3463). */
static bool
status_ok(const char *s)
{
	size_t subject, detail;

	if (strncmp(s, "5.", 2) != 0)
		return false;
	subject = strspn(s + 2, "0123456789");
	if (subject < 1 || subject > 3 || s[2 + subject] != '.')
		return false;
	detail = strspn(s + 3 + subject, "0123456789");
	return detail >= 1 && detail <= 3 && !s[3 + subject + detail];
}

static int
option(void *arg, int letter, char *value)
{
	struct giving_up *g = arg;

	switch (letter) {
	case 'q':
		g->quiet = true;
		return 0;
	case OPT_TEXT:
		msg_clean(value, strlen(value));
		g->text = value;
		return 0;
	case OPT_STATUS:
		g->status = value;
		if (status_ok(value))
			return 0;
		msg_warn("--status wants the code of a failure, such as 5.7.1");
		return -1;
	}
	return -1;
}

struct rows {
	struct bounce_rcpt *list;
	char (*code)[12];         /* the codes that are made up here */
	size_t n;
};

/* One row for each recipient that waits, whether or not its sender wants to know. */
static void
make_rows(struct giving_up *g, struct item *it, struct rows *rows)
{
	*rows = (struct rows){ mem_array(it->e.rcpts, sizeof *rows->list), mem_array(it->e.rcpts, sizeof *rows->code), 0 };
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why = r->status == 'T' ? item_reason(it, r->addr) : NULL;
		char *code = rows->code[rows->n];

		if (r->status != 'T')
			continue;
		/* what was temporary is no longer */
		snprintf(code, sizeof rows->code[0], "5%s", why && why->dsn[0] == '4' ? why->dsn + 1 : ".0.0");
		rows->list[rows->n++] = (struct bounce_rcpt){ .addr = r->addr, .params = r->params, .action = BOUNCE_FAILED, .relay = "none",
			.dsn = g->status ? g->status : status_ok(code) ? code : "5.0.0",
			.text = g->text ? g->text : why ? why->text : "returned to its sender by the administrator",
			.tried = why ? why->time : 0 };
	}
}

static void
log_rows(struct item *it, const struct bounce_rcpt *list, size_t n)
{
	double delay = (double)(clock_real() - it->e.time) / 1e6;

	for (size_t i = 0; i < n; i++)
		log_info("%s: to=<%s>, relay=none, delay=%.2f, delays=%.2f/0/0/0, dsn=%s, status=bounced (%s)", it->id, list[i].addr,
		    delay < 0 ? 0 : delay, delay < 0 ? 0 : delay, list[i].dsn, list[i].text);
}

/* bounce_template_file, read once; a mistake in it is told, and the built-in texts are taken. */
static const struct bounce_templates *
templates(struct config *c)
{
	static struct bounce_templates *t;
	static bool read;
	struct buf err = BUF_INIT(4096);

	if (!read && bounce_templates_read(c, config_str(c, "bounce_template_file"), &t, &err) < 0)
		msg_warn("%s", err.data);
	read = true;
	buf_free(&err);
	return t;
}

/* Reports to the sender those of whom it wants to be told, to the postmaster all. 0, or -1. */
static int
report(struct item *it, const struct bounce_rcpt *all, size_t n)
{
	struct bounce_rcpt *list = mem_array(n + 1, sizeof *list);
	struct buf from = BUF_INIT(4096), to = BUF_INIT(4096), err = BUF_INIT(4096);
	struct bounce b = { .sender = it->e.sender, .id = it->id, .opt = it->e.opt, .arrival = it->e.time / 1000000,
		.now = clock_real() / 1000000, .rcpt = list, .fd = it->fd, .content = it->e.content, .size = it->e.size, .copy = !*it->e.sender,
		.templates = templates(it->app->config) };
	char id[QUEUE_ID_MAX + 1];
	const char *why;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (b.copy || bounce_wanted(all[i].params, "FAILURE"))
			list[b.rcpts++] = all[i];
	if (b.rcpts && !report_address(it->app->config, it->e.sender, &from, &to, &why)) {
		log_warn("%s: %s", it->id, why);
	} else if (b.rcpts) {
		r = report_queue(it->app->config, &it->app->queue, &b, from.data, to.data, id, &err);
		if (r == 0)
			log_info("%s: %s: %s", it->id, *it->e.sender ? "sender non-delivery notification" :
			    "postmaster non-delivery notification", id);
		else
			msg_warn("%s: report to <%s>: %s", it->id, to.data, err.data);
	}
	b.rcpt = all;
	b.rcpts = n;
	if (r == 0 && n && !b.copy && !report_ours(it->app->config, it->e.sender)) {
		int copied = report_copy(it->app->config, &it->app->queue, &b, "bounce", "bounce_notice_recipient", id, &err);

		if (copied > 0)
			log_info("%s: postmaster non-delivery notification: %s", it->id, id);
		else if (copied < 0)
			msg_warn("%s: copy for the postmaster: %s", it->id, err.data);
	}
	buf_free(&from);
	buf_free(&to);
	buf_free(&err);
	free(list);
	return r;
}

static void
mark(struct item *it)
{
	int fd = queue_open_file(&it->app->queue, QUEUE_HOLD, it->id, true);

	for (size_t i = 0; fd >= 0 && i < it->e.rcpts; i++)
		if (it->e.rcpt[i].status == 'T' && queue_mark(fd, it->e.rcpt[i].status_at, 'B') < 0)
			msg_warn("%s: mark <%s> as bounced: %s", it->id, it->e.rcpt[i].addr, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int
bounce(void *arg, struct item *it, enum queue_name was, enum queue_name *to)
{
	struct giving_up *g = arg;
	struct rows rows;
	int r;

	(void)was;
	(void)to;
	make_rows(g, it, &rows);
	r = report(it, rows.list, rows.n);
	if (r == 0)
		log_rows(it, rows.list, rows.n);
	free(rows.list);
	free(rows.code);
	if (r < 0)
		return -1;
	mark(it);
	if (queue_remove(&it->app->queue, QUEUE_HOLD, it->id) < 0) {
		/* put back, it is one with nothing left to do, which the queue manager removes */
		msg_warn("%s: reported and marked as bounced, but remove: %s", it->id, strerror(errno));
		return -1;
	}
	log_info("%s: removed", it->id);
	it->gone = true;
	return 0;
}

int
verb_bounce(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "text", required_argument, NULL, OPT_TEXT }, { "status", required_argument, NULL, OPT_STATUS },
		{ "quiet", no_argument, NULL, 'q' }, { 0 },
	};
	struct giving_up g = { .text = NULL };
	struct verb_options own = { "q", options, option, &g };
	struct taking t = { .did = "bounced", .would = "would bounce", .work = bounce, .arg = &g };
	struct selection s;
	int status;

	select_parse(&s, app, TAKE_DEFAULT, argc, argv, &own);
	if (select_everything(&s))
		usage(app, "which messages? Queue IDs, a selection such as --from, or --all");
	log_open_command(app->config, "bounce");
	t.quiet = g.quiet;
	status = take_run(&t, &s);
	select_free(&s);
	return status;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue trace: what happened to a message, from the log and the queue. The log is read twice: first for the IDs of
 * the messages that are meant and of those that came of them, then for all that it says of these. */
#include "mtaqueue.h"
#include "print.h"
#include "select.h"

#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/strmap.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { FILES_MAX = 32 };

struct trace {
	struct app *app;
	const char *file[FILES_MAX];
	int files;
	char **target;            /* IDs, and "=<address>" */
	int targets;
	struct strmap *ids;
	uint64_t lines;
};

/* The queue ID of a log line ("... mta/smtp[12]: ID: ...") into id; the text after it, or NULL. */
static const char *
line_id(const char *line, char id[QUEUE_ID_MAX + 1])
{
	const char *p = strstr(line, "]: ");
	size_t n;

	if (!p)
		return NULL;
	p += 3;
	n = strcspn(p, ": ");
	if (p[n] != ':' || !envelope_id_ok(p, n))
		return NULL;
	memcpy(id, p, n);
	id[n] = '\0';
	return p + n + 1;
}

/* A message that came of this one: a bounce, or what it was queued as again. */
static void
follow(struct trace *t, const char *text)
{
	static const char *const marks[] = { "notification: ", "queued as " };

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		const char *p = strstr(text, marks[i]);
		char id[QUEUE_ID_MAX + 1];
		size_t n;

		if (!p)
			continue;
		p += strlen(marks[i]);
		n = strspn(p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
		if (envelope_id_ok(p, n)) {
			memcpy(id, p, n);
			id[n] = '\0';
			strmap_set(t->ids, id, t);
		}
	}
}

static void
look(struct trace *t, const char *line)
{
	char id[QUEUE_ID_MAX + 1];
	const char *text = line_id(line, id);

	if (!text)
		return;
	for (int i = 0; i < t->targets; i++)
		if (*t->target[i] == '=' && strcasestr(text, t->target[i]))
			strmap_set(t->ids, id, t);
	if (strmap_get(t->ids, id))
		follow(t, text);
}

static void
tell(struct trace *t, const char *line)
{
	char id[QUEUE_ID_MAX + 1];

	if (line_id(line, id) && strmap_get(t->ids, id)) {
		fputs(clean(line), stdout);
		putchar('\n');
		t->lines++;
	}
}

static void
each_line(struct trace *t, void (*f)(struct trace *, const char *))
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	for (int i = 0; i < t->files; i++) {
		FILE *in = fopen(t->file[i], "re");

		if (!in) {
			if (f == look)
				msg_warn("open %s: %s", t->file[i], strerror(errno));
			continue;
		}
		while ((n = getline(&line, &cap, in)) > 0) {
			if (line[n - 1] == '\n')
				line[n - 1] = '\0';
			f(t, line);
		}
		fclose(in);
	}
	free(line);
}

/* Where the log is: maillog_file, else where syslog is wont to put mail; the file before it first. */
static void
default_files(struct trace *t)
{
	static const char *const usual[] = { "/var/log/mail.log", "/var/log/maillog" };
	const char *file = config_str(t->app->config, "maillog_file");
	struct buf before = BUF_INIT(4096);

	for (size_t i = 0; i < 2 && !*file; i++)
		if (access(usual[i], R_OK) == 0)
			file = usual[i];
	if (!*file)
		return;
	buf_addf(&before, "%s.1", file);
	if (access(before.data, R_OK) == 0)
		t->file[t->files++] = buf_steal(&before);
	buf_free(&before);
	t->file[t->files++] = file;
}

static void
add_target(struct trace *t, const char *text)
{
	size_t n = strlen(text);
	struct buf b = BUF_INIT(4096);

	if (envelope_id_ok(text, n)) {
		strmap_set(t->ids, text, t);
		return;
	}
	if (n > 2 && *text == '<' && text[n - 1] == '>') {
		text++;
		n -= 2;
	}
	if (!memchr(text, '@', n) && n)
		usage(t->app, "\"%s\" is no queue ID, address or message ID", text);
	buf_addf(&b, "=<%.*s>", (int)n, text); /* from=<...>, to=<...>, message-id=<...> */
	t->target[t->targets++] = buf_steal(&b);
}

struct queued { struct trace *t; bool heading; };

static int
print_queued(void *arg, struct item *it)
{
	struct queued *q = arg;

	item_envelope(it);
	if (it->gone)
		return 0;
	if (!q->heading)
		print_heading();
	q->heading = true;
	print_table(it, false, clock_real());
	return 0;
}

static void
print_id(const char *id, void *value, void *arg)
{
	struct queued *q = arg;
	int where = queue_find(&q->t->app->queue, id);
	struct item it;

	(void)value;
	if (where < 0)
		return;
	item_init(&it, q->t->app, (enum queue_name)where, id);
	print_queued(q, &it);
	item_free(&it);
}

/* Messages of an address that the log did not tell of. */
static int
print_unlogged(void *arg, struct item *it)
{
	struct queued *q = arg;

	return strmap_get(q->t->ids, it->id) ? 0 : print_queued(q, it);
}

static bool
print_queue(struct trace *t)
{
	static const enum select_kind kinds[] = { SELECT_FROM, SELECT_TO };
	struct queued q = { t, false };

	strmap_each(t->ids, print_id, &q);
	for (int k = 0; k < 2 && t->targets; k++) {
		struct selection s;

		select_init(&s, t->app, (1u << QUEUE_NAMES) - 1);
		for (int i = 0; i < t->targets; i++) {
			char *addr = mem_strndup(t->target[i] + 2, strlen(t->target[i]) - 3);

			select_add_pattern(&s, kinds[k], addr);
			free(addr);
		}
		select_run(&s, print_unlogged, &q);
		select_free(&s);
	}
	return q.heading;
}

int
verb_trace(struct app *app, int argc, char **argv)
{
	static const struct option options[] = { { "log", required_argument, NULL, 'l' }, { 0 } };
	struct trace t = { .app = app, .ids = strmap_new(), .target = mem_array((size_t)argc, sizeof *t.target) };
	int letter;
	bool queued;

	optind = 0;
	while ((letter = getopt_long(argc, argv, ":l:", options, NULL)) != -1)
		if (letter != 'l')
			usage(app, "unknown option %s, or one without its value", argv[optind - 1]);
		else if (t.files == FILES_MAX)
			usage(app, "more than %d logs", FILES_MAX);
		else
			t.file[t.files++] = optarg;
	if (optind >= argc)
		usage(app, "which message? A queue ID, an address or a message ID");
	for (int i = optind; i < argc; i++)
		add_target(&t, argv[i]);
	if (!t.files)
		default_files(&t);
	each_line(&t, look);
	each_line(&t, tell);
	queued = print_queue(&t);
	for (int i = 0; i < t.targets; i++)
		free(t.target[i]);
	free(t.target);
	strmap_free(&t.ids, NULL);
	return t.lines || queued ? EX_OK : EX_NOINPUT;
}

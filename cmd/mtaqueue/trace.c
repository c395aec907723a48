/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue trace: what happened to a message, from the log and the queue. The log is read twice: first for the IDs of
 * the messages that are meant and of those that came of them, then for all that it says of these. */
#include "logfile.h"
#include "mtaqueue.h"
#include "print.h"
#include "select.h"

#include "syntax/envelope.h"
#include "syntax/header.h"

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

#define HEADER_READ 65536         /* where a Message-ID is looked for */

struct trace {
	struct app *app;
	struct logfiles logs;     /* the oldest first */
	char **target;            /* IDs, and "=<address>" */
	int targets;
	struct strmap *ids;
	uint64_t lines;
};

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

/* What stands where others have the ID, and belongs to no message. */
static bool
no_message(const char *id)
{
	static const char *const words[] = { "NOQUEUE", "warning", "statistics", "connect", "disconnect", "reload" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(id, words[i]) == 0)
			return true;
	return false;
}

static bool
is_meant(const struct trace *t, const char *text)
{
	for (int i = 0; i < t->targets; i++)
		if (strcasestr(text, t->target[i]))
			return true;
	return false;
}

static void
look(struct trace *t, const char *line)
{
	char id[QUEUE_ID_MAX + 1];
	const char *text = logfile_line_id(line, id);

	if (!text || no_message(id))
		return;
	if (is_meant(t, text))
		strmap_set(t->ids, id, t);
	if (strmap_get(t->ids, id))
		follow(t, text);
}

static void
tell(struct trace *t, const char *line)
{
	char id[QUEUE_ID_MAX + 1];
	const char *text = logfile_line_id(line, id);

	/* a line of no message, such as a refusal, is told when it has the address itself */
	if (text && (no_message(id) ? is_meant(t, text) : strmap_get(t->ids, id) != NULL)) {
		fputs(clean(line), stdout);
		putchar('\n');
		t->lines++;
	}
}

/* The lines of those logs that are at from and up to to. */
static void
each_line(struct trace *t, size_t from, size_t to, void (*f)(struct trace *, const char *))
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	for (size_t i = from; i < to; i++) {
		pid_t pid;
		FILE *in = logfile_open(t->logs.name[i], &pid);

		if (!in) {
			if (f == look)
				msg_warn("open %s: %s", t->logs.name[i], strerror(errno));
			continue;
		}
		while ((n = getline(&line, &cap, in)) > 0) {
			if (line[n - 1] == '\n')
				line[n - 1] = '\0';
			f(t, line);
		}
		if (logfile_close(in, pid) < 0 && f == look)
			msg_warn("read %s: not to its end", t->logs.name[i]);
	}
	free(line);
}

static void
read_logs(struct trace *t, size_t from, size_t to)
{
	each_line(t, from, to, look);
	each_line(t, from, to, tell);
}

/* The log and the one before it are read; those that are older when these tell nothing. */
static void
read_default_logs(struct trace *t)
{
	const char *file = logfile_current(t->app->config);
	size_t recent;

	if (!file)
		return;
	logfiles_find(&t->logs, file);
	recent = t->logs.n > 2 ? t->logs.n - 2 : 0;
	read_logs(t, recent, t->logs.n);
	if (!t->lines)
		read_logs(t, 0, recent);
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

/* Whether its Message-ID is one that is asked for. */
static bool
has_message_id(struct trace *t, struct item *it)
{
	char *text = mem_alloc(HEADER_READ);
	bool found = false;
	struct header h;
	ssize_t n;
	size_t at = 0;

	header_init(&h, HEADER_READ);
	n = item_envelope(it) ? pread(it->fd, text, it->e.size < HEADER_READ ? (size_t)it->e.size : HEADER_READ, (off_t)it->e.content) : 0;
	for (enum header_event e = HEADER_FIELD; n > 0 && !found && (e == HEADER_FIELD || e == HEADER_LONG);) {
		e = header_next(&h, text, (size_t)n, &at, (uint64_t)n == it->e.size);
		if (e != HEADER_FIELD || !header_is(&h, "Message-ID"))
			continue;
		for (int i = 0; i < t->targets; i++) { /* "=<...>" */
			size_t len = strlen(t->target[i]) - 1;

			found |= h.value_len >= len && memmem(h.value, h.value_len, t->target[i] + 1, len) != NULL;
		}
	}
	header_free(&h);
	free(text);
	return found;
}

static int
print_by_header(void *arg, struct item *it)
{
	struct queued *q = arg;

	return has_message_id(q->t, it) ? print_queued(q, it) : 0;
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
	if (!q.heading && !t->lines && t->targets) { /* the log knows nothing of it, but the message may be there */
		struct selection s;

		select_init(&s, t->app, (1u << QUEUE_NAMES) - 1);
		select_run(&s, print_by_header, &q);
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
		else
			logfiles_add(&t.logs, optarg);
	if (optind >= argc)
		usage(app, "which message? A queue ID, an address or a message ID");
	for (int i = optind; i < argc; i++)
		add_target(&t, argv[i]);
	if (t.logs.n)
		read_logs(&t, 0, t.logs.n);
	else
		read_default_logs(&t);
	queued = print_queue(&t);
	if (!t.lines && !queued)
		msg_warn("%s", t.logs.n ? "neither the log nor the queue has anything of it" :
		    "the queue has nothing of it, and there is no log to look in (maillog_file, --log)");
	for (int i = 0; i < t.targets; i++)
		free(t.target[i]);
	free(t.target);
	strmap_free(&t.ids, NULL);
	logfiles_free(&t.logs);
	return t.lines || queued ? EX_OK : EX_NOINPUT;
}

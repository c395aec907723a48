/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue show: envelope, history of the attempts and header of a message, or its body, or the bytes as they are. */
#include "mtaqueue.h"
#include "print.h"
#include "select.h"
#include "show.h"

#include "syntax/header.h"

#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { OPT_BODY = 1000, OPT_RAW, OPT_ENVELOPE, OPT_MESSAGE };

struct showing {
	int what;                 /* one of the above, or 0 */
	bool json;
	bool terminal;
	unsigned failed;
};

static int
option(void *arg, int letter, char *value)
{
	struct showing *s = arg;

	(void)value;
	if (letter == 'j')
		s->json = true;
	else if (letter >= OPT_BODY && letter <= OPT_MESSAGE)
		s->what = letter;
	else
		return -1;
	return 0;
}

void
show_clean(char *text, size_t n)
{
	for (char *p = text, *end = text + n; p < end;) {
		char *stop = p;

		while (stop < end && *stop != '\n' && *stop != '\t')
			stop++;
		msg_clean(p, (size_t)(stop - p));
		p = stop + 1;
	}
}

int
show_bytes(int fd, const char *name, uint64_t at, uint64_t n, bool terminal)
{
	static char chunk[65536];

	while (n > 0) {
		ssize_t k = pread(fd, chunk, n < sizeof chunk ? (size_t)n : sizeof chunk, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			msg_warn("%s: read: %s", name, k < 0 ? strerror(errno) : "the file is shorter than it was");
			return -1;
		}
		if (terminal)
			show_clean(chunk, (size_t)k);
		fwrite(chunk, 1, (size_t)k, stdout);
		at += (uint64_t)k;
		n -= (uint64_t)k;
	}
	return 0;
}

uint64_t
show_header_length(int fd, uint64_t content, uint64_t size)
{
	static char chunk[65536];
	struct header h;
	uint64_t at = 0, length = size;
	enum header_event event = HEADER_MORE;

	header_init(&h, 65536);
	while (event != HEADER_END && at < size) {
		uint64_t left = size - at;
		ssize_t n = pread(fd, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk, (off_t)(content + at));
		size_t used = 0;

		if (n <= 0)
			break;
		do
			event = header_next(&h, chunk, (size_t)n, &used, (uint64_t)n == left);
		while (event == HEADER_FIELD || event == HEADER_LONG);
		at += (uint64_t)n;
	}
	if (event == HEADER_END)
		length = h.rest;
	header_free(&h);
	return length;
}

/* Bytes of the file to standard output. */
static void
copy_out(struct showing *s, struct item *it, uint64_t at, uint64_t n)
{
	s->failed += show_bytes(it->fd, it->id, at, n, s->terminal) < 0;
}

static uint64_t
header_length(struct item *it)
{
	return show_header_length(it->fd, it->e.content, it->e.size);
}

static const char *
date_text(int64_t unix_seconds, char out[40])
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(out, 40, "%Y-%m-%d %H:%M:%S %z", &tm);
	return out;
}

static void
show_envelope(struct item *it)
{
	static const struct { char letter; const char *text; } names[] = {
		{ 'T', "waits" }, { 'D', "delivered" }, { 'B', "bounced" }, { 'X', "expanded or dropped" },
	};
	char date[40];

	printf("queue:      %s\narrived:    %s\nsize:       %" PRIu64 " bytes\nsender:     <%s>\n", queue_names[it->where],
	    date_text(it->e.time / 1000000, date), it->e.size, clean(it->e.sender));
	if (*it->e.opt)
		printf("options:    %s\n", clean(it->e.opt));
	if (*it->e.from)
		printf("from:       %s\n", clean(it->e.from));
	if (item_expire(it))
		puts("expired:    by an administrator; it is returned and not tried again");
	if (item_next(it))
		printf("next try:   %s\n", date_text(item_next(it), date));
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const char *status = "";

		for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
			if (names[k].letter == r->status)
				status = names[k].text;
		printf("recipient:  <%s> %s%s%s\n", clean(r->addr), status, *r->params ? " " : "", clean(r->params));
	}
}

static void
show_history(struct item *it)
{
	char date[40];

	item_reasons(it);
	for (size_t i = 0; i < it->reasons; i++) {
		const struct queue_reason *r = &it->reason[i];

		printf("attempt:    %s <%s> %s %s\n", date_text(r->time, date), clean(r->addr), clean(r->dsn), clean(r->text));
	}
}

static int
show(void *arg, struct item *it)
{
	struct showing *s = arg;
	bool good = item_envelope(it);

	if (it->gone)
		return 0;
	if (s->json) {
		print_json(it);
		return 0;
	}
	if (s->what == OPT_RAW && it->fd >= 0) {
		copy_out(s, it, 0, (uint64_t)it->st.st_size);
		return 0;
	}
	if (!good) {
		msg_warn("%s/%s/%s: %s", it->app->queue.dir, queue_names[it->where], it->id, it->err.data);
		s->failed++;
		return 0;
	}
	if (s->what == OPT_MESSAGE) {
		copy_out(s, it, it->e.content, it->e.size);
		return 0;
	}
	if (s->what == OPT_BODY) {
		uint64_t head = header_length(it);

		copy_out(s, it, it->e.content + head, it->e.size - head);
		return 0;
	}
	printf("id:         %s\n", it->id);
	show_envelope(it);
	if (s->what == OPT_ENVELOPE)
		return 0;
	show_history(it);
	putchar('\n');
	copy_out(s, it, it->e.content, header_length(it));
	return 0;
}

int
verb_show(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "body", no_argument, NULL, OPT_BODY }, { "raw", no_argument, NULL, OPT_RAW },
		{ "envelope", no_argument, NULL, OPT_ENVELOPE }, { "message", no_argument, NULL, OPT_MESSAGE },
		{ "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct showing show_what = { .terminal = isatty(STDOUT_FILENO) };
	struct verb_options own = { "j", options, option, &show_what };
	struct selection s;
	int status;

	select_parse(&s, app, (1u << QUEUE_NAMES) - 1 - (1u << QUEUE_TRASH), argc, argv, &own);
	if (select_everything(&s))
		usage(app, "which message?");
	status = select_run(&s, show, &show_what);
	select_free(&s);
	return show_what.failed ? EX_DATAERR : status;
}

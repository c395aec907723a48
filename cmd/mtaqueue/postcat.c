/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* postcat: a queue file in the words of Postfix's postcat(1). */
#include "compat.h"
#include "print.h"
#include "show.h"

#include "syntax/envelope.h"

#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { ENVELOPE = 1, HEADER = 2, BODY = 4 };

static void
print_time(const char *label, int64_t t)
{
	time_t unix_time = (time_t)t;
	struct tm tm;
	char text[64];

	localtime_r(&unix_time, &tm);
	strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm);
	printf("%s: %s\n", label, text);
}

/* A value of ours in the words of Postfix's attributes, which scripts look for (client_address, sasl_username, ...). */
static void
print_attribute(const char *name, const char *value)
{
	static const struct { const char *ours, *theirs; } names[] = {
		{ "envid", "envelope_id" }, { "helo", "helo_name" }, { "proto", "protocol_name" }, { "auth", "sasl_username" },
		{ "orcpt", "dsn_orig_rcpt" },
	};
	static const struct { const char *word; int bit; } notify[] = { { "NEVER", 1 }, { "SUCCESS", 2 }, { "FAILURE", 4 }, { "DELAY", 8 } };
	const char *bracket = strrchr(value, '[');
	int flags = 0;

	if (strcmp(name, "client") == 0 && bracket) {
		printf("named_attribute: client_name=%.*s\n", (int)(bracket - value), value);
		printf("named_attribute: client_address=%.*s\n", (int)strcspn(bracket + 1, "]"), bracket + 1);
		return;
	}
	if (strcmp(name, "notify") == 0) {
		for (size_t i = 0; i < sizeof notify / sizeof notify[0]; i++)
			flags |= strcasestr(value, notify[i].word) ? notify[i].bit : 0;
		printf("named_attribute: notify_flags=%d\n", flags);
		return;
	}
	if (strcmp(name, "ret") == 0) {
		printf("named_attribute: ret_flags=%d\n", strcasecmp(value, "HDRS") == 0 ? 2 : 1);
		return;
	}
	if (strcmp(name, "body") == 0) {
		printf("named_attribute: encoding=%s\n", strcasecmp(value, "7BIT") == 0 ? "7bit" : "8bit");
		return;
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i].ours, name) == 0)
			name = names[i].theirs;
	printf("named_attribute: %s=%s\n", name, value);
}

static void
print_attributes(const char *text)
{
	struct buf name = BUF_INIT(8192), value = BUF_INIT(8192);

	for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		const char *why;

		buf_clear(&name);
		buf_clear(&value);
		buf_add(&name, p, strcspn(p, "= "));
		if (envelope_param(p, n, name.data, &value, &why) > 0)
			print_attribute(clean(name.data), clean(value.data));
		p += n;
	}
	buf_free(&name);
	buf_free(&value);
}

static void
print_records(const struct queue_envelope *e)
{
	printf("message_size: %15" PRIu64 " %15" PRIu64 " %15zu %15d %15" PRIu64 " %15d\n", e->size, e->content, e->rcpts, 0, e->size, 0);
	print_time("message_arrival_time", e->time / 1000000);
	print_time("create_time", e->time / 1000000);
	printf("named_attribute: log_ident=%s\n", e->id);
	printf("sender: %s\n", clean(e->sender));
	print_attributes(e->opt);
	print_attributes(e->from);
	for (size_t i = 0; i < e->rcpts; i++) {
		print_attributes(e->rcpt[i].params);
		printf("%s: %s\n", e->rcpt[i].status == 'T' ? "recipient" : "done_recipient", clean(e->rcpt[i].addr));
	}
}

/* n bytes at offset at; verbose: each line with the name of its record, in pieces however long it is. ended tells whether the
 * last line has its end. 0 or -1. */
static int
print_lines(int fd, const char *name, uint64_t at, uint64_t n, bool verbose, bool *ended)
{
	static const char record[] = "regular_text: ";
	static char chunk[65536];
	bool terminal = isatty(STDOUT_FILENO);

	while (n > 0) {
		ssize_t k = pread(fd, chunk, n < sizeof chunk ? (size_t)n : sizeof chunk, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			msg_warn("%s: read: %s", name, k < 0 ? strerror(errno) : "the file is shorter than it was");
			return -1;
		}
		for (char *p = chunk, *end = chunk + k; p < end;) {
			char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf + 1 : end;

			if (*ended && verbose)
				fwrite(record, 1, sizeof record - 1, stdout);
			if (terminal)
				show_clean(p, (size_t)(stop - p));
			fwrite(p, 1, (size_t)(stop - p), stdout);
			*ended = lf != NULL;
			p = stop;
		}
		at += (uint64_t)k;
		n -= (uint64_t)k;
	}
	return 0;
}

/* The length of the header's lines: for Postfix the empty one behind them is the first of the body. */
static uint64_t
header_lines(int fd, const struct queue_envelope *e)
{
	uint64_t n = show_header_length(fd, e->content, e->size);
	char end[2];

	if (n == 1 || (n > 1 && pread(fd, end, 2, (off_t)(e->content + n - 2)) == 2 && end[0] == '\n' && end[1] == '\n'))
		return n - 1;
	return n;
}

/* name: as it is shown. 0 or -1. */
static int
print_file(int fd, const char *name, int what, bool verbose)
{
	struct buf err = BUF_INIT(4096);
	struct queue_envelope e;
	bool ended = true;
	uint64_t head;
	int r = 0;

	if (queue_read(fd, &e, 0, NULL, &err) < 0) {
		msg_warn("fatal: %s: %s", name, err.data);
		buf_free(&err);
		return -1;
	}
	head = header_lines(fd, &e);
	if (what & ENVELOPE) {
		printf("*** ENVELOPE RECORDS %s ***\n", name);
		print_records(&e);
		printf("*** MESSAGE CONTENTS %s ***\n", name);
	}
	if (what & HEADER)
		r |= print_lines(fd, name, e.content, head, verbose, &ended);
	if (what & BODY)
		r |= print_lines(fd, name, e.content + head, e.size - head, verbose, &ended);
	if (what & ENVELOPE)
		printf("%s*** HEADER EXTRACTED %s ***\n*** MESSAGE FILE END %s ***\n", ended ? "" : "\n", name, name);
	queue_envelope_free(&e);
	buf_free(&err);
	return r;
}

static int
print_id(struct app *app, const char *id, int what, bool verbose)
{
	int where = queue_find(&app->queue, id), fd, r;
	char name[64];

	if (where < 0) {
		msg_warn("fatal: open queue file %.40s: %s", id, strerror(errno));
		return -1;
	}
	snprintf(name, sizeof name, "%s/%.*s", queue_names[where], QUEUE_ID_MAX, id);
	fd = queue_open_file(&app->queue, (enum queue_name)where, id, false);
	if (fd < 0) {
		msg_warn("fatal: open %s/%s: %s", app->queue.dir, name, strerror(errno));
		return -1;
	}
	r = print_file(fd, name, what, verbose);
	close(fd);
	return r;
}

static int
print_path(const char *path, int what, bool verbose)
{
	bool stdin_too = strcmp(path, "-") == 0;
	int fd = stdin_too ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0) {
		msg_warn("fatal: open %s: %s", path, strerror(errno));
		return -1;
	}
	r = print_file(fd, stdin_too ? "stdin" : path, what, verbose);
	close(fd);
	return r;
}

int
compat_postcat(struct app *app, int argc, char **argv)
{
	int letter, what = 0, bad = 0;
	bool id = false, verbose = false;

	optind = 0;
	while ((letter = getopt(argc, argv, "+bC:c:ehqv")) != -1)
		switch (letter) {
		case 'b':
			what |= BODY;
			break;
		case 'e':
			what |= ENVELOPE;
			break;
		case 'h':
			what |= HEADER;
			break;
		case 'q':
			id = true;
			break;
		case 'v':
			verbose = true;
			break;
		case '?':
			fputs("postcat: fatal: usage: postcat [-behqv] [-c config_dir] [file ...]\n", stderr);
			return EXIT_FAILURE; /* as there */
		}
	if (!what)
		what = ENVELOPE | HEADER | BODY;
	for (int i = optind; i < argc; i++)
		bad |= id ? print_id(app, argv[i], what, verbose) : print_path(argv[i], what, verbose);
	if (optind == argc)
		bad = print_path("-", what, verbose);
	return bad ? EXIT_FAILURE : EX_OK;
}

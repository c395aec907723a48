/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* postcat: a queue file in the words of Postfix's postcat(1). */
#include "compat.h"
#include "print.h"
#include "show.h"

#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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

static void
print_attributes(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (n)
			printf("named_attribute: %.*s\n", (int)n, text);
		text += n + (text[n] == ' ');
	}
}

static void
print_records(const struct queue_envelope *e)
{
	printf("message_size: %15" PRIu64 " %15" PRIu64 " %15zu %15d %15" PRIu64 " %15d\n", e->size, e->content, e->rcpts, 0, e->size, 0);
	print_time("message_arrival_time", e->time / 1000000);
	print_time("create_time", e->time / 1000000);
	print_attributes(e->opt);
	print_attributes(e->from);
	printf("sender: %s\n", clean(e->sender));
	for (size_t i = 0; i < e->rcpts; i++) {
		print_attributes(e->rcpt[i].params);
		printf("%s: %s\n", e->rcpt[i].status == 'T' ? "recipient" : "done_recipient", clean(e->rcpt[i].addr));
	}
}

/* name: as it is shown. 0 or -1. */
static int
print_file(int fd, const char *name, int what)
{
	struct buf err = BUF_INIT(4096);
	struct queue_envelope e;
	uint64_t head;
	int r = 0;

	if (queue_read(fd, &e, 0, NULL, &err) < 0) {
		msg_warn("%s: %s", name, err.data);
		buf_free(&err);
		return -1;
	}
	head = show_header_length(fd, e.content, e.size);
	if (what & ENVELOPE) {
		printf("*** ENVELOPE RECORDS %s ***\n", name);
		print_records(&e);
		printf("*** MESSAGE CONTENTS %s ***\n", name);
	}
	if (what & HEADER)
		r |= show_bytes(fd, name, e.content, head, isatty(STDOUT_FILENO));
	if (what & BODY)
		r |= show_bytes(fd, name, e.content + head, e.size - head, isatty(STDOUT_FILENO));
	if (what & ENVELOPE)
		printf("*** HEADER EXTRACTED %s ***\n*** MESSAGE FILE END %s ***\n", name, name);
	queue_envelope_free(&e);
	buf_free(&err);
	return r;
}

static int
print_id(struct app *app, const char *id, int what)
{
	int where = queue_find(&app->queue, id), fd, r;
	char name[64];

	if (where < 0) {
		msg_warn("open queue file %.40s: No such file or directory", id);
		return -1;
	}
	snprintf(name, sizeof name, "%s/%.*s", queue_names[where], QUEUE_ID_MAX, id);
	fd = queue_open_file(&app->queue, (enum queue_name)where, id, false);
	if (fd < 0) {
		msg_warn("open %s/%s: %s", app->queue.dir, name, strerror(errno));
		return -1;
	}
	r = print_file(fd, name, what);
	close(fd);
	return r;
}

static int
print_path(const char *path, int what)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0) {
		msg_warn("open %s: %s", path, strerror(errno));
		return -1;
	}
	r = print_file(fd, path, what);
	close(fd);
	return r;
}

int
compat_postcat(struct app *app, int argc, char **argv)
{
	int letter, what = 0, bad = 0;
	bool id = false;

	optind = 0;
	while ((letter = getopt(argc, argv, "+C:c:o:bdefhnoqrsv")) != -1)
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
		case '?':
			fputs("usage: postcat [-behqv] [-c config_dir] [file ...]\n", stderr);
			return EX_USAGE;
		}
	if (!what)
		what = ENVELOPE | HEADER | BODY;
	for (int i = optind; i < argc; i++)
		bad |= id ? print_id(app, argv[i], what) : print_path(argv[i], what);
	if (optind == argc)
		bad = print_path("-", what);
	return bad ? EX_UNAVAILABLE : EX_OK;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The request of a client to mtaqueue serve, mtaqueue(5): lines of text, the last one empty. Nothing in it is believed: each
 * line must be one of those known, without control characters; what it says of the time zone cannot name any file. */
#include "showq.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 65536           /* arguments and IDs, each */

/* A name as in the zoneinfo database, or a POSIX rule; no path that leads elsewhere. */
static bool
tz_ok(const char *tz)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-,./:<>";
	size_t n = strlen(tz);

	return n > 0 && n <= 100 && strspn(tz, letters) == n && *tz != '/' && *tz != ':' && !strstr(tz, "..");
}

static void
add_line(struct buf *out, const char *key, const char *value, struct buf *err)
{
	if (strchr(value, '\n'))
		buf_addf(err, "an argument with a line feed cannot be sent");
	if (buf_addf(out, "%s %s\n", key, value) < 0)
		buf_truncate(out, 0); /* full: seen below */
}

int
request_write(const struct request *r, struct buf *out, struct buf *err)
{
	char width[24];

	add_line(out, "showq", "1", err);
	add_line(out, "program", r->program, err);
	if (r->tz && tz_ok(r->tz))
		add_line(out, "tz", r->tz, err);
	else if (r->tz && !*r->tz)
		add_line(out, "tz", "UTC0", err);
	snprintf(width, sizeof width, "%d", r->width);
	if (r->width)
		add_line(out, "width", width, err);
	for (size_t i = 0; i < r->args && !err->len; i++)
		add_line(out, "arg", r->arg[i], err);
	for (size_t i = 0; i < r->ids && !err->len; i++)
		add_line(out, "id", r->id[i], err);
	buf_addc(out, '\n');
	if (!err->len && (out->full || r->args > WORDS_MAX || r->ids > WORDS_MAX))
		buf_addf(err, "that is too much to ask for at once (%d bytes or %d words)", SHOWQ_REQUEST_MAX, WORDS_MAX);
	return err->len ? -1 : 0;
}

int
request_complete(const struct buf *text, struct buf *err)
{
	static const char hello[] = SHOWQ_HELLO "\n";
	size_t n = text->len < sizeof hello - 1 ? text->len : sizeof hello - 1;

	if (memcmp(text->data, hello, n) != 0)
		buf_adds(err, "a request begins with the line \"" SHOWQ_HELLO "\"");
	else if (text->full)
		buf_addf(err, "a request is not longer than %d bytes", SHOWQ_REQUEST_MAX);
	if (err->len)
		return -1;
	return text->len >= sizeof hello && text->data[text->len - 1] == '\n' && text->data[text->len - 2] == '\n';
}

static int
add_word(char ***list, size_t *n, char *word)
{
	if (*n >= WORDS_MAX)
		return -1;
	if (*n == 0 || (*n & (*n + 1)) == 0) /* one more than a power of two is full: room for the NULL too */
		*list = mem_resize(*list, *n * 2 + 2, sizeof **list);
	(*list)[(*n)++] = word;
	(*list)[*n] = NULL;
	return 0;
}

/* One line of a request, without its end. */
static void
parse_line(struct request *r, char *line, struct buf *err)
{
	char *value = strchr(line, ' ');
	uint64_t width;

	if (!value)
		value = line + strlen(line);
	else
		*value++ = '\0';
	if (strcmp(line, "arg") == 0) {
		if (add_word(&r->arg, &r->args, value) < 0)
			buf_adds(err, "too many arguments");
	} else if (strcmp(line, "id") == 0) {
		if (add_word(&r->id, &r->ids, value) < 0)
			buf_adds(err, "too many queue IDs");
	} else if (strcmp(line, "program") == 0) {
		if (!*value || strlen(value) > 32 || strspn(value, "abcdefghijklmnopqrstuvwxyz") != strlen(value))
			buf_addf(err, "not the name of a program: \"%.40s\"", value);
		r->program = value;
	} else if (strcmp(line, "tz") == 0) {
		if (!tz_ok(value))
			buf_addf(err, "not a time zone: \"%.100s\"", value);
		r->tz = value;
	} else if (strcmp(line, "width") == 0) {
		if (num_u64(value, 10000, &width) < 0)
			buf_addf(err, "not the width of a terminal: \"%.40s\"", value);
		else
			r->width = (int)width;
	} else {
		buf_addf(err, "unknown line \"%.40s\"", line);
	}
}

int
request_parse(struct request *r, struct buf *err)
{
	char *p = r->text.data, *end = p + r->text.len - 1;

	for (const char *c = p; c <= end && !err->len; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
			buf_adds(err, "a control character in the request");
	r->program = "mtaqueue";
	p = strchr(p, '\n') + 1;
	while (p < end && !err->len) {
		char *lf = memchr(p, '\n', (size_t)(end - p) + 1);

		*lf = '\0';
		if (lf == p)
			buf_adds(err, "something behind the end of the request");
		else
			parse_line(r, p, err);
		p = lf + 1;
	}
	if (!err->len && !r->args)
		buf_adds(err, "nothing is asked for");
	msg_clean(err->data, err->len);
	return err->len ? -1 : 0;
}

const char *
request_fatal(const char *program)
{
	return strcmp(program, "postqueue") == 0 || strcmp(program, "mailq") == 0 ? "fatal: " : "";
}

void
request_free(struct request *r)
{
	free(r->arg);
	free(r->id);
	buf_free(&r->text);
	*r = (struct request){ .args = 0 };
}

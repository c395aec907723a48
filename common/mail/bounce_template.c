/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See bounce_template.h. The file:
 *
 *   failure_template = <<EOF
 *   Charset: us-ascii
 *   From: postmaster@example.com (Mail Delivery System)
 *   Subject: Undelivered Mail Returned to Sender
 *   Postmaster-Subject: Postmaster Copy: Undelivered Mail
 *
 *   text with $name of main.cf, ${delay_warning_time_hours}
 *   EOF
 *
 * and likewise delay_template, success_template, verify_template. Lines that begin with # are comments between templates. */
#include "mail/bounce_template.h"

#include "mail/config.h"
#include "sys/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_LIMIT (1 << 20)
#define SUBJECT_MAX 900           /* a line of a header */

struct reader {
	struct config *c;
	char *next;               /* the text not yet read */
	int line;
	struct bounce_templates *t;
	struct buf *err;
	char number[32];
	bool unknown;             /* the text holds a name that is no parameter: err says which */
};

/* The next line, ended with NUL in place of its LF; NULL at the end. */
static char *
next_line(struct reader *r)
{
	char *line = r->next, *end;

	if (!*line)
		return NULL;
	end = strchrnul(line, '\n');
	r->next = *end ? end + 1 : end;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	r->line++;
	return line;
}

static int
wrong(struct reader *r, const char *why)
{
	buf_addf(r->err, "line %d: %s", r->line, why);
	return -1;
}

/* "delay_warning_time_hours" and the like: the parameter in that unit. NULL for other names, which are main.cf's. */
static const char *
value_of(void *arg, const char *name)
{
	static const struct { const char *suffix; int64_t seconds; } units[] = {
		{ "_seconds", 1 }, { "_minutes", 60 }, { "_hours", 3600 }, { "_days", 86400 }, { "_weeks", 604800 },
	};
	static const char *const times[] = { "delay_warning_time", "maximal_queue_lifetime", "bounce_queue_lifetime" };
	struct reader *r = arg;

	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		size_t n = strlen(times[i]);

		for (size_t u = 0; strncmp(name, times[i], n) == 0 && u < sizeof units / sizeof *units; u++) {
			if (strcmp(name + n, units[u].suffix) != 0)
				continue;
			snprintf(r->number, sizeof r->number, "%" PRId64, config_time(r->c, times[i]) / units[u].seconds);
			return r->number;
		}
	}
	if (!config_any(r->c, name) && !r->unknown) {
		buf_addf(r->err, "line %d: in the template that ends here: $%s is no parameter", r->line, name);
		r->unknown = true;
	}
	return NULL;
}

static struct bounce_template *
find(struct reader *r, const char *name, size_t n)
{
	const struct { const char *name; struct bounce_template *t; } all[] = {
		{ "failure_template", &r->t->failure }, { "delay_template", &r->t->delay },
		{ "success_template", &r->t->success }, { "verify_template", &r->t->verify },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strlen(all[i].name) == n && memcmp(all[i].name, name, n) == 0)
			return all[i].t;
	return NULL;
}

static int
take_header(struct reader *r, struct bounce_template *t, char *line)
{
	const struct { const char *name; char **value; } all[] = {
		{ "Charset", &t->charset }, { "From", &t->from }, { "Subject", &t->subject }, { "Postmaster-Subject", &t->postmaster_subject },
	};
	char *colon = strchr(line, ':');

	if (!colon)
		return wrong(r, "a header of a template, \"Name: text\", or an empty line is expected");
	*colon++ = '\0';
	colon += strspn(colon, " \t");
	if (strlen(colon) > SUBJECT_MAX)
		return wrong(r, "the header is too long");
	for (const char *p = colon; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			return wrong(r, "a header of a template may hold only ASCII characters (encode words by RFC 2047)");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (strcasecmp(all[i].name, line) != 0)
			continue;
		if (i == 0 && (!*colon || colon[strspn(colon, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")]))
			return wrong(r, "Charset: is the name of one character set");
		free(*all[i].value);
		*all[i].value = mem_strdup(colon);
		return 0;
	}
	return wrong(r, "known headers are Charset, From, Subject, Postmaster-Subject");
}

/* The lines up to the one that is end. */
static int
take_template(struct reader *r, struct bounce_template *t, const char *end)
{
	struct buf body = BUF_INIT(FILE_LIMIT), text = BUF_INIT(4 * FILE_LIMIT), why = BUF_INIT(4096);
	bool header = true;
	char *line;
	int result = 0;

	while (result == 0 && (line = next_line(r)) != NULL && strcmp(line, end) != 0) {
		if (header && *line)
			result = take_header(r, t, line);
		else if (!header)
			buf_addf(&body, "%s\n", line);
		else
			header = false;
	}
	if (result == 0 && !line)
		result = wrong(r, "the end of the template is missing");
	else if (result == 0 && (header || !body.len))
		result = wrong(r, "the template has no text: that begins behind an empty line");
	else if (result == 0 && config_expand(r->c, body.data, value_of, r, &text, &why) < 0)
		result = wrong(r, why.data);
	if (r->unknown)
		result = -1;
	if (result == 0) {
		free(t->body);
		t->body = buf_steal(&text);
	}
	buf_free(&body);
	buf_free(&text);
	buf_free(&why);
	return result;
}

/* "name = <<WORD" */
static int
take_entry(struct reader *r, char *line)
{
	size_t n = strcspn(line, " \t=");
	char *p = line + n, *word;
	struct bounce_template *t = find(r, line, n);
	int result;

	p += strspn(p, " \t");
	if (!t || *p != '=')
		return wrong(r, "\"failure_template = <<EOF\" is expected, or delay_template, success_template, verify_template");
	p += 1 + strspn(p + 1, " \t");
	if (strncmp(p, "<<", 2) != 0)
		return wrong(r, "<< and a word, which ends the template, are expected");
	p += 2 + strspn(p + 2, " \t");
	word = mem_strndup(p, strcspn(p, " \t"));
	result = *word ? take_template(r, t, word) : wrong(r, "the word behind << is missing");
	free(word);
	return result;
}

int
bounce_templates_read(struct config *c, const char *path, struct bounce_templates **out, struct buf *err)
{
	struct buf text = BUF_INIT(FILE_LIMIT);
	struct reader r = { .c = c, .err = err };
	char *line;
	int result = 0;

	*out = NULL;
	if (!*path)
		return 0;
	buf_addf(err, "bounce_template_file %s: ", path);
	if (file_read(AT_FDCWD, path, &text) < 0) {
		buf_adds(err, strerror(errno));
		buf_free(&text);
		return -1;
	}
	r.t = mem_zalloc(sizeof *r.t);
	r.next = text.data;
	if (text.len && strlen(text.data) != text.len)
		result = wrong(&r, "a NUL character");
	while (text.len && result == 0 && (line = next_line(&r)) != NULL)
		if (*line != '#' && line[strspn(line, " \t")])
			result = take_entry(&r, line);
	buf_free(&text);
	if (result < 0) {
		bounce_templates_free(&r.t);
		return -1;
	}
	buf_clear(err);
	*out = r.t;
	return 0;
}

static void
free_one(struct bounce_template *t)
{
	free(t->charset);
	free(t->from);
	free(t->subject);
	free(t->postmaster_subject);
	free(t->body);
}

void
bounce_templates_free(struct bounce_templates **t)
{
	if (!*t)
		return;
	free_one(&(*t)->failure);
	free_one(&(*t)->delay);
	free_one(&(*t)->success);
	free_one(&(*t)->verify);
	free(*t);
	*t = NULL;
}

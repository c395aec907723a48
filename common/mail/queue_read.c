/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reading the envelope of a queue file (mtaqueue(5)). Nothing in the file is believed
 * before it is checked: its two numbers must be exactly those of the file's size, every line must be
 * well formed, and each needed line must be there once. */
#include "mail/queue.h"

#include "syntax/envelope.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_READ 4096           /* most envelopes are smaller */
#define READ_SIZE 32768           /* holds the longest line with room to spare */

struct reader {
	int fd;
	uint64_t size;            /* of the file */
	uint64_t at;              /* offset in the file of data[start] */
	size_t start, end;        /* what of data is not yet taken */
	char data[READ_SIZE];
};

void
queue_envelope_free(struct queue_envelope *e)
{
	free(e->sender);
	free(e->opt);
	free(e->from);
	for (size_t i = 0; i < e->rcpts; i++)
		free(e->rcpt[i].addr);
	free(e->rcpt);
	*e = (struct queue_envelope){ 0 };
}

static struct queue_rcpt *
add_rcpt(struct queue_envelope *e, const char *addr, size_t addr_len, const char *params, size_t params_len)
{
	struct queue_rcpt *r;

	/* the array is full whenever the number is a power of two */
	if (e->rcpts == 0 || (e->rcpts >= 4 && (e->rcpts & (e->rcpts - 1)) == 0))
		e->rcpt = mem_resize(e->rcpt, e->rcpts ? e->rcpts * 2 : 4, sizeof *e->rcpt);
	r = &e->rcpt[e->rcpts++];
	*r = (struct queue_rcpt){ .status = 'T' };
	r->addr = mem_alloc(addr_len + params_len + 2); /* both in one */
	memcpy(r->addr, addr, addr_len);
	r->addr[addr_len] = '\0';
	r->params = r->addr + addr_len + 1;
	if (params_len)
		memcpy(r->params, params, params_len);
	r->params[params_len] = '\0';
	return r;
}

void
queue_envelope_rcpt(struct queue_envelope *e, const char *addr, const char *params)
{
	add_rcpt(e, addr, strlen(addr), params ? params : "", params ? strlen(params) : 0);
	e->todo++;
}

static int
malformed(struct buf *err, const char *text)
{
	buf_adds(err, text);
	errno = EINVAL;
	return -1;
}

/* Reads more behind what is there; at most up to 'want' bytes are held then. 0, or -1. */
static int
fill(struct reader *r, size_t want, struct buf *err)
{
	memmove(r->data, r->data + r->start, r->end - r->start);
	r->end -= r->start;
	r->start = 0;
	while (r->end < want) {
		ssize_t n = pread(r->fd, r->data + r->end, want - r->end, (off_t)(r->at + r->end));

		if (n > 0) {
			r->end += (size_t)n;
			if (r->at + r->end >= r->size)
				break;
		} else if (n == 0) {
			break;
		} else if (errno != EINTR) {
			buf_addf(err, "read: %s", strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* The next line without its LF. 0 or -1. */
static int
next_line(struct reader *r, uint64_t limit, char **line, size_t *n, struct buf *err)
{
	char *lf = memchr(r->data + r->start, '\n', r->end - r->start);

	if (!lf) {
		if (fill(r, READ_SIZE, err) < 0)
			return -1;
		lf = memchr(r->data, '\n', r->end);
	}
	*line = r->data + r->start;
	if (!lf || lf - *line > ENVELOPE_LINE_MAX || r->at + (uint64_t)(lf - *line) + 1 > limit)
		return malformed(err, lf ? "envelope line too long, or past the beginning of the content" :
		    "envelope line without end");
	*n = (size_t)(lf - *line);
	r->start += *n + 1;
	r->at += *n + 1;
	return 0;
}

/* The first line: the numbers must account for every byte of the file. */
static int
read_first(struct reader *r, struct queue_envelope *e, struct buf *err)
{
	const char *text;

	if (fill(r, FIRST_READ, err) < 0)
		return -1;
	if (r->end < ENVELOPE_FIRST) {
		buf_addf(err, "truncated: only %zu bytes", r->end);
		errno = EINVAL;
		return -1;
	}
	if (r->data[ENVELOPE_FIRST - 1] != '\n' ||
	    envelope_first_parse(r->data, ENVELOPE_FIRST - 1, &e->content, &e->size, &text) < 0)
		return malformed(err, "not a queue file: its first line is wrong");
	if (e->content < ENVELOPE_FIRST || e->content > INT64_MAX || e->size > INT64_MAX ||
	    e->content + e->size != r->size) {
		buf_addf(err, "%s: %" PRIu64 " + %" PRIu64 " bytes by its first line, %" PRIu64 " on disk",
		    e->content > r->size || e->size > r->size - e->content ? "truncated" : "longer than it should be",
		    e->content, e->size, r->size);
		errno = EINVAL;
		return -1;
	}
	r->start = ENVELOPE_FIRST;
	r->at = ENVELOPE_FIRST;
	return 0;
}

/* Sets a field that may be set once. */
static int
set_once(char **field, const struct envelope_line *l, struct buf *err)
{
	if (*field)
		return malformed(err, "an envelope line is there twice");
	*field = mem_strndup(l->value, l->value_len);
	return 0;
}

/* The name=value text of a line without the blanks around it. */
static void
trim(const char **text, size_t *n)
{
	while (*n && **text == ' ') {
		++*text;
		--*n;
	}
	while (*n && (*text)[*n - 1] == ' ')
		--*n;
}

static int
take_line(struct queue_envelope *e, const struct envelope_line *l, uint64_t at, size_t max_rcpts, bool *more, struct buf *err)
{
	const char *params = l->params ? l->params : "";
	size_t params_len = l->params ? l->params_len : 0;
	struct queue_rcpt *r;

	switch (l->kind) {
	case ENVELOPE_ID:
		if (*e->id || l->value_len > QUEUE_ID_MAX)
			return malformed(err, "the id line is there twice or is too long");
		memcpy(e->id, l->value, l->value_len);
		e->id[l->value_len] = '\0';
		return 0;
	case ENVELOPE_TIME:
		e->time = l->time;
		return 0;
	case ENVELOPE_SENDER:
		return set_once(&e->sender, l, err);
	case ENVELOPE_OPT:
		return set_once(&e->opt, l, err);
	case ENVELOPE_FROM:
		return set_once(&e->from, l, err);
	case ENVELOPE_RCPT:
		e->listed++;
		if (l->status == 'T')
			e->todo++;
		if (max_rcpts && (l->status != 'T' || e->rcpts >= max_rcpts)) {
			*more |= l->status == 'T';
			return 0;
		}
		trim(&params, &params_len);
		r = add_rcpt(e, l->value, l->value_len, params, params_len);
		r->status = l->status;
		r->status_at = at + l->status_at;
		return 0;
	case ENVELOPE_END:
		break;
	}
	return 0;
}

/* The lines up to the empty one. */
static int
take_lines(struct reader *r, struct queue_envelope *e, size_t max_rcpts, bool *more, bool *any, struct buf *err)
{
	struct envelope_line l;
	const char *text;
	char *line;
	size_t n;

	for (;;) {
		uint64_t at = r->at;

		if (next_line(r, e->content, &line, &n, err) < 0)
			return -1;
		if (envelope_line_parse(&l, line, n, &text) < 0)
			return malformed(err, text);
		if (l.kind == ENVELOPE_END)
			break;
		*any |= l.kind == ENVELOPE_RCPT;
		if (take_line(e, &l, at, max_rcpts, more, err) < 0)
			return -1;
	}
	if (r->at != e->content)
		return malformed(err, "the content does not begin where the first line says");
	return 0;
}

static int
read_lines(struct reader *r, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err)
{
	bool any = false;

	if (take_lines(r, e, max_rcpts, more, &any, err) < 0)
		return -1;
	if (!*e->id || !e->sender || e->time <= 0 || !any)
		return malformed(err, "the envelope lacks id, time, sender or recipients");
	return 0;
}

int
queue_read(int fd, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		*e = (struct queue_envelope){ 0 };
		buf_addf(err, "stat: %s", strerror(errno));
		return -1;
	}
	return queue_read_known(fd, &st, e, max_rcpts, more, err);
}

int
queue_read_known(int fd, const struct stat *st, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err)
{
	struct reader r; /* not initialised as a whole: data is large */
	bool ignored;

	if (!more)
		more = &ignored;
	*more = false;
	*e = (struct queue_envelope){ 0 };
	if (!S_ISREG(st->st_mode))
		return malformed(err, "not a regular file");
	r.fd = fd;
	r.size = (uint64_t)st->st_size;
	r.at = 0;
	r.start = r.end = 0;
	if (read_first(&r, e, err) < 0 || read_lines(&r, e, max_rcpts, more, err) < 0) {
		int saved = errno;

		queue_envelope_free(e);
		errno = saved;
		return -1;
	}
	if (!e->opt)
		e->opt = mem_strdup("");
	if (!e->from)
		e->from = mem_strdup("");
	return 0;
}

int
queue_read_more(int fd, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err)
{
	struct reader r; /* not initialised as a whole: data is large */
	bool any = false;
	char *line;
	size_t n;

	*more = false;
	if (e->rcpts == 0)
		return 0;
	r.fd = fd;
	r.size = e->content + e->size;
	r.at = e->rcpt[e->rcpts - 1].status_at;
	r.start = r.end = 0;
	for (size_t i = 0; i < e->rcpts; i++)
		free(e->rcpt[i].addr);
	free(e->rcpt);
	e->rcpt = NULL;
	e->rcpts = e->todo = 0;
	/* the rest of the last one's line, then what follows it */
	if (next_line(&r, e->content, &line, &n, err) < 0)
		return -1;
	return take_lines(&r, e, max_rcpts, more, &any, err);
}

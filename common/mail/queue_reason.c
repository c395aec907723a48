/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* queue/defer/ID: what each attempt to deliver a message came to, one line a recipient and attempt
 * (mtaqueue(5)):
 *
 *   1763638633 4.4.1 <bob@example.org> connect to mx.example.org[192.0.2.1]:25: timed out
 *
 * For people and for reports; no delivery depends on it, so it is not synced. */
#include "mail/queue.h"

#include "sys/file.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REASON_FILE_MAX (4 << 20)
#define REASON_READ_MAX (64 << 20) /* one append may be large: all recipients of a message */
#define REASON_TEXT_MAX 2000       /* of what the other side said */

static void
old_name(char name[QUEUE_ID_MAX + 5], const char *id)
{
	snprintf(name, QUEUE_ID_MAX + 5, "%.*s.old", QUEUE_ID_MAX, id);
}

int
queue_defer_format(struct buf *out, int64_t unix_seconds, const char *addr, const char *dsn, const char *text)
{
	size_t start = out->len, n = strnlen(text, REASON_TEXT_MAX);

	buf_addf(out, "%" PRId64 " %.11s <%s> ", unix_seconds, dsn, addr);
	buf_add(out, text, n);
	if (!out->full)
		msg_clean(out->data + start, out->len - start);
	buf_addc(out, '\n');
	if (out->full) {
		buf_truncate(out, start);
		return -1;
	}
	return 0;
}

int
queue_defer_append(struct queue *q, const char *id, const char *lines, size_t n)
{
	struct stat st;
	int fd, r;

	fd = openat(q->defer, id, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size > REASON_FILE_MAX) {
		char old[QUEUE_ID_MAX + 5];

		old_name(old, id);
		close(fd);
		if (renameat(q->defer, id, q->defer, old) < 0)
			return -1;
		fd = openat(q->defer, id, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
	}
	if (q->chown && st.st_uid != q->owner && fchown(fd, q->owner, q->group) < 0) {
		close(fd);
		return -1;
	}
	r = file_write_all(fd, lines, n);
	if (close(fd) < 0)
		r = -1;
	return r;
}

int
queue_defer_add(struct queue *q, const char *id, const char *addr, const char *dsn, const char *text)
{
	struct buf line = BUF_INIT(REASON_TEXT_MAX + 8192);
	int r;

	r = queue_defer_format(&line, clock_real() / 1000000, addr, dsn, text);
	if (r == 0)
		r = queue_defer_append(q, id, line.data, line.len);
	else
		errno = EINVAL;
	buf_free(&line);
	return r;
}

/* The '>' that ends the address: not within a quoted local part. */
static const char *
address_end(const char *s, const char *end)
{
	bool quoted = false;

	for (; s < end; s++) {
		if (*s == '\\' && quoted && s + 1 < end)
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (*s == '>' && !quoted)
			return s;
	}
	return NULL;
}

/* Takes one line apart. 0, or -1: it is not one of ours. */
static int
parse_reason(struct queue_reason *r, const char *line, const char *end)
{
	const char *dsn = memchr(line, ' ', (size_t)(end - line)), *addr, *close_at;
	uint64_t t;

	if (!dsn || num_u64n(line, (size_t)(dsn - line), INT64_MAX / 1000000, &t) < 0)
		return -1;
	dsn++;
	addr = memchr(dsn, ' ', (size_t)(end - dsn));
	if (!addr || (size_t)(addr - dsn) >= sizeof r->dsn || end - addr < 3 || addr[1] != '<')
		return -1;
	close_at = address_end(addr + 2, end);
	if (!close_at)
		return -1;
	r->time = (int64_t)t;
	memcpy(r->dsn, dsn, (size_t)(addr - dsn));
	r->dsn[addr - dsn] = '\0';
	addr += 2;
	r->addr = mem_strndup(addr, (size_t)(close_at - addr));
	close_at++;
	if (close_at < end && *close_at == ' ')
		close_at++;
	r->text = mem_strndup(close_at, (size_t)(end - close_at));
	return 0;
}

static void
parse_all(const struct buf *text, struct queue_reason **list, size_t *n, size_t *cap)
{
	const char *p = text->data, *stop = text->data + text->len;

	while (p < stop) {
		const char *lf = memchr(p, '\n', (size_t)(stop - p));

		if (!lf) /* cut off by a crash */
			break;
		if (*n == *cap) {
			*cap = *cap ? *cap * 2 : 8;
			*list = mem_resize(*list, *cap, sizeof **list);
		}
		if (parse_reason(&(*list)[*n], p, lf) == 0)
			++*n;
		p = lf + 1;
	}
}

static int
read_reasons(struct queue *q, const char *id, bool old_too, struct queue_reason **list, size_t *n)
{
	struct buf text = BUF_INIT(REASON_READ_MAX);
	char old[QUEUE_ID_MAX + 5];
	size_t cap = 0;
	int r = 0;

	*list = NULL;
	*n = 0;
	if (q->defer < 0)
		return 0;
	old_name(old, id);
	for (int i = old_too ? 0 : 1; i < 2 && r == 0; i++) {
		buf_clear(&text);
		if (file_read(q->defer, i == 0 ? old : id, &text) == 0)
			parse_all(&text, list, n, &cap);
		else if (errno != ENOENT)
			r = -1;
	}
	if (r < 0) {
		int saved = errno;

		queue_reasons_free(list, *n);
		*n = 0;
		errno = saved;
	}
	buf_free(&text);
	return r;
}

int
queue_defer_read(struct queue *q, const char *id, struct queue_reason **list, size_t *n)
{
	return read_reasons(q, id, true, list, n);
}

int
queue_defer_recent(struct queue *q, const char *id, struct queue_reason **list, size_t *n)
{
	return read_reasons(q, id, false, list, n);
}

void
queue_reasons_free(struct queue_reason **list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((*list)[i].addr);
		free((*list)[i].text);
	}
	free(*list);
	*list = NULL;
}

void
queue_defer_remove(struct queue *q, const char *id)
{
	char old[QUEUE_ID_MAX + 5];

	if (q->defer < 0 || unlinkat(q->defer, id, 0) < 0)
		return; /* no .old without a newer one */
	old_name(old, id);
	unlinkat(q->defer, old, 0);
}

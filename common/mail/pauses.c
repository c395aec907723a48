/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See pauses.h. */
#include "mail/pauses.h"

#include "mail/queue.h"
#include "syntax/envelope.h"
#include "sys/file.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)
#define NEW_FILE ".pauses"

const char *const pause_kinds[PAUSE_KINDS] = { "all", "domain", "nexthop", "transport" };

static int
kind_of(const char *name)
{
	for (int i = 0; i < PAUSE_KINDS; i++)
		if (strcmp(pause_kinds[i], name) == 0)
			return i;
	return -1;
}

static int
value(const char *text, size_t n, const char *name, struct buf *out)
{
	const char *why;

	buf_clear(out);
	return envelope_param(text, n, name, out, &why) > 0 ? 0 : -1;
}

static int
number(const char *text, size_t n, const char *name, int64_t *out)
{
	struct buf v = BUF_INIT(64);
	int r = value(text, n, name, &v);

	if (r == 0)
		r = num_i64(v.data, 0, INT64_MAX, out);
	buf_free(&v);
	return r;
}

/* One line. 0, also for one that is over; -1: not understood. */
static int
take_line(struct pauses *p, const char *line, size_t n, int64_t now)
{
	struct buf pattern = BUF_INIT(8192), reason = BUF_INIT(8192);
	int64_t since = 0, until = 0;
	int kind = -1, r = -1;

	if (n > 6 && memcmp(line, "pause ", 6) == 0 && value(line + 6, n - 6, "kind", &pattern) == 0)
		kind = kind_of(pattern.data);
	if (kind >= 0 && value(line + 6, n - 6, "pattern", &pattern) == 0 && number(line + 6, n - 6, "since", &since) == 0 &&
	    number(line + 6, n - 6, "until", &until) == 0) {
		value(line + 6, n - 6, "reason", &reason);
		r = 0;
	}
	if (r == 0 && (!until || until > now))
		pauses_add(p, (enum pause_kind)kind, pattern.data, since, until, reason.data);
	buf_free(&pattern);
	buf_free(&reason);
	return r;
}

int
pauses_read(struct queue *q, int64_t now, struct pauses *p, struct buf *err)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r = 0;

	*p = (struct pauses){ 0 };
	if (file_read(q->top, "state/" PAUSES_FILE, &text) < 0) {
		if (errno != ENOENT) {
			buf_addf(err, "read %s/state/" PAUSES_FILE ": %s", q->dir, strerror(errno));
			r = -1;
		}
		buf_free(&text);
		return r;
	}
	for (char *line = text.data, *end; *line; line = end + (*end == '\n')) {
		end = strchrnul(line, '\n');
		if (end > line && take_line(p, line, (size_t)(end - line), now) < 0) {
			if (r == 0)
				buf_addf(err, "%s/state/" PAUSES_FILE ": not understood: %.*s", q->dir, (int)(end - line), line);
			r = -1;
		}
	}
	buf_free(&text);
	return r;
}

/* The new file, open and written. The directory is mail_owner's, and we may be root: no link in it is followed. */
static int
write_new(struct queue *q, int dir, const struct buf *text)
{
	int fd, r;

	(void)unlinkat(dir, NEW_FILE, 0); /* of one that did not end well: the caller has the lock */
	fd = openat(dir, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	r = file_write_all(fd, text->data, text->len) == 0 && (!q->chown || fchown(fd, q->owner, q->group) == 0) &&
	    fchmod(fd, 0644) == 0 && file_sync(fd, -1) == 0 ? 0 : -1;
	return close(fd) < 0 ? -1 : r;
}

static int
replace(struct queue *q, const struct buf *text)
{
	int dir = openat(q->top, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), saved, r = -1;

	if (dir < 0)
		return -1;
	if (write_new(q, dir, text) == 0 && renameat(dir, NEW_FILE, dir, PAUSES_FILE) == 0)
		r = file_sync(dir, -1);
	saved = errno;
	close(dir);
	errno = saved;
	return r;
}

int
pauses_write(struct queue *q, const struct pauses *p, struct buf *err)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r = -1;

	for (size_t i = 0; i < p->n; i++) {
		const struct pause_rule *rule = &p->rule[i];

		buf_addf(&text, "pause kind=%s", pause_kinds[rule->kind]);
		envelope_param_add(&text, "pattern", rule->pattern);
		buf_addf(&text, " since=%" PRId64 " until=%" PRId64, rule->since, rule->until);
		envelope_param_add(&text, "reason", rule->reason);
		buf_addc(&text, '\n');
	}
	if (text.full)
		errno = EFBIG;
	else if (queue_state_make(q) == 0)
		r = replace(q, &text);
	if (r < 0)
		buf_addf(err, "replace %s/state/" PAUSES_FILE ": %s", q->dir, strerror(errno));
	buf_free(&text);
	return r;
}

void
pauses_add(struct pauses *p, enum pause_kind kind, const char *pattern, int64_t since, int64_t until, const char *reason)
{
	struct pause_rule *rule;
	size_t i = 0;

	while (i < p->n && !(p->rule[i].kind == kind && strcasecmp(p->rule[i].pattern, pattern) == 0))
		i++;
	if (i == p->n) {
		p->rule = mem_resize(p->rule, p->n + 1, sizeof *p->rule);
		p->rule[p->n++] = (struct pause_rule){ .kind = kind, .pattern = mem_strdup(pattern) };
	}
	rule = &p->rule[i];
	rule->since = since;
	rule->until = until;
	free(rule->reason);
	rule->reason = mem_strdup(reason);
	msg_clean(rule->reason, strlen(rule->reason));
}

void
pauses_remove(struct pauses *p, size_t i)
{
	free(p->rule[i].pattern);
	free(p->rule[i].reason);
	p->n--;
	memmove(&p->rule[i], &p->rule[i + 1], (p->n - i) * sizeof *p->rule);
}

const struct pause_rule *
pauses_match(const struct pauses *p, int64_t now, const char *domain, const char *nexthop, const char *transport)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct pause_rule *rule = &p->rule[i];
		const char *const text[PAUSE_KINDS] = { "", domain, nexthop, transport };

		if (rule->until && rule->until <= now)
			continue;
		/* "[192.0.2.1]:25" is a next hop as well as a pattern */
		if (rule->kind == PAUSE_ALL || strcasecmp(rule->pattern, text[rule->kind]) == 0 ||
		    fnmatch(rule->pattern, text[rule->kind], FNM_CASEFOLD) == 0)
			return rule;
	}
	return NULL;
}

void
pauses_free(struct pauses *p)
{
	while (p->n)
		pauses_remove(p, p->n - 1);
	free(p->rule);
	p->rule = NULL;
}

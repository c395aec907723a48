/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See counters.h. The file:
 *
 *   mtacounters1
 *   since <seconds since 1970>
 *   <transport> <sent> <deferred> <bounced> <microseconds> <bucket> ...
 *   end */
#include "mail/counters.h"

#include "mail/queue.h"
#include "sys/file.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)
#define NUMBERS (COUNTER_RESULTS + 1 + COUNTER_BUCKETS)
#define TRANSPORTS_MAX 1000

const double counter_limits[COUNTER_BUCKETS - 1] = { 0.1, 0.3, 1, 3, 10, 30, 60, 300, 1800, 3600, 21600, 86400 };

static struct counter *
get(struct counters *c, const char *transport)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->c[i].transport, transport) == 0)
			return &c->c[i];
	if (c->n >= TRANSPORTS_MAX || !*transport || strpbrk(transport, " \t\r\n"))
		return NULL;
	c->c = mem_resize(c->c, c->n + 1, sizeof *c->c);
	c->c[c->n] = (struct counter){ .transport = mem_strdup(transport) };
	return &c->c[c->n++];
}

void
counters_add(struct counters *c, const char *transport, unsigned result, int64_t microseconds)
{
	struct counter *t = get(c, transport);
	int i = 0;

	if (!t || result >= COUNTER_RESULTS)
		return;
	if (!c->since)
		c->since = clock_real() / 1000000;
	t->result[result]++;
	if (result != 0)
		return;
	if (microseconds < 0)
		microseconds = 0;
	while (i < COUNTER_BUCKETS - 1 && (double)microseconds / 1e6 > counter_limits[i])
		i++;
	t->bucket[i]++;
	t->microseconds += (uint64_t)microseconds;
}

/* A line of a transport. 0 or -1. */
static int
take_line(struct counters *c, char *line)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	struct counter *t = word ? get(c, word) : NULL;
	uint64_t n[NUMBERS];

	if (!t)
		return -1;
	for (int i = 0; i < NUMBERS; i++) {
		word = strtok_r(NULL, " ", &save);
		if (!word || num_u64(word, UINT64_MAX, &n[i]) < 0)
			return -1;
	}
	memcpy(t->result, n, sizeof t->result);
	t->microseconds = n[COUNTER_RESULTS];
	memcpy(t->bucket, n + COUNTER_RESULTS + 1, sizeof t->bucket);
	return 0;
}

static int
parse(struct counters *c, char *text)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	uint64_t since;

	if (!line || strcmp(line, "mtacounters1") != 0)
		return -1;
	line = strtok_r(NULL, "\n", &save);
	if (!line || strncmp(line, "since ", 6) != 0 || num_u64(line + 6, INT64_MAX, &since) < 0)
		return -1;
	c->since = (int64_t)since;
	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		if (strcmp(line, "end") == 0)
			return 0;
		if (take_line(c, line) < 0)
			return -1;
	}
	return -1; /* cut short */
}

int
counters_read(struct queue *q, struct counters *c)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r = 0;

	*c = (struct counters){ 0 };
	if (file_read(q->top, "state/counters", &text) < 0)
		r = errno == ENOENT ? 0 : -1;
	else if (parse(c, text.data) < 0)
		counters_free(c);
	buf_free(&text);
	return r;
}

static int
replace(struct queue *q, const struct buf *text)
{
	int fd = openat(q->top, "state/.counters", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return -1;
	r = file_write_all(fd, text->data, text->len);
	if (close(fd) < 0 || r < 0)
		return -1;
	return renameat(q->top, "state/.counters", q->top, "state/counters");
}

int
counters_write(struct queue *q, const struct counters *c)
{
	struct buf text = BUF_INIT(FILE_MAX);
	int r;

	buf_addf(&text, "mtacounters1\nsince %" PRId64 "\n", c->since);
	for (size_t i = 0; i < c->n; i++) {
		const struct counter *t = &c->c[i];

		buf_adds(&text, t->transport);
		for (int k = 0; k < COUNTER_RESULTS; k++)
			buf_addf(&text, " %" PRIu64, t->result[k]);
		buf_addf(&text, " %" PRIu64, t->microseconds);
		for (int k = 0; k < COUNTER_BUCKETS; k++)
			buf_addf(&text, " %" PRIu64, t->bucket[k]);
		buf_addc(&text, '\n');
	}
	buf_adds(&text, "end\n");
	r = replace(q, &text);
	buf_free(&text);
	return r;
}

void
counters_free(struct counters *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->c[i].transport);
	free(c->c);
	*c = (struct counters){ 0 };
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See counters.h. A table as mtamap makes them, with a record for each transport and one for the time when they were begun
 * ('@' stands in no transport's name):
 *
 *   @since   <seconds since 1970>
 *   smtp     sent=12 deferred=3 bounced=1 delay=17.250000 0.1s=4 0.3s=8 ... 86400s=0 more=0 */
#include "mail/counters.h"

#include "mail/queue.h"
#include "map/build.h"
#include "map/map.h"

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

#define SINCE "@since"
#define TRANSPORTS_MAX 1000
#define VALUE_MAX 4096

static const char *const results[COUNTER_RESULTS] = { "sent", "deferred", "bounced" };

const double counter_limits[COUNTER_BUCKETS - 1] = { 0.1, 0.3, 1, 3, 10, 30, 60, 300, 1800, 3600, 21600, 86400 };

static struct counter *
get(struct counters *c, const char *transport)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->c[i].transport, transport) == 0)
			return &c->c[i];
	if (c->n >= TRANSPORTS_MAX || !*transport || strpbrk(transport, " \t\r\n@"))
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

/* The next "name=number" at *p. 0 or -1. */
static int
take(const char **p, const char *name, uint64_t *value)
{
	size_t n = strlen(name), digits;
	char text[24];

	*p += strspn(*p, " ");
	if (strncmp(*p, name, n) != 0 || (*p)[n] != '=')
		return -1;
	*p += n + 1;
	digits = strspn(*p, "0123456789");
	if (digits >= sizeof text)
		return -1;
	memcpy(text, *p, digits);
	text[digits] = '\0';
	*p += digits;
	return num_u64(text, UINT64_MAX, value);
}

static const char *
bucket_name(int i, char out[32])
{
	if (i < COUNTER_BUCKETS - 1)
		snprintf(out, 32, "%gs", counter_limits[i]);
	else
		strcpy(out, "more");
	return out;
}

/* One record. 0; 1: it is none of ours. */
static int
take_record(void *arg, const char *key, const char *value)
{
	struct counters *c = arg;
	uint64_t n, micro = 0;
	struct counter *t;
	char name[32];

	if (strcmp(key, SINCE) == 0) {
		if (num_u64(value, INT64_MAX, &n) < 0)
			return 1;
		c->since = (int64_t)n;
		return 0;
	}
	t = get(c, key);
	if (!t)
		return 1;
	for (int i = 0; i < COUNTER_RESULTS; i++)
		if (take(&value, results[i], &t->result[i]) < 0)
			return 1;
	if (take(&value, "delay", &n) < 0 || *value != '.' || strspn(value + 1, "0123456789") != 6)
		return 1;
	for (value++; *value >= '0' && *value <= '9'; value++)
		micro = micro * 10 + (uint64_t)(*value - '0');
	t->microseconds = n * 1000000 + micro;
	for (int i = 0; i < COUNTER_BUCKETS; i++)
		if (take(&value, bucket_name(i, name), &t->bucket[i]) < 0)
			return 1;
	return 0;
}

static char *
path(struct queue *q, const char *before, const char *name)
{
	struct buf b = BUF_INIT(65536);

	buf_addf(&b, "%s%s/state/%s", before, q->dir, name);
	return buf_steal(&b);
}

int
counters_read(struct queue *q, struct counters *c, struct buf *err)
{
	char *name = path(q, "tdb:", "counters");
	struct map *m;
	int r = -1;

	*c = (struct counters){ 0 };
	if (faccessat(q->top, "state/counters.tdb", R_OK, AT_EACCESS) < 0) {
		r = errno == ENOENT ? 0 : -1;
		if (r < 0)
			buf_addf(err, "read %s.tdb: %s", name + 4, strerror(errno));
	} else if ((m = map_open(name, err)) != NULL) {
		r = map_each(m, take_record, c, err);
		map_close(&m);
		if (r > 0)
			buf_addf(err, "%s.tdb: a record that is not understood", name + 4);
	}
	if (r != 0)
		counters_free(c);
	free(name);
	return r == 0 ? 0 : -1;
}

static void
format(const struct counter *t, struct buf *out)
{
	char name[32];

	buf_clear(out);
	for (int k = 0; k < COUNTER_RESULTS; k++)
		buf_addf(out, "%s=%" PRIu64 " ", results[k], t->result[k]);
	buf_addf(out, "delay=%" PRIu64 ".%06" PRIu64, t->microseconds / 1000000, t->microseconds % 1000000);
	for (int k = 0; k < COUNTER_BUCKETS; k++)
		buf_addf(out, " %s=%" PRIu64, bucket_name(k, name), t->bucket[k]);
}

int
counters_write(struct queue *q, const struct counters *c, struct buf *err)
{
	char *name = path(q, "", "counters");
	struct map_build *b = map_build_begin(name, c->n + 1, err);
	struct buf value = BUF_INIT(VALUE_MAX);
	int r = b ? 1 : -1;

	buf_addf(&value, "%" PRId64, c->since);
	if (b)
		r = map_build_add(b, SINCE, value.data, true, err);
	for (size_t i = 0; r >= 0 && i < c->n; i++) {
		format(&c->c[i], &value);
		r = map_build_add(b, c->c[i].transport, value.data, true, err);
	}
	if (r >= 0)
		r = map_build_commit_unsynced(&b, err);
	else
		map_build_abort(&b);
	buf_free(&value);
	free(name);
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

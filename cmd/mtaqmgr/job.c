/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs: fair queueing, starting, the concurrency window, deferral of what waits for a paused destination: see dest.h. */
#include "job.h"

#include "agents.h"
#include "command.h"
#include "expire.h"
#include "manager.h"
#include "oneshot.h"
#include "pausing.h"
#include "park.h"
#include "result.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3                   /* agents that may go away before they read a job */

struct flow {
	uint64_t next;            /* tag of the sender's next message */
	size_t jobs;
	struct transport *t;
	char *name;
	struct park park;
};

static struct dest *drain;
static size_t busy;
static struct job **fresh;        /* of the message being resolved */
static size_t fresh_n, fresh_cap;

static struct job *
job_new(struct dest *d, struct message *m)
{
	struct job *j = mem_zalloc(sizeof *j);

	j->m = m;
	j->d = d;
	j->next = m->jobs;
	j->before = &m->jobs;
	if (j->next)
		j->next->before = &j->next;
	m->jobs = j;
	if (fresh_n == fresh_cap) {
		fresh_cap = fresh_cap ? fresh_cap * 2 : 64;
		fresh = mem_resize(fresh, fresh_cap, sizeof *fresh);
	}
	fresh[fresh_n++] = j;
	d->filling = j;
	return j;
}

void
dest_add(struct dest *d, struct message *m, struct rcpt *r)
{
	struct job *j = d->filling;

	if (!j || j->n >= d->t->rcpt_limit)
		j = job_new(d, m);
	if (j->n == j->cap) {
		j->cap = j->cap ? j->cap * 2 : 1;
		j->rcpt = mem_resize(j->rcpt, j->cap, sizeof(struct rcpt *));
	}
	j->rcpt[j->n++] = r;
	j->left++;
}

static void
flow_free(struct flow *f)
{
	if (f->jobs || f->park.before)
		return;
	strmap_remove(f->t->flows, f->name);
	free(f->name);
	free(f);
}

static void
flow_empty(struct park *p)
{
	flow_free(HOLDER(p, struct flow, park));
}

/* The null sender is everybody: each of its messages counts by itself. */
static struct flow *
flow_get(struct transport *t, const struct message *m)
{
	const char *name = *m->e.sender ? m->e.sender : m->id;
	struct flow *f = strmap_get(t->flows, name);

	if (!f) {
		f = mem_zalloc(sizeof *f);
		f->t = t;
		f->name = mem_strdup(name);
		f->park = (struct park){ .load = &f->jobs, .part = 4, .empty = flow_empty };
		strmap_set(t->flows, name, f);
	}
	f->jobs++;
	return f;
}

static void
job_free(struct job *j)
{
	if (j->flow) {
		j->flow->jobs--;
		flow_free(j->flow);
	}
	*j->before = j->next;
	if (j->next)
		j->next->before = j->before;
	free(j->rcpt);
	free(j);
}

static void
enqueue(struct job *j, uint64_t tag)
{
	struct dest *d = j->d;

	heap_add(&d->jobs, &j->node, tag);
	if (heap_first(&d->jobs) == &j->node)
		dest_update(d);
}

/* Where a message waits that is one too many of its sender, or for its destination; NULL: nowhere. Only those that are
 * one job, so that nothing of them is forgotten. */
static struct park *
find_park(struct message *m)
{
	struct park *parks[2], *found = NULL;
	struct flow *f;

	if (fresh_n != 1 || fresh[0]->n != m->e.rcpts || m->more || m->unparked)
		return NULL;
	f = flow_get(fresh[0]->d->t, m);
	parks[0] = &f->park;
	parks[1] = &fresh[0]->d->park;
	for (int i = 0; i < 2 && !found; i++)
		if (park_full(parks[i]))
			found = parks[i];
	f->jobs--;
	if (!found)
		flow_free(f);
	return found;
}

struct park *
dest_enqueue(struct message *m)
{
	struct park *park = find_park(m);

	if (park) {
		fresh[0]->d->filling = NULL;
		job_free(fresh[0]);
		fresh_n = 0;
		return park;
	}
	for (size_t i = 0; i < fresh_n; i++) {
		struct job *j = fresh[i];
		struct transport *t = j->d->t;

		j->flow = flow_get(t, m);
		j->d->filling = NULL;
		if (m->tag_of == t && m->tag >= t->now) {
			m->tag++;
		} else {
			m->tag = j->flow->next > t->now ? j->flow->next : t->now;
			j->flow->next = m->tag + 1;
			m->tag_of = t;
		}
		if (m->flushed)
			dest_flush(j->d, m->flushed);
		enqueue(j, m->tag);
	}
	fresh_n = 0;
	return NULL;
}

size_t
dest_busy(void)
{
	return busy;
}

static void
job_start(struct job *j)
{
	struct dest *d = j->d;

	heap_remove(&d->jobs, &j->node);
	if (j->node.key > d->t->now)
		d->t->now = j->node.key;
	d->busy++;
	j->m->running++;
	busy++;
	j->started = clock_real();
	if (d->t->start_delay)
		dest_start_later(d->t, d->t->start_delay);
	dest_update(d);
}

/* The job is no longer under way. */
static void
job_stop(struct job *j)
{
	j->d->busy--;
	j->m->running--;
	busy--;
	j->d->idle_since = clock_mono();
}

static void
feedback(struct dest *d, enum feedback f, const char *dsn, const char *text)
{
	if (f == FEEDBACK_GOOD) {
		d->failures = 0;
		d->window = window_grow(d->window, &d->t->grow, d->busy + 1, d->t->first_concurrency, d->t->concurrency_limit);
	} else if (f == FEEDBACK_BAD) {
		d->failures += 1 / d->window;
		d->window = window_shrink(d->window, &d->t->shrink);
		if (d->failures >= d->t->failed_cohorts - 0.01) {
			dest_pause(d, manager.minimal_backoff, dsn, text);
			return;
		}
	}
	dest_update(d);
}

void
dest_job_done(struct job *j, enum feedback f, const char *dsn, const char *text)
{
	struct message *m = j->m;
	struct dest *d = j->d;

	job_stop(j);
	job_free(j);
	if (d->t->rate_delay)
		d->not_before = clock_mono() + d->t->rate_delay;
	feedback(d, f, dsn, text);
	message_check(m);
}

void
dest_job_again(struct job *j)
{
	if (++j->tries < TRIES) {
		job_stop(j);
		heap_add(&j->d->jobs, &j->node, j->node.key);
		dest_update(j->d);
		return;
	}
	for (size_t i = 0; i < j->n; i++)
		result_set(j->m, j->rcpt[i], j->d->t->name, j->started, AGENT_DEFERRED, "4.3.0", NULL, NULL,
		    "the delivery agent went away before it read its job");
	dest_job_done(j, FEEDBACK_NONE, NULL, NULL);
}

void
dest_job_split(struct job *j)
{
	size_t half = j->n / 2;
	struct job *k = job_new(j->d, j->m);

	fresh_n = 0;
	j->d->filling = NULL;
	k->cap = k->n = k->left = j->n - half;
	k->rcpt = mem_array(k->n, sizeof *k->rcpt);
	memcpy(k->rcpt, j->rcpt + half, k->n * sizeof *k->rcpt);
	j->n = j->left = half;
	k->flow = j->flow;
	k->flow->jobs++;
	enqueue(k, j->node.key);
}

/* Its message is not to be tried any more. */
static void
expire(struct job *j)
{
	struct message *m = j->m;
	struct dest *d = j->d;

	heap_remove(&d->jobs, &j->node);
	expire_begin(m);
	for (size_t i = 0; i < j->n; i++)
		expire_rcpt(m, j->rcpt[i]);
	expire_end();
	job_free(j);
	d->idle_since = clock_mono();
	dest_update(d);
	message_check(m);
}

/* Hands j to an agent. False: no process is free for it now. */
static bool
give(struct job *j)
{
	struct transport *t = j->d->t;

	if (!t->command) {
		dest_pause_transport(t, manager.transport_retry, "4.3.5", t->problem);
		return true;
	}
	if (!t->command->resident && t->processes >= t->process_limit)
		return false;
	if (!message_there(j->m) || (message_fd(j->m) < 0 && errno == ENOENT)) {
		message_vanished(j->m);
		return true;
	}
	if (j->m->expire) {
		expire(j);
		return true;
	}
	if (message_fd(j->m) < 0)
		return false;
	if (t->command->resident && !agents_free(j))
		return false;
	job_start(j);
	if (t->command->resident)
		agents_start(j);
	else
		oneshot_start(j);
	return true;
}

bool
dest_run(void)
{
	struct heap_node *first;

	if (manager.stopping)
		return false;
	dest_sweep();
	for (struct transport *t = dest_transports(); t; t = t->next) {
		while (!t->starting_later && (first = heap_first(&t->ready)) != NULL) {
			struct dest *d = HOLDER(first, struct dest, node);
			struct heap_node *node = heap_first(&d->jobs);

			if (!node || !give(HOLDER(node, struct job, node)))
				break;
		}
	}
	return false;
}

/* Takes those of a waiting job's recipients out that are paused. */
static bool
withdraw(struct job *j)
{
	const struct pause_rule *rule;
	size_t left = 0, had = j->n;

	for (size_t i = 0; i < had; i++) {
		rule = pausing_of(j->rcpt[i]->q->addr, j->d->nexthop, j->d->t->name);
		if (rule)
			pausing_set(j->m, j->rcpt[i], rule);
		else
			j->rcpt[left++] = j->rcpt[i];
	}
	j->n = j->left = left;
	return left < had;
}

bool
dest_withdraw(struct message *m)
{
	struct job *next;
	bool any = false;

	for (struct job *j = m->jobs; j; j = next) {
		struct dest *d = j->d;

		next = j->next;
		if (!j->node.at || !withdraw(j))
			continue;
		any = true;
		if (j->n)
			continue;
		heap_remove(&d->jobs, &j->node);
		job_free(j);
		dest_update(d);
	}
	return any;
}

void
dest_forget(struct message *m)
{
	struct job *next;

	for (struct job *j = m->jobs; j; j = next) {
		next = j->next;
		if (!j->node.at)
			continue;
		heap_remove(&j->d->jobs, &j->node);
		dest_update(j->d);
		m->open -= j->left;
		job_free(j);
	}
}

void
job_drain(struct dest *d)
{
	if (d->draining)
		return;
	d->draining = true;
	d->drain_next = drain;
	drain = d;
}

/* Defers the first job of d by the text of the pause. */
static void
defer_first(struct dest *d, const struct pause *p)
{
	struct job *j = HOLDER(heap_first(&d->jobs), struct job, node);
	struct buf text = BUF_INIT(1 << 16);
	struct message *m = j->m;

	buf_addf(&text, "delivery temporarily suspended: %s", p->text);
	heap_remove(&d->jobs, &j->node);
	for (size_t i = 0; i < j->n; i++)
		result_set(m, j->rcpt[i], d->t->name, 0, AGENT_DEFERRED, p->dsn, NULL, NULL, text.data);
	buf_free(&text);
	job_free(j);
	message_check(m);
}

bool
dest_drain(void)
{
	int64_t until = clock_mono() + LOOP_SLICE;
	const struct pause *p;
	struct dest *d;

	while ((d = drain) != NULL) {
		drain = d->drain_next;
		d->draining = false;
		while (d->jobs.n && (p = dest_paused(d)) != NULL) {
			if (clock_mono() > until) {
				job_drain(d);
				return true;
			}
			defer_first(d, p);
		}
		d->idle_since = clock_mono();
		dest_update(d);
	}
	return false;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Transports and destinations: see dest.h. */
#include "dest.h"

#include "agents.h"
#include "command.h"
#include "job.h"
#include "manager.h"
#include "notify.h"

#include "mail/config.h"
#include "mail/log.h"
#include "mail/route.h"
#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strmap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_IDLE 60              /* seconds that a destination without work is remembered */

static struct transport *transports;
static struct strmap *dests;
static struct buf key = BUF_INIT(1 << 20);
static int64_t next_sweep;

static int
limit(const char *transport, const char *suffix, const char *def)
{
	int64_t n = config_transport(manager.config, transport, suffix, def);

	return n > 0 && n < INT_MAX ? (int)n : INT_MAX;
}

/* How its window follows success or failure. A value that is none is 1, the default of Postfix. */
static struct feedback_rule
feedback_of(const struct transport *t, const char *suffix)
{
	struct buf name = BUF_INIT(4096);
	struct feedback_rule rule = { .number = 1 };
	const char *value = NULL;

	if (buf_addf(&name, "%s_%s", t->name, suffix) == 0)
		value = config_any(manager.config, name.data);
	if (!value) {
		buf_clear(&name);
		buf_addf(&name, "default_%s", suffix);
		value = config_str(manager.config, name.data);
	}
	if (window_rule_parse(value, &rule) < 0)
		log_warn("%s = %s: expected a number from 0 to 1, alone or with / concurrency or / sqrt_concurrency; 1 is used", name.data, value);
	buf_free(&name);
	return rule;
}

static void
transport_configure(struct transport *t)
{
	struct buf err = BUF_INIT(4096);
	int64_t n;

	command_free(&t->command);
	free(t->problem);
	t->problem = NULL;
	t->command = command_get(manager.config, t->name, &err);
	if (!t->command)
		t->problem = buf_steal(&err);
	buf_free(&err);
	t->process_limit = (size_t)limit(t->name, "process_limit", "default_process_limit");
	n = limit(t->name, "destination_recipient_limit", "default_destination_recipient_limit");
	t->rcpt_limit = n < 500 ? (size_t)n : 500; /* a job must fit into a packet */
	t->concurrency_limit = limit(t->name, "destination_concurrency_limit", "default_destination_concurrency_limit");
	t->first_concurrency = limit(t->name, "initial_destination_concurrency", "initial_destination_concurrency");
	t->failed_cohorts = limit(t->name, "destination_concurrency_failed_cohort_limit",
	    "default_destination_concurrency_failed_cohort_limit");
	t->grow = feedback_of(t, "destination_concurrency_positive_feedback");
	t->shrink = feedback_of(t, "destination_concurrency_negative_feedback");
	t->command_limit = config_transport(manager.config, t->name, "time_limit", "command_time_limit");
	t->start_delay = config_transport(manager.config, t->name, "transport_rate_delay", "default_transport_rate_delay") * 1000000;
	t->rate_delay = config_transport(manager.config, t->name, "destination_rate_delay", "default_destination_rate_delay") * 1000000;
	if (t->rate_delay > 0)
		t->concurrency_limit = t->first_concurrency = 1;
	if (t->first_concurrency > t->concurrency_limit)
		t->first_concurrency = t->concurrency_limit;
}

static struct transport *
transport_get(const char *name)
{
	struct transport *t;

	for (t = transports; t; t = t->next)
		if (strcmp(t->name, name) == 0)
			return t;
	t = mem_zalloc(sizeof *t);
	t->name = mem_strdup(name);
	t->flows = strmap_new();
	transport_configure(t);
	t->next = transports;
	transports = t;
	return t;
}

struct transport *
dest_transports(void)
{
	return transports;
}

static void
set_pause(struct pause *p, int64_t seconds, const char *dsn, const char *text)
{
	p->since = clock_mono();
	p->until = p->since + seconds * 1000000;
	snprintf(p->dsn, sizeof p->dsn, "%s", dsn);
	free(p->text);
	p->text = mem_strdup(text);
}

static bool
paused(const struct pause *p)
{
	return p->until > clock_mono();
}

const struct pause *
dest_paused(const struct dest *d)
{
	if (d->pause.until && paused(&d->pause))
		return &d->pause;
	return d->t->pause.until && paused(&d->t->pause) ? &d->t->pause : NULL;
}

void
dest_update(struct dest *d)
{
	struct heap_node *first = heap_first(&d->jobs);

	heap_remove(&d->t->ready, &d->node);
	if (!first)
		return;
	if (dest_paused(d))
		job_drain(d);
	else if (d->not_before && d->not_before > clock_mono())
		timer_set(&d->timer, d->not_before);
	else if (d->busy < (int)d->window)
		heap_add(&d->t->ready, &d->node, first->key);
}

static void
timer_fired(struct timer *timer)
{
	struct dest *d = HOLDER(timer, struct dest, timer);

	if (d->pause.until && !paused(&d->pause)) {
		d->pause.until = 0;
		d->window = 1; /* one attempt tells whether it is back */
		d->failures = 0;
	}
	dest_update(d);
}

void
dest_pause(struct dest *d, int64_t seconds, const char *dsn, const char *text)
{
	set_pause(&d->pause, seconds, dsn, text);
	timer_set(&d->timer, d->pause.until);
	dest_update(d);
}

static void
update_transport(const char *name, void *value, void *arg)
{
	struct dest *d = value;

	(void)name;
	if (d->t == arg)
		dest_update(d);
}

void
dest_pause_transport(struct transport *t, int64_t seconds, const char *dsn, const char *text)
{
	struct buf subject = BUF_INIT(4096);

	log_warn("transport %s: %s; no other attempt for %lld seconds", t->name, text, (long long)seconds);
	buf_addf(&subject, "transport %s does not work", t->name);
	notify_trouble("software", subject.data, text);
	buf_free(&subject);
	set_pause(&t->pause, seconds, dsn, text);
	strmap_each(dests, update_transport, t);
}

static void
start_again(struct timer *timer)
{
	HOLDER(timer, struct transport, start_timer)->starting_later = false;
}

void
dest_start_later(struct transport *t, int64_t microseconds)
{
	t->starting_later = true;
	t->start_timer.fire = start_again;
	timer_set(&t->start_timer, clock_mono() + microseconds);
}

void
dest_start_failed(struct job *j, const char *text)
{
	struct transport *t = j->d->t;

	if (++t->failed_starts < manager.fork_attempts) {
		log_warn("transport %s: %s; another attempt in %lld seconds", t->name, text, (long long)manager.fork_delay);
		dest_start_later(t, manager.fork_delay * 1000000);
	} else {
		t->failed_starts = 0;
		dest_pause_transport(t, manager.transport_retry, "4.3.0", text);
	}
	dest_job_again(j);
}

void
dest_flush(struct dest *d, int64_t asked)
{
	if (d->pause.until && d->pause.since < asked)
		d->pause.until = 0;
	if (d->t->pause.until && d->t->pause.since < asked)
		d->t->pause.until = 0;
}

/* What the agent is told about the destination. */
static char *
make_set(const struct route *r)
{
	struct buf b = BUF_INIT(1 << 16);

	envelope_param_add(&b, "transport", r->transport.data);
	envelope_param_add(&b, "nexthop", r->nexthop.data);
	if (r->user.len)
		envelope_param_add(&b, "user", r->user.data);
	if (r->home.len)
		envelope_param_add(&b, "home", r->home.data);
	if (r->mailbox.len)
		envelope_param_add(&b, "mailbox", r->mailbox.data);
	if (b.len)
		buf_drop(&b, 1);
	return buf_steal(&b);
}

static struct dest *
dest_new(const struct route *r, struct transport *t)
{
	struct dest *d = mem_zalloc(sizeof *d);

	d->t = t;
	d->key = mem_strdup(key.data);
	d->nexthop = mem_strdup(r->nexthop.data);
	d->set = make_set(r);
	d->uid = r->uid;
	d->gid = r->gid;
	d->user = mem_strdup(r->user.data);
	d->who = (struct identity){ .name = "" };
	if (r->uid != (uid_t)-1)
		d->who = (struct identity){ r->class == ROUTE_LOCAL ? IDENTITY_LOCAL : IDENTITY_VIRTUAL, d->user };
	d->window = d->t->first_concurrency;
	d->timer.fire = timer_fired;
	d->idle_since = clock_mono();
	d->park = (struct park){ .load = &d->jobs.n, .part = 2 };
	strmap_set(dests, key.data, d);
	return d;
}

/* Adds the user of an address to the key, in small letters and without an extension: limits are for each user then. */
static void
add_user(const char *addr)
{
	const char *delimiter = config_str(manager.config, "recipient_delimiter"), *at = strrchr(addr, '@');
	size_t n = at ? (size_t)(at - addr) : strlen(addr), base = strcspn(addr, delimiter);

	if (base && base < n)
		n = base;
	for (size_t i = 0; i < n; i++)
		buf_addc(&key, addr[i] >= 'A' && addr[i] <= 'Z' ? (char)(addr[i] - 'A' + 'a') : addr[i]);
}

struct dest *
dest_get(const struct route *r, const char *addr)
{
	struct transport *t = transport_get(r->transport.data);
	struct dest *d;

	if (!dests)
		dests = strmap_new();
	/* fields are apart by a control character, which stands in no address and no parameter */
	buf_clear(&key);
	buf_addf(&key, "%s\001%s\001%s\001%s\001%d\001%d", r->transport.data, r->nexthop.data, r->user.data, r->mailbox.data, (int)r->uid,
	    (int)r->gid);
	if (t->rcpt_limit == 1) {
		buf_addc(&key, '\001');
		add_user(addr);
	}
	d = strmap_get(dests, key.data);
	return d ? d : dest_new(r, t);
}

static bool
idle(const struct dest *d)
{
	return !d->busy && !d->jobs.n && !d->draining && !d->filling && !d->park.before && !dest_paused(d) && d->not_before <= clock_mono();
}

static void
dest_free(struct dest *d)
{
	strmap_remove(dests, d->key);
	timer_clear(&d->timer);
	heap_remove(&d->t->ready, &d->node);
	heap_free(&d->jobs);
	free(d->pause.text);
	free(d->key);
	free(d->nexthop);
	free(d->user);
	free(d->set);
	free(d);
}

struct sweep {
	struct dest **d;
	size_t n;
	int64_t before;
};

static void
collect(const char *name, void *value, void *arg)
{
	struct sweep *s = arg;
	struct dest *d = value;

	(void)name;
	if (idle(d) && d->idle_since < s->before)
		s->d[s->n++] = d;
}

void
dest_sweep(void)
{
	int64_t now = clock_mono();
	struct sweep s = { .before = now - (int64_t)KEEP_IDLE * 1000000 };

	if (now < next_sweep || !dests)
		return;
	next_sweep = now + (int64_t)KEEP_IDLE * 1000000;
	s.d = mem_array(strmap_count(dests) + 1, sizeof *s.d);
	strmap_each(dests, collect, &s);
	for (size_t i = 0; i < s.n; i++)
		dest_free(s.d[i]);
	free(s.d);
}

static void
reconfigure(const char *name, void *value, void *arg)
{
	struct dest *d = value;

	(void)name;
	(void)arg;
	if (d->window > d->t->concurrency_limit)
		d->window = d->t->concurrency_limit;
	d->pause.until = 0;
	dest_update(d);
}

void
dest_reload(void)
{
	for (struct transport *t = transports; t; t = t->next) {
		transport_configure(t);
		t->pause.until = 0;
		t->deaths = 0;
		t->starting_later = false;
		timer_clear(&t->start_timer);
	}
	if (dests)
		strmap_each(dests, reconfigure, NULL);
}

static void
find_largest(const char *name, void *value, void *arg)
{
	struct dest **largest = arg, *d = value;

	(void)name;
	if (!*largest || d->jobs.n + (size_t)d->busy > (*largest)->jobs.n + (size_t)(*largest)->busy)
		*largest = d;
}

void
dest_clogged(void)
{
	static int64_t next;
	struct dest *d = NULL;

	if (!manager.clog_warning || clock_mono() < next || !dests)
		return;
	next = clock_deadline(manager.clog_warning);
	strmap_each(dests, find_largest, &d);
	if (d)
		log_warn("the active queue is full (%zu messages), others have to wait: %zu deliveries of it are for %s by transport %s",
		    message_count(), d->jobs.n + (size_t)d->busy, *d->nexthop ? d->nexthop : "one user", d->t->name);
}

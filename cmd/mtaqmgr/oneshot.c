/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See oneshot.h. */
#include "oneshot.h"

#include "command.h"
#include "dest.h"
#include "loop.h"
#include "manager.h"
#include "result.h"
#include "starter.h"

#include "mail/agent.h"
#include "mail/config.h"
#include "mail/log.h"
#include "syntax/address.h"
#include "syntax/envelope.h"
#include "sys/file.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX 262144         /* bytes of a command's output that are looked at */
#define SAID_MAX 400              /* bytes of it that go into a reason */

struct oneshot {
	struct child child;
	struct watch out;
	struct timer timer;
	struct job *job;
	struct buf text;
	int status;
	bool exited, timed_out, killed;
};

/* What an exit status of sysexits.h means for the recipients. Anything not here is temporary: a bounce must be meant. */
static const struct { int status; const char *dsn, *text; } permanent[] = {
	{ EX_DATAERR, "5.6.0", "data format error" },
	{ EX_NOUSER, "5.1.1", "user unknown" },
	{ EX_NOHOST, "5.1.2", "host name unknown" },
	{ EX_UNAVAILABLE, "5.3.0", "service unavailable" },
	{ EX_PROTOCOL, "5.5.0", "remote error in protocol" },
	{ EX_NOPERM, "5.7.0", "permission denied" },
};

static void
attr(struct buf *b, const char *name, const char *value)
{
	buf_adds(b, name);
	buf_addc(b, '=');
	buf_adds(b, value);
	buf_addc(b, '\0');
}

/* The parts of one recipient. */
static void
rcpt_attrs(struct buf *b, const struct rcpt *r)
{
	const char *delimiter = config_str(manager.config, "recipient_delimiter"), *why;
	struct buf orcpt = BUF_INIT(8192);
	struct address a;
	size_t base;

	address_init(&a);
	if (address_parse(&a, r->q->addr, strlen(r->q->addr), ADDRESS_UTF8 | ADDRESS_NODOMAIN, &why) < 0)
		buf_adds(&a.local, r->q->addr);
	attr(b, "recipient", r->q->addr);
	attr(b, "mailbox", a.local.data);
	attr(b, "domain", a.domain.data);
	base = strcspn(a.local.data, delimiter);
	attr(b, "extension", base && base < a.local.len ? a.local.data + base + 1 : "");
	if (base && base < a.local.len)
		buf_truncate(&a.local, base);
	attr(b, "user", a.local.data);
	envelope_param(r->q->params, strlen(r->q->params), "orcpt", &orcpt, &why);
	attr(b, "original_recipient", strchr(orcpt.data, ';') ? strchr(orcpt.data, ';') + 1 : r->q->addr);
	buf_free(&orcpt);
	address_free(&a);
}

static int
job_attrs(const struct job *j, struct buf *b)
{
	static const char *const from[] = { "client", "helo", "proto", "auth" };
	static const char *const names[] = { "client_address", "client_helo", "client_protocol", "sasl_username" };
	struct buf value = BUF_INIT(8192);
	char size[32];
	const char *why;

	attr(b, "sender", j->m->e.sender);
	attr(b, "nexthop", j->d->nexthop);
	attr(b, "queue_id", j->m->id);
	snprintf(size, sizeof size, "%llu", (unsigned long long)j->m->e.size);
	attr(b, "size", size);
	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		buf_clear(&value);
		envelope_param(j->m->e.from, strlen(j->m->e.from), from[i], &value, &why);
		attr(b, names[i], value.data);
	}
	buf_free(&value);
	for (size_t i = 0; i < j->n; i++)
		rcpt_attrs(b, j->rcpt[i]);
	return b->full ? -1 : 0;
}

/* All recipients without a result get this one, and the job is over. */
static void
job_over(struct job *j, enum agent_status status, const char *dsn, const char *text)
{
	/* what the command makes of it nobody knows, unless flags= says that it delivers */
	for (size_t i = 0; i < j->n; i++) {
		j->rcpt[i]->action = strchr(j->d->t->command->flags, 'X') ? RCPT_DELIVERED : RCPT_RELAYED;
		result_set(j->m, j->rcpt[i], j->d->t->name, j->started, status, dsn, NULL, NULL, text);
	}
	dest_job_done(j, FEEDBACK_GOOD, NULL, NULL);
}

/* The headers that flags= asks for, then the content: in a file that has no name. */
static int
prefixed(const struct job *j, const char *flags, int in)
{
	struct buf b = BUF_INIT(1 << 20);
	time_t now = time(NULL);
	char stamp[64], name[40];
	struct tm tm;
	int fd;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &tm);
	if (strchr(flags, 'F'))
		buf_addf(&b, "From %s  %s\n", *j->m->e.sender ? j->m->e.sender : "MAILER-DAEMON", stamp);
	if (strchr(flags, 'R'))
		buf_addf(&b, "Return-Path: <%s>\n", j->m->e.sender);
	for (size_t i = 0; i < j->n && strchr(flags, 'O'); i++)
		buf_addf(&b, "X-Original-To: %s\n", j->rcpt[i]->q->addr);
	for (size_t i = 0; i < j->n && strchr(flags, 'D'); i++)
		buf_addf(&b, "Delivered-To: %s\n", j->rcpt[i]->q->addr);
	fd = file_temp(manager.queue.tmp, 0600, name);
	if (fd >= 0 && *name)
		unlinkat(manager.queue.tmp, name, 0);
	if (fd >= 0 && (b.full || file_write_all(fd, b.data, b.len) < 0 ||
	    file_copy(fd, in, (off_t)j->m->e.content, j->m->e.size) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		fd = -1;
	}
	buf_free(&b);
	return fd;
}

/* The message for standard input: a descriptor of its own, since a descriptor's position is shared by all its copies. */
static int
open_input(const struct job *j)
{
	const char *flags = j->d->t->command->flags;
	int own = message_fd(j->m), fd;
	char path[64];

	if (own < 0)
		return -1;
	if (flags[strspn(flags, "huX")])
		return prefixed(j, flags, own);
	snprintf(path, sizeof path, "/proc/self/fd/%d", own);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && lseek(fd, (off_t)j->m->e.content, SEEK_SET) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Result lines of the output; how many were there. */
static size_t
take_results(struct oneshot *o)
{
	struct agent_result r = { 0 };
	struct job *j = o->job;
	const char *p = o->text.data, *end = p + o->text.len, *lf, *err;
	size_t found = 0;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			lf = end;
		if (agent_result_parse(&r, p, (size_t)(lf - p), &err) < 0)
			continue;
		for (size_t i = 0; i < j->n; i++) {
			if (j->rcpt[i]->state == RCPT_OPEN && strcmp(j->rcpt[i]->q->addr, r.addr) == 0) {
				j->rcpt[i]->action = result_action(r.action);
				result_set(j->m, j->rcpt[i], j->d->t->name, j->started, r.status, r.dsn, r.relay, r.delays, r.text);
				found++;
				break;
			}
		}
	}
	agent_result_free(&r);
	return found;
}

/* "text. Command output: what it said" */
static void
add_said(const struct oneshot *o, struct buf *text)
{
	size_t n = o->text.len < SAID_MAX ? o->text.len : SAID_MAX;

	while (n && (o->text.data[n - 1] == '\n' || o->text.data[n - 1] == ' '))
		n--;
	if (!n)
		return;
	buf_adds(text, ". Command output: ");
	for (size_t i = 0; i < n; i++)
		buf_addc(text, o->text.data[i] >= 0 && o->text.data[i] < ' ' ? ' ' : o->text.data[i]);
}

/* The exit status counts for all that have no result. */
static void
by_status(struct oneshot *o)
{
	struct buf text = BUF_INIT(65536);
	enum agent_status status = AGENT_DEFERRED;
	const char *dsn = "4.3.0";

	if (o->timed_out) {
		buf_addf(&text, "command time limit of %lld seconds exceeded", (long long)o->job->d->t->command_limit);
	} else if (WIFSIGNALED(o->status)) {
		buf_addf(&text, "command died with signal %d", WTERMSIG(o->status));
	} else if (WEXITSTATUS(o->status) == 0) {
		status = AGENT_SENT;
		dsn = "2.0.0";
		buf_addf(&text, "delivered via %s service", o->job->d->t->name);
	} else {
		for (size_t i = 0; i < sizeof permanent / sizeof *permanent; i++) {
			if (permanent[i].status == WEXITSTATUS(o->status)) {
				status = AGENT_BOUNCED;
				dsn = permanent[i].dsn;
				buf_adds(&text, permanent[i].text);
			}
		}
		if (!text.len)
			buf_addf(&text, "temporary failure (exit status %d)", WEXITSTATUS(o->status));
	}
	if (status != AGENT_SENT)
		add_said(o, &text);
	job_over(o->job, status, dsn, text.data);
	buf_free(&text);
}

static void
finish(struct oneshot *o)
{
	o->job->d->t->processes--;
	timer_clear(&o->timer);
	if (take_results(o))
		job_over(o->job, AGENT_DEFERRED, "4.3.0", "the delivery agent gave no result for this recipient");
	else
		by_status(o);
	buf_free(&o->text);
	free(o);
	dest_run();
}

/* Reads what is there. False: nothing more will come. */
static bool
read_output(struct oneshot *o)
{
	char data[8192];
	ssize_t n;

	while ((n = read(o->out.fd, data, sizeof data)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && o->text.len + (size_t)n <= o->text.max)
			buf_add(&o->text, data, (size_t)n);
	return n < 0 && errno == EAGAIN;
}

static void
close_output(struct oneshot *o)
{
	if (o->out.fd < 0)
		return;
	loop_unwatch(&o->out);
	close(o->out.fd);
	o->out.fd = -1;
}

static void
out_ready(struct watch *w)
{
	struct oneshot *o = HOLDER(w, struct oneshot, out);

	if (read_output(o))
		return;
	close_output(o);
	if (o->exited)
		finish(o);
}

/* It has ended; a child of its own that still holds the output open does not count. */
static void
oneshot_exited(struct child *c, int status)
{
	struct oneshot *o = HOLDER(c, struct oneshot, child);

	o->status = status;
	o->exited = true;
	if (o->out.fd >= 0)
		read_output(o);
	close_output(o);
	finish(o);
}

static void
oneshot_started(struct child *c, int sock, const char *error)
{
	struct oneshot *o = HOLDER(c, struct oneshot, child);
	struct job *j = o->job;

	(void)sock;
	if (!error) {
		j->d->t->failed_starts = 0;
		return;
	}
	timer_clear(&o->timer);
	close_output(o);
	j->d->t->processes--;
	buf_free(&o->text);
	free(o);
	dest_start_failed(j, error);
}

static void
time_over(struct timer *t)
{
	struct oneshot *o = HOLDER(t, struct oneshot, timer);

	o->timed_out = true;
	starter_kill(&o->child, o->killed ? SIGKILL : SIGTERM);
	o->killed = true;
	timer_set(&o->timer, clock_deadline(10));
}

/* Addresses that a command would take for an option are not given to one, also when quotes hide it in the address: "-x"@example.com.
 * Their recipients are returned. False: nobody is left. */
static bool
refuse_dangerous(struct job *j)
{
	struct buf b = BUF_INIT(STARTER_ATTRS);
	size_t left = 0;

	for (size_t i = 0; i < j->n; i++) {
		struct rcpt *r = j->rcpt[i];

		buf_clear(&b);
		attr(&b, "sender", j->m->e.sender);
		rcpt_attrs(&b, r);
		if (b.full || command_attrs_safe(b.data, b.len))
			j->rcpt[left++] = r;
		else
			result_set(j->m, r, j->d->t->name, j->started, AGENT_BOUNCED, "5.1.3", NULL, NULL,
			    "an address that begins with '-' is not passed to a command");
	}
	buf_free(&b);
	j->n = j->left = left;
	if (!left)
		dest_job_done(j, FEEDBACK_GOOD, NULL, NULL);
	return left > 0;
}

void
oneshot_start(struct job *j)
{
	struct buf attrs = BUF_INIT(STARTER_ATTRS);
	struct oneshot *o;
	int out[2], in;

	if (!refuse_dangerous(j))
		return;
	while (job_attrs(j, &attrs) < 0 && j->n > 1) {
		dest_job_split(j);
		buf_clear(&attrs);
	}
	in = open_input(j);
	if (attrs.full || in < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0) {
		if (in >= 0)
			close(in);
		buf_free(&attrs);
		job_over(j, AGENT_DEFERRED, "4.3.0", "the message could not be given to the command");
		return;
	}
	fcntl(out[1], F_SETFL, 0); /* the command's end blocks */
	o = mem_zalloc(sizeof *o);
	o->job = j;
	o->child = (struct child){ .started = oneshot_started, .exited = oneshot_exited };
	o->out = (struct watch){ .fd = out[0], .ready = out_ready };
	o->timer.fire = time_over;
	buf_init(&o->text, OUTPUT_MAX);
	loop_watch(&o->out);
	timer_set(&o->timer, clock_deadline(j->d->t->command_limit));
	j->d->t->processes++;
	starter_oneshot(&o->child, j->d->t->name, &j->d->who, attrs.data, attrs.len, in, out[1]);
	close(in);
	close(out[1]);
	buf_free(&attrs);
}

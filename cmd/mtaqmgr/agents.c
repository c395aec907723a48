/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See agents.h and agent(7). An agent that goes away before it has read its job costs nothing: the kernel says so
 * (ECONNRESET) and another one gets the job. One that dies in the middle leaves its recipients to be tried again. */
#include "agents.h"

#include "command.h"
#include "dest.h"
#include "job.h"
#include "loop.h"
#include "manager.h"
#include "notify.h"
#include "result.h"
#include "starter.h"

#include "mail/agent.h"
#include "mail/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_SECONDS 14400         /* longest job: an agent has its own, shorter limits, so this one hangs */
#define END_SECONDS 10            /* that an agent has to end when its connection was closed: it is at no work then */
#define GARBAGE_MAX 10            /* lines in one job that are no results: whoever wrote the agent sees enough, and the log stays of use */
#define NOTICES_MAX 10            /* in one job */

struct pool {
	struct transport *t;
	uid_t uid;
	gid_t gid;
	struct agent *idle;       /* the one that was used last is the first: its memory is warm, and the others can end */
	unsigned deaths;          /* of agents that run as a recipient, one after the other */
	struct pool *next;
};

struct agent {
	struct watch watch;
	struct timer timer;       /* idle: its end; busy: the job is taken for hung */
	struct child child;
	struct pool *pool;
	struct agent *next, **before;        /* idle ones */
	struct job *job;
	unsigned reload;          /* the configuration that it was started with */
	int64_t used;             /* jobs that it has done */
	unsigned garbage, notices; /* lines that are nothing, and notices, in this job */
	bool heard;               /* has answered in this job */
	bool killed, exited;
};

static unsigned reloads;
static struct buf packet = BUF_INIT(AGENT_PACKET);
static struct agent_rcpt *job_rcpts;
static size_t job_rcpts_cap;
static struct agent_result result;

static struct pool *
pool_get(struct transport *t, uid_t uid, gid_t gid)
{
	struct pool *p;

	for (p = t->pools; p; p = p->next)
		if (p->uid == uid && p->gid == gid)
			return p;
	p = mem_zalloc(sizeof *p);
	*p = (struct pool){ .t = t, .uid = uid, .gid = gid, .next = t->pools };
	t->pools = p;
	return p;
}

static void
idle_add(struct agent *a)
{
	struct pool *p = a->pool;

	a->next = p->idle;
	a->before = &p->idle;
	if (a->next)
		a->next->before = &a->next;
	p->idle = a;
	timer_set(&a->timer, clock_deadline(manager.max_idle));
}

static void
idle_remove(struct agent *a)
{
	if (!a->before)
		return;
	*a->before = a->next;
	if (a->next)
		a->next->before = a->before;
	a->before = NULL;
}

/* The connection ends; the struct goes when the process is gone too. That is seen to: an agent that runs as a user of this host can
 * be stopped by him, and the processes of a transport are numbered. */
static void
agent_close(struct agent *a)
{
	if (a->watch.fd < 0)
		return;
	idle_remove(a);
	timer_clear(&a->timer);
	loop_unwatch(&a->watch);
	close(a->watch.fd);
	a->watch.fd = -1;
	a->pool->t->processes--;
	if (a->exited)
		free(a);
	else
		timer_set(&a->timer, clock_deadline(END_SECONDS));
}

/* A death in the middle of work; many of them in a row stop the transport for a while; those of agents that run as a recipient
 * only what is his: he may have killed them. */
static void
count_death(struct pool *p, struct dest *d, const char *text)
{
	bool own = d->who.kind != IDENTITY_NONE;
	unsigned *deaths = own ? &p->deaths : &p->t->deaths;

	if (++*deaths < manager.fork_attempts)
		return;
	*deaths = 0;
	if (!own) {
		dest_pause_transport(p->t, manager.transport_retry, "4.3.0", text);
		return;
	}
	log_warn("transport %s, user %s: %s; no other attempt for %lld seconds", p->t->name, d->who.name, text, (long long)manager.transport_retry);
	dest_pause(d, manager.transport_retry, "4.3.0", text);
}

/* What the results of a job say about its destination. */
static enum feedback
judge(const struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct rcpt *r = j->rcpt[i];
		bool none = r->relay && (!*r->relay || strcmp(r->relay, "none") == 0);

		if (r->state != RCPT_DEFERRED || strncmp(r->dsn, "4.3.", 4) == 0)
			return r->state == RCPT_DEFERRED ? FEEDBACK_NONE : FEEDBACK_GOOD;
		if (strncmp(r->dsn, "4.4.", 4) != 0 && !(none && strncmp(r->dsn, "4.7.", 4) == 0))
			return FEEDBACK_GOOD;
	}
	return FEEDBACK_BAD;
}

/* The job is over, for better or worse; text: what recipients without a result are told. */
static void
job_over(struct job *j, const char *text)
{
	char dsn[sizeof j->rcpt[0]->dsn] = "";
	enum feedback f;
	char *why;

	for (size_t i = 0; i < j->n && j->left; i++)
		if (j->rcpt[i]->state == RCPT_OPEN)
			result_set(j->m, j->rcpt[i], j->d->t->name, j->started, AGENT_DEFERRED, "4.3.0", NULL, NULL, text);
	f = judge(j);
	why = f == FEEDBACK_BAD ? mem_strdup(j->rcpt[0]->text) : NULL;
	memcpy(dsn, j->rcpt[0]->dsn, sizeof dsn);
	dest_job_done(j, f, dsn, why);
	free(why);
}

/* The agent is lost; unread: it never took its job. */
static void
agent_lost(struct agent *a, bool unread)
{
	struct job *j = a->job;
	struct pool *p = a->pool;

	a->job = NULL;
	agent_close(a);
	if (!j)
		return;
	count_death(p, j->d, "its agents end before their work is done");
	if (unread)
		dest_job_again(j);
	else
		job_over(j, "the delivery agent ended before its work was done");
}

/* Finds the recipient of a result: they mostly come in order. */
static struct rcpt *
find_rcpt(struct job *j, const char *addr)
{
	for (size_t k = 0; k < j->n; k++) {
		size_t i = j->next_result + k < j->n ? j->next_result + k : j->next_result + k - j->n;
		struct rcpt *r = j->rcpt[i];

		if (r->state == RCPT_OPEN && strcmp(r->q->addr, addr) == 0) {
			j->next_result = i + 1;
			return r;
		}
	}
	return NULL;
}

/* False: the agent has lost its job, and maybe its life. */
static bool
take_result(struct agent *a, const char *line, size_t n)
{
	struct job *j = a->job;
	const char *err;
	struct rcpt *r;

	if (agent_result_parse(&result, line, n, &err) < 0) {
		log_warn("transport %s: agent %d: %s: %.*s", j->d->t->name, (int)a->child.pid, err, (int)(n < 200 ? n : 200), line);
		if (++a->garbage < GARBAGE_MAX)
			return true;
		log_warn("transport %s: agent %d: this is no agent, or a broken one: killed", j->d->t->name, (int)a->child.pid);
		a->killed = true;
		starter_kill(&a->child, SIGKILL);
		agent_lost(a, false);
		return false;
	}
	r = find_rcpt(j, result.addr);
	if (!r)
		return true;
	j->left--;
	r->action = result_action(result.action);
	result_set(j->m, r, j->d->t->name, j->started, result.status, result.dsn, result.relay, result.delays, result.text);
	return true;
}

/* The agent is free: for the next job, if it may go on. */
static void
agent_done(struct agent *a)
{
	struct job *j = a->job;

	a->job = NULL;
	a->pool->t->deaths = a->pool->deaths = 0;
	a->used++;
	if (a->reload != reloads || manager.stopping || (manager.max_use > 0 && a->used >= manager.max_use))
		agent_close(a);
	else
		idle_add(a);
	job_over(j, "the delivery agent gave no result");
	dest_run();
}

/* A notice under way: its class and its host, and what was said. Nothing of an agent's goes into mail as it is: bytes that
 * are not printable ASCII become '?'. */
static struct buf notice = BUF_INIT(AGENT_PACKET), said = BUF_INIT(2 * AGENT_PACKET);

static void
add_printable(struct buf *out, const char *text, size_t n)
{
	for (; n > 0; text++, n--)
		buf_addc(out, *text >= ' ' && *text < 0x7f ? *text : '?');
}

/* True for a line of a notice; else one that was under way is complete. */
static bool
take_notice(struct agent *a, const char *line, size_t n)
{
	char *host;

	if (n > 5 && memcmp(line, "said ", 5) == 0) {
		add_printable(&said, line + 5, n - 5);
		buf_addc(&said, '\n');
		return true;
	}
	if (notice.len && (host = strchr(notice.data, ' '))) {
		*host++ = '\0';
		if (a->notices++ < NOTICES_MAX)
			notify_session(a->job->m, a->pool->t->name, notice.data, host, said.data);
	}
	buf_clear(&notice);
	buf_clear(&said);
	if (n < 7 || memcmp(line, "notice ", 7) != 0)
		return false;
	add_printable(&notice, line + 7, n - 7);
	return true;
}

static void
take_packet(struct agent *a, const char *p, size_t n)
{
	const char *end = p + n, *lf;
	struct message *m = a->job->m;

	a->heard = true;
	buf_clear(&notice);
	buf_clear(&said);
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			lf = end;
		if (take_notice(a, p, (size_t)(lf - p)))
			continue;
		if (lf - p == 4 && memcmp(p, "done", 4) == 0) {
			agent_done(a);
			return;
		}
		if (!take_result(a, p, (size_t)(lf - p)))
			return;
	}
	take_notice(a, "", 0);
	message_mark(m); /* it goes on: what is done is done */
}

static void
agent_ready(struct watch *w)
{
	static char data[AGENT_PACKET];
	struct agent *a = HOLDER(w, struct agent, watch);
	ssize_t n = recv(w->fd, data, sizeof data, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && a->job)
		take_packet(a, data, (size_t)n);
	else
		agent_lost(a, n < 0 && errno == ECONNRESET && !a->heard);
}

static void
agent_timer(struct timer *t)
{
	struct agent *a = HOLDER(t, struct agent, timer);

	if (a->watch.fd < 0) {
		log_warn("transport %s: agent %d: has not ended, killed", a->pool->t->name, (int)a->child.pid);
		a->killed = true;
		starter_kill(&a->child, SIGKILL);
	} else if (a->job) {
		log_warn("transport %s: agent %d: no end of its job after %d seconds, killed", a->pool->t->name, (int)a->child.pid,
		    JOB_SECONDS);
		a->killed = true;
		starter_kill(&a->child, SIGKILL);
		agent_lost(a, false);
	} else {
		agent_close(a);
	}
}

/* The text of the job into packet. */
static int
format_job(struct job *j)
{
	struct agent_job text = { .id = j->m->id, .sender = j->m->e.sender, .set = j->d->set, .content = j->m->e.content,
	    .size = j->m->e.size, .rcpts = j->n, .fd = -1 };
	struct buf opt = BUF_INIT(AGENT_PACKET);
	int r;

	if (job_rcpts_cap < j->n) {
		job_rcpts_cap = j->n;
		job_rcpts = mem_resize(job_rcpts, job_rcpts_cap, sizeof *job_rcpts);
	}
	for (size_t i = 0; i < j->n; i++)
		job_rcpts[i] = (struct agent_rcpt){ j->rcpt[i]->q->addr, j->rcpt[i]->q->params };
	text.rcpt = job_rcpts;
	buf_adds(&opt, j->m->e.opt);
	if (opt.len && *j->m->e.from)
		buf_addc(&opt, ' ');
	buf_adds(&opt, j->m->e.from);
	text.opt = opt.data;
	buf_clear(&packet);
	r = opt.full ? -1 : agent_job_format(&text, &packet);
	buf_free(&opt);
	return r;
}

static void
give_job(struct agent *a)
{
	struct job *j = a->job;
	int fd = message_fd(j->m);

	while (format_job(j) < 0) {
		if (j->n == 1) {
			a->job = NULL;
			idle_add(a);
			job_over(j, "the envelope of the message is too large for an agent");
			return;
		}
		dest_job_split(j);
	}
	a->heard = false;
	a->garbage = a->notices = 0;
	timer_set(&a->timer, clock_deadline(JOB_SECONDS));
	if (starter_send(a->watch.fd, packet.data, packet.len, &fd, fd >= 0, 0) < 0)
		agent_lost(a, true);
}

static void
agent_started(struct child *c, int sock, const char *error)
{
	struct agent *a = HOLDER(c, struct agent, child);
	struct job *j = a->job;

	if (sock >= 0) {
		a->pool->t->failed_starts = 0;
		a->watch.fd = sock;
		loop_watch(&a->watch);
		give_job(a);
		return;
	}
	a->pool->t->processes--;
	free(a);
	dest_start_failed(j, error);
}

static void
agent_exited(struct child *c, int status)
{
	struct agent *a = HOLDER(c, struct agent, child);

	if (WIFSIGNALED(status) && !a->killed)
		log_warn("transport %s: agent %d: killed by signal %d", a->pool->t->name, (int)c->pid, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		log_warn("transport %s: agent %d: exit status %d", a->pool->t->name, (int)c->pid, WEXITSTATUS(status));
	a->exited = true;
	if (a->watch.fd < 0) {
		timer_clear(&a->timer);
		free(a);
	}
}

static void
agent_new(struct pool *p, struct job *j)
{
	struct agent *a = mem_zalloc(sizeof *a);

	a->watch = (struct watch){ .fd = -1, .ready = agent_ready };
	a->timer.fire = agent_timer;
	a->child = (struct child){ .started = agent_started, .exited = agent_exited };
	a->pool = p;
	a->job = j;
	a->reload = reloads;
	p->t->processes++;
	starter_resident(&a->child, p->t->name, &j->d->who);
}

bool
agents_free(const struct job *j)
{
	struct transport *t = j->d->t;

	if (t->processes < t->process_limit)
		return true;
	for (struct pool *p = t->pools; p; p = p->next)
		if (p->idle)
			return true;
	return false;
}

void
agents_start(struct job *j)
{
	struct transport *t = j->d->t;
	struct pool *p = pool_get(t, j->d->uid, j->d->gid);
	struct agent *a = p->idle;

	if (a) {
		idle_remove(a);
		a->job = j;
		give_job(a);
		return;
	}
	/* another user's idle agent makes room */
	for (struct pool *other = t->pools; other && t->processes >= t->process_limit; other = other->next)
		if (other->idle)
			agent_close(other->idle);
	agent_new(p, j);
}

void
agents_stop(void)
{
	for (struct transport *t = dest_transports(); t; t = t->next)
		for (struct pool *p = t->pools; p; p = p->next)
			while (p->idle)
				agent_close(p->idle);
}

void
agents_reload(void)
{
	reloads++;
	agents_stop();
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The parent of the workers. It forks them ahead of need, replaces the dead, ends the superfluous, and never reads a byte
 * from the network.
 *   grow     when fewer than min_idle are idle or starting; when that happens again within a second, twice as many
 *   shrink   every max_idle, by as many as were idle beyond min_idle all that time
 *   SIGHUP   setup again; the workers there are retire; new ones come at once
 *   SIGTERM  listening sockets closed, workers told, 30 seconds waited, the rest killed */
#include "sys/pool.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)
#define GRACE (30 * SECOND)        /* for sessions under way after SIGTERM */
#define REFRESH (2 * SECOND)       /* between looks at changed files */
#define FULL_LOG (60 * SECOND)     /* between two complaints that the limit is reached */
#define BURST_MAX 32
#define REQUEST_MAX 4096

/* What the loop has to remember. */
struct parent {
	struct pool *p;
	int64_t next_fork;         /* after a death or a failed fork: not before */
	int64_t last_kick;
	int burst;
	int64_t shrink_at, refresh_at, loan_at, full_logged;
	uint64_t loan_tickets;     /* sessions begun when last looked */
	bool wants_fork;           /* but must wait for next_fork */
	int owed;                  /* for the dead: one that died may have been woken for a client that nobody else was woken for */
	int single_status;
};

struct pool *pool_current;
static volatile sig_atomic_t got_hup;

void
pool_log(const struct server *s, const char *fmt, ...)
{
	struct buf b = BUF_INIT(8192);
	va_list ap;

	if (!s->log)
		return;
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	s->log(s->arg, b.data);
	buf_free(&b);
}

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		got_hup = 1;
	else if (sig != SIGCHLD)
		pool_stopping = 1;
}

/* Workers that can take or will take a connection, and all that live and are not told to end. */
static void
count(const struct pool *p, int *idle, int *ready, int *live)
{
	*idle = *ready = *live = 0;
	for (int i = 0; i < p->slots; i++) {
		int state = atomic_load(&p->board->slot[i].state);

		if (!p->pid[i] || atomic_load(&p->board->slot[i].retired))
			continue;
		++*live;
		*idle += state == SLOT_IDLE;
		*ready += state == SLOT_IDLE || state == SLOT_STARTING;
	}
}

static int
fork_worker(struct parent *m)
{
	struct pool *p = m->p;
	pid_t pid, self = getpid();
	int i = 0;

	while (i < p->slots && p->pid[i])
		i++;
	if (i == p->slots)
		return -1;
	atomic_store(&p->board->slot[i].retired, 0);
	atomic_store(&p->board->slot[i].state, SLOT_STARTING);
	pid = fork();
	if (pid == 0)
		worker_run(p, i, self);
	if (pid < 0) {
		pool_log(p->s, "fork a worker: %s", strerror(errno));
		atomic_store(&p->board->slot[i].state, SLOT_FREE);
		m->next_fork = clock_mono() + p->s->limits.fork_delay * SECOND;
		return -1;
	}
	p->pid[i] = pid;
	return 0;
}

/* Forks what is missing. */
static void
grow(struct parent *m)
{
	struct pool *p = m->p;
	const struct server_limits *l = &p->s->limits;
	int64_t now = clock_mono();
	int idle, ready, live, want;

	count(p, &idle, &ready, &live);
	m->wants_fork = false;
	if (pool_stopping)
		return;
	if (now - m->last_kick > SECOND)
		m->burst = 1;
	want = l->min_idle - ready > m->owed ? l->min_idle - ready : m->owed;
	if (want <= 0) {
		atomic_store(&p->board->kicked, 0);
		return;
	}
	want += m->burst - 1;
	if (want > l->process_limit - live)
		want = l->process_limit - live;
	if (want <= 0) {
		/* kicked stays set: until one of them ends there is nothing to be done */
		if (ready == 0 && now >= m->full_logged + FULL_LOG) {
			pool_log(p->s, "all %d workers are busy: new clients wait (process limit)", live);
			m->full_logged = now;
		}
		return;
	}
	atomic_store(&p->board->kicked, 0);
	if (now < m->next_fork) {
		m->wants_fork = true;
		return;
	}
	while (want-- > 0 && fork_worker(m) == 0)
		if (m->owed > 0)
			m->owed--;
	if (now < m->next_fork)
		m->wants_fork = true;
}

/* A worker looked around and found too few idle. */
static void
kicked(struct parent *m)
{
	int64_t now = clock_mono();
	char scrap[64];

	while (read(m->p->kick[0], scrap, sizeof scrap) > 0)
		;
	if (now - m->last_kick > SECOND)
		m->burst = 1;
	else if (m->burst < BURST_MAX)
		m->burst *= 2;
	m->last_kick = now;
	grow(m);
}

static void
retire(struct pool *p, int i)
{
	atomic_store(&p->board->slot[i].retired, 1);
	kill(p->pid[i], SIGHUP);
}

/* Ends as many workers as were idle and not needed since the last time. */
static void
shrink(struct parent *m, int64_t now)
{
	struct pool *p = m->p;
	int64_t every = (p->s->limits.max_idle > 0 ? p->s->limits.max_idle : 1) * SECOND;
	int idle, ready, live, spare;

	if (now < m->shrink_at)
		return;
	count(p, &idle, &ready, &live);
	spare = atomic_load(&p->board->low);
	if (spare > idle)
		spare = idle;
	spare -= p->s->limits.min_idle;
	for (int i = p->slots - 1; i >= 0 && spare > 0; i--)
		if (p->pid[i] && atomic_load(&p->board->slot[i].state) == SLOT_IDLE && !atomic_load(&p->board->slot[i].retired)) {
			retire(p, i);
			spare--;
			idle--;
		}
	atomic_store(&p->board->low, idle);
	m->shrink_at = live > p->s->limits.min_idle ? now + every : CLOCK_NEVER;
}

/* One of ours has ended. */
static void
ended(struct parent *m, pid_t pid, int status)
{
	struct pool *p = m->p;
	int64_t now = clock_mono();
	bool served;
	int i = 0;

	for (int k = 0; k < p->children; k++)
		if (p->child[k] == pid) {
			p->child[k] = 0;
			atomic_store(&p->board->slot[p->slots + k].group, 0);
			return;
		}
	while (i < p->slots && p->pid[i] != pid)
		i++;
	if (i == p->slots)
		return;
	p->pid[i] = 0;
	served = atomic_load(&p->board->slot[i].state) == SLOT_BUSY;
	atomic_store(&p->board->slot[i].client[1], 0);
	atomic_store(&p->board->slot[i].group, 0);
	atomic_store(&p->board->slot[i].state, SLOT_FREE);
	atomic_store(&p->board->kicked, 0);
	m->single_status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
	if (status == 0)
		return;
	/* A session that took more memory than it may ended as it should, and its client is not to choose when others are served;
	 * nor may one death after the other put the replacement off for ever. A crash costs the delay: it may be somebody who tries addresses. */
	if (!(served && WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL) && m->next_fork < now)
		m->next_fork = now + p->s->limits.fork_delay * SECOND;
	if (!p->single)
		m->owed++;
	if (WIFSIGNALED(status))
		pool_log(p->s, "worker %ld killed by signal %d (%s)", (long)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		pool_log(p->s, "worker %ld ended with status %d%s", (long)pid, WEXITSTATUS(status), served ? ", and its session with it" : "");
}

static void
reap(struct parent *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		ended(m, pid, status);
}

static void
answer_request(struct parent *m)
{
	struct server *s = m->p->s;
	char request[REQUEST_MAX];
	int fd;
	ssize_t n = sock_recv_fd(m->p->ask[0], request, sizeof request, &fd);

	if (n > 0)
		s->monitor(s->arg, fd, request, (size_t)n);
	if (n >= 0 && fd >= 0)
		close(fd);
}

/* New workers for the old ones, with what setup or refresh have read. */
static void
replace_workers(struct parent *m)
{
	for (int i = 0; i < m->p->slots; i++)
		if (m->p->pid[i])
			retire(m->p, i);
	m->next_fork = 0;
	m->burst = 1;
	m->owed = 0;
}

static void
clamp(struct pool *p)
{
	struct server_limits *l = &p->s->limits;

	if (l->process_limit < 1)
		l->process_limit = 1;
	if (p->slots && l->process_limit > p->slots / 2) {
		pool_log(p->s, "process limit %d needs a restart, %d until then", l->process_limit, p->slots / 2);
		l->process_limit = p->slots / 2;
	}
	if (l->min_idle < 1)
		l->min_idle = 1;
	if (l->min_idle > l->process_limit)
		l->min_idle = l->process_limit;
}

static void
reload(struct parent *m)
{
	struct server *s = m->p->s;

	got_hup = 0;
	if (m->p->single)
		return;
	if ((s->setup && s->setup(s->arg) < 0) || worker_find_user(m->p) != 0) {
		pool_log(s, "reload failed: the old settings stay in use");
		return;
	}
	clamp(m->p);
	pool_log(s, "reloaded");
	replace_workers(m);
}

static bool
has_children(const struct pool *p)
{
	for (int i = 0; i < p->children; i++)
		if (p->child[i])
			return true;
	return false;
}

static bool
all_gone(const struct pool *p)
{
	for (int i = 0; i < p->slots; i++)
		if (p->pid[i])
			return false;
	return !has_children(p);
}

/* The earliest of what has a time. */
static int64_t
timers(struct parent *m)
{
	struct pool *p = m->p;
	int64_t now = clock_mono(), next;
	int idle, ready, live;

	count(p, &idle, &ready, &live);
	if (live <= p->s->limits.min_idle)
		m->shrink_at = CLOCK_NEVER;
	else if (m->shrink_at == CLOCK_NEVER)
		m->shrink_at = now + (p->s->limits.max_idle > 0 ? p->s->limits.max_idle : 1) * SECOND;
	shrink(m, now);
	if (p->s->refresh && now >= m->refresh_at) {
		m->refresh_at = now + REFRESH;
		if (p->s->refresh(p->s->arg) > 0) {
			replace_workers(m);
			m->wants_fork = true;
		}
	}
	if (p->on_loan && now >= m->loan_at) {
		uint64_t begun = atomic_load(&p->board->tickets);

		if (idle == live && begun == m->loan_tickets && m->loan_at && !has_children(p))
			pool_stopping = 1;
		m->loan_tickets = begun;
		m->loan_at = now + (p->s->limits.max_idle > 0 ? p->s->limits.max_idle : 1) * SECOND;
	}
	next = m->shrink_at;
	if (m->wants_fork && m->next_fork < next)
		next = m->next_fork;
	if (p->s->refresh && m->refresh_at < next)
		next = m->refresh_at;
	if (p->on_loan && m->loan_at < next)
		next = m->loan_at;
	return next;
}

/* Sleeps until something happens; signals come only here. */
static void
wait_for_events(struct parent *m, int64_t until)
{
	struct pollfd fds[2] = { { .fd = m->p->kick[0], .events = POLLIN }, { .fd = m->p->ask[0], .events = POLLIN } };
	int64_t left = until == CLOCK_NEVER ? 0 : until - clock_mono();
	struct timespec ts;

	if (left < 0)
		left = 0;
	ts.tv_sec = (time_t)(left / SECOND);
	ts.tv_nsec = (long)(left % SECOND) * 1000;
	if (ppoll(fds, 2, until == CLOCK_NEVER ? NULL : &ts, &m->p->usual) <= 0)
		return;
	if (fds[0].revents & POLLIN)
		kicked(m);
	if (fds[1].revents & POLLIN)
		answer_request(m);
}

static void
signal_all(const struct pool *p, int sig)
{
	for (int i = 0; i < p->slots; i++)
		if (p->pid[i])
			kill(p->pid[i], sig);
	for (int i = 0; i < p->children; i++)
		if (p->child[i])
			kill(p->child[i], sig);
}

/* Ends in order. Sessions are told again every second: a signal may come just before one waits for its client. */
static void
stop(struct parent *m)
{
	struct pool *p = m->p;
	int64_t end = clock_mono() + GRACE, again = 0;

	listen_close(&p->listeners, true);
	while (!all_gone(p)) {
		int64_t now = clock_mono();

		if (now >= end) {
			pool_log(p->s, "sessions that did not end in %d seconds are killed", (int)(GRACE / SECOND));
			signal_all(p, SIGKILL);
			end = CLOCK_NEVER;
		} else if (now >= again) {
			signal_all(p, SIGTERM);
			again = now + SECOND;
		}
		wait_for_events(m, again);
		reap(m);
	}
}

static size_t
board_size(const struct pool *p)
{
	return sizeof *p->board + (size_t)(p->slots + p->children) * sizeof p->board->slot[0];
}

static int
prepare(struct pool *p)
{
	clamp(p);
	p->slots = p->single ? 1 : p->s->limits.process_limit * 2;
	p->children = p->s->monitor ? p->s->limits.process_limit : 0;
	p->board = mmap(NULL, board_size(p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->board == MAP_FAILED || pipe2(p->kick, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	p->ask[0] = p->ask[1] = -1;
	if (p->s->monitor && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->ask) < 0)
		return -1;
	p->pid = mem_array((size_t)p->slots, sizeof *p->pid);
	p->child = mem_array((size_t)p->children, sizeof *p->child);
	return 0;
}

static void
clean_up(struct pool *p)
{
	pool_current = NULL;
	munmap(p->board, board_size(p));
	free(p->pid);
	free(p->child);
	proc_user_free(&p->user);
	for (int i = 0; i < 2; i++) {
		close(p->kick[i]);
		if (p->ask[i] >= 0)
			close(p->ask[i]);
	}
}

int
pool_run(struct pool *p)
{
	struct parent m = { .p = p, .burst = 1, .shrink_at = CLOCK_NEVER, .full_logged = -FULL_LOG };
	sigset_t held;

	pool_current = p;
	sigemptyset(&held);
	for (const int *sig = (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 }; *sig; sig++) {
		sigaddset(&held, *sig);
		worker_handle(*sig, on_signal);
	}
	sigprocmask(SIG_BLOCK, &held, &p->usual);
	for (const int *sig = (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 }; *sig; sig++)
		sigdelset(&p->usual, *sig);
	if (prepare(p) < 0) {
		pool_log(p->s, "start workers: %s", strerror(errno));
		return EX_OSERR;
	}
	m.refresh_at = clock_mono() + REFRESH;
	if (p->single) {
		p->s->limits.min_idle = p->s->limits.process_limit = 1;
		if (fork_worker(&m) < 0)
			return EX_OSERR;
	}
	while (!pool_stopping && !(p->single && all_gone(p))) {
		if (!p->single)
			grow(&m);
		wait_for_events(&m, p->single ? CLOCK_NEVER : timers(&m));
		reap(&m);
		if (got_hup)
			reload(&m);
	}
	stop(&m);
	clean_up(p);
	return p->single ? m.single_status : 0;
}

bool
server_stopping(void)
{
	return pool_stopping;
}

int
server_ask(const void *request, size_t n, int fd)
{
	if (!pool_current || pool_current->ask[1] < 0 || n == 0 || n > REQUEST_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (sock_send_fd(pool_current->ask[1], request, n, fd) < 0)
		return -1;
	if (fd >= 0 && fd == worker_connection)
		worker_connection = -1;
	return 0;
}

pid_t
server_fork(void)
{
	struct pool *p = pool_current;
	pid_t pid;
	int i = 0;

	while (i < p->children && p->child[i])
		i++;
	if (i == p->children) {
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid != 0) {
		if (pid > 0)
			p->child[i] = pid;
		return pid;
	}
	pool_own_slot = &p->board->slot[p->slots + i];
	worker_handle(SIGHUP, SIG_IGN);
	worker_handle(SIGINT, SIG_IGN);
	worker_handle(SIGCHLD, SIG_DFL);
	listen_close(&p->listeners, false);
	close(p->kick[0]);
	close(p->kick[1]);
	close(p->ask[0]);
	close(p->ask[1]);
	p->ask[0] = p->ask[1] = -1;
	sigprocmask(SIG_SETMASK, &p->usual, NULL);
	if (proc_limit_memory(p->s->limits.memory) < 0)
		pool_log(p->s, "limit memory: %s", strerror(errno));
	return 0;
}

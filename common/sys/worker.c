/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A worker: drops its privileges, waits for connections together with its fellows, serves one after the other.
 * EPOLLEXCLUSIVE (Linux 4.5) wakes one worker of those that wait and not all, and always the first of them, so that few
 * workers do most of the work with warm caches. (Blocking accept(2) in all of them takes turns: tried, a third
 * of the rate with one client and 40 workers. Trying accept(2) before the wait brought nothing.) */
#include "sys/pool.h"

#include "base/clock.h"
#include "sys/sandbox.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define LINGER_MS 1000            /* for what a client sent and nobody read */
#define NO_LISTENER UINT32_MAX    /* epoll's name of the wake-up pipe */

struct worker {
	struct pool *pool;
	struct slot *slot;
	int epoll;
	int used;
};

volatile sig_atomic_t pool_stopping;
int worker_connection = -1;
static volatile sig_atomic_t retiring;
static int wake[2] = { -1, -1 };  /* written by the signal handler: no signal is lost just before the wait */

void
worker_handle(int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	(void)sigaction(sig, &sa, NULL);
}

static void
on_signal(int sig)
{
	int saved = errno;

	retiring = 1;
	if (sig == SIGTERM) {
		pool_stopping = 1;
		/* nobody shall connect to a port where nobody will answer, however long our session lasts */
		for (size_t i = 0; i < pool_current->listeners.count; i++)
			close(pool_current->listeners.list[i].fd);
		pool_current->listeners.count = 0;
	}
	(void)!write(wake[1], "", 1);
	errno = saved;
}

int
worker_find_user(struct pool *p)
{
	const struct server *s = p->s;
	const char *user = s->limits.user;
	struct proc_user found;

	if (geteuid() != 0 || !user)
		return 0;
	if (proc_user_find(&found, user, (uid_t)-1, 0) < 0) {
		pool_log(s, "become user %s: %s", user, errno == EINVAL ? "no such user" : strerror(errno));
		return EX_CONFIG;
	}
	proc_user_free(&p->user);
	p->user = found;
	if (found.uid != 0)
		return 0;
	pool_log(s, "user %s is root: no session is served", user);
	return EX_CONFIG;
}

int
worker_drop(const struct pool *p)
{
	const char *root = p->s->limits.chroot;

	if (p->user.groups) {
		if (proc_user_become(&p->user, root) < 0) {
			pool_log(p->s, "become user %s: %s", p->s->limits.user, strerror(errno));
			return EX_OSERR;
		}
	} else if (root && geteuid() == 0 && (chroot(root) < 0 || chdir("/") < 0)) {
		pool_log(p->s, "change root to %s: %s", root, strerror(errno));
		return EX_OSERR;
	}
	proc_harden();
	if (proc_limit_memory(p->s->limits.memory) < 0)
		pool_log(p->s, "limit memory: %s", strerror(errno));
	return 0;
}

int
worker_confine(const struct server *s)
{
	if (s->worker)
		s->worker(s->arg);
	if (s->limits.unconfined || sandbox_enter(s->limits.writable) == 0)
		return 0;
	pool_log(s, "confine a worker: %s", strerror(errno));
	return EX_OSERR;
}

void
worker_peer(struct server_peer *peer, int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	sock_unmap(&peer->addr);
	sock_unmap(&peer->local);
	sock_text(&peer->addr, peer->text, &peer->port);
	sock_text(&peer->local, peer->local_text, &peer->local_port);
	peer->rfd = peer->wfd = fd;
	peer->uid = (uid_t)-1;
	if (peer->addr.ss_family == AF_UNIX && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) {
		peer->uid = who.uid;
		peer->pid = who.pid;
	}
}

/* What counts as one client: an IPv4 address, or the /64 of an IPv6 address (one site has one at least), or a user of this
 * host; not root, nor the user that we are, whose processes serve everybody. */
static void
client_key(const struct server_peer *peer, uint64_t key[2])
{
	key[0] = key[1] = 0;
	if (peer->addr.ss_family == AF_INET) {
		struct sockaddr_in four;

		memcpy(&four, &peer->addr, sizeof four);
		key[0] = four.sin_addr.s_addr;
		key[1] = 1;
	} else if (peer->addr.ss_family == AF_INET6) {
		struct sockaddr_in6 six;

		memcpy(&six, &peer->addr, sizeof six);
		memcpy(&key[0], six.sin6_addr.s6_addr, 8);
		key[1] = 2;
	} else if (peer->addr.ss_family == AF_UNIX && peer->uid != (uid_t)-1 && peer->uid != 0 && peer->uid != geteuid()) {
		key[0] = peer->uid;
		key[1] = 3;
	}
}

/* Puts the session on the board, and wakes the parent when that leaves too few idle. Returns how many sessions of
 * this client began before and are still there. */
static int
arrive(struct worker *w, const struct server_peer *peer)
{
	const struct server *s = w->pool->s;
	struct board *b = w->pool->board;
	uint64_t key[2], mine;
	int idle = 0, same = 0;

	client_key(peer, key);
	mine = atomic_fetch_add(&b->tickets, 1) + 1;
	atomic_store(&w->slot->client[0], key[0]);
	atomic_store(&w->slot->client[1], key[1]);
	atomic_store(&w->slot->ticket, mine);
	atomic_store(&w->slot->state, SLOT_BUSY);
	for (int i = 0; i < w->pool->slots; i++) {
		const struct slot *o = &b->slot[i];
		int state = atomic_load_explicit(&o->state, memory_order_relaxed);

		if (state == SLOT_IDLE && !atomic_load_explicit(&o->retired, memory_order_relaxed))
			idle++;
		else if (state == SLOT_BUSY && key[1] && o != w->slot && atomic_load(&o->client[1]) == key[1]
		    && atomic_load(&o->client[0]) == key[0] && atomic_load(&o->ticket) < mine)
			same++;
	}
	if (idle < atomic_load_explicit(&b->low, memory_order_relaxed))
		atomic_store_explicit(&b->low, idle, memory_order_relaxed);
	if (idle < s->limits.min_idle && !atomic_exchange(&b->kicked, 1))
		(void)!write(w->pool->kick[1], "", 1);
	return same;
}

/* Closing with unread input would reset the connection, and the reset may overtake the last reply. */
static void
hang_up(int fd, bool tcp)
{
	int64_t deadline;
	char scrap[4096];
	bool first = true;

	while (tcp && recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (first) {
			deadline = clock_mono() + LINGER_MS * 1000;
			(void)shutdown(fd, SHUT_WR);
			first = false;
		}
		/* one that goes on sending always has something there: the clock decides */
		if (pool_stopping || clock_mono() >= deadline || poll(&p, 1, clock_left_ms(deadline)) <= 0)
			break;
	}
	close(fd);
}

static bool
over_limit(const struct server *s, const struct server_peer *peer, int others)
{
	if (s->limits.per_client <= 0 || others < s->limits.per_client)
		return false;
	return !s->exempt || !s->exempt(s->arg, peer);
}

static void
serve(struct worker *w, const struct listener *l, int fd, const struct sockaddr_storage *addr)
{
	struct server *s = w->pool->s;
	struct server_peer peer = { .addr = *addr, .tls = l->tls };
	socklen_t len = sizeof peer.local;

	if (l->wildcard)
		(void)getsockname(fd, (struct sockaddr *)&peer.local, &len);
	else
		peer.local = l->local;
	if (l->local.ss_family == AF_UNIX) /* an unnamed peer's address has no family */
		peer.addr.ss_family = AF_UNIX;
	worker_peer(&peer, fd);
	worker_connection = fd;
	if (over_limit(s, &peer, arrive(w, &peer))) {
		if (s->refuse)
			s->refuse(s->arg, &peer);
	} else {
		s->session(s->arg, &peer);
	}
	/* of one that goes on in another process not a byte is ours */
	if (worker_connection == fd)
		hang_up(fd, peer.addr.ss_family != AF_UNIX);
	else
		close(fd);
	w->used++;
	atomic_store(&w->slot->group, 0);
	atomic_store(&w->slot->client[1], 0);
	atomic_store(&w->slot->state, SLOT_IDLE);
}

/* Accepts one connection, if another worker was not faster, and serves it. */
static void
accept_one(struct worker *w, size_t i)
{
	const struct listener *l = &w->pool->listeners.list[i];
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof addr;
	int fd;

	if (i >= w->pool->listeners.count) /* the signal handler has closed them */
		return;
	fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC); /* blocking: see io.c */
	if (fd >= 0) {
		serve(w, l, fd, &addr);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		pool_log(w->pool->s, "accept a connection: %s", strerror(errno));
		usleep(100000); /* the connection stays there: do not spin on it */
	}
}

static bool
finished(const struct worker *w)
{
	int max = w->pool->s->limits.max_use;

	return retiring || pool_stopping || (max > 0 && w->used >= max);
}

static void
accept_loop(struct worker *w)
{
	while (!finished(w)) {
		struct epoll_event e;

		if (epoll_wait(w->epoll, &e, 1, -1) == 1 && e.data.u32 != NO_LISTENER)
			accept_one(w, e.data.u32);
	}
	/* A connection may have woken us, and us alone, while the signal came that ends us. */
	for (size_t i = 0; retiring && i < w->pool->listeners.count; i++)
		accept_one(w, i);
}

/* 0, or -1 with errno. */
static int
prepare_wait(struct worker *w)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = NO_LISTENER };

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, wake[0], &e) < 0)
		return -1;
	for (size_t i = 0; i < w->pool->listeners.count; i++) {
		e.events = EPOLLIN | EPOLLEXCLUSIVE;
		e.data.u32 = (uint32_t)i;
		if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->pool->listeners.list[i].fd, &e) < 0)
			return -1;
	}
	return 0;
}

void
worker_run(struct pool *p, int slot, pid_t parent)
{
	struct worker w = { .pool = p, .slot = &p->board->slot[slot] };
	struct server *s = p->s;
	int status;

	pool_stopping = 0;
	pool_own_slot = w.slot;
	close(p->kick[0]);
	if (p->ask[0] >= 0)
		close(p->ask[0]);
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0 || prepare_wait(&w) < 0) {
		pool_log(s, "start a worker: %s", strerror(errno));
		_exit(EX_OSERR);
	}
	worker_handle(SIGTERM, on_signal);
	worker_handle(SIGHUP, on_signal);
	worker_handle(SIGINT, SIG_IGN); /* from a terminal it reaches the parent too, which ends us in order */
	worker_handle(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &p->usual, NULL);
	status = worker_drop(p);
	if (status)
		_exit(status);
	/* after the change of user, which clears it */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	status = worker_confine(s);
	if (status)
		_exit(status);
	atomic_store(&w.slot->state, SLOT_IDLE);
	if (p->single) {
		atomic_store(&w.slot->state, SLOT_BUSY);
		s->session(s->arg, p->single);
	} else {
		accept_loop(&w);
	}
	exit(0);
}

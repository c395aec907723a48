/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Memory that all workers share: which logins succeeded a moment ago (for the master socket), which passwords were right, and how
 * often a user failed from an address. The tables have a fixed size, whatever a million clients do; the oldest entry makes room.
 * Nothing is kept on disk.
 *
 * Throttling: failures are counted for (user, address) and for the address alone. From the FREE'th on each attempt of that
 * pair waits, twice as long each time, and is refused while more attempts wait than WAIT_MAX seconds allow. So guesses from
 * one place slow down to a few a minute, and the user gets in from any other place. An address alone is slowed, never
 * refused: many honest users may be behind it. What has an IPv6 address has the 2^64 of its network, so those count as one.
 *
 * A password that was right a while ago does not wait (it is checked all the same), so the user's own programs get in from the
 * address of the guesses, too. That tells who guesses nothing that a right guess would not tell. */
#include "base/clock.h"
#include "base/mem.h"
#include "mtaauth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { SUCCESSES = 1024, FAILURES = 4096, KNOWN = 4096, WAYS = 4, NAME = 256, COOKIE = 40 };
enum { KEEP = 60, FORGET = 900, KNOWN_TIME = 7 * 86400, FREE_USER = 5, FREE_ADDRESS = 50, WAIT_MAX = 15, WAIT_ADDRESS = 1 };

struct success {
	int64_t time;
	pid_t pid;
	uint32_t id;
	char cookie[COOKIE];
	char user[NAME];
};

struct failure {
	uint64_t key;             /* keyed hash of user and address; 0: free */
	int64_t last;             /* monotonic */
	int64_t next;             /* no attempt before */
	unsigned count;
};

struct known {
	uint64_t key;             /* keyed hash of user and password; 0: free */
	int64_t last;             /* when it was right */
};

struct shared {
	pthread_mutex_t lock;     /* robust: a worker that dies holding it harms nobody */
	uint64_t seed;
	unsigned at;
	struct success success[SUCCESSES];
	struct failure failure[FAILURES];
	struct known known[KNOWN];
};

struct shared *
shared_new(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	if (s == MAP_FAILED)
		return NULL;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&s->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	if (getrandom(&s->seed, sizeof s->seed, 0) < 0)
		s->seed = (uint64_t)clock_real();
	return s;
}

static void
lock(struct shared *s)
{
	/* every change is one entry: what a dead worker left half done is at worst one odd entry */
	if (pthread_mutex_lock(&s->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&s->lock);
}

static void
unlock(struct shared *s)
{
	pthread_mutex_unlock(&s->lock);
}

/* What counts as one address: IPv4, also where it is written as IPv6, and the network of an IPv6 address. Else the text. */
static void
network_of(const char *ip, char text[INET6_ADDRSTRLEN], const char **network)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char a[16];

	*network = ip;
	if (inet_pton(AF_INET6, ip, a) != 1)
		return;
	if (memcmp(a, mapped, sizeof mapped) == 0) {
		*network = inet_ntop(AF_INET, a + sizeof mapped, text, INET6_ADDRSTRLEN);
		return;
	}
	memset(a + 8, 0, 8);
	*network = inet_ntop(AF_INET6, a, text, INET6_ADDRSTRLEN);
}

static uint64_t
key_of(const struct shared *s, const char *user, const char *ip)
{
	uint64_t h = s->seed;

	for (const char *p = user; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x9fb21c651e98df25, h ^= h >> 32;
	h = (h ^ 0x100) * 0x9fb21c651e98df25;
	for (const char *p = ip; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x9fb21c651e98df25, h ^= h >> 32;
	return h ? h : 1;
}

/* The entry of key; make: the oldest of its places is taken over when it has none, else NULL. */
static struct failure *
entry(struct shared *s, uint64_t key, bool make)
{
	struct failure *set = &s->failure[key % (FAILURES / WAYS) * WAYS], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].last < oldest->last)
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	*oldest = (struct failure){ .key = key };
	return oldest;
}

static int64_t
seconds(int64_t microseconds)
{
	return (microseconds + 999999) / 1000000;
}

/* Seconds until key may try, booking the time after it for the next one. -1: too many wait already. */
static int
wait_of(struct shared *s, uint64_t key, unsigned free_tries, int most)
{
	struct failure *f = entry(s, key, false);
	int64_t now = clock_mono(), wait;
	int64_t step;

	if (!f || f->count < free_tries || now - f->last > FORGET * (int64_t)1000000)
		return 0;
	step = f->count - free_tries > 3 ? most : 1 << (f->count - free_tries);
	step = step < most ? step : most;
	if (f->next < now)
		f->next = now;
	wait = seconds(f->next - now);
	if (wait > most)
		return -1;
	f->next += step * 1000000;
	return (int)wait;
}

/* The place of this password of user: taken, or the oldest one that it may take. */
static struct known *
known_place(struct shared *s, uint64_t key)
{
	struct known *set = &s->known[key % (KNOWN / WAYS) * WAYS], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].last < oldest->last)
			oldest = &set[i];
	}
	return oldest;
}

/* Not even the seed makes this table one of failures turned around: user and password change places. */
static uint64_t
known_key(const struct shared *s, const char *user, const char *password)
{
	return key_of(s, password, user) ^ s->seed;
}

static bool
is_known(struct shared *s, const char *user, const char *password)
{
	uint64_t key = known_key(s, user, password);
	const struct known *k = known_place(s, key);

	return k->key == key && clock_mono() - k->last < KNOWN_TIME * (int64_t)1000000;
}

int
shared_wait(struct shared *s, const char *user, const char *password, const char *address_text)
{
	char text[INET6_ADDRSTRLEN];
	const char *ip;
	int wait, address = 0;

	network_of(address_text, text, &ip);
	lock(s);
	if (is_known(s, user, password)) {
		unlock(s);
		return 0;
	}
	/* where no address is known all attempts for a user look alike: slowed, never refused */
	wait = wait_of(s, key_of(s, user, ip), FREE_USER, *ip ? WAIT_MAX : WAIT_ADDRESS);
	if (*ip)
		address = wait_of(s, key_of(s, "", ip), FREE_ADDRESS, WAIT_ADDRESS);
	unlock(s);
	if (wait < 0 && !*ip)
		wait = WAIT_ADDRESS;
	if (address < 0)
		address = WAIT_ADDRESS;
	return wait < 0 || wait > address ? wait : address;
}

static void
count(struct shared *s, uint64_t key)
{
	struct failure *f = entry(s, key, true);
	int64_t now = clock_mono();

	if (f->last && now - f->last > FORGET * (int64_t)1000000)
		f->count = 0;
	f->last = now;
	if (f->count < 1000000)
		f->count++;
}

void
shared_failure(struct shared *s, const char *user, const char *address_text)
{
	char text[INET6_ADDRSTRLEN];
	const char *ip;

	network_of(address_text, text, &ip);
	lock(s);
	count(s, key_of(s, user, ip));
	if (*ip)
		count(s, key_of(s, "", ip));
	unlock(s);
}

void
shared_success(struct shared *s, const char *user, const char *password, const char *address_text)
{
	uint64_t key = known_key(s, user, password);
	char text[INET6_ADDRSTRLEN];
	struct failure *f;
	const char *ip;

	network_of(address_text, text, &ip);
	lock(s);
	*known_place(s, key) = (struct known){ .key = key, .last = clock_mono() };
	f = entry(s, key_of(s, user, ip), false);
	if (f)
		*f = (struct failure){ 0 };
	unlock(s);
}

void
shared_put(struct shared *s, const char *cookie, pid_t pid, uint32_t id, const char *user)
{
	struct success *e;

	if (strlen(user) >= NAME || strlen(cookie) >= COOKIE)
		return;
	lock(s);
	e = &s->success[s->at++ % SUCCESSES];
	e->time = clock_mono();
	e->pid = pid;
	e->id = id;
	memcpy(e->cookie, cookie, strlen(cookie) + 1);
	memcpy(e->user, user, strlen(user) + 1);
	unlock(s);
}

int
shared_take(struct shared *s, const char *cookie, pid_t pid, uint32_t id, struct buf *user)
{
	int64_t oldest = clock_mono() - KEEP * (int64_t)1000000;
	int found = 0;

	lock(s);
	for (int i = 0; i < SUCCESSES && !found; i++) {
		struct success *e = &s->success[i];

		if (e->time == 0 || e->time < oldest || e->pid != pid || e->id != id || strcmp(e->cookie, cookie) != 0)
			continue;
		buf_adds(user, e->user);
		*e = (struct success){ 0 };
		found = 1;
	}
	unlock(s);
	return found;
}

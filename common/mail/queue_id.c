/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Queue IDs: 10 digits of time in microseconds (enough until the year 6000), then 7
 * random ones, in base 52 without vowels (no words, no confusion) whose digits stand in ASCII
 * order, so that a sorted directory listing is in order of arrival. */
#include "mail/queue.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BASE 52
#define TIME_DIGITS 10
#define RANDOM_DIGITS 7
#define RANDOM_RANGE 1028071702528ull /* BASE to the power of RANDOM_DIGITS: 39.9 bits */

static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/* Random numbers are fetched for many IDs at once; a forked child must not repeat its parent's. */
static uint64_t pool[32];
static size_t pool_left;

static void
forget_pool(void)
{
	pool_left = 0;
}

static uint64_t
random_number(void)
{
	static bool registered;

	if (!registered) {
		pthread_atfork(NULL, NULL, forget_pool);
		registered = true;
	}
	if (pool_left == 0) {
		char *p = (char *)pool;
		size_t got = 0;

		while (got < sizeof pool) {
			ssize_t n = getrandom(p + got, sizeof pool - got, 0);

			if (n > 0)
				got += (size_t)n;
			else if (errno != EINTR) /* no getrandom at all: unique is still certain, by linkat */
				pool[0] = (uint64_t)clock_mono() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid() << 40,
				got = sizeof pool;
		}
		pool_left = sizeof pool / sizeof pool[0];
	}
	return pool[--pool_left];
}

static void
put_digits(char *out, size_t n, uint64_t v)
{
	while (n-- > 0) {
		out[n] = digits[v % BASE];
		v /= BASE;
	}
}

void
queue_id_new(char id[QUEUE_ID_MAX + 1])
{
	static int64_t last;
	int64_t now = clock_real();

	if (now <= last && last - now < 1000000) /* two within a microsecond stay in order */
		now = last + 1;
	last = now;
	put_digits(id, TIME_DIGITS, (uint64_t)now);
	put_digits(id + TIME_DIGITS, RANDOM_DIGITS, random_number() % RANDOM_RANGE);
	id[TIME_DIGITS + RANDOM_DIGITS] = '\0';
}

int
queue_drop_name(char id[QUEUE_ID_MAX + 1])
{
	static const char any[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const size_t n = sizeof any - 1;
	size_t at = 0;

	while (at < QUEUE_ID_MAX) {
		unsigned char r[2 * QUEUE_ID_MAX];
		ssize_t got = getrandom(r, sizeof r, 0);

		if (got < 0 && errno != EINTR)
			return -1; /* a name that can be guessed is no name for it */
		for (ssize_t i = 0; i < got && at < QUEUE_ID_MAX; i++)
			if (r[i] < 256 / n * n) /* each character as likely as the others */
				id[at++] = any[r[i] % n];
	}
	id[at] = '\0';
	return 0;
}

int64_t
queue_id_time(const char *id)
{
	uint64_t v = 0;

	if (strlen(id) != TIME_DIGITS + RANDOM_DIGITS)
		return -1;
	for (size_t i = 0; i < TIME_DIGITS + RANDOM_DIGITS; i++) {
		const char *p = strchr(digits, id[i]);

		if (!p)
			return -1;
		if (i < TIME_DIGITS)
			v = v * BASE + (uint64_t)(p - digits);
	}
	return (int64_t)v;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* For tests, by LD_PRELOAD: the wall clock is off by the number of seconds in the file that SKEW names ("+315360000\n"), which may
 * change at any moment; the monotonic clock is not touched. Built by the test itself: cc -shared -fPIC. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long
skew(void)
{
	static const char *text;

	if (!text) {
		const char *path = getenv("SKEW");
		int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 64, PROT_READ, MAP_SHARED, fd, 0);

		text = p == MAP_FAILED ? "0" : p;
		if (fd >= 0)
			close(fd);
	}
	return atoll(text);
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += skew();
	return r;
}

time_t
time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

int
gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}

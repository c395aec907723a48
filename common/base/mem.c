/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Allocation that ends the program with EX_TEMPFAIL when memory is gone. */
#include "base/mem.h"

#include "base/msg.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void (*mem_exhausted)(void);

static void *
checked(void *p, size_t size)
{
	void (*last_words)(void) = mem_exhausted;

	if (p || !size)
		return p;
	mem_exhausted = NULL;
	if (last_words)
		last_words();
	msg_die(EX_TEMPFAIL, "allocate %zu bytes: out of memory", size);
}

static size_t
product(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		msg_die(EX_TEMPFAIL, "allocate %zu times %zu bytes: out of memory", count, size);
	return count * size;
}

void *
mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1), size);
}

void *
mem_zalloc(size_t size)
{
	return checked(calloc(1, size ? size : 1), size);
}

void *
mem_array(size_t count, size_t size)
{
	return mem_zalloc(product(count, size));
}

void *
mem_resize(void *p, size_t count, size_t size)
{
	size_t n = product(count, size);

	return checked(realloc(p, n ? n : 1), n);
}

char *
mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mem_alloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);

/* make SAN=1 SAN_LOG=DIR: reports go to DIR/report.PID, as programs of mta(8) have no standard error that somebody reads, nor their
 * caller's environment. */
#ifdef SAN_LOG
#define TO_LOG ":log_path=" SAN_LOG "/report"
const char *__ubsan_default_options(void);

const char *
__ubsan_default_options(void)
{
	return "print_stacktrace=1" TO_LOG;
}
#else
#define TO_LOG
#endif

/* Programs that end leave their memory to the kernel, so AddressSanitizer is not to call that a
 * leak. The unit tests say otherwise (tap.h). */
const char *__attribute__((weak))
__asan_default_options(void)
{
	return "detect_leaks=0" TO_LOG;
}
#endif

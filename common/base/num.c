/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Bounded numbers from text: see num.h. */
#include "base/num.h"

#include <string.h>

int
num_u64n(const char *s, size_t n, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (n == 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned d = (unsigned char)s[i] - (unsigned)'0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return -1;
		v = v * 10 + d;
	}
	if (v > max)
		return -1;
	*out = v;
	return 0;
}

int
num_u64(const char *s, uint64_t max, uint64_t *out)
{
	return num_u64n(s, strlen(s), max, out);
}

int
num_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	int neg = *s == '-';
	uint64_t u;
	int64_t v;

	if (num_u64(s + neg, INT64_MAX, &u) < 0)
		return -1;
	v = neg ? -(int64_t)u : (int64_t)u;
	if (v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

/* Splits an optional unit letter off; returns the digits' length. */
static size_t
unit(const char *s, char *letter)
{
	size_t n = strlen(s);

	if (n > 1 && (s[n - 1] < '0' || s[n - 1] > '9'))
		*letter = s[--n];
	return n;
}

int
num_time(const char *s, char def, int64_t *seconds)
{
	static const struct { char letter; uint64_t seconds; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
	};
	char letter = def;
	size_t n = unit(s, &letter);
	uint64_t v;

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (units[i].letter == letter) {
			if (num_u64n(s, n, INT64_MAX / 1000000 / units[i].seconds, &v) < 0)
				return -1;
			*seconds = (int64_t)(v * units[i].seconds);
			return 0;
		}
	return -1;
}

int
num_size(const char *s, uint64_t *bytes)
{
	static const char letters[] = "kmgt";
	char letter = 0;
	size_t n = unit(s, &letter);
	int shift = 0;
	uint64_t v;

	if (letter) {
		const char *p = strchr(letters, letter | 0x20);

		if (!p)
			return -1;
		shift = 10 * (int)(p - letters + 1);
	}
	if (num_u64n(s, n, (uint64_t)INT64_MAX >> shift, &v) < 0)
		return -1;
	*bytes = v << shift;
	return 0;
}

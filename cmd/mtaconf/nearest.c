/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What a mistyped name may have been meant to be: least number of letters added, left out, changed or swapped with their
 * neighbour (Damerau's distance), case apart. See mtaconf.h. */
#include "mtaconf.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 128                   /* no name is longer */

static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
distance(const char *a, const char *b)
{
	size_t n = strlen(a), k = strlen(b), rows[3][LONGEST + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (n > LONGEST || k > LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= k; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= k; j++) {
			size_t differ = lower(a[i - 1]) != lower(b[j - 1]);

			row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + differ);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[k];
}

void
nearest_try(struct nearest *n, const char *word)
{
	size_t d = distance(n->mistyped, word);

	if (!n->best || d < n->distance) {
		n->best = word;
		n->distance = d;
	}
}

const char *
nearest_word(const struct nearest *n)
{
	return n->best && n->distance <= strlen(n->mistyped) / 4 + 1 ? n->best : NULL;
}

const char *
nearest_param(const char *mistyped)
{
	struct nearest n = { .mistyped = mistyped };

	for (size_t i = 0; i < param_count; i++)
		nearest_try(&n, param_table[i].name);
	return nearest_word(&n);
}

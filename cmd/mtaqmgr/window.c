/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See window.h. A window is a fraction: its whole part counts. */
#include "window.h"

#include <stddef.h>
#include <string.h>

/* A decimal number from 0 to 1: strtod(3) would obey the locale. Where it ends, or NULL. */
static const char *
number(const char *p, double *out)
{
	double value = 0, digit = 1;
	bool any = false;

	for (; *p >= '0' && *p <= '9'; p++, any = true)
		value = value * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, any = true)
			value += (*p - '0') * (digit /= 10);
	*out = value;
	return any && value <= 1 ? p : NULL;
}

int
window_rule_parse(const char *text, struct feedback_rule *rule)
{
	struct feedback_rule r = { .by = BY_NOTHING };
	const char *p = number(text + strspn(text, " \t"), &r.number);

	if (!p)
		return -1;
	p += strspn(p, " \t");
	if (*p == '/') {
		p++;
		p += strspn(p, " \t");
		if (strcmp(p, "concurrency") == 0)
			r.by = BY_WINDOW;
		else if (strcmp(p, "sqrt_concurrency") == 0)
			r.by = BY_ROOT;
		else
			return -1;
	} else if (*p) {
		return -1;
	}
	*rule = r;
	return 0;
}

/* Newton's, for 1 and more. */
static double
root(double x)
{
	double r = x;

	for (int i = 0; i < 20; i++)
		r = (r + x / r) / 2;
	return r;
}

static double
step(double window, const struct feedback_rule *rule)
{
	return rule->by == BY_WINDOW ? rule->number / window : rule->by == BY_ROOT ? rule->number / root(window) : rule->number;
}

double
window_grow(double window, const struct feedback_rule *rule, int busy, int first, int most)
{
	if (window >= most || window >= (double)busy + first)
		return window;
	window += step(window, rule);
	return window < most ? window : most;
}

double
window_shrink(double window, const struct feedback_rule *rule)
{
	window -= step(window, rule);
	return window > 1 ? window : 1;
}

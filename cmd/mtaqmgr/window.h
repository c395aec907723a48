/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* How the number of deliveries at once to a destination follows what becomes of them: Postfix's
 * destination_concurrency_positive_feedback and _negative_feedback. */
#ifndef WINDOW_H
#define WINDOW_H
#include <stdbool.h>

/* By how much a window changes after one delivery: a number from 0 to 1, or that divided by the window or its square root. */
struct feedback_rule {
	double number;
	enum { BY_NOTHING, BY_WINDOW, BY_ROOT } by;
};

/* "1", "0.5", "1 / concurrency", "1/sqrt_concurrency". 0; -1: it is none of these, and the rule is left as it was. */
int window_rule_parse(const char *text, struct feedback_rule *rule);
/* The window after a delivery to a destination that answered, of which 'busy' are under way (this one among them). It grows up to
 * most, and not beyond what is in use by more than first: else failures would have to shrink it for long before they
 * have an effect. */
double window_grow(double window, const struct feedback_rule *rule, int busy, int first, int most);
/* The window after a connection that failed: never below 1. */
double window_shrink(double window, const struct feedback_rule *rule);
#endif

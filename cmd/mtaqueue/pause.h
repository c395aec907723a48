/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: what is paused. */
#ifndef PAUSE_H
#define PAUSE_H
#include "item.h"

#include "mail/pauses.h"

/* Those in force, read once. */
const struct pauses *pause_rules(struct app *app);
/* The one by which a recipient waits, its address first; while a next hop or a transport is paused it is routed for that. NULL: none. */
const struct pause_rule *pause_of(struct item *it, const char *addr);
/* A line for each: "paused: domain example.com, for 2h more: reason". */
void pause_print(struct app *app);
#endif

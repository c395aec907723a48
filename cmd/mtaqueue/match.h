/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: whether a message is selected, and its place when the selected ones are sorted. */
#ifndef MATCH_H
#define MATCH_H
#include "select.h"

struct sort_key { int64_t number; char *text; };

/* Opens what the patterns need (the routing tables for --nexthop and --transport). 0, -1 with err. */
int match_open(struct selection *s, struct buf *err);
/* Looks at the cheap properties first; opens the file only for those that are in it. */
bool match(struct selection *s, struct item *it);
/* Transport and next hop of an address; 0 and nothing when it cannot be told. */
int match_route(struct selection *s, const char *addr, struct buf *transport, struct buf *nexthop);

int match_sort_key(const char *name);                /* its letter, 0 for an unknown name */
void match_key(int sort, struct item *it, struct sort_key *key);
int match_compare_keys(const struct sort_key *a, const struct sort_key *b);
#endif

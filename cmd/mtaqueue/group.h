/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: messages counted by what they have in common. */
#ifndef GROUP_H
#define GROUP_H
#include "select.h"

#define GROUP_AGES 7

enum group_by {
	GROUP_QUEUE, GROUP_DOMAIN, GROUP_SENDER, GROUP_SENDER_DOMAIN, GROUP_REASON, GROUP_STATUS, GROUP_NEXTHOP, GROUP_TRANSPORT,
	GROUP_CLIENT, GROUP_UID, GROUP_AGE,
};

/* A message counts once in each group that one of its recipients is in. */
struct group {
	char *key;
	uint64_t messages, rcpts, bytes;
	int64_t oldest;           /* seconds */
	uint64_t age[GROUP_AGES]; /* messages */
	uint64_t serial;          /* of the message that was counted last */
};

struct groups {
	enum group_by by;
	const char *const *age_names; /* GROUP_AGES */
	struct selection *s;
	struct strmap *map;
	struct group total;
	uint64_t serial;
};

void groups_init(struct groups *g, struct selection *s, const char *const *age_names);
void groups_free(struct groups *g);
int groups_by(struct groups *g, const char *name);   /* -1: no such key */
const char *groups_keys(void);                        /* "queue, domain, ..." */
const char *group_name(const struct groups *g);      /* "domain" */
const char *group_heading(const struct groups *g);   /* "DOMAIN" */
/* Before the first message: opens what the key needs; the queues are there even when they are empty. */
void groups_open(struct groups *g);
/* Counts a message: age in seconds, slot the index of its age. */
void groups_count(struct groups *g, struct item *it, int64_t age, int slot);
const struct group *groups_total(struct groups *g);
/* The groups, the largest first (queues in their order): free() the array, not the groups. */
struct group **groups_sorted(struct groups *g, size_t *n);
#endif

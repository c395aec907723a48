/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What an administrator has paused (mtaqueue pause): one small text file, queue/state/pauses, replaced as a whole by rename and
 * read by mtaqmgr when it sees that. A line each (mtaqueue(5)):
 *
 *   pause kind=domain pattern=example.com since=1795178175 until=1795185375 reason=xtext */
#ifndef MAIL_PAUSES_H
#define MAIL_PAUSES_H
#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct queue;

#define PAUSES_FILE "pauses"      /* in queue/state */

enum pause_kind { PAUSE_ALL, PAUSE_DOMAIN, PAUSE_NEXTHOP, PAUSE_TRANSPORT, PAUSE_KINDS };
extern const char *const pause_kinds[PAUSE_KINDS];   /* "all", "domain", ... */

struct pause_rule {
	enum pause_kind kind;
	char *pattern;            /* of the shell, without regard to case; "*" for PAUSE_ALL */
	int64_t since, until;     /* seconds since 1970; until 0: no end */
	char *reason;             /* "": none was given */
};

struct pauses {
	struct pause_rule *rule;
	size_t n;
};

/* Reads those that are in force at 'now'. 0 (also when there are none); -1 with err: what can be understood is there. */
int pauses_read(struct queue *q, int64_t now, struct pauses *p, struct buf *err);
/* Replaces the file, durably; makes queue/state when it is not there. Those who read, change and write hold a lock (flock) on
 * that directory meanwhile. 0 or -1 with err. */
int pauses_write(struct queue *q, const struct pauses *p, struct buf *err);
/* Adds one, or replaces the one of that kind and pattern. Copies. */
void pauses_add(struct pauses *p, enum pause_kind kind, const char *pattern, int64_t since, int64_t until, const char *reason);
void pauses_remove(struct pauses *p, size_t i);
/* The first one in force that says that mail for a domain, which goes to that next hop by that transport, waits; NULL. */
const struct pause_rule *pauses_match(const struct pauses *p, int64_t now, const char *domain, const char *nexthop, const char *transport);
void pauses_free(struct pauses *p);
#endif

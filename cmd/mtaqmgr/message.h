/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages in active/: taken from incoming/ or deferred/, held in memory until each recipient (of a portion, when
 * there are many) has a result. */
#ifndef MESSAGE_H
#define MESSAGE_H
#include "mail/agent.h"
#include "mail/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;

enum rcpt_state { RCPT_OPEN, RCPT_SENT, RCPT_DEFERRED, RCPT_BOUNCED, RCPT_PAUSED };

/* What "sent" means to a sender who asked to be told: see agent.h. */
enum rcpt_action { RCPT_DELIVERED, RCPT_RELAYED, RCPT_EXPANDED, RCPT_PASSED };

struct rcpt {
	struct queue_rcpt *q;     /* in the envelope */
	enum rcpt_state state;
	bool marked;              /* its letter in the file says so */
	enum rcpt_action action;  /* set before result_set */
	bool report;              /* sent, and the sender is to be told */
	char dsn[12];             /* deferred, bounced or to be reported: why */
	char *relay, *text;
};

struct message {
	char id[QUEUE_ID_MAX + 1];
	struct queue_envelope e;
	struct rcpt *rcpt;        /* e.rcpts of them */
	size_t open;              /* recipients of this portion without a result */
	size_t running;           /* jobs under way */
	size_t deferred;          /* recipients of earlier portions that must be tried again */
	size_t paused;            /* recipients, of all portions, that wait by a pause: see pausing.h */
	int64_t paused_until;     /* seconds since 1970: when the first of these pauses ends; 0: none does */
	bool more;                /* the file holds recipients beyond this portion */
	bool again;               /* not known to be new: there may be reasons of earlier attempts */
	bool unparked;            /* has waited in a park: see park.h */
	enum { WARN_UNKNOWN, WARN_NOT, WARN } warn; /* its sender is told of the delay */
	bool expire;              /* an administrator wants it returned: see expire.h */
	bool gone;                /* its file is no longer in active/ */
	bool returned;            /* somebody has put it into incoming/ while we were at it */
	int64_t flushed;          /* monotonic time when an administrator asked for an attempt; 0: nobody did */
	int64_t active_at;        /* wall clock, microseconds: when it was taken */
	int fd;                   /* read only; -1 while it is closed */
	int wfd;                  /* for marks; -1 */
	struct job *jobs;         /* all that wait or are under way */
	uint64_t tag;             /* of its last job: see dest.h */
	void *tag_of;             /* and for which transport */
};

enum take { TAKEN, TAKE_LATER };     /* TAKE_LATER: the system is short of something (errno); not now */

bool message_room(void);          /* another one may be taken */
size_t message_count(void);
/* Takes a message from queue 'from' (QUEUE_ACTIVE: it was taken before, and parked): TAKEN also when it is not there, not yet due, or no message. */
enum take message_take(const char *id, enum queue_name from, bool is_new, int64_t flushed);
/* Calls f for each message in memory; f may free that message. */
void message_each(void (*f)(struct message *m));
/* The file, opened when it is not; -1: it is gone, or (errno other than ENOENT) cannot be opened now. */
int message_fd(struct message *m);
bool message_there(struct message *m);       /* its file is in active/ still, as far as we know; looks at its flags, too */
void message_rest(struct message *m);        /* nothing of it runs: closes its file when many are open */
/* Writes the letter of one recipient. 0 or -1 with errno. */
int message_letter(struct message *m, struct rcpt *r, char letter);
/* Writes the letters of all that are delivered, where they are missing. */
void message_mark(struct message *m);
/* Its file has vanished: what waits for its turn is dropped. */
void message_vanished(struct message *m);
/* All of its recipients have results: settles them, goes on with the next portion or lets it go. m may be freed. */
void message_check(struct message *m);
#endif

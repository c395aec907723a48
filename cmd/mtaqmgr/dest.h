/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Transports, their destinations (a next hop, or a user), and the jobs that wait for each. Which is next: start-time
 * fair queueing over senders and messages. A job's tag is where it would start if every sender (and within a
 * message of many jobs every message) had its turn; the transport's virtual time is the tag of the job that was started last.
 * A sender's next message is tagged one behind its last one, a message's next job one behind its last one, and none
 * earlier than the virtual time. So whoever comes new is next, whatever others have piled up, and a destination without
 * room or that is paused holds up nobody, because it is not among those that are ready. */
#ifndef DEST_H
#define DEST_H
#include "heap.h"
#include "identity.h"
#include "loop.h"
#include "message.h"
#include "park.h"
#include "window.h"

struct agent_command;
struct route;
struct strmap;

/* Why nothing is tried: mail for it is deferred with that text. */
struct pause {
	int64_t since, until;     /* monotonic; until 0: not paused */
	char dsn[12];
	char *text;
};

struct transport {
	char *name;
	struct agent_command *command;       /* NULL: unknown */
	char *problem;            /* why it is unknown */
	size_t process_limit, rcpt_limit;
	int concurrency_limit, first_concurrency, failed_cohorts;
	struct feedback_rule grow, shrink;   /* the window of its destinations */
	int64_t rate_delay;       /* microseconds from the end of a destination's delivery to its next one */
	int64_t start_delay;      /* microseconds between the beginnings of two deliveries of the transport */
	int64_t command_limit;    /* seconds that a command may take */
	size_t processes;         /* agents that run or are being started */
	unsigned deaths;          /* one after the other */
	unsigned failed_starts;   /* likewise */
	struct timer start_timer; /* until then nothing is started: fork_delay, or transport_rate_delay */
	bool starting_later;
	struct heap ready;        /* destinations with a job and room for it */
	uint64_t now;             /* virtual time */
	struct strmap *flows;
	struct pool *pools;
	struct pause pause;
	struct transport *next;
};

struct dest {
	struct heap_node node;    /* in t->ready */
	struct transport *t;
	char *key, *nexthop;
	char *set;                /* what its agent is told: name=value ... */
	uid_t uid;                /* agents of one pool serve all that have the same */
	gid_t gid;
	struct identity who;      /* what makes them so */
	char *user;
	struct heap jobs;
	double window;            /* jobs at once */
	double failures;          /* of connections since the last success, in windows */
	int busy;
	struct pause pause;
	struct timer timer;       /* end of the pause, or of the rate delay */
	int64_t not_before;
	int64_t idle_since;
	struct park park;
	struct job *filling;      /* the job that takes more recipients of the message being resolved */
	struct dest *drain_next;  /* paused, with jobs to defer */
	bool draining;
};

struct flow;

struct job {
	struct heap_node node;    /* in d->jobs */
	struct message *m;
	struct dest *d;
	struct flow *flow;
	struct rcpt **rcpt;
	size_t n, cap, left;      /* recipients, and how many have no result yet */
	size_t next_result;       /* where the next result is looked for first */
	struct job *next, **before;          /* of the same message */
	unsigned tries;           /* agents that went away before they read it */
	int64_t started;          /* wall clock, microseconds */
};

/* The destination of a resolved recipient: where one recipient is delivered at a time, each is a destination of its own. */
struct dest *dest_get(const struct route *r, const char *addr);
/* Gives one more recipient of m to d; the jobs are put in line by dest_enqueue at the end of the portion. */
void dest_add(struct dest *d, struct message *m, struct rcpt *r);
struct park *dest_enqueue(struct message *m); /* not NULL: there are too many; m is to be let go and its ID put there */
bool dest_withdraw(struct message *m);       /* recipients that wait and are paused are taken out of m's jobs; true: there were any */
void dest_forget(struct message *m);         /* m's waiting jobs are dropped */
void dest_flush(struct dest *d, int64_t asked);      /* ends a pause that began before that time */
/* Starts what can be started. */
bool dest_run(void);
/* The job has ended: each recipient has a result. connected: what its results say about the destination. */
enum feedback { FEEDBACK_NONE, FEEDBACK_GOOD, FEEDBACK_BAD };
void dest_job_done(struct job *j, enum feedback f, const char *dsn, const char *text);
void dest_job_again(struct job *j);          /* back in line */
void dest_job_split(struct job *j);          /* j is too large: its second half becomes a job of its own */
bool dest_drain(void);            /* defers, for a slice of time, what waits for paused destinations */
void dest_pause_transport(struct transport *t, int64_t seconds, const char *dsn, const char *text);
/* The agent for j could not be started: it is tried again fork_attempts times, fork_delay apart, then the transport is paused. */
void dest_start_failed(struct job *j, const char *text);
/* The configuration has changed. */
void dest_reload(void);
struct transport *dest_transports(void);
/* Nothing can be taken, for lack of room: warns, once in qmgr_clog_warn_time, of the destination that takes most of it. */
void dest_clogged(void);
size_t dest_busy(void);                      /* jobs under way */
#endif

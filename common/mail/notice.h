/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Notices to the postmaster (notify_classes) that are no report about a message: put into the queue like any other mail. They
 * come from double_bounce_sender, so nothing that becomes of them is ever reported. */
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H
#include "mail/queue.h"

struct config;

/* The classes of errors in a session, as bits (postconf(5)). */
enum notice_class {
	NOTICE_BOUNCE = 1, NOTICE_DATA = 2, NOTICE_POLICY = 4, NOTICE_PROTOCOL = 8, NOTICE_RESOURCE = 16, NOTICE_SOFTWARE = 32,
};
/* Those that notify_classes has. */
unsigned notice_classes(struct config *c);
/* Appends their names: "policy protocol". */
void notice_class_names(unsigned classes, struct buf *out);
/* The class of that name; 0 when it is none. */
unsigned notice_class_find(const char *name, size_t n);

/* A notice to the address in a parameter ("error_notice_recipient"), durable in incoming/ afterwards. The header and the line that
 * says who writes are made here; text is ASCII with LF line ends. 1 with the ID; 0: the parameter is empty, nobody
 * is told; -1 with err. */
int notice_queue(struct config *c, struct queue *q, const char *to, const char *subject, const char *text, char id[QUEUE_ID_MAX + 1],
    struct buf *err);
/* double_bounce_sender, with its domain: the sender of notices and of other mail of ours about mail. The caller's to free. */
char *notice_from(struct config *c);

/* The budget of notices about sessions, so that a flood of bad sessions floods neither the postmaster nor the queue: NOTICE_BURST
 * at once, then one in NOTICE_EVERY seconds, counted for all processes together in state/notices-NAME of the queue. 1: one may
 * be sent now, and *left_out were not since the one before; 0: not now (it is counted for the next one); -1: the file cannot be used (errno).
 * While another process counts it waits, but no longer than 50 ms: then the answer is 0, and not counted. */
#define NOTICE_BURST 5
#define NOTICE_EVERY 600
int notice_budget(struct queue *q, const char *name, uint64_t *left_out);
/* Appends what a notice says of those that were left out; nothing when there were none. */
void notice_left_out(uint64_t left_out, struct buf *out);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reports of failed delivery on their way into the queue: who gets one, from whom it comes, and the queue file of it. */
#ifndef MAIL_REPORT_H
#define MAIL_REPORT_H
#include "mail/bounce.h"
#include "mail/queue.h"

struct config;

/* Appends name, with @myorigin when it has no domain. */
void report_qualify(struct config *c, struct buf *out, const char *name);
/* notify_classes has that class (bounce implies 2bounce). */
bool report_class(struct config *c, const char *class);
/* The address is double_bounce_sender: mail of the system itself to the postmaster. */
bool report_ours(struct config *c, const char *sender);
/* Who is told that mail of this sender failed (to), and the envelope sender of the report (from). A report about a report goes
 * to 2bounce_notice_recipient, from double_bounce_sender; what that address sends is never reported again, so a bounce of a
 * bounce ends. 1, or 0: nobody is told, and *why says why not. */
int report_address(struct config *c, const char *sender, struct buf *from, struct buf *to, const char **why);
/* Fills in what the configuration says (hostname, from, postmaster, size_limit), writes the report
 * and makes it durable in incoming/. 0 with the ID of the report, -1 with err. */
int report_queue(struct config *c, struct queue *q, struct bounce *b, const char *from, const char *to, char id[QUEUE_ID_MAX + 1],
    struct buf *err);
/* The postmaster's copy of a report, with the header of the message only, from double_bounce_sender to the address of the parameter
 * notice_to, when notify_classes has that class. b->copy is set. 1 queued (id); 0 nobody wants it; -1 with err. */
int report_copy(struct config *c, struct queue *q, struct bounce *b, const char *class, const char *notice_to,
    char id[QUEUE_ID_MAX + 1], struct buf *err);
#endif

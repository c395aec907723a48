/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The end of an attempt: bounces, reasons, marks, the next time. */
#ifndef SETTLE_H
#define SETTLE_H
struct message;

/* Every recipient in memory has a result: what failed is bounced, what is deferred has its reason written. */
void settle_portion(struct message *m);
/* Nothing of the message is left to read: it is removed, or waits in deferred/. */
void settle_message(struct message *m);
/* Now and then: tries again to put into deferred/ what could not be moved there (a file system that was read-only, ...). */
void settle_stranded(void);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reports to senders: put into the queue like any other mail. */
#ifndef NOTIFY_H
#define NOTIFY_H
struct message;

/* One report about all recipients of m in memory that have bounced, where one is wanted. 0: it is durable in the queue, or
 * none is wanted. -1: it could not be written (logged): they must be tried again. */
int notify_failed(struct message *m);
#endif

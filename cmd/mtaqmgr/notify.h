/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reports to senders and notices to the postmaster: put into the queue like any other mail. */
#ifndef NOTIFY_H
#define NOTIFY_H
struct message;

/* One report about all recipients of m in memory that have bounced, where one is wanted. 0: it is durable in the queue, or
 * none is wanted. -1: it could not be written (logged): they must be tried again. */
int notify_failed(struct message *m);
/* The same about those that are delivered, for a sender who asked for that (NOTIFY=SUCCESS), and about those that are
 * delayed. Should it fail, that is logged. */
void notify_sent(struct message *m);
int notify_delayed(struct message *m);
/* A notice to error_notice_recipient, when notify_classes has that class ("resource", "software"); for one subject once an
 * hour at most. */
void notify_trouble(const char *class, const char *subject, const char *text);
/* A notice by an agent about a session with another host, when notify_classes has the class ("protocol"): about is that host, said
 * what was said, a line each. As many as notice_budget allows. */
void notify_session(struct message *m, const char *transport, const char *class, const char *about, const char *said);
#endif

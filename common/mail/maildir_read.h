/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Maildir, the reading side: the messages of new/ and cur/ as they were when the mailbox was opened, in the order of
 * their names' times. About 20 bytes and its file name are kept of a message. A message that another program renames
 * (flags) is still found; one that it removes is gone. */
#ifndef MAIL_MAILDIR_READ_H
#define MAIL_MAILDIR_READ_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

/* Opens the Maildir at path; one that does not exist is empty. NULL with errno and err. */
struct mailbox *mailbox_open(const char *path, struct buf *err);
void mailbox_close(struct mailbox **m);
size_t mailbox_count(const struct mailbox *m);
/* Locks the mailbox against other sessions that ask for it (until mailbox_close). 0, -1: another one has it. */
int mailbox_lock(struct mailbox *m);

/* Messages are numbered from 0. */
/* The octets of a message as it is sent: each line with CRLF. From W= in the name, else counted once by reading. 1 with *octets, 0 the
 * message is gone, -1 with errno. */
int mailbox_size(struct mailbox *m, size_t i, uint64_t *octets);
/* What identifies the message for ever: the unique part of its name, or a hash of it when that is longer than 70 characters or not
 * printable (RFC 1939 7). Appends to out. */
void mailbox_uid(const struct mailbox *m, size_t i, struct buf *out);
/* A descriptor of the message, or -1 with errno (ENOENT: gone). */
int mailbox_message(struct mailbox *m, size_t i);
/* Removes it: 0 (also when it was gone), -1 with errno. */
int mailbox_remove(struct mailbox *m, size_t i);
/* Moves it to cur/ and sets the flag S. 0, -1 with errno. */
int mailbox_seen(struct mailbox *m, size_t i);

/* A piece of a message in the form that is sent adds this many octets; *state begins as 0. mailbox_octets_end: those of a line end that is
 * missing at the end. */
uint64_t mailbox_octets(int *state, const char *data, size_t n);
uint64_t mailbox_octets_end(int state);
#endif

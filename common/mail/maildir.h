/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Maildir, the delivering side: tmp/, new/ and cur/ below one directory, one file a message.
 *
 * A message is written to an unnamed file (or to one in tmp/ where the file system has no O_TMPFILE),
 * gets its name in new/ by one atomic step and is then synced: what stands in new/ is always whole.
 * Names are unique on every host that shares the directory:
 *
 *   1700000000.M123456P789Q1.host,S=1234,W=1270
 *
 * seconds, microseconds, process, count; S= the size of the file in bytes, W= its size with each line
 * end as CRLF (what POP3 and IMAP call the size), both as Courier and Dovecot read them. */
#ifndef MAIL_MAILDIR_H
#define MAIL_MAILDIR_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maildir;                   /* one mailbox, open; belongs to its cache */
struct maildir_cache;             /* the mailboxes that this process delivered to lately */

/* Keeps at most max mailboxes (two descriptors each). strict: a mailbox that belongs to another user than the
 * process is refused. A child process makes one of its own. */
struct maildir_cache *maildir_cache_new(size_t max, bool strict);
void maildir_cache_free(struct maildir_cache **c);

/* The Maildir "base/path". base must exist and may be reached through symbolic links; no component of
 * path may be one, or be "..". What is missing below base is made with mode 0700. A mailbox that is in the
 * cache is looked at again (removed, renamed) when that was not done for a second. NULL with errno and err. */
struct maildir *maildir_open(struct maildir_cache *c, const char *base, const char *path, struct buf *err);

struct maildir_message {
	const char *head;         /* fields put before the content */
	size_t head_len;
	const char *first;        /* the first bytes of the content, already in memory */
	size_t first_len;
	int fd;                   /* the content, all of it: size bytes from at */
	uint64_t at, size;
};
/* Adds one message to new/; it is durable on return. 0, or -1 with errno and err: nothing is left. ENOENT: the
 * mailbox was removed; the cache has forgotten it, and it may be opened again. */
int maildir_deliver(struct maildir_cache *c, struct maildir *m, const struct maildir_message *msg, struct buf *err);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The file-system queue (contract 2, mtaqueue(5)). */
#ifndef MAIL_QUEUE_H
#define MAIL_QUEUE_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUEUE_ID_MAX 20

/* In the order of a message's life; also the names of the directories. trash: deleted, can be brought back for a while; maildrop: put
 * down by users while no service could be reached, not yet looked at: nothing in it is to be believed. */
enum queue_name { QUEUE_INCOMING, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD, QUEUE_CORRUPT, QUEUE_TRASH, QUEUE_MAILDROP, QUEUE_NAMES };
extern const char *const queue_names[QUEUE_NAMES];

struct queue_writer;

struct queue {
	char *dir;
	int fd[QUEUE_NAMES];      /* O_PATH descriptors of the directories; -1: not there (trash, maildrop), or not opened */
	int tmp, defer;           /* queue/tmp, queue/defer */
	int top;
	uid_t owner; gid_t group; /* of incoming/: all queue files are theirs */
	signed char name_synced;  /* file_name_is_synced of the directories (messages move by rename: they are on one file system); -1: not asked yet */
	bool chown;               /* we are root and the owner is not: new files are given to it */
	bool drop;                /* opened by queue_drop_open */
	struct queue_writer *spare; /* the last message's writer, kept for the next */
};

/* Full names of directories below the queue's top, for sandbox_enter. Zero-filled at first. */
#define QUEUE_PATHS_MAX 8
struct queue_paths {
	const char *path[QUEUE_PATHS_MAX + 1]; /* NULL-terminated */
	char *text[QUEUE_PATHS_MAX];
};
/* names ("incoming", "state", at most QUEUE_PATHS_MAX): NULL-terminated; what p held before is freed. */
void queue_paths(struct queue_paths *p, const char *dir, const char *const *names);

/* Opens the directories; create makes those that are missing (0700, 0755 for the top), but for maildrop, whose owner and mode mta(8)
 * knows. 0, -1 with err. */
int queue_open(struct queue *q, const char *dir, bool create, struct buf *err);
/* Opens maildrop/ alone, for a user who may write nothing else of the queue: messages are begun as ever and committed to
 * QUEUE_MAILDROP, under names of 20 random characters (119 bits). Their files are mode 0640 and get the group of the directory (which
 * is set-group-ID), so mail_owner can read them, and no other user, whatever he knows; where the file system does not hand
 * the group down they are mode 0644, and that the directory cannot be listed and the name not guessed is what protects them. 0, or -1 with err. */
int queue_drop_open(struct queue *q, const char *dir, struct buf *err);
void queue_close(struct queue *q);
/* Makes queue/state (pauses, counters: not messages) where it is not there. 0 or -1 with errno. */
int queue_state_make(struct queue *q);
/* Below the queue's top: is there while mtaqmgr cannot keep up with what comes in (in_flow_delay). */
#define QUEUE_BUSY "state/busy"

/* A new ID: time in microseconds and 40 random bits, in an alphabet without vowels that sorts as ASCII: 17 characters. */
void queue_id_new(char id[QUEUE_ID_MAX + 1]);
/* A name in maildrop/: 20 random characters. 0, or -1 with errno when the system has no random numbers. */
int queue_drop_name(char id[QUEUE_ID_MAX + 1]);
/* The time in an ID, microseconds since 1970; -1 when it is not one of ours. */
int64_t queue_id_time(const char *id);

struct queue_rcpt {
	char *addr;               /* without brackets; belongs to the envelope, never free()d alone */
	char *params;             /* "orcpt=... notify=...", "" for none; likewise */
	char status;              /* T D B X */
	uint64_t status_at;       /* offset of the status letter in the file */
};

struct queue_envelope {
	char id[QUEUE_ID_MAX + 1];
	int64_t time;             /* microseconds */
	char *sender;             /* "" is the null sender */
	char *opt;                /* name=value text, "" for none; read with envelope_param */
	char *from;
	struct queue_rcpt *rcpt;
	size_t rcpts;
	uint64_t content;         /* offset and */
	uint64_t size;            /* size of the content in bytes */
	size_t todo;              /* recipients with status T in the file, also those that max_rcpts left out */
	size_t listed;            /* recipients of any status in the file (queue_read) */
};
void queue_envelope_free(struct queue_envelope *e);
/* Adds a recipient; copies. */
void queue_envelope_rcpt(struct queue_envelope *e, const char *addr, const char *params);

/* Writing one message. The whole of a small message is written by one write(2). An address or option that cannot stand on
 * a line of the queue file (a control character) is an error. Files are made 0600. A program ignores SIGXFSZ.
 * Gives e->id (new, when it is empty) and e->time (now, when 0). Nothing is on disk yet. NULL with err. */
struct queue_writer *queue_write_begin(struct queue *q, struct queue_envelope *e, struct buf *err);
int queue_write(struct queue_writer *w, const void *data, size_t n);          /* content, LF line ends; 0 or -1 (errno) */
int queue_write_fd(struct queue_writer *w, int fd, off_t at, uint64_t n);     /* content from a file */
uint64_t queue_write_size(const struct queue_writer *w);
/* Durable and visible in queue 'where' (QUEUE_INCOMING or QUEUE_HOLD; QUEUE_MAILDROP); id as it is at last (it changes should it be taken).
 * 0: it may be acknowledged. -1 with err: nothing is left. Frees w either way. */
int queue_write_commit(struct queue_writer **w, enum queue_name where, char id[QUEUE_ID_MAX + 1], struct buf *err);
void queue_write_abort(struct queue_writer **w);
/* Instead of queue_write_commit, for a message that is there already (e->id was its ID) and that nobody else works on: the new
 * file gets the old one's flags and time, is made durable in queue/tmp and then takes the place of the old one in 'where' by
 * rename, so that a crash leaves one of the two. 0, or -1 with err. Frees w either way. */
int queue_write_replace(struct queue_writer **w, enum queue_name where, struct buf *err);

/* Opens a queue file: only a regular file with one link, no symbolic link, owner as the directory's (whoever it is in maildrop,
 * corrupt and trash, where what users put down may lie). Descriptor, or -1 with errno (ENOENT: not there; ELOOP, EINVAL: not a queue file). rw: for queue_mark. */
int queue_open_file(struct queue *q, enum queue_name where, const char *id, bool rw);
/* The same, and what fstat(2) says of it, for queue_read_known, which does not ask again. */
struct stat;
int queue_open_known(struct queue *q, enum queue_name where, const char *id, bool rw, struct stat *st);
/* Reads the envelope of an open queue file. max_rcpts 0: all recipients; else only recipients with status T are kept, at
 * most that many, and *more (may be NULL) tells that some were left out. -1 with err: truncated, longer than it says, or
 * malformed; e is then empty. Reads in pieces: memory is that of the recipients kept. */
int queue_read(int fd, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err);
int queue_read_known(int fd, const struct stat *st, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err);
/* The next portion after queue_read left some out: the recipients in e are freed, and the next ones with status T (at most
 * max_rcpts; todo is the number of all that follow) take their place. Linear in what is read now. 0 or -1 with err. */
int queue_read_more(int fd, struct queue_envelope *e, size_t max_rcpts, bool *more, struct buf *err);
/* Flips a recipient's status: one byte by pwrite. Not synced: a crash may deliver again, never lose. */
int queue_mark(int fd, uint64_t status_at, char status);
/* Flags of a message as a whole, in the mode of its file: the sender was warned of a delay; an administrator wants it returned to its
 * sender rather than tried again. queue_flag sets and clears some: 0, or -1 with errno (EWOULDBLOCK: another program that works on
 * the flags does not come to its end). Not synced, as a move. */
#define QUEUE_WARNED 0100u
#define QUEUE_EXPIRE 0010u
unsigned queue_flags(mode_t mode);
int queue_flag(int fd, unsigned set, unsigned clear);
/* Atomic rename between queues. 0 or -1 with errno. */
int queue_move(struct queue *q, enum queue_name from, enum queue_name to, const char *id);
/* Calls f for each ID of a queue in directory order until it returns non-zero (returned); names that are no IDs are passed over. */
int queue_scan(struct queue *q, enum queue_name where, int (*f)(void *arg, const char *id), void *arg, struct buf *err);
/* Where a message is now (enum queue_name); -1 nowhere (errno EACCES: nowhere that we may look). */
int queue_find(struct queue *q, const char *id);
/* Unlinks a queue file and its reasons. 0 or -1 with errno. */
int queue_remove(struct queue *q, enum queue_name where, const char *id);

/* queue/defer/ID: one line a recipient and attempt: "<unix time> <dsn> <<address>> text". When the file passes 4 MB it becomes
 * ID.old (the one before that is dropped) and a new one begins, so it is bounded however often a message is tried. Not synced.
 * queue_defer_format appends a line to out, for many in one queue_defer_append; queue_defer_add does both for one. */
struct queue_reason { int64_t time; char dsn[12]; char *addr; char *text; };
int queue_defer_format(struct buf *out, int64_t unix_seconds, const char *addr, const char *dsn, const char *text);
int queue_defer_append(struct queue *q, const char *id, const char *lines, size_t n);
int queue_defer_add(struct queue *q, const char *id, const char *addr, const char *dsn, const char *text);
/* All attempts, the oldest first; a line that cannot be read is passed over. 0 (also when there are none), -1 with errno. */
int queue_defer_read(struct queue *q, const char *id, struct queue_reason **list, size_t *n);
/* The same without those in ID.old, which cost another look; when there are none, there is no ID.old either. */
int queue_defer_recent(struct queue *q, const char *id, struct queue_reason **list, size_t *n);
void queue_reasons_free(struct queue_reason **list, size_t n);
void queue_defer_remove(struct queue *q, const char *id);
#endif

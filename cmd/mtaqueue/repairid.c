/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* For postsuper -s: a queue file's name and its id line must be the same, and no other message may have them. */
#include "act.h"
#include "repair.h"
#include "take.h"

#include "syntax/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
failed(const struct entry *n, const char *what, const char *why)
{
	repair_say(n, "%s: %s", what, why);
	n->r->failed++;
	return -1;
}

static bool
good_id(const char *id)
{
	return envelope_id_ok(id, strlen(id));
}

/* Renames within a queue or from one to another, never over anything. */
static int
move(struct queue *q, enum queue_name from, const char *name, enum queue_name to, const char *newname)
{
	return renameat2(q->fd[from], name, q->fd[to], newname, RENAME_NOREPLACE);
}

/* The file hold/id is written anew with that ID. */
static int
write_id(struct entry *n, const char *id)
{
	struct queue *q = &n->r->app->queue;
	struct buf err = BUF_INIT(4096);
	struct queue_writer *w;
	int r = -1;

	snprintf(n->e.id, sizeof n->e.id, "%s", id);
	w = queue_write_begin(q, &n->e, &err);
	if (w && queue_write_fd(w, n->fd, (off_t)n->e.content, n->e.size) < 0) {
		buf_addf(&err, "copy the content: %s", strerror(errno));
		queue_write_abort(&w);
	}
	if (w)
		r = queue_write_replace(&w, QUEUE_HOLD, &err);
	if (r < 0)
		failed(n, "write it anew (it is on hold)", err.data);
	buf_free(&err);
	return r;
}

int
repair_rewrite(struct entry *n, const char *newid)
{
	enum queue_name back = n->where == QUEUE_ACTIVE ? QUEUE_INCOMING : n->where;
	struct queue *q = &n->r->app->queue;
	char id[QUEUE_ID_MAX + 1];

	snprintf(id, sizeof id, "%s", newid);
	if (!*id)
		queue_id_new(id);
	/* on hold nobody takes it up while we copy; one who has it open now is waited for */
	if ((n->where != QUEUE_HOLD || strcmp(id, n->name) != 0) && move(q, n->where, n->name, QUEUE_HOLD, id) < 0)
		return errno == ENOENT ? 0 : failed(n, "move to hold", strerror(errno));
	if (!take_alone(n->fd)) {
		(void)move(q, QUEUE_HOLD, id, n->where, n->name);
		return failed(n, "another program is at work on it", "try again");
	}
	/* what was done until now may have changed the letters of its recipients */
	queue_envelope_free(&n->e);
	if (queue_read(n->fd, &n->e, 0, NULL, &(struct buf)BUF_INIT(4096)) < 0 || write_id(n, id) < 0)
		return -1;
	if (back != QUEUE_HOLD && queue_move(q, QUEUE_HOLD, back, id) < 0)
		return failed(n, "move back (it is on hold)", strerror(errno));
	return 0;
}

static bool
same_bytes(const struct entry *a, const struct entry *b)
{
	static char x[65536], y[65536];

	for (uint64_t at = 0; at < a->e.size;) {
		size_t want = a->e.size - at < sizeof x ? (size_t)(a->e.size - at) : sizeof x;
		ssize_t k = pread(a->fd, x, want, (off_t)(a->e.content + at)), l = pread(b->fd, y, want, (off_t)(b->e.content + at));

		if (k <= 0 || k != l || memcmp(x, y, (size_t)k) != 0)
			return false;
		at += (uint64_t)k;
	}
	return true;
}

/* Copies of one message, whatever has been delivered of each. */
static bool
same_message(const struct entry *a, const struct entry *b)
{
	if (a->e.time != b->e.time || a->e.size != b->e.size || a->e.rcpts != b->e.rcpts || strcmp(a->e.sender, b->e.sender) != 0 ||
	    strcmp(a->e.id, b->e.id) != 0)
		return false;
	for (size_t i = 0; i < a->e.rcpts; i++)
		if (strcmp(a->e.rcpt[i].addr, b->e.rcpt[i].addr) != 0)
			return false;
	return same_bytes(a, b);
}

/* What is done by the copy that goes is done in the one that stays. */
static int
merge(const struct entry *stays, const struct entry *goes)
{
	struct queue *q = &stays->r->app->queue;
	int fd = queue_open_file(q, stays->where, stays->name, true), r = 0;

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < stays->e.rcpts && r == 0; i++)
		if (stays->e.rcpt[i].status == 'T' && goes->e.rcpt[i].status != 'T')
			r = queue_mark(fd, stays->e.rcpt[i].status_at, goes->e.rcpt[i].status);
	if (r == 0 && queue_flags(goes->st.st_mode))
		r = queue_flag(fd, queue_flags(goes->st.st_mode), 0);
	close(fd);
	return r;
}

static int
drop(struct entry *stays, struct entry *goes)
{
	struct queue *q = &stays->r->app->queue;
	char id[QUEUE_ID_MAX + 1];
	const char *name = goes->name;
	int r;

	if (merge(stays, goes) < 0)
		return errno == ENOENT ? 0 : failed(goes, "compare with its copy", strerror(errno));
	r = move(q, goes->where, goes->name, QUEUE_TRASH, name);
	if (r < 0 && errno == EEXIST) {
		queue_id_new(id);
		r = move(q, goes->where, goes->name, QUEUE_TRASH, id);
	}
	if (r < 0)
		return errno == ENOENT ? 0 : failed(goes, "move to trash", strerror(errno));
	repair_say(goes, "the same message is in %s/%s: moved to trash", queue_names[stays->where], stays->name);
	goes->r->dropped++;
	return 0;
}

/* Another file that has the ID: in another queue under the same name, or (n has another name) under that ID; same: one that is a copy. */
static bool
find_other(const struct entry *n, const char *id, bool same, struct entry *other)
{
	struct queue *q = &n->r->app->queue;

	for (int k = QUEUE_INCOMING; k <= QUEUE_HOLD; k++) {
		if (k == (int)n->where && strcmp(id, n->name) == 0)
			continue;
		*other = (struct entry){ .r = n->r, .where = (enum queue_name)k, .name = id };
		other->fd = queue_open_file(q, other->where, id, false);
		/* one that has just been moved from queue to queue is the same file */
		if (other->fd >= 0 && fstat(other->fd, &other->st) == 0 && other->st.st_ino != n->st.st_ino &&
		    queue_read(other->fd, &other->e, 0, NULL, &(struct buf)BUF_INIT(4096)) == 0 && (!same || same_message(n, other)))
			return true;
		if (other->fd >= 0)
			close(other->fd);
		queue_envelope_free(&other->e);
	}
	return false;
}

/* Which of two copies stays: the one that the queue manager works on; the one that has its ID for a name; else the one on hold, so
 * that nothing happens by itself that an administrator wanted to wait. */
static bool
other_stays(const struct entry *n, const struct entry *other)
{
	if ((n->r->running && other->where == QUEUE_ACTIVE) || strcmp(n->name, n->e.id) != 0)
		return true;
	if ((n->where == QUEUE_HOLD) != (other->where == QUEUE_HOLD))
		return other->where == QUEUE_HOLD;
	return other->where < n->where;
}

/* Two messages with one ID: ours gets another, unless its name is one that nobody else has. */
static int
new_id(struct entry *n, const char *taken)
{
	bool keep = good_id(n->name) && strcmp(n->name, taken) != 0;
	struct entry third;
	int r;

	if (keep && find_other(n, n->name, false, &third)) {
		close(third.fd);
		queue_envelope_free(&third.e);
		keep = false;
	}
	r = repair_rewrite(n, keep ? n->name : "");
	if (r == 0) {
		repair_say(n, "another message has the ID %s: its ID is %s now", taken, n->e.id);
		n->r->renamed++;
	}
	return r;
}

static int
rename_to_id(struct entry *n)
{
	struct queue *q = &n->r->app->queue;

	if (move(q, n->where, n->name, n->where, n->e.id) < 0)
		return errno == ENOENT ? 0 : failed(n, "rename", strerror(errno));
	if (good_id(n->name)) /* its history, if that has no owner */
		(void)renameat2(q->defer, n->name, q->defer, n->e.id, RENAME_NOREPLACE);
	repair_say(n, "renamed to %s, which is its ID", n->e.id);
	n->r->renamed++;
	return 0;
}

int
repair_id(struct entry *n)
{
	bool named = strcmp(n->name, n->e.id) == 0;
	char id[QUEUE_ID_MAX + 1];
	struct entry other;
	bool same;
	int r;

	strcpy(id, n->e.id);
	same = find_other(n, id, true, &other);
	if (!same && !find_other(n, id, false, &other))
		return named ? 0 : rename_to_id(n);
	if (same)
		r = other_stays(n, &other) ? drop(&other, n) : drop(n, &other);
	else if (!named || other.where < n->where || (n->r->running && other.where == QUEUE_ACTIVE))
		r = new_id(n, id);
	else /* it will be found from the other side, and get a new one */
		r = 0;
	close(other.fd);
	queue_envelope_free(&other.e);
	return r;
}

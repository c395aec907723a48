/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One message of the queue, read as far as needed: see item.h. */
#include "item.h"
#include "showq.h"

#include "syntax/envelope.h"

#include "base/num.h"
#include "base/strmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
item_init(struct item *it, struct app *app, enum queue_name where, const char *id)
{
	*it = (struct item){ .app = app, .where = where, .id = id, .fd = -1 };
	buf_init(&it->err, 1000);
}

void
item_free(struct item *it)
{
	if (it->fd >= 0)
		close(it->fd);
	it->fd = -1;
	queue_envelope_free(&it->e);
	queue_reasons_free(&it->reason, it->reasons);
	it->reasons = 0;
	queue_reasons_free(&it->recent, it->recents);
	it->recents = 0;
	it->history = false;
	strmap_free(&it->last, NULL);
	buf_free(&it->err);
}

static int
param(const char *text, const char *name, struct buf *out)
{
	const char *why;

	return envelope_param(text, strlen(text), name, out, &why) > 0;
}

/* Where a message came from (host, login name) is for its sender and the owner of the queue, as its header is. */
static void
hide_origin(struct item *it)
{
	const struct guest *guest = it->app->guest;
	struct buf uid = BUF_INIT(8192);
	uint64_t sender;

	if (!guest)
		return;
	if (!param(it->e.from, "uid", &uid) || num_u64(uid.data, UINT32_MAX, &sender) < 0 || (uid_t)sender != guest->uid)
		*it->e.from = '\0';
	buf_free(&uid);
}

bool
item_envelope(struct item *it)
{
	if (it->looked)
		return it->good;
	it->looked = true;
	it->fd = queue_open_known(&it->app->queue, it->where, it->id, false, &it->st);
	if (it->fd < 0) {
		it->gone = errno == ENOENT;
		buf_adds(&it->err, errno == ELOOP || errno == EINVAL ? "not a queue file" : strerror(errno));
		return false;
	}
	if (queue_read_known(it->fd, &it->st, &it->e, 0, NULL, &it->err) < 0)
		return false;
	/* its name is what protects a file in maildrop/ that anybody may read: see queue_drop_open */
	it->gone = it->where == QUEUE_MAILDROP && it->app->guest && it->st.st_mode & S_IROTH && it->st.st_uid != it->app->guest->uid;
	if (it->gone)
		return false;
	if (it->where == QUEUE_MAILDROP) { /* what a user says of himself is not what we tell of him */
		struct buf from = BUF_INIT(100);

		buf_addf(&from, "proto=local uid=%ju", (uintmax_t)it->st.st_uid);
		free(it->e.from);
		it->e.from = buf_steal(&from);
	}
	hide_origin(it);
	it->good = true;
	return true;
}

int64_t
item_arrival(struct item *it)
{
	int64_t t = queue_id_time(it->id);

	if (it->good || t < 0)
		return item_envelope(it) ? it->e.time : it->fd >= 0 ? it->st.st_mtime * 1000000 : 0;
	return t;
}

uint64_t
item_size(struct item *it)
{
	if (item_envelope(it))
		return it->e.size;
	return it->fd >= 0 ? (uint64_t)it->st.st_size : 0;
}

bool
item_expire(struct item *it)
{
	item_envelope(it);
	return it->fd >= 0 && queue_flags(it->st.st_mode) & QUEUE_EXPIRE;
}

int64_t
item_next(struct item *it)
{
	if (it->where != QUEUE_DEFERRED)
		return 0;
	item_envelope(it);
	return it->fd >= 0 ? it->st.st_mtime : 0;
}

static void
read_reasons(struct item *it, int (*f)(struct queue *, const char *, struct queue_reason **, size_t *))
{
	it->recent = it->reason; /* somebody may still hold one of them */
	it->recents = it->reasons;
	strmap_free(&it->last, NULL);
	it->last = strmap_new();
	if (f(&it->app->queue, it->id, &it->reason, &it->reasons) < 0)
		it->reasons = 0; /* unreadable reasons do not hide the message */
	for (size_t i = 0; i < it->reasons; i++)
		strmap_set(it->last, it->reason[i].addr, &it->reason[i]);
}

void
item_reasons(struct item *it)
{
	if (!it->history)
		read_reasons(it, queue_defer_read);
	it->history = true;
}

/* Nearly always among the recent ones. */
const struct queue_reason *
item_reason(struct item *it, const char *addr)
{
	const struct queue_reason *why;

	if (!it->last)
		read_reasons(it, queue_defer_recent);
	why = strmap_get(it->last, addr);
	if (why || it->history || it->reasons == 0)
		return why;
	item_reasons(it);
	return strmap_get(it->last, addr);
}

int
item_from(struct item *it, const char *name, struct buf *out)
{
	return item_envelope(it) && param(it->e.from, name, out);
}

int
item_opt(struct item *it, const char *name, struct buf *out)
{
	return item_envelope(it) && param(it->e.opt, name, out);
}

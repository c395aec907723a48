/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One job: each recipient's copy into its mailbox, with Return-Path (RFC 5321 4.4), X-Original-To and
 * Delivered-To before it, in the order that Postfix has. Each copy is a file of its own, because
 * Delivered-To differs. */
#include "deliver.h"

#include "mail/config.h"
#include "mail/route.h"
#include "syntax/envelope.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define OPEN_MAILBOXES 128        /* two descriptors each */
#define TEXT_MAX 65536

struct maildir_cache *
deliver_new_cache(struct config *c)
{
	return maildir_cache_new(OPEN_MAILBOXES, config_bool(c, "strict_mailbox_ownership"));
}

void
deliver_init(struct deliver *d, struct config *c)
{
	*d = (struct deliver){ .config = c, .self = geteuid() };
	d->cache = deliver_new_cache(c);
	message_init(&d->message);
	mailbox_init(&d->box);
	buf_init(&d->head, TEXT_MAX);
	buf_init(&d->err, TEXT_MAX);
	buf_init(&d->orig, TEXT_MAX);
	buf_init(&d->no.text, TEXT_MAX);
}

void
deliver_free(struct deliver *d)
{
	route_close(&d->maps);
	maildir_cache_free(&d->cache);
	message_free(&d->message);
	mailbox_free(&d->box);
	buf_free(&d->head);
	buf_free(&d->err);
	buf_free(&d->orig);
	buf_free(&d->no.text);
}

/* What a failed system call means for the sender: only what cannot get better by waiting is a bounce. */
static struct outcome
failure(struct deliver *d, const struct agent_rcpt *r, int error)
{
	struct outcome o = { AGENT_DEFERRED, "4.2.0", d->err.data };

	switch (error) {
	case EDQUOT:
	case EFBIG:
		o.dsn = "4.2.2";
		break;
	case ENOSPC:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EIO:
		o.dsn = "4.3.1";
		break;
	case EINVAL:
	case ENAMETOOLONG:
		/* a path made of the address: nobody can have such a mailbox */
		o.dsn = "4.3.5";
		if (error == ENAMETOOLONG || strstr(r->addr, "..")) {
			o.status = AGENT_BOUNCED;
			o.dsn = "5.1.3";
		}
		break;
	default:
		break;
	}
	return o;
}

/* The fields that are put before the message. */
static int
make_head(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r)
{
	const char *err;

	buf_clear(&d->orig);
	if (envelope_param(r->params, strlen(r->params), "orig", &d->orig, &err) <= 0) {
		buf_clear(&d->orig);
		buf_adds(&d->orig, r->addr);
	}
	buf_clear(&d->head);
	buf_adds(&d->head, "Return-Path: <");
	buf_adds(&d->head, j->sender);
	buf_adds(&d->head, ">\nX-Original-To: ");
	buf_add(&d->head, d->orig.data, d->orig.len);
	buf_adds(&d->head, "\nDelivered-To: ");
	buf_adds(&d->head, r->addr);
	buf_addc(&d->head, '\n');
	return d->head.full ? -1 : 0;
}

struct outcome
deliver_mailbox(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r)
{
	struct maildir_message copy = {
		.first = d->message.first, .first_len = d->message.first_len,
		.fd = d->message.fd, .at = d->message.at, .size = d->message.size,
	};
	struct maildir *m;
	int tries;

	if (make_head(d, j, r) < 0) {
		buf_adds(&d->err, "address is too long");
		return failure(d, r, ENAMETOOLONG);
	}
	copy.head = d->head.data;
	copy.head_len = d->head.len;
	/* once more where a mailbox that was open has been removed meanwhile */
	for (tries = 0; tries < 2; tries++) {
		buf_clear(&d->err);
		m = maildir_open(d->cache, d->box.base.data, d->box.path.data, &d->err);
		if (!m)
			break;
		if (maildir_deliver(d->cache, m, &copy, &d->err) == 0)
			return (struct outcome){ AGENT_SENT, "2.0.0", "delivered to maildir" };
		if (errno != ENOENT)
			break;
	}
	return failure(d, r, errno);
}

/* Root acts for nobody but the owner of the mailbox; any other user only for itself. */
static struct outcome
deliver_with_rights(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r)
{
	struct outcome o = { AGENT_DEFERRED, "4.3.5", NULL };

	if (d->self == 0) {
		if (d->box.uid != 0 && d->box.uid != (uid_t)-1)
			return deliver_as_owner(d, j, r);
		o.text = "delivery with the rights of root is refused: alias the recipient to a person";
		return o;
	}
	if (d->box.uid != (uid_t)-1 && d->box.uid != d->self) {
		buf_addf(&d->err, "cannot deliver as uid %lu while running as uid %lu", (unsigned long)d->box.uid,
		    (unsigned long)d->self);
		o.text = d->err.data;
		return o;
	}
	return deliver_mailbox(d, j, r);
}

static struct outcome
deliver_one(struct deliver *d, const struct agent_job *j, const struct agent_rcpt *r)
{
	int found = 0;

	buf_clear(&d->err);
	buf_clear(&d->no.text);
	if (d->self != 0)     /* a job does not say the owner's uid: root must know it */
		found = mailbox_from_job(&d->box, d->config, j, r, &d->no);
	if (found == 0)
		found = mailbox_from_tables(&d->box, d->config, &d->maps, r->addr, &d->no);
	if (found < 0)
		return (struct outcome){ d->no.status, d->no.dsn, d->no.text.data };
	if (message_was_delivered(&d->message, r->addr)) {
		buf_addf(&d->err, "mail forwarding loop for %s", r->addr);
		return (struct outcome){ AGENT_BOUNCED, "5.4.6", d->err.data };
	}
	return deliver_with_rights(d, j, r);
}

void
deliver_job(struct deliver *d, const struct agent_job *j, struct agent_reply *reply)
{
	struct outcome o;
	int error = 0;
	size_t i;

	if (message_load(&d->message, j->fd, j->content, j->size) < 0)
		error = errno;
	for (i = 0; i < j->rcpts; i++) {
		if (error) {
			buf_clear(&d->err);
			buf_addf(&d->err, "read the message: %s", strerror(error));
			o = (struct outcome){ AGENT_DEFERRED, "4.3.0", d->err.data };
		} else {
			o = deliver_one(d, j, &j->rcpt[i]);
		}
		agent_reply_add(reply, o.status, o.dsn, j->rcpt[i].addr, d->box.transport.data, NULL, o.text);
	}
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Where the mail of a recipient goes: see mailbox.h. As Postfix has it: virtual_mailbox_base/VALUE, VALUE from
 * virtual_mailbox_maps; or home directory/home_mailbox. A name that ends in '/' is a Maildir. */
#include "mailbox.h"

#include "mail/config.h"
#include "mail/route.h"
#include "syntax/envelope.h"

#include <string.h>

#define FIELD_MAX 65536

void
mailbox_init(struct mailbox *m)
{
	buf_init(&m->transport, FIELD_MAX);
	buf_init(&m->base, FIELD_MAX);
	buf_init(&m->path, FIELD_MAX);
	buf_init(&m->user, FIELD_MAX);
	m->uid = (uid_t)-1;
	m->gid = (gid_t)-1;
}

void
mailbox_free(struct mailbox *m)
{
	buf_free(&m->transport);
	buf_free(&m->base);
	buf_free(&m->path);
	buf_free(&m->user);
}

static void
clear(struct mailbox *m)
{
	buf_clear(&m->transport);
	buf_clear(&m->base);
	buf_clear(&m->path);
	buf_clear(&m->user);
	m->uid = (uid_t)-1;
	m->gid = (gid_t)-1;
}

static int
refuse(struct refusal *no, enum agent_status status, const char *dsn, const char *text)
{
	no->status = status;
	no->dsn = dsn;
	buf_adds(&no->text, text);
	return -1;
}

static bool
ends_in_slash(const struct buf *b)
{
	return b->len > 0 && b->data[b->len - 1] == '/';
}

/* base is the home directory. */
static int
local_mailbox(struct mailbox *m, struct config *c, struct refusal *no)
{
	buf_adds(&m->path, config_str(c, "home_mailbox"));
	if (!ends_in_slash(&m->path))
		return refuse(no, AGENT_DEFERRED, "4.3.5",
		    "delivery to an mbox file is not supported: set home_mailbox = Maildir/");
	if (m->base.len == 0)
		return refuse(no, AGENT_DEFERRED, "4.3.5", "the recipient is no user with a home directory (aliases are not expanded by this version)");
	return 0;
}

/* path is the value of virtual_mailbox_maps. */
static int
virtual_mailbox(struct mailbox *m, struct config *c, struct refusal *no)
{
	buf_adds(&m->base, config_str(c, "virtual_mailbox_base"));
	if (m->base.len == 0)
		buf_adds(&m->base, "/");
	if (!ends_in_slash(&m->path))
		return refuse(no, AGENT_DEFERRED, "4.3.5", "delivery to an mbox file is not supported: "
		    "end the value in virtual_mailbox_maps with '/' for a Maildir");
	return 0;
}

/* A word of the recipient's parameters, else of the job's. */
static int
find_word(const struct agent_job *j, const struct agent_rcpt *r, const char *name, struct buf *out)
{
	const char *err;
	int rc;

	rc = envelope_param(r->params, strlen(r->params), name, out, &err);
	return rc == 0 ? envelope_param(j->set, strlen(j->set), name, out, &err) : rc;
}

int
mailbox_from_job(struct mailbox *m, struct config *c, const struct agent_job *j, const struct agent_rcpt *r,
    struct refusal *no)
{
	int found;

	clear(m);
	if (find_word(j, r, "transport", &m->transport) < 0 || find_word(j, r, "user", &m->user) < 0)
		return refuse(no, AGENT_DEFERRED, "4.3.0", "malformed job");
	if ((found = find_word(j, r, "mailbox", &m->path)) > 0) {
		buf_clear(&m->user);
		if (m->transport.len == 0)
			buf_adds(&m->transport, "virtual");
		return virtual_mailbox(m, c, no) < 0 ? -1 : 1;
	}
	if (found == 0 && (found = find_word(j, r, "home", &m->base)) > 0) {
		if (m->transport.len == 0)
			buf_adds(&m->transport, "local");
		return local_mailbox(m, c, no) < 0 ? -1 : 1;
	}
	return found == 0 ? 0 : refuse(no, AGENT_DEFERRED, "4.3.0", "malformed job");
}

static int
take_route(struct mailbox *m, struct config *c, const struct route *r, struct refusal *no)
{
	m->uid = r->uid;
	m->gid = r->gid;
	switch (r->class) {
	case ROUTE_LOCAL:
		buf_adds(&m->transport, "local");
		buf_adds(&m->user, r->user.data);
		buf_adds(&m->base, r->home.data);
		return local_mailbox(m, c, no);
	case ROUTE_VIRTUAL_MAILBOX:
		buf_adds(&m->transport, "virtual");
		buf_adds(&m->path, r->mailbox.data);
		return virtual_mailbox(m, c, no);
	default:
		return refuse(no, AGENT_DEFERRED, "4.3.5", "the recipient has no mailbox on this system");
	}
}

int
mailbox_from_tables(struct mailbox *m, struct config *c, struct route_maps **maps, const char *address,
    struct refusal *no)
{
	struct buf err = BUF_INIT(FIELD_MAX), text = BUF_INIT(FIELD_MAX);
	struct route r;
	int rc = -1;

	clear(m);
	route_init(&r);
	if (!*maps)
		*maps = route_open(c, &err);
	if (*maps)
		rc = route_resolve(*maps, address, &r, &text, &err);
	if (rc > 0)
		rc = take_route(m, c, &r, no);
	else if (rc == 0)
		rc = refuse(no, AGENT_BOUNCED, "5.1.1", text.data);
	else
		rc = refuse(no, AGENT_DEFERRED, "4.3.0", err.data);
	route_free(&r);
	buf_free(&err);
	buf_free(&text);
	return rc;
}

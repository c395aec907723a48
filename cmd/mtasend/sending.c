/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What became of the recipients of a job so far. */
#include "transaction.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What the sender who asked for it is told (RFC 3461 5.2.2). A server that knows DSN has been told who wants to know, and
 * reports itself; with LMTP the message has reached its end. */
static const char *
action_of(const struct conn *c)
{
	return c->dsn ? "passed" : c->lmtp ? "delivered" : "relayed";
}

void
sending_note(struct sending *s, size_t i, const struct conn *c, const struct failure *f, const char *delays, bool final)
{
	struct outcome *o = &s->out[i];

	if (o->final)
		return;
	free(o->text);
	free(o->relay);
	free(o->delays);
	o->status = f->status;
	memcpy(o->dsn, f->dsn, sizeof o->dsn);
	o->action = c && f->status == AGENT_SENT ? action_of(c) : "";
	o->text = mem_strdup(f->text.data);
	o->relay = mem_strdup(c ? c->relay.data : "");
	o->delays = mem_strdup(delays);
	o->final = final || f->status != AGENT_DEFERRED;
	if (o->final)
		s->open--;
}

void
sending_init(struct sending *s, const struct agent_job *j)
{
	*s = (struct sending){ .job = j, .open = j->rcpts };
	s->out = mem_array(j->rcpts ? j->rcpts : 1, sizeof *s->out);
}

void
sending_free(struct sending *s)
{
	for (size_t i = 0; i < s->job->rcpts; i++) {
		free(s->out[i].text);
		free(s->out[i].relay);
		free(s->out[i].delays);
	}
	free(s->out);
}

void
sending_fail(struct sending *s, const struct conn *c, const struct failure *f, bool final)
{
	for (size_t i = 0; i < s->job->rcpts; i++)
		sending_note(s, i, c, f, "", final);
}

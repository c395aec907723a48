/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See resolve.h. */
#include "resolve.h"

#include "dest.h"
#include "expire.h"
#include "manager.h"
#include "pausing.h"
#include "result.h"

#include "mail/config.h"
#include "mail/route.h"
#include "syntax/envelope.h"

#include <string.h>

static struct route route;
static struct buf text = BUF_INIT(65536), err = BUF_INIT(65536);

/* "5.1.1 text" of error: and retry: is a code of its own; else the code is dsn. */
static void
given(struct message *m, struct rcpt *r, const char *transport, enum agent_status status, const char *dsn, const char *said)
{
	char code[12];
	size_t n = strspn(said, "0123456789.");

	if (n >= 5 && n < sizeof code && said[n] == ' ' && said[1] == '.') {
		memcpy(code, said, n);
		code[n] = '\0';
		/* the class must be that of the status */
		code[0] = status == AGENT_SENT ? '2' : status == AGENT_DEFERRED ? '4' : '5';
		dsn = code;
		said += n + 1;
	}
	r->action = RCPT_RELAYED; /* what is discarded has not been delivered */
	result_set(m, r, transport, 0, status, dsn, NULL, NULL, *said ? said : "Address is undeliverable");
}

/* The transports that need no agent. */
static bool
built_in(struct message *m, struct rcpt *r)
{
	const char *name = route.transport.data, *said = route.nexthop.data;

	if (strcmp(name, "error") == 0)
		given(m, r, name, AGENT_BOUNCED, "5.0.0", said);
	else if (strcmp(name, "retry") == 0)
		given(m, r, name, AGENT_DEFERRED, "4.0.0", said);
	else if (strcmp(name, "discard") == 0)
		given(m, r, name, AGENT_SENT, "2.0.0", said);
	else
		return false;
	return true;
}

/* Names that defer_transports holds back until a flush. */
static bool
held_back(const struct message *m, const char *transport)
{
	const char *p = config_str(manager.config, "defer_transports");
	size_t n = strlen(transport);

	if (m->flushed)
		return false;
	for (p += strspn(p, ", \t"); *p; p += strspn(p, ", \t")) {
		size_t word = strcspn(p, ", \t");

		if (word == n && memcmp(p, transport, n) == 0)
			return true;
		p += word;
	}
	return false;
}

/* mtaqueue reroute: the opt line of the message says where all of it goes, whatever the tables say. */
static bool
by_hand(const struct message *m)
{
	size_t n = strlen(m->e.opt);
	const char *why;

	if (!strstr(m->e.opt, "transport="))
		return false;
	buf_clear(&route.transport);
	buf_clear(&route.nexthop);
	buf_clear(&route.user);
	buf_clear(&route.mailbox);
	buf_clear(&route.home);
	route.class = ROUTE_DEFAULT;
	route.uid = (uid_t)-1;
	route.gid = (gid_t)-1;
	return envelope_param(m->e.opt, n, "transport", &route.transport, &why) > 0 && route.transport.len &&
	    envelope_param(m->e.opt, n, "nexthop", &route.nexthop, &why) >= 0;
}

static void
resolve(struct message *m, struct rcpt *r, bool resolved)
{
	const struct pause_rule *rule;
	int found = 1, moved = 0;

	buf_clear(&text);
	buf_clear(&err);
	if (!resolved)
		moved = route_relocated(manager.routes, r->q->addr, &text, &err);
	if (!resolved && moved == 0)
		found = route_resolve(manager.routes, r->q->addr, &route, &text, &err);
	if (moved > 0)
		result_set(m, r, "error", 0, AGENT_BOUNCED, "5.1.6", NULL, NULL, text.data);
	else if (found < 0 || moved < 0)
		result_set(m, r, "error", 0, AGENT_DEFERRED, "4.3.0", NULL, NULL, err.data);
	else if (found == 0)
		result_set(m, r, "error", 0, AGENT_BOUNCED, "5.1.1", NULL, NULL, text.data);
	else if (built_in(m, r))
		return;
	else if ((rule = pausing_of(r->q->addr, route.nexthop.data, route.transport.data)) != NULL)
		pausing_set(m, r, rule);
	else if (held_back(m, route.transport.data))
		result_set(m, r, route.transport.data, 0, AGENT_DEFERRED, "4.3.2", NULL, NULL, "deferred transport");
	else
		dest_add(dest_get(&route, r->q->addr), m, r);
}

struct park *
resolve_portion(struct message *m)
{
	bool resolved;

	if (m->expire) {
		expire_begin(m);
		for (size_t i = 0; i < m->e.rcpts; i++)
			expire_rcpt(m, &m->rcpt[i]);
		expire_end();
		return NULL;
	}
	if (!route.transport.max)
		route_init(&route);
	resolved = by_hand(m);
	for (size_t i = 0; i < m->e.rcpts; i++)
		resolve(m, &m->rcpt[i], resolved);
	return dest_enqueue(m);
}

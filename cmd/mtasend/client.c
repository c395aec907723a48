/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs to servers: see client.h. Hosts are tried in order until each recipient has been sent or bounced, or
 * the limits on addresses and sessions are reached (RFC 5321 5.1); what is left is deferred with the last answer. */
#include "client.h"

#include "base/clock.h"
#include "base/num.h"
#include "connect.h"
#include "mail/config.h"
#include "mail/report.h"
#include "syntax/envelope.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#define TEXT_MAX 65536

static int
port_of(struct config *c, const char *name, uint16_t *port, struct buf *err)
{
	const char *text = config_str(c, name);
	struct servent *service;
	uint64_t number;

	if (num_u64(text, 65535, &number) == 0 && number > 0) {
		*port = (uint16_t)number;
		return 0;
	}
	service = getservbyname(text, "tcp");
	if (!service) {
		buf_addf(err, "%s: unknown port \"%s\"", name, text);
		return -1;
	}
	*port = ntohs((uint16_t)service->s_port);
	return 0;
}

int
client_init(struct client *cl, struct config *c, struct buf *err)
{
	*cl = (struct client){ .config = c };
	conn_init(&cl->conn);
	transaction_init(&cl->transaction, c);
	nexthop_init(&cl->hop);
	policy_init(&cl->policy);
	buf_init(&cl->failure.text, 4 * TEXT_MAX);
	buf_init(&cl->text, TEXT_MAX);
	buf_init(&cl->fault, TEXT_MAX);
	buf_init(&cl->said, TEXT_MAX);
	cl->conn.recording = report_class(c, "protocol");
	if (port_of(c, "smtp_tcp_port", &cl->smtp_port, err) < 0)
		return -1;
	return port_of(c, "lmtp_tcp_port", &cl->lmtp_port, err);
}

void
client_free(struct client *cl)
{
	conn_free(&cl->conn);
	transaction_free(&cl->transaction);
	nexthop_free(&cl->hop);
	policy_free(&cl->policy);
	policy_tables_free(&cl->tables);
	dns_free(&cl->dns);
	buf_free(&cl->failure.text);
	buf_free(&cl->text);
	buf_free(&cl->fault);
	buf_free(&cl->said);
}

int64_t
client_idle(const struct client *cl)
{
	return cl->conn.channel ? config_time(cl->config, "smtp_connection_cache_time_limit") : -1;
}

/* The next hop of the job into cl->hop; without one it is the domain of the first recipient. */
static int
find_nexthop(struct client *cl, const struct agent_job *j)
{
	bool lmtp = cl->lmtp;
	const char *err, *at;

	buf_clear(&cl->text);
	if (envelope_param(j->set, strlen(j->set), "transport", &cl->text, &err) > 0 && strcmp(cl->text.data, "lmtp") == 0)
		lmtp = true;
	buf_clear(&cl->text);
	if (envelope_param(j->set, strlen(j->set), "nexthop", &cl->text, &err) <= 0 || cl->text.len == 0) {
		buf_clear(&cl->text);
		at = strrchr(j->rcpt[0].addr, '@');
		buf_adds(&cl->text, cl->nexthop ? cl->nexthop : at ? at + 1 : "");
	}
	buf_clear(&cl->failure.text);
	if (nexthop_parse(&cl->hop, cl->text.data, lmtp, cl->smtp_port, cl->lmtp_port, &cl->failure.text) == 0)
		return 0;
	cl->failure.status = AGENT_DEFERRED;
	memcpy(cl->failure.dsn, "4.3.5", 6);
	return -1;
}

/* Addresses that must not go over the wire. */
static void
refuse_addresses(struct client *cl, struct sending *s)
{
	const struct agent_job *j = s->job;

	if (!command_address_ok(j->sender)) {
		failure_set(&cl->failure, "5.1.7", "bad sender address syntax");
		sending_fail(s, NULL, &cl->failure, true);
	}
	failure_set(&cl->failure, "5.1.3", "bad recipient address syntax");
	for (size_t i = 0; i < j->rcpts; i++)
		if (!*j->rcpt[i].addr || !command_address_ok(j->rcpt[i].addr))
			sending_note(s, i, NULL, &cl->failure, "", true);
}

/* What was said over the last connection becomes a notice, when somebody did not keep to the protocol there. */
static void
keep_fault(struct client *cl)
{
	struct conn *c = &cl->conn;

	if (c->fault && c->recording && cl->fault.len == 0) {
		buf_add(&cl->fault, c->relay.data, c->relay.len);
		transcript_format(&c->said, &cl->said);
	}
	c->fault = false;
}

/* Sends over the connection that is open, and closes it where it cannot be used again. As transaction_run. */
static int
send_over(struct client *cl, struct sending *s)
{
	struct conn *c = &cl->conn;
	int64_t uses = config_int(cl->config, "smtp_connection_reuse_count_limit");
	int64_t life = config_time(cl->config, "smtp_connection_reuse_time_limit");
	int rc = transaction_run(&cl->transaction, c, s);

	if (c->broken || (uses > 0 && c->used >= uses) || clock_mono() - c->opened > life * 1000000)
		conn_close(c);
	keep_fault(cl);
	return rc;
}

/* The connection kept from the job before, when it leads to the same next hop. cl->text gets the server that has
 * answered over it: it is not asked again. */
static void
try_kept(struct client *cl, struct sending *s)
{
	struct conn *c = &cl->conn;

	buf_clear(&cl->text);
	if (!c->channel)
		return;
	if (strcmp(c->key.data, cl->hop.text.data) != 0 || c->lmtp != cl->hop.lmtp || !conn_quiet(c)) {
		if (!conn_quiet(c))
			c->broken = true;
		conn_close(c);
		return;
	}
	if (send_over(cl, s) == 0)
		buf_adds(&cl->text, c->relay.data);
}

/* One address: a connection and a transaction. 0 a session was had, -1 not (noted for all). */
static int
try_target(struct client *cl, struct sending *s, const struct target *t)
{
	struct conn *c = &cl->conn;
	int rc;

	conn_close(c);
	if (cl->hop.lmtp) {
		rc = connect_lmtp(c, cl->config, t, &cl->hop, &cl->failure);
	} else {
		rc = policy_find(&cl->policy, &cl->tables, cl->config, &cl->hop, t->name, &cl->failure);
		if (rc == 0)
			rc = connect_smtp(c, cl->config, t, &cl->hop, &cl->policy, &cl->failure);
	}
	if (rc < 0) {
		/* no answer: there is no server that could be named, as in Postfix's log */
		sending_fail(s, strcmp(cl->failure.dsn, "4.4.1") == 0 ? NULL : c, &cl->failure, false);
		keep_fault(cl);
		return -1;
	}
	buf_clear(&c->key);
	buf_adds(&c->key, cl->hop.text.data);
	send_over(cl, s);
	return 0;
}

static void
try_targets(struct client *cl, struct sending *s)
{
	struct target_list list = { 0 };
	int64_t sessions = config_int(cl->config, "smtp_mx_session_limit"), had = cl->text.len > 0;
	struct buf relay = BUF_INIT(TEXT_MAX);

	if (cl->hop.local) {
		if (!had)
			try_target(cl, s, NULL);
		return;
	}
	if (target_find(&list, &cl->hop, cl->config, &cl->dns, &cl->failure) < 0)
		sending_fail(s, NULL, &cl->failure, cl->text.len == 0);
	for (size_t i = 0; i < list.n && s->open > 0 && (sessions == 0 || had < sessions); i++) {
		buf_clear(&relay);
		buf_addf(&relay, "%s[%s]:%u", list.t[i].name, list.t[i].ip, cl->hop.port);
		if (strcmp(relay.data, cl->text.data) != 0 && try_target(cl, s, &list.t[i]) == 0)
			had++;
	}
	buf_free(&relay);
	target_free(&list);
}

void
client_job(struct client *cl, const struct agent_job *j, struct agent_reply *reply)
{
	struct sending s;

	buf_clear(&cl->fault);
	buf_clear(&cl->said);
	sending_init(&s, j);
	refuse_addresses(cl, &s);
	if (s.open > 0 && find_nexthop(cl, j) < 0)
		sending_fail(&s, NULL, &cl->failure, true);
	if (s.open > 0)
		try_kept(cl, &s);
	if (s.open > 0)
		try_targets(cl, &s);
	for (size_t i = 0; i < j->rcpts; i++) {
		const struct outcome *o = &s.out[i];

		if (o->status == AGENT_SENT)
			agent_reply_sent(reply, o->action, o->dsn, j->rcpt[i].addr, o->relay, o->delays, o->text);
		else
			agent_reply_add(reply, o->status, o->dsn, j->rcpt[i].addr, o->relay, o->delays, o->text);
	}
	if (cl->fault.len)
		agent_reply_notice(reply, "protocol", cl->fault.data, cl->said.data);
	sending_free(&s);
}

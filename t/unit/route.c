/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Address classes, transports and next hops; a table that fails is never "absent". */
#include "mail/config.h"
#include "mail/route.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct route_maps *
open_with(char **overrides)
{
	struct buf err = BUF_INIT(65536);
	char dir[] = "/tmp/mta-route.XXXXXX", path[64];
	struct route_maps *m = NULL;
	struct config *c;
	FILE *f;

	if (!mkdtemp(dir))
		return NULL;
	snprintf(path, sizeof path, "%s/main.cf", dir);
	f = fopen(path, "w");
	if (f)
		fclose(f);
	c = config_open(dir, overrides, &err);
	if (c)
		m = route_open(c, &err); /* keeps no pointer into c */
	if (!m)
		printf("# %s\n", err.data);
	config_close(&c);
	unlink(path);
	rmdir(dir);
	buf_free(&err);
	return m;
}

static char *base[] = {
	(char *)"myhostname=mx.here.test", (char *)"mydomain=here.test", (char *)"myorigin=here.test",
	(char *)"mydestination=here.test, localhost", (char *)"inet_interfaces=127.0.0.1, 192.0.2.7", (char *)"proxy_interfaces=",
	(char *)"local_recipient_maps=inline:{joe=x, team=y}", (char *)"alias_maps=inline:{team=joe}",
	(char *)"virtual_alias_domains=va.test", (char *)"virtual_alias_maps=inline:{ {info@va.test=joe} }",
	(char *)"virtual_mailbox_domains=vm.test, fail.test",
	(char *)"virtual_mailbox_maps=inline:{ {ann@vm.test=vm/ann/} {@all.test=x} }, inline:{ {any@vm.test=vm/any/} }",
	(char *)"virtual_uid_maps=static:1001", (char *)"virtual_gid_maps=static:1002", (char *)"virtual_minimum_uid=100",
	(char *)"relay_domains=relay.test", (char *)"relay_recipient_maps=inline:{ {who@relay.test=x} }",
	(char *)"parent_domain_matches_subdomains=relay_domains", (char *)"relayhost=[out.test]:587", (char *)"recipient_delimiter=+",
	(char *)"transport_maps=inline:{ {x@map.test=lmtp:unix:/run/x} {map.test=smtp:[one.test]} {.map.test=:[two.test]} {user@vm.test=discard:} "
	    "{only.test=slow:} {bad.test=error:5.1.2 no} }",
	NULL
};

struct resolve_case {
	const char *address;
	int found;
	enum route_class class;
	const char *transport, *nexthop, *user, *mailbox;
};

static void
test_resolve(struct route_maps *m)
{
	static const struct resolve_case cases[] = {
		{ "root@here.test", 1, ROUTE_LOCAL, "local", "mx.here.test", "root", "" },
		{ "ROOT+x@Here.Test", 1, ROUTE_LOCAL, "local", "mx.here.test", "root", "" },
		{ "root", 1, ROUTE_LOCAL, "local", "mx.here.test", "root", "" },
		{ "root@[192.0.2.7]", 1, ROUTE_LOCAL, "local", "mx.here.test", "root", "" },
		{ "team@localhost", 1, ROUTE_LOCAL, "local", "mx.here.test", "", "" },
		{ "no-such-user-here@here.test", 0, ROUTE_LOCAL, "", "", "", "" },
		{ "info@va.test", -1, ROUTE_VIRTUAL_ALIAS, "", "", "", "" },
		{ "ann@vm.test", 1, ROUTE_VIRTUAL_MAILBOX, "virtual", "vm.test", "ann@vm.test", "vm/ann/" },
		{ "ann+tag@vm.test", 1, ROUTE_VIRTUAL_MAILBOX, "virtual", "vm.test", "ann+tag@vm.test", "vm/ann/" },
		{ "any@vm.test", 1, ROUTE_VIRTUAL_MAILBOX, "virtual", "vm.test", "any@vm.test", "vm/any/" },
		{ "nobody@vm.test", 0, ROUTE_VIRTUAL_MAILBOX, "", "", "", "" },
		{ "a@relay.test", 1, ROUTE_RELAY, "relay", "[out.test]:587", "", "" },
		{ "a@sub.relay.test", 1, ROUTE_RELAY, "relay", "[out.test]:587", "", "" },
		{ "a@far.test", 1, ROUTE_DEFAULT, "smtp", "[out.test]:587", "", "" },
		{ "a@[192.0.2.99]", 1, ROUTE_DEFAULT, "smtp", "[out.test]:587", "", "" },
		{ "x@map.test", 1, ROUTE_DEFAULT, "lmtp", "unix:/run/x", "", "" },
		{ "x+y@map.test", 1, ROUTE_DEFAULT, "lmtp", "unix:/run/x", "", "" },
		{ "z@map.test", 1, ROUTE_DEFAULT, "smtp", "[one.test]", "", "" },
		{ "z@a.map.test", 1, ROUTE_DEFAULT, "smtp", "[two.test]", "", "" },
		{ "z@b.a.map.test", 1, ROUTE_DEFAULT, "smtp", "[two.test]", "", "" },
		{ "z@only.test", 1, ROUTE_DEFAULT, "slow", "only.test", "", "" },
		{ "z@bad.test", 1, ROUTE_DEFAULT, "error", "5.1.2 no", "", "" },
		{ "Double-Bounce@here.test", 1, ROUTE_LOCAL, "discard", "undeliverable postmaster notification discarded", "", "" },
		{ "double-bounce", 1, ROUTE_LOCAL, "discard", "undeliverable postmaster notification discarded", "", "" },
		{ "double-bounce@far.test", 1, ROUTE_DEFAULT, "smtp", "[out.test]:587", "", "" },
		{ "\"a b\"@far.test", 1, ROUTE_DEFAULT, "smtp", "[out.test]:587", "", "" },
		{ "a@@b", 0, ROUTE_DEFAULT, "", "", "", "" },
	};
	struct buf text = BUF_INIT(65536), err = BUF_INIT(65536);
	struct route r;

	route_init(&r);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct resolve_case *c = &cases[i];
		int found;

		buf_clear(&text);
		buf_clear(&err);
		found = route_resolve(m, c->address, &r, &text, &err);
		ok(found == c->found && (found == 0) == (text.len != 0) && (found < 0) == (err.len != 0), "%s is %s", c->address,
		    c->found < 0 ? "put off" : c->found ? "found" : "refused");
		if (found != 1 || c->found != 1)
			continue;
		is(r.transport.data, c->transport, "its transport");
		is(r.nexthop.data, c->nexthop, "its next hop");
		is(r.user.data, c->user, "its user");
		is(r.mailbox.data, c->mailbox, "its mailbox");
		ok(r.class == c->class, "its class");
		if (c->class == ROUTE_VIRTUAL_MAILBOX)
			ok(r.uid == 1001 && r.gid == 1002, "its user and group");
	}
	route_free(&r);
	buf_free(&text);
	buf_free(&err);
}

static void
test_known(struct route_maps *m)
{
	static const struct { const char *address; int known; const char *text; } cases[] = {
		{ "joe@here.test", 1, "" },
		{ "joe+x@localhost", 1, "" },
		{ "jim@here.test", 0, "User unknown in local recipient table" },
		{ "info@va.test", 1, "" },
		{ "double-bounce@here.test", 1, "" },
		{ "double-bounce@vm.test", 0, "User unknown in virtual mailbox table" },
		{ "x@va.test", 0, "User unknown in virtual alias table" },
		{ "ann@vm.test", 1, "" },
		{ "x@vm.test", 0, "User unknown in virtual mailbox table" },
		{ "who@relay.test", 1, "" },
		{ "x@relay.test", 0, "User unknown in relay recipient table" },
		{ "any@far.test", 1, "" },
	};
	struct buf text = BUF_INIT(65536), err = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&text);
		is_num(route_recipient(m, cases[i].address, &text, &err), cases[i].known, cases[i].address);
		is(text.data, cases[i].text, "what is said");
	}
	buf_free(&text);
	buf_free(&err);
}

static void
test_failing(void)
{
	char *broken[] = { (char *)"mydestination=", (char *)"virtual_mailbox_domains=vm.test", (char *)"virtual_mailbox_maps=fail:gone",
	    (char *)"virtual_alias_maps=", (char *)"transport_maps=inline:{far.test=smtp:[x]}, fail:gone", NULL };
	struct buf text = BUF_INIT(65536), err = BUF_INIT(65536);
	struct route_maps *m = open_with(broken);
	struct route r;

	route_init(&r);
	if (ok(m != NULL, "tables that fail can be opened")) {
		is_num(route_recipient(m, "x@vm.test", &text, &err), -1, "a mailbox table that fails: temporary");
		is_num(route_resolve(m, "x@vm.test", &r, &text, &err), -1, "for delivery too");
		is_num(route_resolve(m, "x@far.test", &r, &text, &err), -1, "a transport table that fails: temporary");
		is_num(route_domain(m, "other.test", &err), ROUTE_DEFAULT, "the class needs no table of recipients");
	}
	route_close(&m);
	route_free(&r);
	buf_free(&text);
	buf_free(&err);
}

int
main(void)
{
	struct route_maps *m = open_with(base);

	if (ok(m != NULL, "tables open")) {
		test_resolve(m);
		test_known(m);
	}
	route_close(&m);
	test_failing();
	return tap_done();
}

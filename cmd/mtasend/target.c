/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* From a next hop to the addresses to try: see target.h. MX records by preference, the equal ones in random
 * order, the domain's own address where it has none; no mail for a domain whose MX is null (RFC 7505); MX hosts that are this host,
 * and those less preferred, are left out, as otherwise two hosts send mail to each other for ever. */
#include "target.h"

#include "base/mem.h"
#include "mail/config.h"
#include "sys/sock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct finder {
	struct config *config;
	struct dns *dns;
	struct target_list *out;
	size_t limit;
	bool four, six, by_dns, by_native;
	bool temporary;           /* some lookup may work later */
	struct buf err;
};

void
target_free(struct target_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->t[i].name);
	free(l->t);
	*l = (struct target_list){ 0 };
}

static void
add(struct finder *f, const char *name, const struct dns_address_list *addresses, int preference)
{
	struct target_list *l = f->out;

	for (size_t i = 0; i < addresses->n && l->n < f->limit; i++) {
		struct target *t;

		l->t = mem_resize(l->t, l->n + 1, sizeof *l->t);
		t = &l->t[l->n++];
		t->address = addresses->address[i];
		t->preference = preference;
		t->name = mem_strdup(name);
		sock_text(&t->address.sa, t->ip, NULL);
	}
}

/* Adds the addresses of one host. DNS_*. */
static int
add_host(struct finder *f, const char *name, int preference)
{
	struct dns_address_list list = { 0 };
	struct buf second = BUF_INIT(1024);
	int rc = DNS_NODATA;

	if (dns_literal(name, &list)) {
		rc = DNS_FOUND;
	} else {
		if (f->by_dns && strcasecmp(name, "localhost") != 0)
			rc = dns_addresses(f->dns, name, f->four, f->six, &list, &f->err);
		if (rc != DNS_FOUND && (f->by_native || strcasecmp(name, "localhost") == 0))
			rc = dns_native_addresses(name, f->four, f->six, &list, f->by_dns ? &second : &f->err);
	}
	if (rc == DNS_FOUND)
		add(f, name, &list, preference);
	else if (rc == DNS_TEMPFAIL)
		f->temporary = true;
	dns_addresses_free(&list);
	buf_free(&second);
	return rc;
}

/* Leaves out this host and what is not preferred to it. */
static void
drop_self(struct finder *f, const char *myhostname)
{
	struct target_list *l = f->out;
	size_t i, keep = 0;
	int mine = INT32_MAX;

	for (i = 0; i < l->n; i++)
		if (l->t[i].preference < mine && (strcasecmp(l->t[i].name, myhostname) == 0 ||
		    target_is_self(&l->t[i].address.sa, f->config)))
			mine = l->t[i].preference;
	for (i = 0; i < l->n; i++) {
		if (l->t[i].preference < mine)
			l->t[keep++] = l->t[i];
		else
			free(l->t[i].name);
	}
	l->n = keep;
}

/* The mail exchangers of a domain. 0, or -1 with why. */
static int
find_mx(struct finder *f, const struct nexthop *n, bool loop_check, struct failure *why)
{
	struct dns_mx_list mx = { 0 };
	bool real = false;
	size_t i;
	int rc = dns_mx(f->dns, n->host.data, &mx, &f->err);

	if (rc == DNS_TEMPFAIL)
		f->temporary = true;
	if (rc == DNS_NODATA)
		rc = add_host(f, n->host.data, 0);
	for (i = 0; i < mx.n; i++) {
		if (!mx.mx[i].host[0])
			continue;
		real = true;
		if (f->out->n < f->limit)
			add_host(f, mx.mx[i].host, mx.mx[i].preference);
	}
	dns_mx_free(&mx);
	if (rc == DNS_FOUND && i > 0 && !real) {
		failure_set(why, "5.1.10", "Domain %s does not accept mail (nullMX)", n->host.data);
		return -1;
	}
	if (f->out->n > 0 && loop_check) {
		drop_self(f, config_str(f->config, "myhostname"));
		if (f->out->n == 0) {
			failure_set(why, "5.4.6", "mail for %s loops back to myself", n->host.data);
			return -1;
		}
	}
	return 0;
}

static int
open_finder(struct finder *f, struct config *c, struct dns **dns)
{
	const char *protocols = config_str(c, "inet_protocols");
	const char *lookup = config_str(c, "smtp_host_lookup");

	f->config = c;
	f->limit = (size_t)config_int(c, "smtp_mx_address_limit");
	if (f->limit == 0)
		f->limit = 100;
	f->four = strstr(protocols, "all") || strstr(protocols, "ipv4");
	f->six = strstr(protocols, "all") || strstr(protocols, "ipv6");
	f->by_dns = !config_bool(c, "disable_dns_lookups") && strstr(lookup, "dns");
	f->by_native = !f->by_dns || strstr(lookup, "native");
	buf_init(&f->err, 4096);
	if (f->by_dns && !*dns)
		*dns = dns_new(config_str(c, "dns_server"), &f->err);
	f->dns = *dns;
	return f->by_dns && !f->dns ? -1 : 0;
}

int
target_find(struct target_list *out, const struct nexthop *n, struct config *c, struct dns **dns, struct failure *why)
{
	struct finder f = { .out = out };
	int rc = 0;

	if (open_finder(&f, c, dns) < 0) {
		failure_set(why, "4.4.3", "%s", f.err.data);
		rc = -1;
	} else if (n->mx && f.by_dns) {
		rc = find_mx(&f, n, n->port == 25, why);
	} else {
		add_host(&f, n->host.data, 0);
	}
	if (rc == 0 && out->n == 0) {
		if (f.temporary)
			failure_set(why, "4.4.3", "Host or domain name not found. %s", f.err.data);
		else
			failure_set(why, "5.4.4", "Host or domain name not found. %s", f.err.data);
		rc = -1;
	}
	buf_free(&f.err);
	return rc;
}

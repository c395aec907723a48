/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* DNS for mail: see dns.h. Queries go through libresolv (res_nquery), which asks again over TCP when an answer
 * is cut; answers are taken apart by its ns_* functions, which check every bound. */
#include "sys/dns.h"

#include "base/mem.h"
#include "base/num.h"
#include "sys/sock.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ANSWER_MAX 65536
#define ALIAS_MAX 10

struct dns {
	struct __res_state state;
	unsigned char *answer;
};

/* One record of an answer: called with the message and the record; adds what it wants to arg. */
typedef void dns_take(ns_msg *m, ns_rr *rr, void *arg);

static int
set_server(struct dns *d, const char *server, struct buf *err)
{
	struct buf host = BUF_INIT(256), port = BUF_INIT(16);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(53) };
	uint64_t number = 53;
	int rc = -1;

	if (inet_pton(AF_INET, server, &sin.sin_addr) == 1 ||
	    (sock_split(server, &host, &port) == 0 && inet_pton(AF_INET, host.data, &sin.sin_addr) == 1 &&
	    num_u64(port.data, 65535, &number) == 0)) {
		sin.sin_port = htons((uint16_t)number);
		d->state.nscount = 1;
		d->state.nsaddr_list[0] = sin;
		rc = 0;
	} else {
		buf_addf(err, "\"%s\" is not the address of a DNS server (IPv4, with or without :port)", server);
	}
	buf_free(&host);
	buf_free(&port);
	return rc;
}

struct dns *
dns_new(const char *server, struct buf *err)
{
	struct dns *d = mem_zalloc(sizeof *d);

	if (res_ninit(&d->state) < 0) {
		buf_addf(err, "resolver: %s", strerror(errno));
		free(d);
		return NULL;
	}
	d->answer = mem_alloc(ANSWER_MAX);
	if (server && *server && set_server(d, server, err) < 0)
		dns_free(&d);
	return d;
}

void
dns_free(struct dns **d)
{
	if (!*d)
		return;
	res_nclose(&(*d)->state);
	free((*d)->answer);
	free(*d);
	*d = NULL;
}

static int
complain(struct buf *err, const char *name, int type, int outcome, const char *why)
{
	buf_clear(err);
	buf_addf(err, "Name service error for name=%s type=%s: %s", name,
	    type == ns_t_mx ? "MX" : type == ns_t_a ? "A" : "AAAA", why);
	return outcome;
}

static int
failure(struct dns *d, const char *name, int type, struct buf *err)
{
	switch (d->state.res_h_errno) {
	case HOST_NOT_FOUND:
		return complain(err, name, type, DNS_NOTFOUND, "Host not found");
	case NO_DATA:
		return complain(err, name, type, DNS_NODATA, "Host found but no data record of requested type");
	case NO_RECOVERY:
		/* a name that cannot be put into a query, or a server that refuses */
		return complain(err, name, type, DNS_TEMPFAIL, "Non-recoverable error");
	default:
		return complain(err, name, type, DNS_TEMPFAIL, "Host not found, try again");
	}
}

/* Goes through the answer. How many records of type were given to take; -1 malformed. *alias (of
 * NS_MAXDNAME bytes) gets the target of a CNAME, or "". */
static int
read_answer(struct dns *d, int n, int type, dns_take *take, void *arg, char *alias)
{
	ns_msg m;
	ns_rr rr;
	int i, found = 0;

	alias[0] = '\0';
	if (ns_initparse(d->answer, n, &m) < 0)
		return -1;
	for (i = 0; i < ns_msg_count(m, ns_s_an) && found < DNS_RECORDS_MAX; i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) < 0)
			return -1;
		if (ns_rr_class(rr) != ns_c_in)
			continue;
		if ((int)ns_rr_type(rr) == type) {
			take(&m, &rr, arg);
			found++;
		} else if (ns_rr_type(rr) == ns_t_cname && ns_name_uncompress(ns_msg_base(m), ns_msg_end(m),
		    ns_rr_rdata(rr), alias, NS_MAXDNAME) < 0) {
			return -1;
		}
	}
	return found;
}

static bool
name_ok(const char *name)
{
	size_t n = strlen(name), label;

	if (n == 0 || n > 253)
		return false;
	for (; *name; name += label + (name[label] == '.')) {
		label = strcspn(name, ".");
		if (label == 0 || label > 63)
			return false;
	}
	return true;
}

static int
query(struct dns *d, const char *name, int type, dns_take *take, void *arg, struct buf *err)
{
	char now[NS_MAXDNAME], alias[NS_MAXDNAME];
	int hops, n, found;

	if (!name_ok(name))
		return complain(err, name, type, DNS_NOTFOUND, "Not a valid domain name");
	strcpy(now, name);
	for (hops = 0; hops <= ALIAS_MAX; hops++) {
		n = res_nquery(&d->state, now, ns_c_in, type, d->answer, ANSWER_MAX);
		if (n < 0)
			return failure(d, now, type, err);
		found = read_answer(d, n < ANSWER_MAX ? n : ANSWER_MAX, type, take, arg, alias);
		if (found < 0)
			return complain(err, name, type, DNS_TEMPFAIL, "Malformed answer");
		if (found > 0)
			return DNS_FOUND;
		if (!alias[0])
			return complain(err, name, type, DNS_NODATA, "Host found but no data record of requested type");
		strcpy(now, alias);
	}
	return complain(err, name, type, DNS_NOTFOUND, "Alias loop");
}

static void
take_mx(ns_msg *m, ns_rr *rr, void *arg)
{
	struct dns_mx_list *l = arg;
	char host[NS_MAXDNAME];

	if (ns_rr_rdlen(*rr) < 3 ||
	    ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), ns_rr_rdata(*rr) + 2, host, sizeof host) < 0)
		return;
	if (strcmp(host, ".") == 0)
		host[0] = '\0';
	l->mx = mem_resize(l->mx, l->n + 1, sizeof *l->mx);
	l->mx[l->n].preference = ns_get16(ns_rr_rdata(*rr)) & 0xffff;
	l->mx[l->n++].host = mem_strdup(host);
}

static int
by_preference(const void *a, const void *b)
{
	return ((const struct dns_mx *)a)->preference - ((const struct dns_mx *)b)->preference;
}

/* Random order first; a merge sort (glibc's qsort of small arrays) need not be stable for this. */
static void
order(struct dns_mx_list *l)
{
	for (size_t i = l->n; i > 1; i--) {
		uint32_t r = 0;
		struct dns_mx t;
		size_t j;

		if (getrandom(&r, sizeof r, 0) < 0)
			r = 0;
		j = r % i;
		t = l->mx[i - 1];
		l->mx[i - 1] = l->mx[j];
		l->mx[j] = t;
	}
	if (l->n > 0)
		qsort(l->mx, l->n, sizeof *l->mx, by_preference);
}

int
dns_mx(struct dns *d, const char *domain, struct dns_mx_list *out, struct buf *err)
{
	int rc = query(d, domain, ns_t_mx, take_mx, out, err);

	order(out);
	return rc == DNS_FOUND && out->n == 0 ? complain(err, domain, ns_t_mx, DNS_TEMPFAIL, "Malformed answer") : rc;
}

void
dns_mx_free(struct dns_mx_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->mx[i].host);
	free(l->mx);
	*l = (struct dns_mx_list){ 0 };
}

static void
add_address(struct dns_address_list *l, const void *sa, size_t len)
{
	struct dns_address *a;

	l->address = mem_resize(l->address, l->n + 1, sizeof *l->address);
	a = &l->address[l->n++];
	memset(a, 0, sizeof *a);
	memcpy(&a->sa, sa, len);
	a->len = (socklen_t)len;
}

static void
take_address(ns_msg *m, ns_rr *rr, void *arg)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	(void)m;
	if (ns_rr_type(*rr) == ns_t_a && ns_rr_rdlen(*rr) == 4) {
		memcpy(&v4.sin_addr, ns_rr_rdata(*rr), 4);
		add_address(arg, &v4, sizeof v4);
	} else if (ns_rr_type(*rr) == ns_t_aaaa && ns_rr_rdlen(*rr) == 16) {
		memcpy(&v6.sin6_addr, ns_rr_rdata(*rr), 16);
		add_address(arg, &v6, sizeof v6);
	}
}

int
dns_addresses(struct dns *d, const char *host, bool ipv4, bool ipv6, struct dns_address_list *out, struct buf *err)
{
	size_t before = out->n;
	int six = DNS_NODATA, four = DNS_NODATA;

	if (ipv6)
		six = query(d, host, ns_t_aaaa, take_address, out, err);
	if (ipv4 && six != DNS_NOTFOUND)
		four = query(d, host, ns_t_a, take_address, out, err);
	if (out->n > before)
		return DNS_FOUND;
	if (six == DNS_TEMPFAIL || four == DNS_TEMPFAIL)
		return DNS_TEMPFAIL;
	return six == DNS_NOTFOUND || four == DNS_NOTFOUND ? DNS_NOTFOUND : DNS_NODATA;
}

int
dns_native_addresses(const char *host, bool ipv4, bool ipv6, struct dns_address_list *out, struct buf *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc;

	hints.ai_family = ipv4 && ipv6 ? AF_UNSPEC : ipv6 ? AF_INET6 : AF_INET;
	rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc != 0) {
		buf_clear(err);
		buf_addf(err, "unable to look up host %s: %s", host, gai_strerror(rc));
		return rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY ? DNS_NOTFOUND : DNS_TEMPFAIL;
	}
	for (struct addrinfo *a = list; a; a = a->ai_next)
		add_address(out, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return DNS_FOUND;
}

bool
dns_literal(const char *host, struct dns_address_list *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		add_address(out, &v4, sizeof v4);
		return true;
	}
	if (inet_pton(AF_INET6, strncasecmp(host, "IPv6:", 5) == 0 ? host + 5 : host, &v6.sin6_addr) == 1) {
		add_address(out, &v6, sizeof v6);
		return true;
	}
	return false;
}

void
dns_addresses_free(struct dns_address_list *l)
{
	free(l->address);
	*l = (struct dns_address_list){ 0 };
}

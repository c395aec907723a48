/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Who the client is: see client.h. */
#include "client.h"

#include "settings.h"

#include "mail/log.h"
#include "map/map.h"
#include "syntax/address.h"
#include "sys/tls.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

/* The IPv4 address in a v4 or v4-mapped address, host order; false when it is IPv6 proper. */
static bool
ipv4(const struct sockaddr_storage *ss, uint32_t *out)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)ss;
	uint32_t net;

	if (ss->ss_family == AF_INET) {
		*out = ntohl(((const struct sockaddr_in *)ss)->sin_addr.s_addr);
		return true;
	}
	if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return false;
	memcpy(&net, six->sin6_addr.s6_addr + 12, 4);
	*out = ntohl(net);
	return true;
}

static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr *b)
{
	struct sockaddr_storage other = { 0 };
	uint32_t x, y;

	if (b->sa_family != AF_INET && b->sa_family != AF_INET6)
		return false;
	memcpy(&other, b, b->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	if (ipv4(a, &x))
		return ipv4(&other, &y) && x == y;
	return other.ss_family == AF_INET6 &&
	    IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)&other)->sin6_addr);
}

static bool
loopback(const struct sockaddr_storage *ss)
{
	uint32_t v4;

	if (ipv4(ss, &v4))
		return v4 >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)ss)->sin6_addr);
}

/* A PTR record holds whatever its owner likes: only a proper host name that leads back to the address counts. */
static bool
confirmed_name(const struct server_peer *peer, char name[NI_MAXHOST])
{
	socklen_t len = peer->addr.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;

	if (getnameinfo((const struct sockaddr *)&peer->addr, len, name, NI_MAXHOST, NULL, 0, NI_NAMEREQD) != 0)
		return false;
	if (name[0] == '[' || !address_domain_ok(name, strlen(name), false))
		return false;
	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return false;
	for (a = list; a; a = a->ai_next)
		if (same_host(&peer->addr, a->ai_addr))
			break;
	freeaddrinfo(list);
	return a != NULL;
}

void
client_identify(struct session *s)
{
	const struct server_peer *peer = s->peer;
	char host[NI_MAXHOST];
	const char *name = "unknown";
	int family = peer->addr.ss_family;

	s->in_networks = -1;
	s->local = family == AF_UNIX || family == AF_UNSPEC;
	s->uid = family == AF_UNIX ? peer->uid : s->set->caller;
	if (s->local || loopback(&peer->addr))
		name = "localhost";
	else if (s->set->peername_lookup && confirmed_name(peer, host))
		name = host;
	buf_clear(&s->name);
	buf_adds(&s->name, name);
	buf_clear(&s->client);
	buf_addf(&s->client, "%s[%s]", name, peer->text);
}

int
client_in_networks(struct session *s)
{
	struct buf err = BUF_INIT(1024);

	if (s->local)
		return 1;
	if (s->in_networks < 0) {
		s->in_networks = matchlist_address(s->set->networks, s->peer->text, &err);
		if (s->in_networks < 0)
			log_warn("mynetworks: %s", err.data);
		buf_free(&err);
	}
	return s->in_networks;
}

bool
client_listed(struct session *s, struct matchlist *list)
{
	struct buf err = BUF_INIT(1024);
	int r = matchlist_address(list, s->peer->text, &err);

	if (r < 0)
		log_warn("%s: %s", s->client.data, err.data);
	buf_free(&err);
	return r > 0;
}

int
client_trusted(struct session *s)
{
	return s->local || s->sasl_sender ? 1 : client_in_networks(s);
}

void
client_tls_started(struct session *s)
{
	buf_clear(&s->tls_text);
	if (tls_describe(s->io->tls, &s->tls_text) < 0)
		buf_clear(&s->tls_text);
	if (s->set->tls_log)
		log_info("Anonymous TLS connection established from %s: %s", s->client.data, s->tls_text.data);
}

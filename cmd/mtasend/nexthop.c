/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The next hop in text: see nexthop.h. */
#include "nexthop.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#define FIELD_MAX 1024

void
nexthop_init(struct nexthop *n)
{
	*n = (struct nexthop){ 0 };
	buf_init(&n->host, FIELD_MAX);
	buf_init(&n->text, FIELD_MAX);
}

void
nexthop_free(struct nexthop *n)
{
	buf_free(&n->host);
	buf_free(&n->text);
}

/* Takes a prefix off the text. */
static bool
takes(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	return true;
}

static int
take_port(struct nexthop *n, const char *text)
{
	struct servent *service;
	uint64_t number;

	if (num_u64(text, 65535, &number) == 0 && number > 0) {
		n->port = (uint16_t)number;
	} else {
		service = getservbyname(text, "tcp");
		if (!service)
			return -1;
		n->port = ntohs((uint16_t)service->s_port);
	}
	n->port_given = true;
	return 0;
}

/* "[host]", "[host]:port", "host", "host:port". */
static int
take_host(struct nexthop *n, const char *text)
{
	const char *end, *rest;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end)
			return -1;
		rest = end + 1;
		n->mx = false;
	} else {
		end = text + strcspn(text, ":");
		rest = end;
	}
	buf_add(&n->host, text, (size_t)(end - text));
	if (n->host.len == 0 || n->host.full)
		return -1;
	if (*rest == ':')
		return take_port(n, rest + 1);
	return *rest ? -1 : 0;
}

static bool
has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return true;
	return false;
}

int
nexthop_parse(struct nexthop *n, const char *text, bool lmtp, uint16_t smtp_port, uint16_t lmtp_port, struct buf *err)
{
	const char *p = text;
	bool inet;

	buf_clear(&n->host);
	buf_clear(&n->text);
	n->local = n->port_given = false;
	if (takes(&p, "lmtp:"))
		lmtp = true;
	else if (takes(&p, "smtp:") || takes(&p, "relay:"))
		lmtp = false;
	buf_adds(&n->text, p);
	if (takes(&p, "unix:")) {
		n->local = true;
		lmtp = true;
	}
	inet = !n->local && takes(&p, "inet:");
	n->lmtp = lmtp || inet;
	n->mx = !n->lmtp;
	n->port = n->lmtp ? lmtp_port : smtp_port;
	if (n->local && *p == '/')
		buf_adds(&n->host, p);
	if (has_control(p) || n->text.full || (n->local ? n->host.len == 0 || n->host.full : take_host(n, p) < 0)) {
		buf_addf(err, "bad next hop \"%s\"", text);
		return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Computed defaults: see computed.h. */
#include "mail/computed.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/config.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* The host's name, with the domain added when it has none (Postfix's rule: mydomain where that is set, else
 * "localdomain"). */
static char *
host_name(struct config *c)
{
	struct buf b = BUF_INIT(1024);
	char host[256] = "";
	const char *domain = config_where(c, "mydomain") ? config_str(c, "mydomain") : "localdomain";

	if (gethostname(host, sizeof host - 1) < 0 || !*host)
		strcpy(host, "localhost");
	for (size_t n = strlen(host); n > 0 && host[n - 1] == '.'; n--)
		host[n - 1] = '\0';
	buf_adds(&b, host);
	if (!strchr(host, '.'))
		buf_addf(&b, ".%s", domain);
	return buf_steal(&b);
}

/* The host's name without its first label; "localdomain" when nothing would remain. */
static char *
domain_name(struct config *c)
{
	const char *dot = strchr(config_str(c, "myhostname"), '.');

	return mem_strdup(dot && dot[1] ? dot + 1 : "localdomain");
}

/* Bits of the network mask of an interface: what mynetworks_style asks for (class: the old classes of RFC 791 3.2). */
static int
prefix(const char *style, const unsigned char *addr, const unsigned char *mask, int full)
{
	int bits = 0;

	if (strcasecmp(style, "host") == 0)
		return full;
	if (strcasecmp(style, "class") == 0 && full == 32)
		return addr[0] < 128 ? 8 : addr[0] < 192 ? 16 : 24;
	for (int i = 0; i < full && (mask[i / 8] & 0x80 >> i % 8); i++)
		bits++;
	return bits;
}

static void
add_network(struct buf *out, const char *style, const struct sockaddr *sa, const struct sockaddr *mask)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16], m[16];
	size_t n = sa->sa_family == AF_INET ? 4 : 16;
	int bits;

	if (sa->sa_family == AF_INET) {
		memcpy(addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		memcpy(m, &((const struct sockaddr_in *)(const void *)mask)->sin_addr, 4);
	} else {
		memcpy(addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
		memcpy(m, &((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr, 16);
	}
	bits = prefix(style, addr, m, n == 4 ? 32 : 128);
	for (int i = bits; i < (int)n * 8; i++)
		addr[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	if (!inet_ntop(sa->sa_family, addr, text, sizeof text))
		return;
	buf_addf(out, n == 4 ? "%s%s/%d" : "%s[%s]/%d", out->len ? " " : "", text, bits);
}

/* This host's networks, from its interfaces: the loopback network always whole. */
static char *
networks(struct config *c)
{
	const char *style = config_str(c, "mynetworks_style");
	struct buf b = BUF_INIT(65536);
	struct ifaddrs *list = NULL;

	buf_adds(&b, "127.0.0.0/8 [::1]/128");
	if (getifaddrs(&list) == 0)
		for (struct ifaddrs *i = list; i; i = i->ifa_next)
			if (i->ifa_addr && i->ifa_netmask && !(i->ifa_flags & IFF_LOOPBACK) &&
			    (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
				add_network(&b, style, i->ifa_addr, i->ifa_netmask);
	freeifaddrs(list);
	return buf_steal(&b);
}

char *
computed_default(struct config *c, const char *name)
{
	struct buf b = BUF_INIT(65536);

	if (strcmp(name, "myhostname") == 0)
		return host_name(c);
	if (strcmp(name, "mydomain") == 0)
		return domain_name(c);
	if (strcmp(name, "mynetworks") == 0)
		return networks(c);
	if (strcmp(name, "config_directory") == 0)
		buf_adds(&b, config_dir(c));
	else if (strcmp(name, "process_name") == 0)
		buf_adds(&b, msg_program);
	else if (strcmp(name, "process_id") == 0)
		buf_addf(&b, "%d", (int)getpid());
	return buf_steal(&b);
}

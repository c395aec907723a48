/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Whether an address is one that this host receives mail on. */
#include "target.h"

#include "mail/config.h"
#include "sys/sock.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static bool
is_loopback(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127 || v4->sin_addr.s_addr == 0;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* A word of list that is the text of the address. */
static bool
in_list(const char *list, const char *ip)
{
	size_t n;

	for (; *list; list += n) {
		list += strspn(list, ", \t[]");
		n = strcspn(list, ", \t[]");
		if (n > 0 && n == strlen(ip) && memcmp(list, ip, n) == 0)
			return true;
	}
	return false;
}

static bool
of_interface(const char *ip)
{
	struct sockaddr_storage ss;
	struct ifaddrs *list, *i;
	char text[64];
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memset(&ss, 0, sizeof ss);
		memcpy(&ss, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
		    sizeof(struct sockaddr_in6));
		sock_text(&ss, text, NULL);
		found = strcmp(text, ip) == 0;
	}
	freeifaddrs(list);
	return found;
}

bool
target_is_self(const struct sockaddr_storage *sa, struct config *c)
{
	struct sockaddr_storage ss = *sa;
	const char *interfaces = config_str(c, "inet_interfaces");
	char ip[64];

	sock_unmap(&ss);
	if (is_loopback(&ss))
		return true;
	sock_text(&ss, ip, NULL);
	if (in_list(config_str(c, "proxy_interfaces"), ip) || in_list(interfaces, ip))
		return true;
	return strcmp(interfaces, "all") == 0 && of_interface(ip);
}

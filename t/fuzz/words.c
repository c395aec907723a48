/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Small texts of the configuration and of local protocols: command lines, host and port, fields
 * of the auth protocol, credentials, numbers. */
#include "base/num.h"
#include "mail/authclient.h"
#include "mail/cred.h"
#include "sys/dns.h"
#include "sys/proc.h"
#include "sys/sock.h"

#include "fuzz.h"

static void
command(const char *s)
{
	char **argv = proc_split(s);
	size_t total = 0;

	if (!argv)
		return;
	for (char **p = argv; *p; p++)
		total += strlen(*p);
	CHECK(total <= strlen(s));
	proc_free_argv(&argv);
}

static void
numbers(const char *s)
{
	uint64_t u, v;
	int64_t t;
	char text[32];

	if (num_u64(s, UINT64_MAX, &u) == 0) {
		snprintf(text, sizeof text, "%llu", (unsigned long long)u);
		CHECK(num_u64(text, u, &v) == 0 && v == u);
	}
	if (num_i64(s, -1000, 1000, &t) == 0)
		CHECK(t >= -1000 && t <= 1000);
	if (num_time(s, 'h', &t) == 0)
		CHECK(t >= 0 && t <= INT64_MAX / 1000000);
	if (num_size(s, &u) == 0)
		CHECK(u <= INT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf host = BUF_INIT(1024), port = BUF_INIT(1024), value = BUF_INIT(4096);
	struct dns_address_list list = { 0 };
	char *s = strndup((const char *)data, n);
	struct cred c;

	command(s);
	numbers(s);
	if (sock_split(s, &host, &port) == 0)
		CHECK(host.len + port.len <= strlen(s));
	auth_field(s, "uid", &value);
	CHECK(value.len <= strlen(s));
	if (cred_user_ok(s))
		CHECK(strlen(s) <= CRED_USER_MAX && !strpbrk(s, "/\n\r\t ") && *s != '-' && *s != '.');
	cred_parse(&c, s);
	(void)cred_locked(c.password);
	cred_free(&c);
	if (dns_literal(s, &list))
		CHECK(list.n == 1);
	dns_addresses_free(&list);
	buf_free(&host);
	buf_free(&port);
	buf_free(&value);
	free(s);
	return 0;
}

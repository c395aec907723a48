/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Values that parse and yet are probably mistakes: see mtaconf.h. */
#include "mtaconf.h"

#include "base/num.h"
#include "map/map.h"
#include "syntax/cidr.h"
#include "syntax/maincf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcmp(name + n - k, suffix) == 0;
}

static bool
in_list(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* A comment or quotes on the line of a value: they are part of it. */
static void
check_form(struct check *k, const char *where, const char *name, const char *value)
{
	const char *hash = strstr(value, " #");
	size_t n = strlen(value);

	if (hash || *value == '#')
		check_say(k, false, where, "%s: \"%s\" is part of the value: a comment needs a line of its own", name, hash ? hash + 1 : value);
	if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value)
		check_say(k, false, where, "%s: the quotes are part of the value: values are written without", name);
}

/* Whether a word looks like a network or an address. */
static bool
looks_numeric(const char *word)
{
	if (*word == '[')
		return true;
	if (!isdigit((unsigned char)*word))
		return strchr(word, ':') && strspn(word, "0123456789abcdefABCDEF:./") == strlen(word);
	return strspn(word, "0123456789./:abcdefABCDEF") == strlen(word) && (strchr(word, '.') || strchr(word, ':') || strchr(word, '/'));
}

/* The network that an address with a prefix lies in: "192.168.0.0/8" gives "192.0.0.0/8". False: it is no such text. */
static bool
network_of(const char *word, char out[64])
{
	const char *slash = strchr(word, '/'), *why = NULL;
	struct cidr net;
	uint64_t bits;
	char text[46];

	if (!slash || cidr_parse(&net, word, (size_t)(slash - word), &why) < 0 || num_u64(slash + 1, net.bits, &bits) < 0)
		return false;
	for (unsigned i = (unsigned)bits; i < net.bits; i++)
		net.addr[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	cidr_format(&net, text);
	snprintf(out, 64, net.family == 6 ? "[%s]/%u" : "%s/%u", text, (unsigned)bits);
	return true;
}

static void
check_network(struct check *k, const char *where, const char *name, const char *word)
{
	struct cidr net;
	const char *why = NULL;
	char base[64];
	static const unsigned char zero[16];

	if (*word == '!')
		word++;
	if (!looks_numeric(word))
		return;
	if (cidr_parse(&net, word, strlen(word), &why) < 0) {
		if (network_of(word, base))
			check_say(k, true, where, "%s: \"%s\": %s; did you mean %s?", name, word, why, base);
		else
			check_say(k, true, where, "%s: \"%s\": %s", name, word, why);
		return;
	}
	if (memcmp(net.addr, zero, 16) != 0)
		return;
	cidr_format(&net, base);
	if (net.bits == 0)
		check_say(k, true, where, "%s: \"%s\" is everybody", name, word);
	else if (net.family == 6 && net.bits == 128)
		check_say(k, true, where, "%s: \"%s\" is no client's address; did you mean [::1]/128?", name, word);
	else if (net.bits >= (net.family == 4 ? 32 : 128))
		check_say(k, true, where, "%s: \"%s\" is no client's address", name, word);
}

/* "type:name" of a table. */
static void
check_table(struct check *k, const char *where, const char *name, const char *word, bool needed)
{
	static const char *const compiled[] = { "hash", "btree", "tdb", "dbm", NULL };
	static const char *const files[] = { "texthash", "cidr", "regexp", "pcre", NULL };
	const char *colon = strchr(word, ':');
	struct buf type = BUF_INIT(65536), path = BUF_INIT(65536), err = BUF_INIT(65536);
	struct nearest near = { .mistyped = type.data };
	struct map *m;

	word += *word == '!';
	if (strncmp(word, "proxy:", 6) == 0)
		colon = strchr(word += 6, ':');
	if (!colon || *word == '/')
		goto out;
	buf_add(&type, word, (size_t)(colon - word));
	if (!in_list(map_types(), type.data)) {
		if (!needed)
			goto out;
		near.mistyped = type.data;
		for (const char *const *t = map_types(); *t; t++)
			nearest_try(&near, *t);
		if (nearest_word(&near))
			check_say(k, true, where, "%s: \"%s\": there is no table type \"%s\"; did you mean %s?", name, word, type.data, nearest_word(&near));
		else
			check_say(k, true, where, "%s: \"%s\": there is no table type \"%s\" (mtaconf -m lists them)", name, word, type.data);
		goto out;
	}
	m = map_open(word, &err);
	if (!m)
		check_say(k, true, where, "%s: %s", name, err.data);
	map_close(&m);
	if (colon[1] != '/' || strchr(colon, '{') || !(in_list(compiled, type.data) || in_list(files, type.data)))
		goto out;
	buf_addf(&path, "%s%s", colon + 1, in_list(compiled, type.data) ? ".tdb" : "");
	if (access(path.data, F_OK) < 0 && errno != EACCES)
		check_say(k, false, where, in_list(compiled, type.data) ? "%s: %s: %s (make it with %s %s)" : "%s: %s: %s", name, path.data, strerror(errno),
		    strncmp(name, "alias_", 6) == 0 ? "mtaalias" : "mtamap", colon + 1);
out:
	buf_free(&type);
	buf_free(&path);
	buf_free(&err);
}

/* A file that a value names. */
static void
check_file(struct check *k, const char *where, const char *name, const char *path)
{
	if (*path == '<')
		path++;
	if (*path && *path != '/')
		check_say(k, false, where, "%s: \"%s\" is no absolute file name", name, path);
	else if (*path && access(path, F_OK) < 0 && errno != EACCES)
		check_say(k, false, where, "%s: %s: %s", name, path, strerror(errno));
}

/* A word of notify_classes that is misspelt would mean that nobody is told. */
static void
check_class(struct check *k, const char *where, const char *word)
{
	static const char *const classes[] = { "2bounce", "bounce", "data", "delay", "policy", "protocol", "resource", "software", NULL };
	const char *const *c = classes;

	while (*c && strcasecmp(*c, word) != 0)
		c++;
	if (!*c)
		check_say(k, true, where, "notify_classes: unknown class \"%s\"", word);
}

void
check_value(struct check *k, const char *where, const struct param *p, const char *name, const char *value)
{
	static const char *const networks[] = { "mynetworks", "login_trusted_networks", "debug_peer_list", "proxy_interfaces",
	    "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_authorized_verp_clients",
	    "smtpd_sasl_exceptions_networks", "permit_mx_backup_networks", "smtpd_client_event_limit_exceptions", NULL };
	static const char *const files[] = { "smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_CAfile", "smtp_tls_cert_file",
	    "smtp_tls_key_file", "smtp_tls_CAfile", "ssl_cert", "ssl_key", "ssl_ca", "ssl_cert_file", "ssl_key_file", NULL };
	static const char *const addresses[] = { "inet_interfaces", "listen", NULL };
	struct buf word = BUF_INIT(MAINCF_VALUE_MAX);
	bool tables = ends_with(name, "_maps") || ends_with(name, "_checks") || ends_with(name, "_users") || strcmp(name, "alias_database") == 0;
	size_t at = 0;

	if (!*p->programs)
		return;
	check_form(k, where, name, value);
	if (ends_with(name, "_restrictions") && p->type == PARAM_LIST)
		check_restrictions(k, where, name, value);
	else if (p->type == PARAM_LIST)
		while (maincf_word(value, &at, &word) == 1) {
			if (in_list(networks, name))
				check_network(k, where, name, word.data);
			if (strcmp(name, "notify_classes") == 0)
				check_class(k, where, word.data);
			if (in_list(addresses, name) && strchr(word.data, '/'))
				check_say(k, true, where, "%s: \"%s\": expected addresses and names, not networks", name, word.data);
			if (strcmp(name, "auth_backends") != 0 && (!in_list(networks, name) || !looks_numeric(word.data)))
				check_table(k, where, name, word.data, tables);
		}
	if (in_list(files, name))
		check_file(k, where, name, value);
	buf_free(&word);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What several parameters say together: an open relay, a domain in two classes, a transport without an agent. See
 * mtaconf.h. */
#include "mtaconf.h"

#include "syntax/maincf.h"

#include <pwd.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <strings.h>

/* Where name is set; for a default the file as a whole. */
static const char *
where_of(struct check *k, const char *name)
{
	const char *where = config_where(k->c, name);

	return where ? where : "main.cf";
}

static bool
has_word(const char *list, const char *wanted)
{
	struct buf word = BUF_INIT(MAINCF_VALUE_MAX);
	size_t at = 0;
	bool yes = false;

	while (!yes && maincf_word(list, &at, &word) == 1)
		yes = strcasecmp(word.data, wanted) == 0;
	buf_free(&word);
	return yes;
}

/* A domain is of one class only. */
static void
check_classes(struct check *k)
{
	static const char *const lists[] = { "mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains" };
	struct buf word = BUF_INIT(MAINCF_VALUE_MAX);

	for (size_t i = 0; i < 4; i++)
		for (size_t j = i + 1; j < 4; j++) {
			const char *one = config_str(k->c, lists[i]), *other = config_str(k->c, lists[j]);
			size_t at = 0;

			while (maincf_word(one, &at, &word) == 1)
				if (!strchr(word.data, ':') && word.data[0] != '/' && has_word(other, word.data))
					check_say(k, true, where_of(k, lists[j]), "%s: %s is in %s, too: a domain can be in one of them only", lists[j],
					    word.data, lists[i]);
		}
	buf_free(&word);
}

static void
check_relay(struct check *k)
{
	static const char *const closing[] = { "reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "check_relay_domains",
	    "defer_if_permit" };
	bool closed = false;

	for (size_t i = 0; i < sizeof closing / sizeof *closing; i++)
		closed = closed || has_word(config_str(k->c, "smtpd_relay_restrictions"), closing[i]) ||
		    has_word(config_str(k->c, "smtpd_recipient_restrictions"), closing[i]);
	if (!closed)
		check_say(k, true, where_of(k, "smtpd_relay_restrictions"),
		    "smtpd_relay_restrictions: everybody may send everywhere: add reject_unauth_destination or defer_unauth_destination");
}

static void
check_names(struct check *k)
{
	static const char *const names[] = { "myhostname", "mydomain" };

	for (size_t i = 0; i < 2; i++) {
		const char *value = config_str(k->c, names[i]);

		if (i == 1 && !config_where(k->c, "mydomain"))
			continue; /* it follows from the other */
		if (!strchr(value, '.') || strpbrk(value, " ,/:"))
			check_say(k, false, where_of(k, names[i]), "%s: \"%s\" is not a full domain name", names[i], value);
	}
}

/* Accounts that main.cf names. */
static void
check_users(struct check *k)
{
	static const char *const names[] = { "mail_owner", "default_privs" };

	for (size_t i = 0; i < 2; i++) {
		const char *where = config_where(k->c, names[i]), *user = config_str(k->c, names[i]);
		const struct passwd *pw = where ? getpwnam(user) : NULL;

		if (where && !pw)
			check_say(k, false, where, "%s: there is no user \"%s\"", names[i], user);
		else if (pw && pw->pw_uid == 0)
			check_say(k, true, where, "%s: \"%s\" is root", names[i], user);
	}
}

/* Each transport that a parameter names needs an agent. */
static void
check_transports(struct check *k)
{
	static const char *const names[] = { "local_transport", "virtual_transport", "relay_transport", "default_transport" };
	static const char *const built_in[] = { "error", "retry", "discard" };

	for (size_t i = 0; i < 4; i++) {
		const char *value = config_str(k->c, names[i]), *colon = strchr(value, ':');
		struct buf agent = BUF_INIT(65536);
		bool known = false;

		buf_add(&agent, value, colon ? (size_t)(colon - value) : strlen(value));
		for (size_t j = 0; j < 3; j++)
			known = known || strcmp(agent.data, built_in[j]) == 0;
		buf_adds(&agent, "_agent");
		if (!known && (agent.len == 6 || !config_any(k->c, agent.data)))
			check_say(k, true, where_of(k, names[i]), "%s: \"%s\": there is no %s", names[i], value, agent.data);
		buf_free(&agent);
	}
}

static void
check_tls(struct check *k)
{
	const char *level = config_str(k->c, "smtpd_tls_security_level");

	if (*level && strcmp(level, "none") != 0 && !*config_str(k->c, "smtpd_tls_cert_file") && !*config_str(k->c, "smtpd_tls_chain_files"))
		check_say(k, true, where_of(k, "smtpd_tls_security_level"), "smtpd_tls_security_level: \"%s\" needs smtpd_tls_cert_file", level);
}

/* mtapop does not start with a certificate that is not there. */
static void
check_pop_tls(struct check *k)
{
	const char *services = config_str(k->c, "services"), *file = config_str(k->c, "ssl_cert_file");

	if (*file == '<')
		file++;
	if (!*file || config_bool(k->c, "ssl_disable") || (!has_word(services, "pop3") && !has_word(services, "pop3s")))
		return;
	if (access(file, F_OK) < 0 && errno != EACCES)
		check_say(k, true, where_of(k, "ssl_cert"), "ssl_cert: %s: %s: the services pop3 and pop3s cannot start", file, strerror(errno));
}

/* These are looked up to know which addresses exist. */
static void
check_aliases(struct check *k)
{
	static const char *const names[] = { "alias_maps", "virtual_alias_maps" };

	for (size_t i = 0; i < 2; i++)
		if (config_where(k->c, names[i]) && *config_str(k->c, names[i]))
			check_say(k, false, config_where(k->c, names[i]),
			    "%s: this version does not expand aliases: mail for addresses that are in it alone waits in the queue", names[i]);
}

/* Users of this host, by the agent that comes with the system: what the defaults lead to on a host where nothing was set yet. What
 * main.cf does set is looked at elsewhere. */
static void
check_local(struct check *k)
{
	const char *transport = config_str(k->c, "local_transport"), *agent = config_any(k->c, "local_agent");
	const char *file = strchr(config_str(k->c, "alias_maps"), ':');
	struct buf path = BUF_INIT(65536);

	if (!*config_str(k->c, "mydestination") || !agent || !has_word(agent, "mtadeliver") ||
	    strncmp(transport, "local", 5) != 0 || (transport[5] && transport[5] != ':'))
		return;
	if (!*config_str(k->c, "home_mailbox") && !*config_str(k->c, "mailbox_transport") && !*config_str(k->c, "mailbox_transport_maps"))
		check_say(k, false, where_of(k, "home_mailbox"),
		    "home_mailbox: empty: mail for users of this host waits in the queue, since mbox files are not written: set home_mailbox = Maildir/");
	if (!config_where(k->c, "alias_maps") && file && file[1] == '/') {
		buf_addf(&path, "%s.tdb", file + 1);
		if (access(path.data, F_OK) < 0 && errno == ENOENT)
			check_say(k, false, "main.cf", "alias_maps: %s: %s: mail for users of this host waits in the queue "
			    "(make it with newaliases, or set alias_maps to nothing)", path.data, strerror(errno));
	}
	buf_free(&path);
}

void
check_whole(struct check *k)
{
	check_local(k);
	check_pop_tls(k);
	check_aliases(k);
	check_names(k);
	check_classes(k);
	check_relay(k);
	check_transports(k);
	check_users(k);
	check_tls(k);
	check_templates(k);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reads main.cf into a struct that the sessions can use without a lookup: see settings.h. */
#include "settings.h"

#include "policy.h"

#include "mail/config.h"
#include "mail/notice.h"
#include "mail/route.h"
#include "mail/userlist.h"
#include "map/map.h"
#include "sys/tls.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether word stands in a list of main.cf (separated by commas and blanks), whatever its case. */
static bool
listed(const char *list, const char *word)
{
	static const char separators[] = ", \t\r\n";
	size_t n, len = strlen(word);

	for (list += strspn(list, separators); *list; list += n, list += strspn(list, separators)) {
		n = strcspn(list, separators);
		if (n == len && strncasecmp(list, word, n) == 0)
			return true;
	}
	return false;
}

static unsigned
hidden_keywords(const char *list)
{
	static const struct { const char *name; unsigned bit; } words[] = {
		{ "PIPELINING", EHLO_PIPELINING }, { "SIZE", EHLO_SIZE }, { "VRFY", EHLO_VRFY },
		{ "STARTTLS", EHLO_STARTTLS }, { "AUTH", EHLO_AUTH }, { "ENHANCEDSTATUSCODES", EHLO_ENHANCED },
		{ "8BITMIME", EHLO_8BITMIME }, { "DSN", EHLO_DSN }, { "SMTPUTF8", EHLO_SMTPUTF8 }, { "CHUNKING", EHLO_CHUNKING },
	};
	unsigned bits = 0;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (listed(list, words[i].name))
			bits |= words[i].bit;
	return bits;
}

static void
read_limits(struct settings *s, struct config *c)
{
	s->timeout = config_time(c, "smtpd_timeout");
	s->message_limit = config_time(c, "smtpd_total_timeout");
	s->flow_delay = config_time(c, "in_flow_delay");
	s->tls_timeout = config_time(c, "smtpd_starttls_timeout");
	s->session_limit = config_time(c, "smtpd_session_time_limit");
	s->min_data_rate = config_int(c, "smtpd_min_data_rate");
	s->error_sleep = config_time(c, "smtpd_error_sleep_time");
	s->soft_errors = (int)config_int(c, "smtpd_soft_error_limit");
	s->hard_errors = (int)config_int(c, "smtpd_hard_error_limit");
	s->junk_limit = (int)config_int(c, "smtpd_junk_command_limit");
	s->rcpt_limit = (size_t)config_int(c, "smtpd_recipient_limit");
	s->rcpt_overshoot = (size_t)config_int(c, "smtpd_recipient_overshoot_limit");
	s->duplicate_limit = (size_t)config_int(c, "duplicate_filter_limit");
	s->header_limit = (size_t)config_size(c, "header_size_limit");
	s->line_limit = (size_t)config_size(c, "line_length_limit");
	s->hop_limit = (int)config_int(c, "hopcount_limit");
	s->size_limit = (uint64_t)config_size(c, "message_size_limit");
	s->min_free = (uint64_t)config_size(c, "queue_minfree");
}

static void
read_habits(struct settings *s, struct config *c)
{
	const char *bare = config_str(c, "smtpd_forbid_bare_newline");

	s->helo_required = config_bool(c, "smtpd_helo_required");
	s->strict_paths = config_bool(c, "strict_rfc821_envelopes");
	s->soft_bounce = config_bool(c, "soft_bounce");
	s->forbid_pipelining = config_bool(c, "smtpd_forbid_unauth_pipelining");
	s->disable_vrfy = config_bool(c, "disable_vrfy_command");
	s->vrfy_answers = config_bool(c, "smtpd_vrfy_answers");
	s->smtputf8 = config_bool(c, "smtputf8_enable");
	s->add_missing = config_bool(c, "always_add_missing_headers");
	s->peername_lookup = config_bool(c, "smtpd_peername_lookup");
	s->bare_newline = strcasecmp(bare, "no") == 0 || strcasecmp(bare, "normalize") == 0 ? BARE_ACCEPT : BARE_REJECT;
	s->bare_newline_code = (int)config_int(c, "smtpd_forbid_bare_newline_reject_code");
	s->hidden = hidden_keywords(config_str(c, "smtpd_discard_ehlo_keywords"));
	s->forbidden = config_str(c, "smtpd_forbidden_commands");
	s->noop = config_str(c, "smtpd_noop_commands");
	s->local_code = (int)config_int(c, "unknown_local_recipient_reject_code");
	s->relay_code = (int)config_int(c, "unknown_relay_recipient_reject_code");
	s->virtual_alias_code = (int)config_int(c, "unknown_virtual_alias_reject_code");
	s->virtual_mailbox_code = (int)config_int(c, "unknown_virtual_mailbox_reject_code");
	s->denied_code = (int)config_int(c, "relay_domains_reject_code");
	s->name_table = config_bool(c, "show_user_unknown_table_name");
	s->reject_unlisted = config_bool(c, "smtpd_reject_unlisted_recipient");
}

static void
read_auth(struct settings *s, struct config *c)
{
	const char *options = config_str(c, "smtpd_sasl_security_options");
	const char *tls_options = config_str(c, "smtpd_sasl_tls_security_options");

	s->auth = config_bool(c, "smtpd_sasl_auth_enable");
	s->auth_broken_clients = config_bool(c, "broken_sasl_auth_clients");
	s->auth_header = config_bool(c, "smtpd_sasl_authenticated_header");
	s->auth_line = (size_t)config_size(c, "smtpd_sasl_response_limit");
	s->auth_tls_only = config_bool(c, "smtpd_tls_auth_only");
	s->auth_noplain = listed(options, "noplaintext");
	s->auth_noanonymous = listed(options, "noanonymous");
	s->auth_tls_noplain = listed(tls_options, "noplaintext");
	s->auth_tls_noanonymous = listed(tls_options, "noanonymous");
}

/* smtpd_sasl_path is Postfix's: a socket, relative to the queue directory, or the name that Cyrus knows the service by. */
static void
find_auth(struct settings *s, struct config *c)
{
	const char *path = config_str(c, "smtpd_sasl_path");
	struct buf full = BUF_INIT(4096);

	if (!strchr(path, '/') && strncmp(path, "inet:", 5) != 0)
		path = config_str(c, "auth_socket");
	else if (*path != '/' && strncmp(path, "inet:", 5) != 0 && strncmp(path, "unix:", 5) != 0)
		buf_addf(&full, "%s/", s->queue_dir);
	buf_adds(&full, path);
	s->auth_socket = buf_steal(&full);
	s->auth_service = config_str(c, "smtpd_sasl_service");
}

static const char *
or_null(const char *s)
{
	return *s && strcasecmp(s, "none") != 0 ? s : NULL;
}

/* A certificate that cannot be used is no reason to refuse all mail: STARTTLS is then answered with 454. */
static void
read_tls(struct settings *s, struct config *c, bool implicit, struct buf *warnings)
{
	struct tls_settings t = { .cert_file = or_null(config_str(c, "smtpd_tls_cert_file")) };
	const char *level = config_str(c, "smtpd_tls_security_level");
	struct buf err = BUF_INIT(4096);

	if (!*level)
		level = config_bool(c, "smtpd_enforce_tls") ? "encrypt" : config_bool(c, "smtpd_use_tls") ? "may" : "none";
	s->tls_level = strcasecmp(level, "encrypt") == 0 ? TLS_ENCRYPT : strcasecmp(level, "may") == 0 ? TLS_MAY : TLS_NONE;
	s->tls_log = config_int(c, "smtpd_tls_loglevel") > 0;
	s->tls_received_header = config_bool(c, "smtpd_tls_received_header");
	t.key_file = or_null(config_str(c, "smtpd_tls_key_file"));
	if (!t.cert_file) {
		if (s->tls_level == TLS_ENCRYPT || implicit)
			buf_adds(warnings, "TLS is required here, but smtpd_tls_cert_file is not set\n");
		return;
	}
	s->tls = tls_server_new(&t, &err);
	if (!s->tls)
		buf_addf(warnings, "TLS is not available: %s\n", err.data);
	buf_free(&err);
}

static int
read_tables(struct settings *s, struct config *c, struct buf *warnings, struct buf *err)
{
	s->networks = matchlist_open(config_str(c, "mynetworks"), false, err);
	s->unlimited = s->networks ? matchlist_open(config_str(c, "smtpd_client_event_limit_exceptions"), false, err) : NULL;
	s->bare_allowed = s->unlimited ? matchlist_open(config_str(c, "smtpd_forbid_bare_newline_exclusions"), false, err) : NULL;
	s->auth_hidden = s->bare_allowed ? matchlist_open(config_str(c, "smtpd_sasl_exceptions_networks"), false, err) : NULL;
	s->auth_mechs = s->auth_hidden ? matchlist_open(config_str(c, "smtpd_sasl_mechanism_filter"), false, err) : NULL;
	s->submitters = s->auth_mechs ? userlist_open(c, "authorized_submit_users", "submit mail", err) : NULL;
	if (!s->submitters)
		return -1;
	s->routes = route_open(c, err);
	if (!s->routes)
		return -1;
	s->policy = policy_new(c, warnings);
	return 0;
}

/* An administrator who sets one of these expects protection that this version does not give. */
static void
warn_of_unused(struct config *c, struct buf *warnings)
{
	static const char *const names[] = {
		"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_data_restrictions",
		"smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions", "smtpd_sender_login_maps", "smtpd_milters",
		"smtpd_proxy_filter", "content_filter", "header_checks", "body_checks",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (*config_str(c, names[i]))
			buf_addf(warnings, "%s is set (%s), but this version does nothing with it\n", names[i],
			    config_where(c, names[i]) ? config_where(c, names[i]) : "by default");
}

struct settings *
settings_new(struct config *conf, bool implicit_tls, struct buf *warnings, struct buf *err)
{
	struct settings *s = mem_zalloc(sizeof *s);

	s->hostname = config_str(conf, "myhostname");
	s->mail_name = config_str(conf, "mail_name");
	s->origin = config_str(conf, "myorigin");
	s->banner = config_str(conf, "smtpd_banner");
	s->queue_dir = config_str(conf, "queue_directory");
	s->notices = notice_classes(conf);
	s->notices_from = notice_from(conf);
	read_limits(s, conf);
	read_habits(s, conf);
	read_auth(s, conf);
	find_auth(s, conf);
	if (read_tables(s, conf, warnings, err) < 0) {
		settings_free(&s);
		return NULL;
	}
	read_tls(s, conf, implicit_tls, warnings);
	warn_of_unused(conf, warnings);
	s->conf = conf;
	return s;
}

void
settings_free(struct settings **sp)
{
	struct settings *s = *sp;

	if (!s)
		return;
	*sp = NULL;
	policy_free(&s->policy);
	if (s->routes)
		route_close(&s->routes);
	matchlist_close(&s->networks);
	matchlist_close(&s->unlimited);
	matchlist_close(&s->bare_allowed);
	matchlist_close(&s->auth_hidden);
	matchlist_close(&s->auth_mechs);
	userlist_close(&s->submitters);
	if (s->tls)
		tls_context_free(&s->tls);
	if (s->conf)
		config_close(&s->conf);
	free(s->auth_socket);
	free(s->notices_from);
	free(s);
}

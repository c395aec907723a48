/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What main.cf says to the SMTP server, read once in the parent: the workers share it. */
#ifndef MTASMTP_SETTINGS_H
#define MTASMTP_SETTINGS_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum tls_level { TLS_NONE, TLS_MAY, TLS_ENCRYPT };
/* smtpd_forbid_bare_newline: no and normalize take a bare LF for a line end, yes and reject refuse it. */
enum bare_newline { BARE_ACCEPT, BARE_REJECT };

/* Service extensions that smtpd_discard_ehlo_keywords may hide. */
enum ehlo_keyword {
	EHLO_PIPELINING = 1, EHLO_SIZE = 2, EHLO_VRFY = 4, EHLO_STARTTLS = 8, EHLO_AUTH = 16,
	EHLO_ENHANCED = 32, EHLO_8BITMIME = 64, EHLO_DSN = 128, EHLO_SMTPUTF8 = 256, EHLO_CHUNKING = 512,
};

struct config;
struct matchlist;
struct policy;
struct route_maps;
struct userlist;
struct tls_context;

struct settings {
	struct config *conf;
	char *notices_from;               /* double_bounce_sender with its domain */
	unsigned notices;                 /* notify_classes, NOTICE_* */
	uid_t caller;                     /* who started us: who types at a terminal */
	const char *hostname, *mail_name, *origin, *banner, *queue_dir;
	char *auth_socket;
	const char *auth_service;         /* smtpd_sasl_service */
	const char *forbidden;            /* smtpd_forbidden_commands */
	const char *noop;                 /* smtpd_noop_commands */

	int64_t timeout;                  /* seconds for a command */
	int64_t tls_timeout;              /* seconds for a handshake */
	int64_t session_limit;            /* seconds for a session; 0: none */
	int64_t message_limit;            /* seconds for a message */
	int64_t flow_delay;               /* in_flow_delay, seconds */
	int64_t min_data_rate;            /* bytes a second of a message */
	int64_t error_sleep;
	int soft_errors, hard_errors, junk_limit;
	size_t rcpt_limit, rcpt_overshoot, duplicate_limit, header_limit, line_limit;
	int hop_limit;
	uint64_t size_limit, min_free;    /* 0: none */

	bool helo_required, strict_paths, soft_bounce, forbid_pipelining;
	bool disable_vrfy, vrfy_answers, smtputf8, add_missing, peername_lookup;
	enum bare_newline bare_newline;
	int bare_newline_code;
	unsigned hidden;                  /* EHLO_* */
	int local_code, relay_code, virtual_alias_code, virtual_mailbox_code, denied_code;
	bool reject_unlisted, name_table; /* show_user_unknown_table_name */

	bool auth, auth_broken_clients, auth_header, auth_tls_only;
	bool auth_noplain, auth_noanonymous;           /* smtpd_sasl_security_options */
	bool auth_tls_noplain, auth_tls_noanonymous;   /* smtpd_sasl_tls_security_options */

	size_t auth_line;                 /* smtpd_sasl_response_limit */

	enum tls_level tls_level;
	bool tls_log;
	bool tls_received_header;
	struct tls_context *tls;          /* NULL: not configured, or it failed */

	struct matchlist *networks;       /* mynetworks */
	struct matchlist *unlimited;      /* smtpd_client_event_limit_exceptions */
	struct matchlist *bare_allowed;   /* smtpd_forbid_bare_newline_exclusions */
	struct matchlist *auth_hidden;    /* smtpd_sasl_exceptions_networks */
	struct matchlist *auth_mechs;     /* smtpd_sasl_mechanism_filter */
	struct userlist *submitters;    /* authorized_submit_users */
	struct route_maps *routes;
	struct policy *policy;
};

/* Takes over conf. implicit_tls: some socket speaks TLS from the first byte, so a certificate is needed whatever the
 * level (it is loaded when there is one: systemd may say later which sockets are such). NULL with err, conf then still the caller's; what can go on without (a certificate that cannot be read) is put into
 * warnings, one a line. */
struct settings *settings_new(struct config *conf, bool implicit_tls, struct buf *warnings, struct buf *err);
void settings_free(struct settings **s);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Lists of access restrictions (smtpd_recipient_restrictions and its like): every word must be one. See mtaconf.h. */
#include "mtaconf.h"

#include "syntax/maincf.h"

#include <string.h>
#include <strings.h>

/* Restrictions, with '+' at the end of those that take the next word as their argument. */
static const char *const known[] = {
	"permit", "reject", "defer", "defer_if_permit", "defer_if_reject", "warn_if_reject", "sleep+",
	"permit_mynetworks", "permit_sasl_authenticated", "permit_inet_interfaces", "permit_auth_destination", "permit_mx_backup",
	"permit_tls_clientcerts", "permit_tls_all_clientcerts", "permit_naked_ip_address", "permit_dnswl_client+", "permit_rhswl_client+",
	"reject_unauth_destination", "defer_unauth_destination", "check_relay_domains", "reject_unauth_pipelining",
	"reject_unknown_client", "reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname",
	"reject_unknown_forward_client_hostname", "reject_maps_rbl", "reject_rbl_client+", "reject_rhsbl_client+",
	"reject_rhsbl_reverse_client+", "reject_rhsbl_helo+", "reject_rhsbl_sender+", "reject_rhsbl_recipient+", "reject_rbl+",
	"reject_invalid_hostname", "reject_invalid_helo_hostname", "reject_unknown_hostname", "reject_unknown_helo_hostname",
	"reject_non_fqdn_hostname", "reject_non_fqdn_helo_hostname", "reject_non_fqdn_sender", "reject_non_fqdn_recipient",
	"reject_unknown_sender_domain", "reject_unknown_recipient_domain", "reject_unknown_address", "reject_unlisted_sender",
	"reject_unlisted_recipient", "reject_unverified_sender", "reject_unverified_recipient", "reject_sender_login_mismatch",
	"reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch", "reject_unauthenticated_sender_login_mismatch",
	"reject_plaintext_session", "reject_multi_recipient_bounce", "reject_end_of_data_line_length",
	"check_client_access+", "check_client_a_access+", "check_client_mx_access+", "check_client_ns_access+",
	"check_reverse_client_hostname_access+", "check_reverse_client_hostname_a_access+", "check_reverse_client_hostname_mx_access+",
	"check_reverse_client_hostname_ns_access+", "check_helo_access+", "check_helo_a_access+", "check_helo_mx_access+", "check_helo_ns_access+",
	"check_sender_access+", "check_sender_a_access+", "check_sender_mx_access+", "check_sender_ns_access+",
	"check_recipient_access+", "check_recipient_a_access+", "check_recipient_mx_access+", "check_recipient_ns_access+",
	"check_ccert_access+", "check_sasl_access+", "check_etrn_access+", "check_policy_service+",
};

/* What mtasmtp evaluates, in these two lists; the others it does not look at yet. Any other name makes it put all mail off
 * rather than let in what was meant to be refused. */
static const char *const evaluated[] = { "defer", "defer_unauth_destination", "permit", "permit_auth_destination", "permit_mynetworks",
	"permit_sasl_authenticated", "reject", "reject_unauth_destination", "reject_unlisted_recipient" };
static const char *const lists[] = { "smtpd_relay_restrictions", "smtpd_recipient_restrictions" };

enum { KNOWN = sizeof known / sizeof known[0] };

/* The length of the name in an entry of known. */
static size_t
name_length(const char *entry)
{
	size_t n = strlen(entry);

	return entry[n - 1] == '+' ? n - 1 : n;
}

static const char *
find(const char *word)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (strlen(word) == name_length(known[i]) && strncasecmp(word, known[i], strlen(word)) == 0)
			return known[i];
	return NULL;
}

/* A name of smtpd_restriction_classes. */
static bool
is_class(struct check *k, const char *word)
{
	struct buf b = BUF_INIT(65536);
	const char *list = config_str(k->c, "smtpd_restriction_classes");
	size_t at = 0;
	bool yes = false;

	while (!yes && maincf_word(list, &at, &b) == 1)
		yes = strcmp(b.data, word) == 0;
	buf_free(&b);
	return yes;
}

static void
unknown(struct check *k, const char *where, const char *name, const char *word)
{
	struct nearest near = { .mistyped = word };
	struct buf best = BUF_INIT(256);
	const char *entry;

	for (size_t i = 0; i < KNOWN; i++)
		nearest_try(&near, known[i]);
	entry = nearest_word(&near);
	if (entry)
		buf_add(&best, entry, name_length(entry));
	if (entry)
		check_say(k, true, where, "%s: \"%s\" is no restriction; did you mean %s?", name, word, best.data);
	else
		check_say(k, true, where, "%s: \"%s\" is no restriction", name, word);
	buf_free(&best);
}

static bool
one_of(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}

void
check_restrictions(struct check *k, const char *where, const char *name, const char *value)
{
	struct buf word = BUF_INIT(MAINCF_VALUE_MAX);
	const char *entry, *last = NULL, *ended = NULL;
	size_t at = 0;

	while (maincf_word(value, &at, &word) == 1) {
		if (last) { /* the argument of the one before */
			if (find(word.data))
				check_say(k, true, where, "%s: %.*s needs an argument, and \"%s\" follows", name, (int)name_length(last), last, word.data);
			last = NULL;
			if (!find(word.data))
				continue;
		}
		entry = find(word.data);
		if (!entry && !strchr(word.data, ':') && !is_class(k, word.data)) {
			unknown(k, where, name, word.data);
			continue;
		}
		if (one_of(lists, 2, name) && !one_of(evaluated, sizeof evaluated / sizeof *evaluated, word.data))
			check_say(k, true, where, "%s: \"%s\" is not supported by this version: every recipient would get 451 4.3.5", name, word.data);
		if (ended)
			check_say(k, false, where, "%s: \"%s\" is never reached after \"%s\"", name, word.data, ended);
		ended = NULL;
		if (entry && (strcmp(entry, "reject") == 0 || strcmp(entry, "permit") == 0) && last == NULL)
			ended = entry;
		last = entry && entry[strlen(entry) - 1] == '+' ? entry : NULL;
	}
	if (last)
		check_say(k, true, where, "%s: %.*s needs an argument", name, (int)name_length(last), last);
	buf_free(&word);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Parameters that may stand in main.cf and mean what they mean in Postfix and Dovecot, but that no program of this version
 * acts on yet. An administrator who sets one is told so; main.cf(5) says it, too. make lint finds names that a program has
 * learned to read since. */
#include "mtaconf.h"

#include <stdlib.h>
#include <string.h>

static const char *const unread[] = { /* sorted */
	"access_map_defer_code", "access_map_reject_code", "allow_mail_to_commands", "allow_mail_to_files",
	"allow_min_user", "allow_percent_hack", "allow_untrusted_routing", "always_bcc", "anvil_rate_time_unit",
	"append_at_myorigin", "append_dot_mydomain", "auth_anonymous_username", "auth_cache_size",
	"auth_cache_ttl", "auth_debug", "auth_debug_passwords", "auth_master_user_separator",
	"body_checks",
	"body_checks_size_limit", "canonical_classes", "canonical_maps", "command_execution_directory",
	"confirm_delay_cleared", "content_filter", "daemon_timeout", "debug_peer_level", "debug_peer_list",
	"default_database_type", "default_rbl_reply", "default_verp_delimiters", "defer_code",
	"delay_logging_resolution_limit", "deliver_lock_attempts", "deliver_lock_delay",
	"disable_mime_output_conversion", "disable_verp_bounces",
	"empty_address_recipient", "enable_original_recipient", "expand_owner_alias",
	"first_valid_gid", "first_valid_uid", "forward_path", "frozen_delivered_to", "header_address_token_limit",
	"header_checks", "header_from_format", "helpful_warnings", "ignore_mx_lookup_error",
	"info_log_address_format", "invalid_hostname_reject_code", "last_valid_gid", "last_valid_uid", "listen",
	"lmtp_assume_final", "lmtp_connect_timeout", "lmtp_lhlo_timeout", "lmtp_skip_quit_response",
	"local_header_rewrite_clients", "local_login_sender_maps", "login_log_format",
	"login_log_format_elements", "mail_spool_directory", "mailbox_command",
	"mailbox_command_maps", "mailbox_delivery_lock", "mailbox_size_limit", "maps_rbl_domains",
	"maps_rbl_reject_code", "masquerade_classes", "masquerade_domains", "masquerade_exceptions",
	"message_reject_characters", "message_strip_characters", "milter_default_action",
	"mime_boundary_length_limit", "mime_header_checks", "mime_nesting_limit",
	"multi_recipient_bounce_reject_code", "nested_header_checks", "non_fqdn_reject_code", "non_smtpd_milters",
	"openssl_path", "owner_request_special", "permit_mx_backup_networks", "plaintext_reject_code",
	"pop3_reuse_xuidl", "pop3_uidl_format", "prepend_delivered_header", "propagate_unmatched_extensions",
	"protocols", "proxy_read_maps", "rbl_reply_maps",
	"receive_override_options", "recipient_bcc_maps", "recipient_canonical_classes",
	"recipient_canonical_maps", "reject_code", "relay_clientcerts", "remote_header_rewrite_domain",
	"require_home_directory", "reset_owner_alias", "resolve_dequoted_address", "resolve_null_domain",
	"resolve_numeric_domain", "send_cyrus_sasl_authzid", "sender_bcc_maps", "sender_canonical_classes",
	"sender_canonical_maps", "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps",
	"sendmail_path", "shutdown_clients", "smtp_address_preference", "smtp_always_send_ehlo",
	"smtp_balance_inet_protocols", "smtp_bind_address", "smtp_bind_address6",
	"smtp_connection_cache_destinations", "smtp_connection_cache_on_demand",
	"smtp_defer_if_no_mx_address_found", "smtp_discard_ehlo_keyword_address_maps",
	"smtp_discard_ehlo_keywords", "smtp_dns_support_level", "smtp_fallback_relay", "smtp_generic_maps",
	"smtp_header_checks", "smtp_line_length_limit", "smtp_min_data_rate", "smtp_never_send_ehlo",
	"smtp_quit_timeout", "smtp_quote_rfc821_envelope", "smtp_randomize_addresses", "smtp_reply_filter",
	"smtp_sasl_auth_soft_bounce", "smtp_sasl_type", "smtp_send_xforward_command",
	"smtp_sender_dependent_authentication", "smtp_skip_5xx_greeting", "smtp_skip_quit_response",
	"smtp_tls_block_early_mail_reply", "smtp_tls_chain_files", "smtp_tls_ciphers", "smtp_tls_exclude_ciphers",
	"smtp_tls_fingerprint_cert_match", "smtp_tls_fingerprint_digest", "smtp_tls_loglevel",
	"smtp_tls_mandatory_ciphers", "smtp_tls_mandatory_exclude_ciphers", "smtp_tls_mandatory_protocols",
	"smtp_tls_note_starttls_offer", "smtp_tls_protocols", "smtp_tls_scert_verifydepth",
	"smtp_tls_secure_cert_match", "smtp_tls_servername", "smtp_tls_session_cache_database",
	"smtp_tls_verify_cert_match", "smtpd_authorized_verp_clients", "smtpd_authorized_xclient_hosts",
	"smtpd_authorized_xforward_hosts", "smtpd_client_auth_rate_limit", "smtpd_client_connection_rate_limit",
	"smtpd_client_message_rate_limit", "smtpd_client_new_tls_session_rate_limit", "smtpd_client_port_logging",
	"smtpd_client_recipient_rate_limit", "smtpd_client_restrictions", "smtpd_command_filter",
	"smtpd_data_restrictions", "smtpd_delay_open_until_valid_rcpt", "smtpd_delay_reject",
	"smtpd_discard_ehlo_keyword_address_maps", "smtpd_end_of_data_restrictions", "smtpd_etrn_restrictions",
	"smtpd_helo_restrictions", "smtpd_log_access_permit_actions", "smtpd_milters",
	"smtpd_null_access_lookup_key", "smtpd_per_request_deadline", "smtpd_policy_service_default_action",
	"smtpd_policy_service_max_idle", "smtpd_policy_service_max_ttl", "smtpd_policy_service_retry_delay",
	"smtpd_policy_service_timeout", "smtpd_policy_service_try_limit", "smtpd_proxy_ehlo",
	"smtpd_proxy_filter", "smtpd_proxy_timeout", "smtpd_reject_footer", "smtpd_reject_footer_maps",
	"smtpd_reject_unlisted_sender", "smtpd_restriction_classes", "smtpd_sasl_application_name",
	"smtpd_sasl_local_domain", "smtpd_sasl_type", "smtpd_sender_login_maps", "smtpd_sender_restrictions",
	"smtpd_tls_CAfile", "smtpd_tls_CApath", "smtpd_tls_ask_ccert", "smtpd_tls_ccert_verifydepth",
	"smtpd_tls_chain_files", "smtpd_tls_ciphers", "smtpd_tls_exclude_ciphers", "smtpd_tls_fingerprint_digest",
	"smtpd_tls_mandatory_ciphers", "smtpd_tls_mandatory_exclude_ciphers", "smtpd_tls_mandatory_protocols",
	"smtpd_tls_protocols", "smtpd_tls_req_ccert", "smtpd_upstream_proxy_protocol",
	"smtpd_upstream_proxy_timeout", "ssl", "ssl_ca_file", "ssl_key_password", "ssl_verify_client_cert",
	"stale_lock_time", "strict_7bit_headers", "strict_8bitmime", "strict_8bitmime_body",
	"strict_mime_encoding_domain", "swap_bangpath", "tls_append_default_CA", "tls_high_cipherlist",
	"tls_medium_cipherlist", "tls_preempt_cipherlist", "tls_server_sni_maps", "undisclosed_recipients_header",
	"unknown_address_reject_code", "unknown_address_tempfail_action", "unknown_client_reject_code",
	"unknown_helo_hostname_tempfail_action", "unknown_hostname_reject_code", "verbose_proctitle",
	"verbose_ssl", "virtual_alias_address_length_limit", "virtual_alias_expansion_limit",
	"virtual_alias_recursion_limit", "virtual_create_maildirsize", "virtual_mailbox_extended",
	"virtual_mailbox_limit", "virtual_mailbox_limit_maps", "virtual_mailbox_limit_override",
	"virtual_mailbox_lock", "virtual_maildir_limit_message", "virtual_overquota_bounce",
};

static int
by_name(const void *key, const void *entry)
{
	return strcmp(key, *(const char *const *)entry);
}

bool
param_unread(const char *name)
{
	return bsearch(name, unread, sizeof unread / sizeof *unread, sizeof *unread, by_name) != NULL;
}

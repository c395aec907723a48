/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Looking up rows of the parameter table, and checking values against them: see config.h. The rows are in params.c. */
#include "mail/config.h"

#include "base/num.h"

#include <string.h>
#include <strings.h>

#define PARAM_NAME_MAX 1024

static const struct param *
exact(const char *name)
{
	size_t low = 0, high = param_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, param_table[mid].name);

		if (order == 0)
			return &param_table[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && strcmp(name + n - k, suffix) == 0;
}

/* Whole families of Postfix's that have no rows: what checks a configuration says what to do instead. */
static const struct param *
unsupported(const char *name)
{
#define FAMILY(start, text) { .name = start, .type = PARAM_STR, .def = "", .programs = "", .help = text }
	static const struct param prefixes[] = {
		FAMILY("address_verify_", "Not supported: name known recipients in relay_recipient_maps."),
		FAMILY("berkeley_db_", "Not needed: hash: and btree: tables are tdb files."),
		FAMILY("connection_cache_", "Not needed: each agent keeps its own connection."),
		FAMILY("dnsblog_", "Not needed: mtasmtp asks block lists itself."),
		FAMILY("ipc_", "Not needed: programs do not wait for each other on the way of a message."),
		FAMILY("lmdb_", "Not needed: tables are tdb files."),
		FAMILY("maillog_file_", "Not supported: rotate the file with logrotate(8), then run mta reload."),
		FAMILY("milter_", "Not supported."),
		FAMILY("multi_instance_", "Not supported: run mta -C with another directory."),
		FAMILY("postmulti_", "Not supported: run mta -C with another directory."),
		FAMILY("postlog", "Not needed: programs write maillog_file themselves."),
		FAMILY("postscreen_", "Not supported: mtasmtp checks clients itself."),
		FAMILY("qmqpd_", "Not supported: there is no QMQP server."),
		FAMILY("tlsproxy_", "Not needed: each server speaks TLS itself."),
		FAMILY("unverified_", "Not supported: name known recipients in relay_recipient_maps."),
	};
	static const struct param service_name = FAMILY("service_name", "Not used: see services.");
#undef FAMILY

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncmp(name, prefixes[i].name, strlen(prefixes[i].name)) == 0)
			return &prefixes[i];
	return ends_with(name, "_service_name") ? &service_name : NULL;
}

const struct param *
param_find(const char *name)
{
	static const struct param command = { .name = "", .type = PARAM_RAW, .def = NULL, .programs = "mta mtaqmgr", .help = "" };
	static const struct { const char *suffix, *row; } families[] = {
		{ "_destination_concurrency_limit", "default_destination_concurrency_limit" },
		{ "_destination_concurrency_failed_cohort_limit", "default_destination_concurrency_failed_cohort_limit" },
		{ "_destination_concurrency_negative_feedback", "default_destination_concurrency_negative_feedback" },
		{ "_destination_concurrency_positive_feedback", "default_destination_concurrency_positive_feedback" },
		{ "_destination_recipient_limit", "default_destination_recipient_limit" },
		{ "_destination_rate_delay", "default_destination_rate_delay" },
		{ "_transport_rate_delay", "default_transport_rate_delay" },
		{ "_initial_destination_concurrency", "initial_destination_concurrency" },
		{ "_process_limit", "default_process_limit" },
		{ "_time_limit", "command_time_limit" },
		{ "_delivery_slot_cost", "default_delivery_slot_cost" },
		{ "_delivery_slot_discount", "default_delivery_slot_discount" },
		{ "_delivery_slot_loan", "default_delivery_slot_loan" },
		{ "_delivery_status_filter", "default_delivery_status_filter" },
		{ "_extra_recipient_limit", "default_extra_recipient_limit" },
		{ "_minimum_delivery_slots", "default_minimum_delivery_slots" },
		{ "_recipient_limit", "default_recipient_limit" },
		{ "_recipient_refill_delay", "default_recipient_refill_delay" },
		{ "_recipient_refill_limit", "default_recipient_refill_limit" },
	};
	const struct param *p = exact(name);

	if (p)
		return p;
	if (strncmp(name, "lmtp_", 5) == 0) {
		struct buf smtp = BUF_INIT(PARAM_NAME_MAX);

		if (buf_addf(&smtp, "smtp_%s", name + 5) == 0)
			p = exact(smtp.data);
		buf_free(&smtp);
		if (p)
			return p;
	}
	if (strncmp(name, "service_", 8) == 0 || ends_with(name, "_agent"))
		return &command;
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (ends_with(name, families[i].suffix))
			return exact(families[i].row);
	return unsupported(name);
}

static bool
one_of(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *s = choices; *s; s += strspn(s, " ")) {
		size_t k = strcspn(s, " ");

		if (k == n && strncasecmp(s, value, n) == 0)
			return true;
		s += k;
	}
	return false;
}

static int
parse_bool(const char *value, int64_t *out, struct buf *why)
{
	bool yes = strcasecmp(value, "yes") == 0;

	if (!yes && strcasecmp(value, "no") != 0) {
		buf_addf(why, "\"%s\" is neither yes nor no", value);
		return -1;
	}
	*out = yes;
	return 0;
}

/* The unit of a time without one is that of its default: maximal_queue_lifetime = 5 are days. */
static char
default_unit(const struct param *p)
{
	size_t n = p->def ? strlen(p->def) : 0;

	return n > 0 && strchr("smhdw", p->def[n - 1]) && p->def[0] >= '0' && p->def[0] <= '9' ? p->def[n - 1] : 's';
}

static int
parse_number(const struct param *p, const char *value, int64_t *out, struct buf *why)
{
	int64_t v = 0;
	uint64_t size = 0;

	if (p->type == PARAM_INT && num_i64(value, INT64_MIN, INT64_MAX, &v) < 0) {
		buf_addf(why, "\"%s\" is not a number", value);
		return -1;
	}
	if (p->type == PARAM_TIME && num_time(value, default_unit(p), &v) < 0) {
		buf_addf(why, "\"%s\" is not a time (a number and one of s m h d w)", value);
		return -1;
	}
	if (p->type == PARAM_SIZE && (num_size(value, &size) < 0 || size > INT64_MAX)) {
		buf_addf(why, "\"%s\" is not a size (a number and, if wanted, one of k M G T)", value);
		return -1;
	}
	if (p->type == PARAM_SIZE)
		v = (int64_t)size;
	if (v < p->min) {
		buf_addf(why, "%s is less than %lld", value, (long long)p->min);
		return -1;
	}
	if (p->max > p->min && v > p->max) {
		buf_addf(why, "%s is more than %lld", value, (long long)p->max);
		return -1;
	}
	*out = v;
	return 0;
}

int
param_parse(const struct param *p, const char *value, int64_t *out, struct buf *why)
{
	switch (p->type) {
	case PARAM_STR:
	case PARAM_RAW:
	case PARAM_LIST:
		return 0;
	case PARAM_BOOL:
		return parse_bool(value, out, why);
	case PARAM_ENUM:
		if (one_of(p->choices, value) || (!*value && p->def && !*p->def))
			return 0;
		buf_addf(why, "\"%s\" is none of: %s", value, p->choices);
		return -1;
	case PARAM_INT:
	case PARAM_TIME:
	case PARAM_SIZE:
		break;
	}
	return parse_number(p, value, out, why);
}

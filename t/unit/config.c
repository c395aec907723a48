/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The parameter table, typed values, defaults, overrides. */
#include "mail/config.h"

#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/mta-config.XXXXXX";
static char file[64];

static void
write_cf(const char *text)
{
	FILE *f = fopen(file, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static struct config *
open_cf(const char *text, char *const *overrides, struct buf *err)
{
	write_cf(text);
	buf_clear(err);
	return config_open(dir, overrides, err);
}

static void
test_table(void)
{
	struct buf err = BUF_INIT(65536);
	struct config *c = open_cf("", NULL, &err);
	size_t unsorted = 0, unexplained = 0, wrong = 0;

	ok(c != NULL, "an empty main.cf: all is default");
	for (size_t i = 0; i < param_count; i++) {
		const struct param *p = &param_table[i];
		int64_t v;

		if (i && strcmp(p[-1].name, p->name) >= 0)
			printf("# out of order: %s\n", p->name), unsorted++;
		if (!p->help || !*p->help || p->help[strlen(p->help) - 1] != '.')
			printf("# help: %s\n", p->name), unexplained++;
		if (param_find(p->name) != p || (*p->programs && param_parse(p, config_str(c, p->name), &v, &err) < 0))
			printf("# default: %s %s\n", p->name, err.data), wrong++;
	}
	is_num((long long)unsorted, 0, "the table is sorted, each name once");
	is_num((long long)unexplained, 0, "each parameter has a line of help that ends in a full stop");
	is_num((long long)wrong, 0, "each default is a right value");
	config_close(&c);
	buf_free(&err);
}

static void
test_types(void)
{
	static const struct { const char *line, *err; } tests[] = {
		{ "message_size_limit = 5x", ":1: message_size_limit: \"5x\" is not a size" },
		{ "smtpd_recipient_limit = many", ":1: smtpd_recipient_limit: \"many\" is not a number" },
		{ "smtpd_recipient_limit = 0", ":1: smtpd_recipient_limit: 0 is less than 1" },
		{ "unknown_address_reject_code = 600", ": 600 is more than 599" },
		{ "queue_run_delay = 5y", ":1: queue_run_delay: \"5y\" is not a time" },
		{ "disable_vrfy_command = true", ":1: disable_vrfy_command: \"true\" is neither yes nor no" },
		{ "smtpd_tls_security_level = must", ": \"must\" is none of: none may encrypt" },
		{ "# c\n\na = b\nx\n", ":4: no '=' after the name" },
		{ "smtpd_recipient_limit = $limit\nlimit = two", ":1: smtpd_recipient_limit: \"two\" is not a number" },
		{ "a = $b\nb = ${a}", "refers to itself" },
		{ "a = ${b", "a '{' without its '}'" },
		{ "maildrop_destination_recipient_limit = one", ": \"one\" is not a number" },
		{ "lmtp_mail_timeout = soon", ": \"soon\" is not a time" },
	};
	struct buf err = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		struct config *c = open_cf(tests[i].line, NULL, &err);

		if (!ok(!c && strstr(err.data, tests[i].err), "refused with file and line: %s", tests[i].err))
			printf("#      got: %s\n", err.data);
		config_close(&c);
	}
	buf_free(&err);
}

static void
test_values(void)
{
	static const char text[] = "myhostname = mx.example.com\nmessage_size_limit = 20M\nmaximal_queue_lifetime = 3\nqueue_run_delay = 2m\n"
	    "delay_warning_time = 4\nsmtpd_helo_required = YES\nsmtpd_banner = $myhostname $mail_name ${own?own} $$\nown = x\n"
	    "slow_destination_concurrency_limit = 3\nlmtp_mail_timeout = 7s\nsmtp_tls_cert_file = /c\nlmtp_tls_cert_file = /l\n"
	    "service_x = run $myhostname\nmaildrop_agent = maildrop -d ${recipient}\nsmtpd_recipient_limit = 5\nsmtpd_recipient_limit = 6\n";
	struct buf err = BUF_INIT(65536);
	struct config *c = open_cf(text, (char *[]){ (char *)"smtpd_timeout = 30s", (char *)"mydestination=", NULL }, &err);

	if (!ok(c != NULL, "a main.cf with all kinds of values: %s", err.data))
		return;
	is(config_str(c, "mydomain"), "example.com", "mydomain is myhostname without its first label");
	is(config_str(c, "myorigin"), "mx.example.com", "myorigin follows myhostname");
	is(config_str(c, "smtpd_banner"), "mx.example.com mtakit own $", "names are expanded");
	is_num(config_size(c, "message_size_limit"), 20 << 20, "a size");
	is_num(config_time(c, "maximal_queue_lifetime"), 3 * 86400, "a time without unit is in the unit of its default: days");
	is_num(config_time(c, "delay_warning_time"), 4 * 3600, "hours");
	is_num(config_time(c, "queue_run_delay"), 120, "minutes");
	ok(config_bool(c, "smtpd_helo_required"), "yes in any case");
	is_num(config_time(c, "smtpd_timeout"), 30, "-o overrides the default");
	is(config_where(c, "smtpd_timeout"), "command line", "and is known to come from the command line");
	is(config_str(c, "mydestination"), "", "-o name= makes it empty");
	ok(config_where(c, "myhostname") && strstr(config_where(c, "myhostname"), "/main.cf:1"), "where a value was set");
	is(config_where(c, "mydomain"), NULL, "a default was set nowhere");
	is_num(config_int(c, "smtpd_recipient_limit"), 6, "the last of two settings counts");
	is_num(config_transport(c, "slow", "destination_concurrency_limit", "default_destination_concurrency_limit"), 3, "a limit of one transport");
	is_num(config_transport(c, "smtp", "destination_concurrency_limit", "default_destination_concurrency_limit"), 20, "another has the default");
	is_num(config_transport(c, "local", "destination_concurrency_limit", "default_destination_concurrency_limit"), 2, "local has its own default");
	is_num(config_time(c, "lmtp_mail_timeout"), 7, "lmtp_X is known where smtp_X is");
	is_num(config_time(c, "lmtp_rcpt_timeout"), 300, "and has the same default");
	is(config_str(c, "lmtp_tls_key_file"), "/l", "which refers to lmtp_ parameters");
	is(config_any(c, "service_x"), "run $myhostname", "command lines are not expanded before they are split");
	is(config_any(c, "maildrop_agent"), "maildrop -d ${recipient}", "nor those of agents");
	is(config_any(c, "own"), "x", "a name of the user's own");
	is(config_any(c, "nobody_set_this"), NULL, "a name that is not set");
	config_close(&c);
	buf_free(&err);
}

static const char *
extra(void *arg, const char *name)
{
	return strcmp(name, "recipient") == 0 ? arg : NULL;
}

static void
test_expand(void)
{
	struct buf err = BUF_INIT(65536), out = BUF_INIT(65536);
	struct config *c = open_cf("myhostname = mx.example.com\n", NULL, &err);

	ok(config_expand(c, "-d ${recipient} $myhostname", extra, (char *)"bob@x", &out, &err) == 0, "an agent's argument is expanded");
	is(out.data, "-d bob@x mx.example.com", "with what the caller knows, and with parameters");
	buf_clear(&out);
	ok(config_expand(c, "${recipient}", extra, (char *)"$myhostname ${x", &out, &err) == 0, "what a value holds");
	is(out.data, "$myhostname ${x", "is not expanded again");
	ok(config_expand(c, "${recipient", extra, (char *)"", &out, &err) < 0 && err.len, "a mistake is told: %s", err.data);
	config_close(&c);
	buf_free(&err);
	buf_free(&out);
}

static void
test_size(void)
{
	struct buf err = BUF_INIT(65536), text = BUF_INIT(1 << 20);
	struct config *c;

	/* each value is twice the one before: a gigabyte, were there no bound */
	buf_adds(&text, "v0 = 0123456789012345678901234567890123456789\n");
	for (int i = 1; i < 30; i++)
		buf_addf(&text, "v%d = $v%d$v%d\n", i, i - 1, i - 1);
	c = open_cf(text.data, NULL, &err);
	ok(!c && strstr(err.data, "too long"), "values that double each time end at a bound: %s", err.data);
	config_close(&c);
	buf_clear(&err);
	ok(!config_open("/nonexistent", NULL, &err) && strstr(err.data, "/nonexistent: No such file"), "a missing directory: %s", err.data);
	buf_free(&err);
	buf_free(&text);
}

int
main(void)
{
	if (!mkdtemp(dir))
		abort();
	snprintf(file, sizeof file, "%s/main.cf", dir);
	test_table();
	test_types();
	test_values();
	test_expand();
	test_size();
	unlink(file);
	rmdir(dir);
	return tap_done();
}

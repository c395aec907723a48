/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* sendmail: the sendmail(8) command line for mail(1), cron, mutt, PHP. Runs as the caller, never setuid: the message goes over
 * the local submission socket, or straight into the queue where the caller may write it, or into its maildrop/. */
#include "sendmail.h"

#include "mail/compose.h"
#include "mail/userlist.h"
#include "sys/proc.h"

#include "base/mem.h"
#include "base/msg.h"
#include "mail/program.h"
#include "base/strmap.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int
add_rcpt(void *arg, const char *addr)
{
	struct job *j = arg;
	size_t n = j->rcpt.n;

	if (!j->rcpt.seen)
		j->rcpt.seen = strmap_new();
	if (strmap_set(j->rcpt.seen, addr, j))
		return 0;
	if (n >= COMPOSE_RCPT_MAX)
		return -1;
	if (n == 0 || (n >= 8 && (n & (n - 1)) == 0))
		j->rcpt.addr = mem_resize(j->rcpt.addr, n ? n * 2 : 8, sizeof *j->rcpt.addr);
	j->rcpt.addr[j->rcpt.n++] = mem_strdup(addr);
	return 0;
}

static void
recipients(struct job *j, int argc, char **argv)
{
	struct buf err = BUF_INIT(4096);

	for (int i = 0; i < argc; i++)
		if (compose_addresses(argv[i], strlen(argv[i]), j->origin, add_rcpt, j, &err) < 0) {
			if (!err.len)
				msg_die(EX_USAGE, "more than %d recipients", COMPOSE_RCPT_MAX);
			msg_die(EX_USAGE, "recipient \"%s\": %s", argv[i], err.data);
		}
	if (!j->from_header && !j->rcpt.n)
		program_usage(usage_text, "no recipients: name them, or use -t to take them from the header");
}

static void
sender(struct job *j)
{
	struct buf out = BUF_INIT(4096), err = BUF_INIT(4096);
	const char *text = j->sender_arg ? j->sender_arg : who_login(j);

	if (compose_address(text, j->origin, &out, &err) < 0)
		msg_die(EX_USAGE, "sender \"%s\": %s", text, err.data);
	j->sender = buf_steal(&out);
}

/* Recipients of the header join those of the command line. */
static void
header_recipients(struct job *j, struct input *in)
{
	size_t n;
	char **addr = compose_recipients(in->compose, &n);

	for (size_t i = 0; i < n; i++)
		if (add_rcpt(j, addr[i]) < 0)
			msg_die(EX_DATAERR, "more than %d recipients", COMPOSE_RCPT_MAX);
	if (!j->rcpt.n)
		msg_die(EX_USAGE, "no recipients in the header (To, Cc, Bcc)");
}

/* The server and pickup ask again; here the answer comes before the message is read. A table that fails is left to them. */
static void
check_submitter(struct job *j)
{
	struct buf why = BUF_INIT(4096);
	struct userlist *s = userlist_open(j->config, "authorized_submit_users", "submit mail", &why);

	if (s && userlist_allow(s, getuid(), &why) == 0)
		msg_die(EX_NOPERM, "%s", why.data);
	userlist_close(&s);
	buf_free(&why);
}

static int
send_message(struct job *j, int argc, char **argv)
{
	struct input in;
	int status;

	check_submitter(j);
	j->origin = config_str(j->config, "myorigin");
	recipients(j, argc, argv);
	sender(j);
	input_read(&in, j);
	if (j->from_header)
		header_recipients(j, &in);
	status = deliver(j, &in);
	input_free(&in);
	return status;
}

static void
job_free(struct job *j)
{
	for (size_t i = 0; i < j->rcpt.n; i++)
		free(j->rcpt.addr[i]);
	free(j->rcpt.addr);
	strmap_free(&j->rcpt.seen, NULL);
	free(j->sender);
	free(j->notify);
	free(j->login);
	free(j->identity);
	free(j->gecos);
	config_close(&j->config);
}

int
main(int argc, char **argv)
{
	static char name[] = "sendmail";
	char *none[] = { name, NULL };
	struct job j = { .mode = 'm' };
	int status;

	proc_sane_fds();
	if (argc < 1 || !argv[0]) {
		argc = 1;
		argv = none;
	}
	msg_init(argv[0]);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
	signal(SIGPIPE, SIG_IGN);
	options_parse(&j, argc, argv);
	if (j.mode != 'm' && j.mode != 's')
		return mode_other(&j);
	j.config = config_from_options(&j.options);
	status = j.mode == 's' ? mode_smtp(&j) : send_message(&j, argc - optind, argv + optind);
	job_free(&j);
	return status;
}

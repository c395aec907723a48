/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtadeliver: delivery to the mailboxes of this system. By hand: one message on standard input, result lines on
 * standard output. Resident (-b): jobs on the socket that is standard input, as mtaqmgr sends them. Both
 * forms are those of agent(7). */
#include "deliver.h"

#include "base/msg.h"
#include "mail/config.h"
#include "mail/log.h"
#include "mail/oneshot.h"
#include "sys/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static volatile sig_atomic_t busy, stopping;

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: mtadeliver [-C dir] [-o name=value] -f sender recipient ... < message\n"
	    "       mtadeliver [-C dir] [-o name=value] -b\n");
	exit(EX_USAGE);
}

/* A job that is under way ends before the process does. */
static void
on_term(int sig)
{
	(void)sig;
	if (!busy)
		_exit(0);
	stopping = 1;
}

static int
resident(struct deliver *d, int sock)
{
	struct sigaction sa = { .sa_handler = on_term, .sa_flags = SA_RESTART };
	struct agent_job job = AGENT_JOB_INIT;
	struct agent_reply reply;
	int rc = 0, status;

	sigaction(SIGTERM, &sa, NULL);
	agent_reply_init(&reply, sock);
	while (!stopping && ((rc = agent_receive(sock, &job)) > 0 || (rc < 0 && errno == EBADMSG))) {
		busy = 1;
		if (rc > 0)
			deliver_job(d, &job, &reply);
		else
			msg_warn("received something that is not a job");
		agent_reply_done(&reply);
		busy = 0;
	}
	status = rc < 0 ? EX_OSERR : EX_OK;
	if (rc < 0)
		msg_warn("receive a job: %s", strerror(errno));
	agent_job_free(&job);
	agent_reply_free(&reply);
	return status;
}

static int
by_hand(struct deliver *d, struct oneshot *once, const char *sender, char *const *rcpt, size_t rcpts)
{
	struct buf err = BUF_INIT(65536);
	struct agent_reply reply;
	bool wrong_address;
	int status;

	if (oneshot_job(once, sender, rcpt, rcpts, STDIN_FILENO, &err, &wrong_address) < 0) {
		msg_warn("%s", err.data);
		buf_free(&err);
		return wrong_address ? EX_USAGE : EX_TEMPFAIL;
	}
	agent_reply_init(&reply, -1);
	deliver_job(d, &once->job, &reply);
	status = agent_reply_done(&reply);
	agent_reply_free(&reply);
	return status;
}

static bool
is_packet_socket(int fd)
{
	int type = 0;
	socklen_t n = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

struct options {
	struct config_options config;
	const char *sender;
	bool resident;
};

static void
parse_options(int argc, char **argv, struct options *o, struct oneshot *once)
{
	int ch;

	while ((ch = getopt(argc, argv, "+:bf:C:o:V")) != -1) {
		switch (ch) {
		case 'b':
			o->resident = true;
			break;
		case 'f':
			o->sender = optarg;
			break;
		case 'C':
			config_option(&o->config, ch, optarg);
			break;
		case 'o':
			if (!oneshot_option(once, optarg))
				config_option(&o->config, ch, optarg);
			break;
		case 'V':
			printf("mtadeliver (mtakit) %s\n", VERSION);
			exit(EX_OK);
		default:
			msg_warn(ch == ':' ? "option -%c needs a value" : "unknown option -%c", optopt);
			usage();
		}
	}
	if (o->resident && (o->sender || optind < argc))
		msg_warn("-b takes neither a sender nor recipients: they come with the jobs");
	else if (!o->resident && !o->sender)
		msg_warn("no sender: -f address, or -f '' for a bounce");
	else if (!o->resident && optind == argc)
		msg_warn("no recipient");
	else
		return;
	usage();
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct deliver d;
	struct oneshot once;
	struct config *config;
	int status;

	proc_sane_fds();
	msg_init(argv[0]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(077);
	oneshot_init(&once);
	parse_options(argc, argv, &o, &once);
	if (o.resident && !is_packet_socket(STDIN_FILENO))
		msg_die(EX_USAGE, "-b: standard input is not a SOCK_SEQPACKET socket: mtaqmgr(8) starts it so");
	config = config_from_options(&o.config);
	log_open(config, "local");
	deliver_init(&d, config);
	if (o.resident)
		status = resident(&d, STDIN_FILENO);
	else
		status = by_hand(&d, &once, o.sender, argv + optind, (size_t)(argc - optind));
	deliver_free(&d);
	oneshot_free(&once);
	config_close(&config);
	free(o.config.overrides);
	return status;
}

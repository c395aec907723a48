/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The program around an agent: see agentmain.h. */
#include "mail/agentmain.h"

#include "base/msg.h"
#include "mail/oneshot.h"
#include "mail/program.h"
#include "sys/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static volatile sig_atomic_t busy, stopping;

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
resident(const struct agentmain *m, void *arg, struct config *config, int sock)
{
	struct sigaction sa = { .sa_handler = on_term, .sa_flags = SA_RESTART };
	struct agent_job job = AGENT_JOB_INIT;
	struct agent_reply reply;
	int rc = 0;

	sigaction(SIGTERM, &sa, NULL);
	proc_harden(); /* we may run as a user of this host, who is not to look into us: the file of a message names all its recipients */
	/* a process that runs for long shall not grow for ever, nor one message take what all need */
	if (proc_limit_memory((uint64_t)config_size(config, "default_vsz_limit")) < 0)
		msg_warn("limit memory: %s", strerror(errno));
	agent_reply_init(&reply, sock);
	while (!stopping) {
		if (m->wait)
			m->wait(arg, sock);
		rc = agent_receive(sock, &job);
		if (rc == 0 || (rc < 0 && errno != EBADMSG))
			break;
		busy = 1;
		if (rc > 0)
			m->deliver(arg, &job, &reply);
		else
			msg_warn("received something that is not a job");
		agent_reply_done(&reply);
		busy = 0;
		rc = 0;
	}
	if (rc < 0)
		msg_warn("receive a job: %s", strerror(errno));
	agent_job_free(&job);
	agent_reply_free(&reply);
	return rc < 0 ? EX_OSERR : EX_OK;
}

static int
by_hand(const struct agentmain *m, void *arg, struct oneshot *once, const char *sender, char *const *rcpt, size_t rcpts)
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
	m->deliver(arg, &once->job, &reply);
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
	struct oneshot once;
	const char *sender;
	bool resident;
};

static void
parse_options(const struct agentmain *m, void *arg, int argc, char **argv, struct options *o)
{
	struct buf letters = BUF_INIT(256);
	int letter;

	buf_addf(&letters, "+:bf:C:o:V%s", m->letters);
	while ((letter = getopt(argc, argv, letters.data)) != -1) {
		if (letter == 'b')
			o->resident = true;
		else if (letter == 'f')
			o->sender = optarg;
		else if (letter != ':' && letter != '?' && strchr(m->letters, letter))
			m->option(arg, letter, optarg);
		else if (letter != 'o' || !oneshot_option(&o->once, optarg))
			program_option(&o->config, letter, m->usage);
	}
	buf_free(&letters);
	if (o->resident && (o->sender || optind < argc))
		program_usage(m->usage, "-b takes neither a sender nor recipients: they come with the jobs");
	if (!o->resident && !o->sender)
		program_usage(m->usage, "no sender: -f address, or -f '' for a bounce");
	if (!o->resident && optind == argc)
		program_usage(m->usage, "no recipient");
	if (o->resident && !is_packet_socket(STDIN_FILENO))
		msg_die(EX_USAGE, "-b: standard input is not a SOCK_SEQPACKET socket: mtaqmgr(8) starts it so");
}

int
agentmain(const struct agentmain *m, void *arg, int argc, char **argv)
{
	struct options o = { 0 };
	struct config *config;
	int status;

	proc_sane_fds();
	msg_init(argv[0]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2) */
	umask(077);
	oneshot_init(&o.once);
	parse_options(m, arg, argc, argv, &o);
	config = config_from_options(&o.config);
	m->start(arg, config);
	if (o.resident)
		status = resident(m, arg, config, STDIN_FILENO);
	else
		status = by_hand(m, arg, &o.once, o.sender, argv + optind, (size_t)(argc - optind));
	m->end(arg);
	oneshot_free(&o.once);
	config_close(&config);
	free(o.config.overrides);
	return status;
}

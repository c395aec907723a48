/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtasend: SMTP and LMTP client. By hand: one message on standard input to one next hop, result lines on standard
 * output. Resident (-b): jobs on the socket that is standard input, as mtaqmgr sends them. Both forms are
 * those of agent(7). */
#include "client.h"

#include "base/msg.h"
#include "mail/agentmain.h"
#include "mail/config.h"
#include "mail/log.h"
#include "sys/proc.h"
#include "sys/sandbox.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>

struct program {
	struct client client;
	const char *nexthop;      /* -n */
	bool lmtp;                /* -L */
};

static void
option(void *arg, int letter, const char *value)
{
	struct program *p = arg;

	if (letter == 'n')
		p->nexthop = value;
	else
		p->lmtp = true;
}

static void
start(void *arg, struct config *config)
{
	struct program *p = arg;
	struct buf err = BUF_INIT(65536);

	log_open(config, p->lmtp ? "lmtp" : "smtp");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		msg_die(EX_OSERR, "libcurl cannot be initialised");
	if (client_init(&p->client, config, &err) < 0)
		msg_die(EX_CONFIG, "%s", err.data);
	p->client.lmtp = p->lmtp;
	p->client.nexthop = p->nexthop;
	buf_free(&err);
}

static void
deliver(void *arg, const struct agent_job *job, struct agent_reply *reply)
{
	struct program *p = arg;

	client_job(&p->client, job, reply);
}

/* Replies are data of strangers. What this process needs is open or may be read; it changes no file and runs no program. */
static void
confine(void)
{
	static const char *const nothing[] = { NULL };

	proc_harden();
	if (sandbox_enter(nothing) < 0)
		msg_die(EX_OSERR, "confine the process: %s", strerror(errno));
}

/* An open connection is closed when the server says something, or when the time is over. */
static void
wait_for_job(void *arg, int sock)
{
	struct client *cl = &((struct program *)arg)->client;
	struct pollfd p[2] = { { .fd = sock, .events = POLLIN }, { .fd = cl->conn.fd, .events = POLLIN } };
	int64_t seconds = client_idle(cl);
	static bool confined;

	if (!confined)
		confine();
	confined = true;
	if (seconds < 0)
		return;
	if (poll(p, 2, (int)(seconds * 1000)) > 0) {
		if (!p[1].revents)
			return;
		cl->conn.broken = true;
	}
	conn_close(&cl->conn);
}

static void
end(void *arg)
{
	struct program *p = arg;

	client_free(&p->client);
	curl_global_cleanup();
}

int
main(int argc, char **argv)
{
	static const struct agentmain program = {
		.usage = "mtasend [-L] [-C dir] [-o name=value] [-n nexthop] -f sender recipient ... < message\n"
		         "       mtasend [-L] [-C dir] [-o name=value] [-n nexthop] -b",
		.letters = "Ln:",
		.option = option,
		.start = start,
		.deliver = deliver,
		.wait = wait_for_job,
		.end = end,
	};
	struct program p = { 0 };

	return agentmain(&program, &p, argc, argv);
}

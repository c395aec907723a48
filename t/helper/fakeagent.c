/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Test helper: a resident agent (agent(7)) that does to each recipient what its local part says:
 *
 *   ok...  sent       bounce...  5.1.1      defer...  4.2.0 of the mailbox      down...  4.4.1, connect failed
 *   slow...  sent after 300 ms      hang...  waits an hour      die...  dies in the middle      mute...  no result
 *
 *   relayed... passed... expanded...  sent, with that action
 *   flood...  writes lines that are no results, without end      linger...  sent, and the process does not end when it should
 *
 * of user+word@domain it is the word that counts; anything else is sent. Each job is noted in the file of the first argument after -b: "id sender recipient ... uid=N". FILE.pids,
 * when it is there, gets a line from each process.
 *
 *   fakeagent -b file */
#include "mail/agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
note(const struct agent_job *j, const char *path)
{
	struct buf b = BUF_INIT(AGENT_PACKET);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);

	buf_addf(&b, "%s <%s>", j->id, j->sender);
	for (size_t i = 0; i < j->rcpts; i++)
		buf_addf(&b, " %s", j->rcpt[i].addr);
	buf_addf(&b, " uid=%d\n", (int)getuid());
	if (fd >= 0) {
		(void)!write(fd, b.data, b.len);
		close(fd);
	}
	buf_free(&b);
}

static bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool linger;

static void
flood(void)
{
	char text[AGENT_PACKET];

	memset(text, '\n', sizeof text);
	memcpy(text + sizeof text / 2, "notice protocol mx.fake[192.0.2.1]:25\nsaid S: what?\n", 53);
	while (send(0, text, sizeof text, MSG_NOSIGNAL) > 0)
		;
}

static void
answer(struct agent_reply *r, const char *whole)
{
	const char *plus = strchr(whole, '+'), *addr = plus ? plus + 1 : whole;

	if (starts(addr, "flood"))
		flood();
	linger |= starts(addr, "linger");
	if (starts(addr, "die"))
		raise(SIGKILL);
	if (starts(addr, "hang"))
		sleep(3600);
	if (starts(addr, "slow"))
		usleep(300000);
	if (starts(addr, "bounce"))
		agent_reply_add(r, AGENT_BOUNCED, "5.1.1", whole, "mx.fake[192.0.2.1]:25", NULL, "550 5.1.1 no such user here");
	else if (starts(addr, "defer"))
		agent_reply_add(r, AGENT_DEFERRED, "4.2.0", whole, "mx.fake[192.0.2.1]:25", NULL, "450 4.2.0 mailbox busy");
	else if (starts(addr, "down"))
		agent_reply_add(r, AGENT_DEFERRED, "4.4.1", whole, NULL, NULL, "connect to mx.fake[192.0.2.1]:25: Connection refused");
	else if (starts(addr, "relayed") || starts(addr, "expanded") || starts(addr, "passed"))
		agent_reply_sent(r, starts(addr, "r") ? "relayed" : starts(addr, "e") ? "expanded" : "passed", "2.0.0", whole,
		    "mx.fake[192.0.2.1]:25", NULL, "250 2.0.0 taken");
	else if (!starts(addr, "mute"))
		agent_reply_add(r, AGENT_SENT, "2.0.0", whole, "mx.fake[192.0.2.1]:25", "0.1/0.2/0.3", "250 2.0.0 taken");
}

static void
note_process(const char *path)
{
	struct buf name = BUF_INIT(4096);
	char text[32];
	int fd, n = snprintf(text, sizeof text, "%d\n", (int)getpid());

	buf_addf(&name, "%s.pids", path);
	fd = open(name.data, O_WRONLY | O_APPEND);
	if (fd >= 0) {
		(void)!write(fd, text, (size_t)n);
		close(fd);
	}
	buf_free(&name);
}

int
main(int argc, char **argv)
{
	struct agent_job j = AGENT_JOB_INIT;
	struct agent_reply r;

	if (argc != 3 || strcmp(argv[1], "-b") != 0)
		return 64;
	note_process(argv[2]);
	agent_reply_init(&r, 0);
	while (agent_receive(0, &j) > 0) {
		note(&j, argv[2]);
		for (size_t i = 0; i < j.rcpts; i++)
			answer(&r, j.rcpt[i].addr);
		agent_reply_done(&r);
	}
	while (linger)
		pause();
	agent_job_free(&j);
	agent_reply_free(&r);
	return 0;
}

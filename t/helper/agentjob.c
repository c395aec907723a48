/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Test helper: plays mtaqmgr for one resident agent (agent(7)). Starts the agent with a socket as standard input, gives it the
 * message on standard input (a file) as a job, count times, and prints the result lines of each.
 *
 *   agentjob [-n count] [-w milliseconds] [-q] [-O opt] [-S set] -f sender -r rcpt [-r rcpt] [-p params] agent argument ... < file
 *
 * -w waits between jobs; -q prints but the last answer; -p gives all recipients parameters. Exit status: the agent's, 99 when it died. */
#include "base/mem.h"
#include "mail/agent.h"
#include "sys/sock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t
start(char **argv, int *sock)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0 || (pid = fork()) < 0) {
		perror("agentjob");
		exit(99);
	}
	if (pid == 0) {
		dup2(ends[1], 0);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(99);
	}
	close(ends[1]);
	*sock = ends[0];
	return pid;
}

/* One job; its result lines are printed where print is true. */
static int
run(int sock, const struct buf *job, bool print)
{
	static char packet[AGENT_PACKET + 1];
	ssize_t n;

	if (sock_send_fd(sock, job->data, job->len, 0) < 0)
		return -1;
	while ((n = recv(sock, packet, AGENT_PACKET, 0)) > 0) {
		packet[n] = '\0';
		if (print)
			fputs(packet, stdout);
		if (n >= 5 && strcmp(packet + n - 5, "done\n") == 0)
			return 0;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct agent_job j = AGENT_JOB_INIT;
	struct buf text = BUF_INIT(AGENT_PACKET);
	struct agent_rcpt rcpt[1000];
	char *params = (char *)"";
	struct stat st;
	int ch, count = 1, wait_ms = 0, sock, status, rc = 0;
	bool quiet = false;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	j.rcpt = rcpt;
	while ((ch = getopt(argc, argv, "+n:w:qO:S:f:r:p:")) != -1) {
		switch (ch) {
		case 'n': count = atoi(optarg); break;
		case 'w': wait_ms = atoi(optarg); break;
		case 'q': quiet = true; break;
		case 'O': j.opt = optarg; break;
		case 'S': j.set = optarg; break;
		case 'f': j.sender = optarg; break;
		case 'p': params = optarg; break;
		case 'r': rcpt[j.rcpts++].addr = optarg; break;
		default: return 99;
		}
	}
	for (size_t i = 0; i < j.rcpts; i++)
		rcpt[i].params = params;
	if (fstat(0, &st) < 0 || optind == argc)
		return 99;
	j.id = (char *)"0TESTID";
	j.size = (uint64_t)st.st_size;
	if (agent_job_format(&j, &text) < 0)
		return 99;
	pid = start(argv + optind, &sock);
	for (int i = 0; i < count && rc == 0; i++) {
		if (i > 0 && wait_ms)
			usleep((useconds_t)wait_ms * 1000);
		rc = run(sock, &text, !quiet || i == count - 1);
	}
	close(sock);
	waitpid(pid, &status, 0);
	buf_free(&text);
	return rc < 0 || !WIFEXITED(status) ? 99 : WEXITSTATUS(status);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* A tiny server to test common/sys with: a line is a command.
 *   ECHO text   the text          WHO     who the peer is, and who we are     PID     the worker
 *   SLEEP ms    then "250 slept"  CRASH   SIGSEGV                             ASK     the privileged parent's uid
 *   STARTTLS    as SMTP has it    TLS     protocol, resumed or not            EXEC    why it may not run a program
 *   FORK        goes on in a process that the parent forks                    QUIT    ends
 * Usage: echoserver [-l where]... [-m limit] [-n min_idle] [-i max_idle] [-x max_use] [-p per_client] [-u user]
 *                   [-c cert] [-g greeting file] [-S] */
#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"
#include "sys/file.h"
#include "sys/io.h"
#include "sys/proc.h"
#include "sys/server.h"
#include "sys/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static struct buf greeting = BUF_INIT(1000);
static const char *greeting_file, *certificate;
static struct tls_context *tls;
static struct io io;
static struct buf err = BUF_INIT(1000);

static void
say(void *arg, const char *line)
{
	(void)arg;
	msg_warn("%s", line);
}

static int
setup(void *arg)
{
	struct tls_settings s = { .cert_file = certificate };
	struct tls_context *new;

	(void)arg;
	buf_clear(&greeting);
	if (greeting_file && file_read(AT_FDCWD, greeting_file, &greeting) < 0) {
		msg_warn("open %s: %m", greeting_file);
		return -1;
	}
	while (greeting.len && greeting.data[greeting.len - 1] == '\n')
		buf_truncate(&greeting, greeting.len - 1);
	if (!certificate)
		return 0;
	new = tls_server_new(&s, &err);
	if (!new) {
		msg_warn("%s", err.data);
		return -1;
	}
	tls_context_free(&tls);
	tls = new;
	return 0;
}

static int
refresh(void *arg)
{
	int r = tls ? tls_context_refresh(tls, &err) : 0;

	(void)arg;
	if (r < 0)
		msg_warn("%s", err.data);
	return r;
}

static void
worker(void *arg)
{
	(void)arg;
	io_init(&io, -1, -1);
}

/* In a process of its own: goes on with the connection. */
static void
take_over(int fd)
{
	char *line;
	size_t n;
	int r;

	io_init(&io, fd, fd);
	io.stopping = server_stopping;
	io_printf(&io, "250 taken over by uid=%ld\r\n", (long)geteuid());
	while ((r = io_line(&io, &line, &n, 1000)) == 1)
		io_printf(&io, "250 got %.*s", (int)n, line);
	if (r < 0)
		io_puts(&io, "421 the other process ends\r\n");
	io_close(&io);
	_exit(0);
}

static void
monitor(void *arg, int fd, const void *request, size_t n)
{
	(void)arg;
	if (n == 3 && memcmp(request, "who", 3) == 0)
		dprintf(fd, "250 monitor uid=%ld\r\n", (long)geteuid());
	else if (server_fork() == 0)
		take_over(fd);
}

static int
start_tls(bool wrapped)
{
	if (!tls)
		return wrapped ? -1 : io_puts(&io, "454 no TLS here\r\n");
	if (refresh(NULL) < 0)
		msg_warn("the old certificate stays");
	if (!wrapped)
		io_puts(&io, "220 go ahead\r\n");
	io_discard_input(&io);
	if (io_tls_accept(&io, tls) == 0)
		return 0;
	msg_warn("TLS handshake: %s", io_strerror(&io));
	return -1;
}

/* 0 go on, -1 the session is over. */
static int
command(const struct server_peer *peer, char *line)
{
	uint64_t ms;

	if (strncmp(line, "ECHO ", 5) == 0)
		io_printf(&io, "250 %s\r\n", line + 5);
	else if (strcmp(line, "WHO") == 0)
		io_printf(&io, "250 peer=%s uid=%d local=%s:%d tls=%d terminal=%d me=%ld\r\n", peer->text, (int)peer->uid,
		    peer->local_text, peer->local_port, io.tls != NULL, peer->terminal, (long)geteuid());
	else if (strcmp(line, "PID") == 0)
		io_printf(&io, "250 pid=%ld\r\n", (long)getpid());
	else if (strncmp(line, "SLEEP ", 6) == 0 && num_u64(line + 6, 60000, &ms) == 0) {
		for (int64_t end = clock_mono() + (int64_t)ms * 1000; clock_mono() < end;)
			usleep(10000);
		io_puts(&io, "250 slept\r\n");
	} else if (strcmp(line, "CRASH") == 0)
		raise(SIGSEGV);
	else if (strcmp(line, "ASK") == 0) {
		int copy = dup(peer->wfd);

		io_flush(&io);
		if (server_ask("who", 3, copy) < 0)
			io_puts(&io, "451 no monitor\r\n");
		close(copy);
	} else if (strcmp(line, "FORK") == 0) {
		io_flush(&io);
		return server_ask("fork", 4, peer->rfd) < 0 ? io_puts(&io, "451 no monitor\r\n") : -1;
	} else if (strcmp(line, "EXEC") == 0) {
		execl("/bin/true", "true", (char *)NULL);
		io_printf(&io, "250 %s\r\n", strerror(errno));
	} else if (strcmp(line, "STARTTLS") == 0)
		return start_tls(false);
	else if (strcmp(line, "TLS") == 0)
		io_printf(&io, "250 %s%s\r\n", io.tls ? tls_protocol(io.tls) : "none", io.tls && tls_resumed(io.tls) ? " resumed" : "");
	else if (strcmp(line, "QUIT") == 0) {
		io_puts(&io, "221 bye\r\n");
		return -1;
	} else
		io_puts(&io, "500 what?\r\n");
	return 0;
}

static void
session(void *arg, const struct server_peer *peer)
{
	char *line;
	size_t n;
	int r;

	(void)arg;
	io_reset(&io, peer->rfd, peer->wfd);
	io.stopping = server_stopping;
	io_set_deadline(&io, clock_deadline(60));
	if (peer->tls && start_tls(true) < 0)
		return;
	io_printf(&io, "220 %s\r\n", greeting.len ? greeting.data : "ready");
	while ((r = io_line(&io, &line, &n, 1000)) == 1) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		line[n] = '\0';
		if (command(peer, line) < 0)
			break;
		/* the reply under way is the last one */
		if (server_stopping()) {
			io_puts(&io, "421 shutting down\r\n");
			break;
		}
	}
	if (r < 0 && io.error == IO_STOPPED)
		io_puts(&io, "421 shutting down\r\n");
	io_flush(&io);
	io_reset(&io, -1, -1);
}

static void
refuse(void *arg, const struct server_peer *peer)
{
	(void)arg;
	io_reset(&io, peer->rfd, peer->wfd);
	io_set_deadline(&io, clock_deadline(5));
	io_printf(&io, "421 too many connections from %s\r\n", peer->text);
	io_flush(&io);
	io_reset(&io, -1, -1);
}

int
main(int argc, char **argv)
{
	struct server s = {
		.name = "echoserver", .interfaces = "127.0.0.1", .ipv4 = true, .ipv6 = true, .unix_mode = 0666,
		.limits = { .process_limit = 20, .min_idle = 1, .max_idle = 60, .fork_delay = 1 },
		.setup = setup, .refresh = refresh, .worker = worker, .session = session, .refuse = refuse, .monitor = monitor, .log = say,
	};
	char **listen = calloc((size_t)argc + 1, sizeof *listen);
	int c, n = 0;

	proc_sane_fds();
	msg_init(argv[0]);
	s.listen = listen;
	while (listen && (c = getopt(argc, argv, "l:m:n:i:x:p:u:c:g:SI:N")) != -1) {
		switch (c) {
		case 'l': listen[n++] = optarg; break;
		case 'm': s.limits.process_limit = atoi(optarg); break;
		case 'n': s.limits.min_idle = atoi(optarg); break;
		case 'i': s.limits.max_idle = atoi(optarg); break;
		case 'x': s.limits.max_use = atoi(optarg); break;
		case 'p': s.limits.per_client = atoi(optarg); break;
		case 'u': s.limits.user = optarg; break;
		case 'c': certificate = optarg; break;
		case 'g': greeting_file = optarg; break;
		case 'I': s.interfaces = optarg; break;
		case 'N': s.monitor = NULL; break;
		case 'S': s.limits.require_tls = true; break;
		default: return EX_USAGE;
		}
	}
	n = server_run(&s);
	free(listen);
	return n;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Contract 1: how a server gets its connection, all five ways, and the pool of pre-forked
 * workers behind an accept loop.
 *   LISTEN_FDS/LISTEN_PID   listening sockets passed by systemd (a connected one: one session)
 *   standard input          a listening socket (inetd wait): accept loop; connected socket (nowait): one session
 *   -l host:port, -l port, -l unix:/path, each also as -l tls:...   bind, then accept loop
 *   anything else           one session on standard input and output
 */
#ifndef SYS_SERVER_H
#define SYS_SERVER_H
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct server_peer {
	int rfd, wfd;             /* equal for a socket */
	struct sockaddr_storage addr, local;  /* ss_family AF_UNSPEC on a pipe or terminal */
	char text[64];            /* "192.0.2.1", "2001:db8::1", "unix", or "stdin" */
	char local_text[64];
	int port, local_port;     /* 0 when there is none */
	uid_t uid;                /* AF_UNIX: the peer's, from SO_PEERCRED; else (uid_t)-1 */
	pid_t pid;                /* AF_UNIX: the peer's; else 0 */
	bool tls;                 /* TLS from the first byte */
	bool terminal;            /* rfd is a terminal or pipe: a session typed by hand */
};

struct server_limits {
	int process_limit;        /* most workers (default_process_limit); those that end after a reload come on top */
	int min_idle;             /* idle workers kept ready; at least 1 */
	int max_use;              /* sessions a worker serves before it is replaced; 0: no limit */
	int64_t max_idle;         /* seconds an idle worker beyond min_idle lives */
	int64_t fork_delay;       /* seconds before a worker that died is replaced, and after a failed fork */
	uint64_t memory;          /* bytes that a worker may take in addition to what the parent has; 0: no limit (proc_limit_memory) */
	int per_client;           /* connections at once from one IPv4 address, IPv6 /64 network or user of this host; 0: no limit */
	bool require_tls;         /* -S: every socket speaks TLS from the first byte */
	const char *user;         /* started as root: workers become this user (supplementary groups too); NULL: no change */
	const char *chroot;       /* NULL: none */
	bool unconfined;          /* workers run programs or administer: no sandbox.h for them */
	const char *const *writable; /* directories below which confined workers may change files, NULL-terminated; NULL: any */
};

struct server {
	const char *name;         /* for messages */
	struct server_limits limits;
	char **listen;            /* the -l arguments, NULL-terminated; may be NULL */
	const char *interfaces;   /* hosts for a bare port in -l (inet_interfaces), blank-separated; "all" = any */
	bool ipv4, ipv6;          /* for "all" and names (inet_protocols) */
	mode_t unix_mode;         /* of a unix: socket file, e.g. 0666 */
	void *arg;
	/* In the parent before the first fork and after SIGHUP: read config, maps, keys; may change limits. 0, or -1: keep
	 * what was. After a SIGHUP new workers are forked, old ones end: idle at once, busy after their session. May be NULL. */
	int (*setup)(void *arg);
	/* In the parent every few seconds: have files changed that workers may not read themselves (tls_context_refresh)?
	 * 1: yes, and they are loaded: workers are replaced as after SIGHUP, without setup. May be NULL. */
	int (*refresh)(void *arg);
	/* In each new worker after it has dropped its privileges, before it is confined and accepts. May be NULL. */
	void (*worker)(void *arg);
	/* One session. The callee does not close the descriptors of peer. */
	void (*session)(void *arg, const struct server_peer *peer);
	/* Is this client free of the per_client limit? Asked only about one that is over it. NULL: none is; root and our own user always are. */
	bool (*exempt)(void *arg, const struct server_peer *peer);
	/* The client is over per_client: say so in the protocol's words. May be NULL. */
	void (*refuse)(void *arg, const struct server_peer *peer);
	/* Run in the parent when a worker asks by server_ask (privileged monitor); NULL: none. Forks if it may block. */
	void (*monitor)(void *arg, int fd, const void *request, size_t n);
	/* In the parent or a worker: one line a start, stop, reload, dead worker, limit reached, error. */
	void (*log)(void *arg, const char *line);
};

/* One more -l argument; where is kept. */
void server_listen_add(struct server *s, char *where);
/* Serves until SIGTERM or SIGINT (workers end after the reply that is under way; those that need more than 30 seconds
 * are killed), with inetd wait until there was no client for max_idle, or (one session) until it is over. SIGPIPE is
 * ignored. Returns a sysexits status; the reason of a failure went to log. */
int server_run(struct server *s);
/* Tells who started this process (systemd, mta(8)) "READY=1" or the like: sd_notify(3). Nothing happens without NOTIFY_SOCKET.
 * server_run does so by itself. */
void server_notify(const char *state);
/* In a worker: SIGTERM has come; end after the reply that is under way. Fits io->stopping. After SIGHUP a worker
 * just ends after its session, and this stays false. */
bool server_stopping(void);
/* In a worker: all workers that there may be have a client, so new clients wait: one that does nothing should go. */
bool server_crowded(void);
/* In a worker or server_fork's process: how many other sessions of this server have the same key (say, user and address). From now on
 * this one is counted, too, until it is over. */
int server_count(const char *key);
/* In a worker: sends request (at most 4096 bytes) and a descriptor (or -1) to the parent's monitor. 0 or -1. When that is
 * the connection itself, the session goes on elsewhere: return without another byte read or written. */
int server_ask(const void *request, size_t n, int fd);
/* In monitor: forks a process (root if the parent is) without the server's sockets, with usual signals; SIGTERM to the
 * server reaches it (server_stopping). 0 in the child, which ends by _exit or exit; -1 with errno (EAGAIN:
 * process_limit of them are running). */
pid_t server_fork(void);
#endif

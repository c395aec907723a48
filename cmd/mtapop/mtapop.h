/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtapop: settings of the process, and one session. */
#ifndef MTAPOP_H
#define MTAPOP_H
#include "base/buf.h"
#include "mail/config.h"
#include "sys/io.h"
#include "sys/server.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define POP_LINE_MAX 16384        /* longest command line, for AUTH; RFC 2449 4 asks for 255 */
#define POP_ERRORS_MAX 20         /* bad commands before the connection is closed */
#define POP_LOGINS_MAX 4          /* failed logins before that */

struct authclient;
struct auth_result;
struct mailbox;
struct matchlist;
struct tls_context;

struct pop {
	struct config_options options;
	struct config *config;
	struct tls_context *tls;  /* NULL: no certificate */
	struct matchlist *trusted;
	struct authclient *auth;  /* made by each worker */
	bool implicit_tls;
	bool monitor;             /* the parent is root: sessions are handed to processes of the mailbox's owner */
	bool plaintext_ok;        /* disable_plaintext_auth = no */
	bool keep_flags;          /* pop3_no_flag_updates */
	bool enable_last, no_nuls, lock;
	int64_t timeout;          /* seconds */
	int64_t login_time;       /* seconds from the connection to the login */
};

enum { MSG_DELETED = 1, MSG_RETRIEVED = 2 };

struct session {
	struct pop *p;
	struct io io;
	enum { POP_AUTHORIZATION = 1, POP_TRANSACTION = 2 } state;
	bool tls, secure, quit, done;
	bool confine;             /* a process of its own, which gives up the rest of its rights when it knows its mailbox */
	int64_t login_ends;       /* the client is logged in by then */
	char *user;               /* of USER, then who logged in */
	const char *rip, *lip;    /* texts of the peer's and our address */
	int rport, lport;
	int logins, errors;
	struct mailbox *box;
	unsigned char *mark;      /* MSG_* of each message */
	size_t last;              /* highest message retrieved, for LAST */
	/* for the log */
	uint64_t retr, retr_bytes, top, top_bytes, deleted, del_bytes;
};

/* session.c */
void session_serve(struct pop *p, const struct server_peer *peer);
/* Clients that may give a password without TLS: those of this host and of login_trusted_networks. */
bool session_is_near(struct pop *p, const struct server_peer *peer);
/* Memory that is gone is told to the client of s from now on, until session_loop returns. */
void session_begin(struct session *s);
/* The commands until the end of the connection. */
void session_loop(struct session *s);
int reply(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct command { const char *verb; int states; void (*run)(struct session *s, char *arg); };
extern const struct command commands[];

/* login.c */
void command_user(struct session *s, char *arg);
void command_pass(struct session *s, char *arg);
void command_auth(struct session *s, char *arg);
void command_stls(struct session *s, char *arg);
void command_capa(struct session *s, char *arg);
bool login_allowed(const struct session *s);
/* Opens the mailbox that the fields of the auth server say and begins the transaction state; replies. */
void login_done(struct session *s, const char *method, const char *fields);
void login_log(const struct session *s, const char *what, const char *user, const char *method);

/* mailbox.c */
void command_stat(struct session *s, char *arg);
void command_list(struct session *s, char *arg);
void command_uidl(struct session *s, char *arg);
void command_retr(struct session *s, char *arg);
void command_top(struct session *s, char *arg);
void command_dele(struct session *s, char *arg);
void command_rset(struct session *s, char *arg);
void command_noop(struct session *s, char *arg);
void command_last(struct session *s, char *arg);
void command_quit(struct session *s, char *arg);
uint64_t message_size(struct session *s, size_t i);

/* send.c: the content of an open message and the final dot; lines < 0: all, else the header and so many lines of the body. Octets of the message
 * that were sent into *sent. 0, -1: the connection cannot go on. */
int send_message(struct session *s, int fd, int64_t lines, uint64_t *sent);

/* monitor.c: hands a session whose login has succeeded to a process of the mailbox's owner. In the worker: 0 when it is over or has gone
 * on elsewhere, -1: the parent could not be asked. */
int monitor_hand_over(struct session *s, const char *method, uint32_t request_id);
/* In the parent. */
void monitor_request(void *arg, int fd, const void *request, size_t n);
#endif

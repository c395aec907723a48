/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: the queue for those who may not read its directories. The verbs list, stat and flush ask a server that
 * may (mtaqueue serve) on the socket public/showq; it runs the same verb and sends what that prints. The protocol stands
 * in mtaqueue(5). */
#ifndef SHOWQ_H
#define SHOWQ_H
#include "select.h"

struct server_peer;

#define SHOWQ_HELLO "showq 1"     /* the first line of a request: the protocol and its version */
#define SHOWQ_REQUEST_MAX (1 << 20)
#define SHOWQ_DATA_MAX 32768      /* bytes of output in one piece */
#define SHOWQ_SECONDS 3600        /* a request is never under way for longer */

/* What a client asks. The texts are parts of the request's own. */
struct request {
	struct buf text;
	char **arg; size_t args;  /* NULL-terminated: the verb and its words */
	char **id; size_t ids;    /* what "-" stands for */
	const char *program;      /* the name in messages */
	const char *tz;           /* TZ; NULL: not set */
	int width;                /* of the client's terminal; 0: none */
};

/* Onto out. 0; -1 with why not in err: a line feed in an argument, or too much. */
int request_write(const struct request *r, struct buf *out, struct buf *err);
/* Takes a request that came in apart. 0, or -1 with err. r is to be freed either way. */
int request_parse(struct request *r, struct buf *err);
/* Whether what came so far can become a request: 1 it is complete, 0 not yet, -1 never, with err. */
int request_complete(const struct buf *text, struct buf *err);
void request_free(struct request *r);
/* What Postfix's programs put before such a message: "fatal: " by a name of theirs, else nothing. */
const char *request_fatal(const char *program);

/* Who asks for something that he may not do himself. */
struct guest {
	uid_t uid;
	bool may_list;            /* authorized_mailq_users; else a flush must not tell what there is */
	const struct request *request;
};

/* The client. Whether this caller must ask: may not read the queue, or, for a change, write it. */
bool ask_needed(const struct app *app, bool change);
/* Has the verb done by the server: s is what select_parse made of argv. Prints, and gives the exit status. */
int ask(struct app *app, const struct selection *s, int argc, char **argv);
/* The width of the terminal that is standard output; 0: it is none. In the server: the client's. */
int terminal_width(const struct app *app);

/* The server. Runs the verb of a request in a process of its own and sends what it prints until it is over or the peer has gone;
 * config: the server's. */
void relay(const struct server_peer *peer, struct config *config, const struct verb *verb, const struct guest *guest);
/* An answer that is a message alone. */
void relay_refuse(const struct server_peer *peer, int status, const char *program, const char *text);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to sendmail: what the command line asked for, and the steps of a submission. */
#ifndef SENDMAIL_H
#define SENDMAIL_H
#include "mail/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strmap;

/* Each once. */
struct addresses { char **addr; size_t n; struct strmap *seen; };

struct job {
	struct config *config;
	struct config_options options;
	char mode;                /* of -b: m s p i d; q: flush */
	char *queue_arg;          /* of -q: "Isomething", "Rsomething", "" */
	bool from_header;         /* -t */
	bool dots;                /* -i: a line with a dot alone is a line */
	bool verbose;             /* -v */
	const char *sender_arg;   /* -f, NULL: the caller */
	const char *full_name;    /* -F, NULL: the caller's */
	const char *body;         /* -B, NULL */
	char *notify;             /* -N as NOTIFY's value, NULL */
	const char *ret;          /* -R, NULL */
	const char *envid;        /* -V, NULL */

	const char *origin;       /* myorigin */
	char *login;              /* the caller's user name, once it was asked for */
	char *identity;           /* the address for From: */
	char *gecos;              /* and the name */
	char *sender;             /* envelope sender */
	struct addresses rcpt;
};

/* The message as it was read. */
struct input {
	const struct job *job;
	struct compose *compose;  /* has the header */
	bool header_done;
	bool eight_bit;
	uint64_t size;            /* of the body in bytes, LF line ends; the last line has its LF */
	char *memory;             /* the body's beginning */
	size_t memory_len;
	int spool;                /* the rest: an unlinked file, or -1 */
	char last;
};

/* options.c: fills job from the command line; ends with EX_USAGE for what it cannot understand. */
void options_parse(struct job *j, int argc, char **argv);
extern const char usage_text[];

/* who.c: the caller. */
const char *who_login(struct job *j);
void who_identity(void *job, const char **addr, const char **name);

/* input.c: standard input up to its end, or to a line with a dot alone. Ends the program when it cannot be taken. */
void input_read(struct input *in, struct job *j);
/* Calls f for the portions of the whole message in order, until it returns non-zero (returned). */
int input_each(struct input *in, int (*f)(void *arg, const char *data, size_t n), void *arg);
void input_free(struct input *in);

/* deliver.c: hands the message to the mail system. Returns the exit status, with a message unless it is EX_OK. */
int deliver(struct job *j, struct input *in);

/* mode.c: what is not sending: other programs of the kit. Returns only when they cannot be run. */
int mode_other(struct job *j);
/* -bs: a session on standard input and output. */
int mode_smtp(struct job *j);
#endif

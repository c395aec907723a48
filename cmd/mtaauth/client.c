/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Dovecot's auth client protocol, version 1 (PLAIN and LOGIN): Postfix (smtpd_sasl_type = dovecot), Exim and our own
 * servers ask here whether a password is right.
 *
 *   we:     VERSION 1 1 / MECH PLAIN plaintext / MECH LOGIN plaintext / SPID n / CUID n / COOKIE hex / DONE
 *   client: VERSION 1 n / CPID n
 *   client: AUTH <id> <mech> service=<s> [rip=.. lip=.. secured ...] [resp=<base64>]
 *   client: CONT <id> <base64>          we: OK <id> user=<u> ... | FAIL <id> [user=<u>] [temp] [reason=..] | CONT <id> <base64>
 *   client: CANCEL <id>
 *
 * Fields are separated by tabs; resp= is the last. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"
#include "mail/log.h"
#include "mtaauth.h"
#include "syntax/base64.h"
#include "sys/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

enum { EXCHANGES = 64 };          /* of one connection under way at once */

/* A mechanism that waits for the client's answer. */
struct exchange {
	struct exchange *next;
	uint32_t id;
	bool login;               /* LOGIN, else PLAIN */
	char *user;               /* LOGIN: the user's name is known */
	char *service, *ip;
};

struct client {
	struct auth *a;
	struct io io;
	pid_t pid;                /* CPID */
	char cookie[33];
	struct exchange *exchanges;
	size_t n;
};

void
field_add(struct buf *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '\001': buf_adds(out, "\0011"); break;
		case '\t': buf_adds(out, "\001t"); break;
		case '\r': buf_adds(out, "\001r"); break;
		case '\n': buf_adds(out, "\001n"); break;
		default: buf_addc(out, *s);
		}
}

void
field_unescape(char *s)
{
	char *w = s;

	for (; *s; s++) {
		if (*s != '\001' || !s[1]) {
			*w++ = *s;
			continue;
		}
		s++;
		/* 0 stands for NUL, which no value may hold: it stays visible */
		*w++ = *s == 't' ? '\t' : *s == 'r' ? '\r' : *s == 'n' ? '\n' : *s == '1' ? '\001' : '?';
	}
	*w = '\0';
}

static void
exchange_free(struct exchange *e)
{
	free(e->user);
	free(e->service);
	free(e->ip);
	free(e);
}

/* Takes the exchange of id out of the list; NULL when there is none. */
static struct exchange *
exchange_take(struct client *c, uint32_t id)
{
	for (struct exchange **p = &c->exchanges; *p; p = &(*p)->next)
		if ((*p)->id == id) {
			struct exchange *e = *p;

			*p = e->next;
			c->n--;
			return e;
		}
	return NULL;
}

static void
wait_for(struct client *c, struct exchange *e, const char *challenge)
{
	if (c->n >= EXCHANGES) {
		io_printf(&c->io, "FAIL\t%u\ttemp\n", e->id);
		exchange_free(e);
		return;
	}
	e->next = c->exchanges;
	c->exchanges = e;
	c->n++;
	io_printf(&c->io, "CONT\t%u\t%s\n", e->id, challenge);
}

static void
reply(struct client *c, uint32_t id, int result, const struct buf *user, const struct buf *fields, const struct buf *why)
{
	struct buf line = BUF_INIT(65536);

	if (result == LOGIN_OK) {
		buf_addf(&line, "OK\t%u\tuser=", id);
		field_add(&line, user->data);
		buf_adds(&line, fields->data);
	} else {
		buf_addf(&line, "FAIL\t%u", id);
		if (user->len > 0) {
			buf_adds(&line, "\tuser=");
			field_add(&line, user->data);
		}
		if (result == LOGIN_TEMPFAIL)
			buf_adds(&line, "\ttemp");
		/* the client learns why only where that tells nothing of the user */
		if (result == LOGIN_TEMPFAIL && strncmp(why->data, "too many", 8) == 0)
			buf_addf(&line, "\treason=%s", why->data);
	}
	buf_addc(&line, '\n');
	io_write(&c->io, line.data, line.len);
	buf_free(&line);
}

static void
finish(struct client *c, struct exchange *e, const char *name, const char *password)
{
	struct buf user = BUF_INIT(1024), fields = BUF_INIT(32768), why = BUF_INIT(1024);
	struct login l = { name, password, e->service, e->ip };
	int r = login_check(c->a, &l, &user, &fields, &why);

	if (r == LOGIN_OK)
		shared_put(c->a->shared, c->cookie, c->pid, e->id, user.data);
	reply(c, e->id, r, &user, &fields, &why);
	buf_free(&user);
	buf_free(&fields);
	buf_free(&why);
	exchange_free(e);
}

static void
fail(struct client *c, struct exchange *e, const char *why)
{
	if (config_bool(c->a->config, "auth_verbose"))
		log_info("auth: rip=%s service=%s: %s", e->ip, e->service, why);
	io_printf(&c->io, "FAIL\t%u\treason=%s\n", e->id, why);
	exchange_free(e);
}

/* A response of the client in base64. */
static void
respond(struct client *c, struct exchange *e, const char *base64)
{
	struct buf raw = BUF_INIT(AUTH_LINE_MAX);
	char *user, *password;
	const char *why = NULL;

	if (base64_decode(base64, strlen(base64), &raw) < 0) {
		fail(c, e, "malformed base64");
	} else if (!e->login) {
		if (plain_split(raw.data, raw.len, &user, &password, &why) < 0)
			fail(c, e, why);
		else
			finish(c, e, user, password);
	} else if (memchr(raw.data, '\0', raw.len)) {
		fail(c, e, "NUL in response");
	} else if (!e->user) {
		e->user = mem_strdup(raw.data);
		wait_for(c, e, "UGFzc3dvcmQ6"); /* "Password:" */
	} else {
		finish(c, e, e->user, raw.data);
	}
	if (raw.cap > 0)
		explicit_bzero(raw.data, raw.len);
	buf_free(&raw);
}

/* AUTH <id> <mech> fields. */
static void
command_auth(struct client *c, uint32_t id, char *rest)
{
	struct exchange *e = mem_zalloc(sizeof *e), *old;
	char *mech = strsep(&rest, "\t"), *word;
	const char *resp = NULL;

	e->id = id;
	while (rest && !resp && (word = strsep(&rest, "\t")) != NULL) {
		char **field = strncmp(word, "service=", 8) == 0 ? &e->service : strncmp(word, "rip=", 4) == 0 ? &e->ip : NULL;

		if (strncmp(word, "resp=", 5) == 0) {
			resp = word + 5;
		} else if (field) {
			free(*field);
			*field = mem_strdup(strchr(word, '=') + 1);
			field_unescape(*field);
		}
	}
	e->service = e->service ? e->service : mem_strdup("");
	e->ip = e->ip ? e->ip : mem_strdup("");
	old = exchange_take(c, id);
	if (old)
		exchange_free(old);
	e->login = mech && strcasecmp(mech, "LOGIN") == 0;
	if (!mech || (!e->login && strcasecmp(mech, "PLAIN") != 0))
		fail(c, e, "unsupported mechanism");
	else if (rest)
		fail(c, e, "malformed request");
	else if (!resp)
		wait_for(c, e, e->login ? "VXNlcm5hbWU6" : ""); /* "Username:" */
	else
		respond(c, e, resp);
}

/* One line. 0, or -1: the client does not keep the protocol. */
static int
command(struct client *c, char *line)
{
	char *rest = line, *verb = strsep(&rest, "\t"), *number;
	struct exchange *e;
	uint64_t id;

	if (strcmp(verb, "VERSION") == 0)
		return rest && strncmp(rest, "1\t", 2) == 0 ? 0 : -1;
	number = strsep(&rest, "\t");
	if (!number || num_u64(number, UINT32_MAX, &id) < 0)
		return -1;
	if (strcmp(verb, "CPID") == 0) {
		c->pid = (pid_t)id;
	} else if (strcmp(verb, "AUTH") == 0) {
		command_auth(c, (uint32_t)id, rest);
	} else if (strcmp(verb, "CONT") == 0 || strcmp(verb, "CANCEL") == 0) {
		e = exchange_take(c, (uint32_t)id);
		if (e && *verb == 'C' && verb[1] == 'O')
			respond(c, e, rest ? rest : "");
		else if (e)
			exchange_free(e);
		else if (verb[1] == 'O')
			io_printf(&c->io, "FAIL\t%u\treason=no such request\n", (unsigned)id);
	}
	return 0;
}

static void
greet(struct client *c)
{
	unsigned char random[16];
	const char *mechs = config_str(c->a->config, "auth_mechanisms");

	if (getrandom(random, sizeof random, 0) != sizeof random)
		msg_die(EX_OSERR, "getrandom: %s", strerror(errno)); /* a cookie that can be guessed is worse than none */
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(c->cookie + 2 * i, 3, "%02x", random[i]);
	io_puts(&c->io, "VERSION\t1\t1\n");
	if (strcasestr(mechs, "plain"))
		io_puts(&c->io, "MECH\tPLAIN\tplaintext\n");
	if (strcasestr(mechs, "login"))
		io_puts(&c->io, "MECH\tLOGIN\tplaintext\n");
	io_printf(&c->io, "SPID\t%ld\nCUID\t%u\nCOOKIE\t%s\nDONE\n", (long)getpid(), ++c->a->cuid, c->cookie);
	(void)io_flush(&c->io);
}

int
client_line(struct io *io, char **line, size_t *n)
{
	int64_t end = clock_deadline(AUTH_IDLE), next;
	int r;

	/* Servers keep connections open, and their clients may sit in the middle of AUTH: nobody else shall wait for those */
	do {
		next = clock_deadline(AUTH_PATIENCE);
		io_set_deadline(io, next < end ? next : end);
		r = io_line(io, line, n, AUTH_LINE_MAX);
	} while (r < 0 && io->error == IO_TIMEOUT && clock_mono() < end && !server_crowded());
	/* for the answer */
	io_set_deadline(io, clock_deadline(AUTH_IDLE));
	return r;
}

void
client_session(struct auth *a, const struct server_peer *peer)
{
	struct client c = { .a = a, .pid = peer->pid };
	char *line;
	size_t n;
	int r;

	io_init(&c.io, peer->rfd, peer->wfd);
	c.io.stopping = server_stopping;
	io_set_deadline(&c.io, clock_deadline(AUTH_IDLE));
	greet(&c);
	while (!server_stopping() && (r = client_line(&c.io, &line, &n)) > 0) {
		if (line[n - 1] != '\n' || memchr(line, '\0', n))
			break;
		line[n - 1] = '\0';
		r = command(&c, line);
		explicit_bzero(line, n - 1);
		io_set_deadline(&c.io, clock_deadline(AUTH_IDLE));
		if (r < 0 || io_flush(&c.io) < 0)
			break;
	}
	if (c.io.error == IO_LONG)
		log_warn("auth: line longer than %d bytes, connection closed", AUTH_LINE_MAX);
	while (c.exchanges)
		exchange_free(exchange_take(&c, c.exchanges->id));
	io_free(&c.io);
}

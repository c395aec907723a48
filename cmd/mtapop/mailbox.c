/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The commands of the transaction state (RFC 1939 5, 7), and QUIT with the update state (6). */
#include "base/mem.h"
#include "base/num.h"
#include "mail/log.h"
#include "mail/maildir_read.h"
#include "mtapop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The size as LIST gives it; 0 for a message that went away. */
uint64_t
message_size(struct session *s, size_t i)
{
	uint64_t octets = 0;

	return mailbox_size(s->box, i, &octets) > 0 ? octets : 0;
}

/* The next number of *arg: digits, then a blank or the end. 0 or -1. */
static int
number(char **arg, uint64_t *out)
{
	char *word = strsep(arg, " ");

	if (*arg)
		*arg += strspn(*arg, " ");
	return word ? num_u64(word, INT64_MAX, out) : -1;
}

/* The message that *arg names, which is not deleted. Its index, or (size_t)-1 after a reply. */
static size_t
message(struct session *s, char **arg)
{
	uint64_t n;

	if (!*arg || number(arg, &n) < 0 || n == 0)
		reply(s, "-ERR Not a message number.");
	else if (n > mailbox_count(s->box))
		reply(s, "-ERR There is no such message.");
	else if (s->mark[n - 1] & MSG_DELETED)
		reply(s, "-ERR Message is deleted.");
	else
		return n - 1;
	return (size_t)-1;
}

static bool
no_more(struct session *s, const char *arg)
{
	if (!arg || !*arg)
		return true;
	reply(s, "-ERR Unexpected argument.");
	return false;
}

static void
totals(struct session *s, size_t *count, uint64_t *octets)
{
	*count = 0;
	*octets = 0;
	for (size_t i = 0; i < mailbox_count(s->box); i++)
		if (!(s->mark[i] & MSG_DELETED)) {
			++*count;
			*octets += message_size(s, i);
		}
}

void
command_stat(struct session *s, char *arg)
{
	uint64_t octets;
	size_t n;

	if (!no_more(s, arg))
		return;
	totals(s, &n, &octets);
	reply(s, "+OK %zu %llu", n, (unsigned long long)octets);
}

void
command_list(struct session *s, char *arg)
{
	uint64_t octets;
	size_t n;

	if (arg && *arg) {
		size_t i = message(s, &arg);

		if (i != (size_t)-1 && no_more(s, arg))
			reply(s, "+OK %zu %llu", i + 1, (unsigned long long)message_size(s, i));
		return;
	}
	totals(s, &n, &octets);
	reply(s, "+OK %zu messages (%llu octets)", n, (unsigned long long)octets);
	for (size_t i = 0; i < mailbox_count(s->box); i++)
		if (!(s->mark[i] & MSG_DELETED))
			io_printf(&s->io, "%zu %llu\r\n", i + 1, (unsigned long long)message_size(s, i));
	io_puts(&s->io, ".\r\n");
}

void
command_uidl(struct session *s, char *arg)
{
	struct buf uid = BUF_INIT(256);

	if (arg && *arg) {
		size_t i = message(s, &arg);

		if (i != (size_t)-1 && no_more(s, arg)) {
			mailbox_uid(s->box, i, &uid);
			reply(s, "+OK %zu %s", i + 1, uid.data);
		}
		buf_free(&uid);
		return;
	}
	reply(s, "+OK");
	for (size_t i = 0; i < mailbox_count(s->box); i++)
		if (!(s->mark[i] & MSG_DELETED)) {
			buf_clear(&uid);
			mailbox_uid(s->box, i, &uid);
			io_printf(&s->io, "%zu %s\r\n", i + 1, uid.data);
		}
	io_puts(&s->io, ".\r\n");
	buf_free(&uid);
}

/* RETR and TOP: 0 sent, -1 after a reply that says why not. */
static int
transmit(struct session *s, size_t i, int64_t lines, uint64_t *sent)
{
	int fd = mailbox_message(s->box, i);

	if (fd < 0) {
		if (errno == ENOENT)
			reply(s, "-ERR Message is gone.");
		else
			reply(s, "-ERR [SYS/TEMP] Message cannot be read now.");
		return -1;
	}
	if (lines < 0)
		reply(s, "+OK %llu octets", (unsigned long long)message_size(s, i));
	else
		reply(s, "+OK");
	if (send_message(s, fd, lines, sent) < 0)
		s->done = true;
	close(fd);
	return s->done ? -1 : 0;
}

void
command_retr(struct session *s, char *arg)
{
	size_t i = message(s, &arg);
	uint64_t sent;

	if (i == (size_t)-1 || !no_more(s, arg) || transmit(s, i, -1, &sent) < 0)
		return;
	s->mark[i] |= MSG_RETRIEVED;
	if (i + 1 > s->last)
		s->last = i + 1;
	s->retr++;
	s->retr_bytes += sent;
}

void
command_top(struct session *s, char *arg)
{
	size_t i = message(s, &arg);
	uint64_t lines, sent;

	if (i == (size_t)-1)
		return;
	if (!arg || number(&arg, &lines) < 0) {
		reply(s, "-ERR Expected a message number and a number of lines.");
		return;
	}
	if (!no_more(s, arg) || transmit(s, i, (int64_t)lines, &sent) < 0)
		return;
	s->top++;
	s->top_bytes += sent;
}

void
command_dele(struct session *s, char *arg)
{
	size_t i = message(s, &arg);

	if (i == (size_t)-1 || !no_more(s, arg))
		return;
	s->mark[i] |= MSG_DELETED;
	if (i + 1 > s->last)
		s->last = i + 1;
	reply(s, "+OK Marked to be deleted.");
}

void
command_rset(struct session *s, char *arg)
{
	if (!no_more(s, arg))
		return;
	for (size_t i = 0; i < mailbox_count(s->box); i++)
		s->mark[i] &= (unsigned char)~MSG_DELETED;
	s->last = 0;
	reply(s, "+OK");
}

void
command_noop(struct session *s, char *arg)
{
	(void)arg;
	reply(s, "+OK");
}

/* Of RFC 1460; some clients still ask. */
void
command_last(struct session *s, char *arg)
{
	if (!s->p->enable_last)
		reply(s, "-ERR Unknown command: LAST");
	else if (no_more(s, arg))
		reply(s, "+OK %zu", s->last);
}

/* The update state: one system call a message, so that it can be cut off anywhere. Number of messages that could not be removed. */
static size_t
update(struct session *s)
{
	size_t failed = 0;

	for (size_t i = 0; i < mailbox_count(s->box); i++) {
		if (s->mark[i] & MSG_DELETED) {
			uint64_t octets = message_size(s, i);

			if (mailbox_remove(s->box, i) == 0) {
				s->deleted++;
				s->del_bytes += octets;
			} else {
				if (failed++ == 0)
					log_error("pop3(%s): remove a message: %s", s->user, strerror(errno));
			}
		} else if ((s->mark[i] & MSG_RETRIEVED) && !s->p->keep_flags) {
			(void)mailbox_seen(s->box, i); /* read or not is a hint */
		}
	}
	return failed;
}

void
command_quit(struct session *s, char *arg)
{
	size_t failed = 0;

	(void)arg;
	if (s->state == POP_TRANSACTION)
		failed = update(s);
	if (failed > 0)
		reply(s, "-ERR [SYS/TEMP] %zu deleted messages could not be removed.", failed);
	else
		reply(s, s->deleted ? "+OK Logging out, messages deleted." : "+OK Logging out.");
	s->quit = s->done = true;
}

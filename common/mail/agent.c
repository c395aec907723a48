/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs and results of delivery agents, as text and back: see agent.h and agent(7). */
#include "mail/agent.h"

#include "base/mem.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

const char *const agent_status_names[] = { "sent", "deferred", "bounced" };
static const char status_class[] = { '2', '4', '5' };

void
agent_job_free(struct agent_job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	if (j->block) {
		free(j->block);
		free(j->rcpt);
	}
	*j = (struct agent_job)AGENT_JOB_INIT;
}

/* Text that may stand in a line of a job. */
static bool
clean(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* One line: word, then text (left out when it is empty). */
static void
add_line(struct buf *out, const char *word, const char *text)
{
	if (!text || !*text)
		return;
	buf_adds(out, word);
	buf_addc(out, ' ');
	buf_adds(out, text);
	buf_addc(out, '\n');
}

int
agent_job_format(const struct agent_job *j, struct buf *out)
{
	size_t start = out->len;
	bool good = clean(j->id) && clean(j->sender) && clean(j->opt) && clean(j->set);

	buf_adds(out, "job 1\n");
	add_line(out, "id", j->id);
	buf_addf(out, "sender <%s>\ncontent %llu %llu\n", j->sender ? j->sender : "", (unsigned long long)j->content,
	    (unsigned long long)j->size);
	add_line(out, "opt", j->opt);
	add_line(out, "set", j->set);
	for (size_t i = 0; i < j->rcpts && good && !out->full; i++) {
		const struct agent_rcpt *r = &j->rcpt[i];

		good = clean(r->addr) && clean(r->params);
		buf_adds(out, "rcpt <");
		buf_adds(out, r->addr);
		buf_addc(out, '>');
		if (r->params && *r->params) {
			buf_addc(out, ' ');
			buf_adds(out, r->params);
		}
		buf_addc(out, '\n');
	}
	if (good && !out->full)
		return 0;
	buf_truncate(out, start);
	out->full = false;
	return -1;
}

/* The end of an address in brackets that begins at s[0] == '<': the index of its '>', which may also stand inside a
 * quoted local part. -1: no end. */
static ssize_t
bracket_end(const char *s, size_t n)
{
	bool quoted = false;

	if (n == 0 || s[0] != '<')
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == '>' && !quoted)
			return (ssize_t)i;
	}
	return -1;
}

/* "<address> params" in place: both become strings. */
static int
split_address(char *text, size_t n, char **addr, char **rest)
{
	ssize_t end = bracket_end(text, n);

	if (end < 0)
		return -1;
	text[end] = '\0';
	*addr = text + 1;
	*rest = text + end + 1;
	if (**rest == ' ')
		(*rest)++;
	else if (**rest)
		return -1;
	return 0;
}

static int
parse_content(struct agent_job *j, const char *s)
{
	const char *blank = strchr(s, ' ');

	if (!blank || num_u64n(s, (size_t)(blank - s), INT64_MAX, &j->content) < 0)
		return -1;
	return num_u64(blank + 1, INT64_MAX, &j->size);
}

static const char *
parse_rcpt(struct agent_job *j, char *text, size_t n)
{
	struct agent_rcpt *r;

	if (j->rcpts == j->rcpt_cap) {
		j->rcpt_cap = j->rcpt_cap ? j->rcpt_cap * 2 : 8;
		j->rcpt = mem_resize(j->rcpt, j->rcpt_cap, sizeof *j->rcpt);
	}
	r = &j->rcpt[j->rcpts];
	if (split_address(text, n, &r->addr, &r->params) < 0 || !*r->addr)
		return "malformed recipient";
	j->rcpts++;
	return NULL;
}

/* One line of a job after the first; NULL, or what is wrong. Lines with words of later versions are passed over. */
static const char *
parse_line(struct agent_job *j, char *line, size_t n)
{
	char *rest;

	if (n > 5 && memcmp(line, "rcpt ", 5) == 0)
		return parse_rcpt(j, line + 5, n - 5);
	if (n > 3 && memcmp(line, "id ", 3) == 0)
		j->id = line + 3;
	else if (n > 4 && memcmp(line, "opt ", 4) == 0)
		j->opt = line + 4;
	else if (n > 4 && memcmp(line, "set ", 4) == 0)
		j->set = line + 4;
	else if (n > 7 && memcmp(line, "sender ", 7) == 0)
		return split_address(line + 7, n - 7, &j->sender, &rest) < 0 ? "malformed sender" : NULL;
	else if (n > 8 && memcmp(line, "content ", 8) == 0)
		return parse_content(j, line + 8) < 0 ? "malformed content line" : NULL;
	return NULL;
}

/* Parses the text that stands in j->block, n bytes and a NUL. */
static int
parse_block(struct agent_job *j, size_t n, const char **err)
{
	char *p = j->block, *end = p + n, *lf;

	j->id = j->opt = j->set = p + n;
	j->sender = NULL;
	j->content = j->size = 0;
	j->rcpts = 0;
	*err = "not a job";
	if (n < 6 || memcmp(p, "job 1\n", 6) != 0 || memchr(p, '\0', n))
		return -1;
	for (p += 6; p < end; p = lf + 1) {
		*err = "a line without end";
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			return -1;
		*lf = '\0';
		*err = parse_line(j, p, (size_t)(lf - p));
		if (*err)
			return -1;
	}
	*err = j->sender ? "no recipient" : "no sender";
	if (!j->sender || !j->rcpts)
		return -1;
	*err = NULL;
	return 0;
}

/* Room for a packet of n bytes and a NUL. */
static void
block_reserve(struct agent_job *j, size_t n)
{
	if (j->block_size > n)
		return;
	if (!j->block)
		j->rcpt = NULL;
	j->block = mem_resize(j->block, n + 1, 1);
	j->block_size = n + 1;
}

int
agent_job_parse(struct agent_job *j, const char *text, size_t n, const char **err)
{
	block_reserve(j, n);
	memcpy(j->block, text, n);
	j->block[n] = '\0';
	return parse_block(j, n, err);
}

/* Takes the descriptor out of a received message's control data; any more than one are closed. */
static int
take_fd(struct msghdr *m)
{
	int fd = -1, got;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof got <= c->cmsg_len - CMSG_LEN(0); at += sizeof got) {
			memcpy(&got, CMSG_DATA(c) + at, sizeof got);
			if (fd < 0)
				fd = got;
			else
				close(got);
		}
	}
	return fd;
}

int
agent_receive(int sock, struct agent_job *j)
{
	union { char space[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control;
	struct msghdr m = { 0 };
	struct iovec iov;
	const char *err;
	ssize_t n;

	block_reserve(j, AGENT_PACKET);
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	do {
		iov = (struct iovec){ j->block, AGENT_PACKET };
		m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		    .msg_controllen = sizeof control };
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	j->fd = take_fd(&m);
	j->block[n] = '\0';
	if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && parse_block(j, (size_t)n, &err) == 0)
		return 1;
	errno = EBADMSG;
	return -1;
}

/* "D.ddd.ddd" with the class that belongs to status. */
static void
dsn_fix(char out[12], const char *s, size_t n, enum agent_status status)
{
	size_t i = 0, part;

	for (part = 0; part < 3; part++) {
		size_t from = i;

		while (i < n && s[i] >= '0' && s[i] <= '9')
			i++;
		if (i == from || i - from > (part ? 3 : 1))
			break;
		if (part < 2 && (i == n || s[i++] != '.'))
			break;
	}
	if (part == 3 && i == n)
		memcpy(out, s, n);
	else
		memcpy(out, "0.0.0", n = 5);
	out[n] = '\0';
	out[0] = status_class[status];
}

static bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Appends at most max bytes; control characters become 'instead', and blanks too in a word. */
static void
add_clean(struct buf *out, const char *s, size_t max, char instead)
{
	for (size_t i = 0; i < max && s[i]; i++) {
		unsigned char c = (unsigned char)s[i];
		bool bad = c < ' ' || c == 0x7f || (instead == '?' && c == ' ');

		buf_addc(out, bad ? instead : (char)c);
	}
}

static int
format_result(struct buf *out, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays,
    const char *action, const char *text)
{
	size_t start = out->len;
	char code[12];

	dsn_fix(code, dsn, strlen(dsn), status);
	relay = relay ? relay : "";
	delays = delays ? delays : "";
	text = text ? text : "";
	buf_addf(out, "%s %s <", agent_status_names[status], code);
	add_clean(out, addr, AGENT_TEXT, ' ');
	buf_addc(out, '>');
	/* a text of the other server that looks like our own words must not be taken for them */
	if (*relay || starts(text, "relay=") || (!*delays && starts(text, "delays="))) {
		buf_adds(out, " relay=");
		add_clean(out, relay, AGENT_TEXT, '?');
	}
	if (*delays || starts(text, "delays=")) {
		buf_adds(out, " delays=");
		add_clean(out, delays, 80, '?');
	}
	if (*action || starts(text, "action=")) {
		buf_adds(out, " action=");
		add_clean(out, action, 80, '?');
	}
	if (*text) {
		buf_addc(out, ' ');
		add_clean(out, text, AGENT_TEXT, ' ');
	}
	buf_addc(out, '\n');
	if (!out->full)
		return 0;
	buf_truncate(out, start);
	return -1;
}

int
agent_result_format(struct buf *out, enum agent_status status, const char *dsn, const char *addr, const char *relay,
    const char *delays, const char *text)
{
	return format_result(out, status, dsn, addr, relay, delays, "", text);
}

void
agent_result_free(struct agent_result *r)
{
	free(r->block);
	*r = (struct agent_result){ 0 };
}

/* Takes "name=word" off the front of *p. */
static char *
take_word(char **p, const char *name, char *none)
{
	char *word = *p + strlen(name), *end;

	if (!starts(*p, name))
		return none;
	end = strchrnul(word, ' ');
	*p = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

int
agent_result_parse(struct agent_result *r, const char *line, size_t n, const char **err)
{
	const char *blank = memchr(line, ' ', n), *dsn, *end = line + n;
	char *rest;
	int s;

	*err = "malformed result line";
	if (!blank || memchr(line, '\0', n))
		return -1;
	for (s = AGENT_SENT; s <= AGENT_BOUNCED; s++)
		if (strlen(agent_status_names[s]) == (size_t)(blank - line) &&
		    memcmp(agent_status_names[s], line, (size_t)(blank - line)) == 0)
			break;
	dsn = blank + 1;
	blank = memchr(dsn, ' ', (size_t)(end - dsn));
	if (s > AGENT_BOUNCED || !blank)
		return -1;
	r->status = (enum agent_status)s;
	dsn_fix(r->dsn, dsn, (size_t)(blank - dsn), r->status);
	r->block = mem_resize(r->block, (size_t)(end - blank), 1);
	memcpy(r->block, blank + 1, (size_t)(end - blank) - 1);
	n = (size_t)(end - blank) - 1;
	r->block[n] = '\0';
	if (split_address(r->block, n, &r->addr, &rest) < 0)
		return -1;
	r->relay = take_word(&rest, "relay=", r->block + n);
	r->delays = take_word(&rest, "delays=", r->block + n);
	r->action = take_word(&rest, "action=", r->block + n);
	r->text = rest;
	*err = NULL;
	return 0;
}

void
agent_reply_init(struct agent_reply *r, int sock)
{
	*r = (struct agent_reply){ .sock = sock, .worst = EX_OK };
	buf_init(&r->packet, AGENT_PACKET);
}

void
agent_reply_free(struct agent_reply *r)
{
	buf_free(&r->packet);
}

static void
send_packet(struct agent_reply *r)
{
	size_t at = 0;
	ssize_t n;

	while (at < r->packet.len && !r->failed) {
		if (r->sock >= 0)
			n = send(r->sock, r->packet.data, r->packet.len, MSG_NOSIGNAL);
		else
			n = write(STDOUT_FILENO, r->packet.data + at, r->packet.len - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			r->failed = true;
	}
	buf_clear(&r->packet);
}

/* The exit status that tells of one more result. */
static int
worse(int worst, enum agent_status status, const char *dsn)
{
	if (status == AGENT_SENT || worst == EX_TEMPFAIL)
		return worst;
	if (status == AGENT_DEFERRED)
		return EX_TEMPFAIL;
	return strcmp(dsn, "5.1.1") == 0 && worst != EX_UNAVAILABLE ? EX_NOUSER : EX_UNAVAILABLE;
}

static int
add(struct agent_reply *r, enum agent_status status, const char *dsn, const char *addr, const char *relay, const char *delays,
    const char *action, const char *text)
{
	r->worst = worse(r->worst, status, dsn);
	if (format_result(&r->packet, status, dsn, addr, relay, delays, action, text) < 0) {
		send_packet(r);
		if (format_result(&r->packet, status, dsn, addr, relay, delays, action, text) < 0)
			r->failed = true;
	}
	return r->failed ? -1 : 0;
}

int
agent_reply_add(struct agent_reply *r, enum agent_status status, const char *dsn, const char *addr, const char *relay,
    const char *delays, const char *text)
{
	return add(r, status, dsn, addr, relay, delays, "", text);
}

int
agent_reply_sent(struct agent_reply *r, const char *action, const char *dsn, const char *addr, const char *relay, const char *delays,
    const char *text)
{
	return add(r, AGENT_SENT, dsn, addr, relay, delays, action, text);
}

/* 0, or -1: no room in the packet. */
static int
add_notice(struct buf *out, const char *class, const char *about, const char *said)
{
	size_t start = out->len, n;

	buf_addf(out, "notice %s ", class);
	add_clean(out, about, AGENT_TEXT, '?');
	buf_addc(out, '\n');
	for (; *said; said += n + (said[n] == '\n')) {
		n = strcspn(said, "\n");
		buf_adds(out, "said ");
		buf_add(out, said, n);
		buf_addc(out, '\n');
	}
	if (!out->full)
		return 0;
	buf_truncate(out, start);
	out->full = false;
	return -1;
}

void
agent_reply_notice(struct agent_reply *r, const char *class, const char *about, const char *said)
{
	if (r->sock < 0 || add_notice(&r->packet, class, about, said) == 0)
		return;
	send_packet(r);
	(void)add_notice(&r->packet, class, about, said);
}

int
agent_reply_done(struct agent_reply *r)
{
	int worst;

	if (r->sock >= 0 && buf_adds(&r->packet, "done\n") < 0) {
		send_packet(r);
		buf_adds(&r->packet, "done\n");
	}
	send_packet(r);
	worst = r->failed ? EX_TEMPFAIL : r->worst;
	r->worst = EX_OK;
	r->failed = false;
	return worst;
}

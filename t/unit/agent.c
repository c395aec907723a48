/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs and results of agents: text and back, over a socket pair too. */
#include "mail/agent.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

static struct agent_rcpt two[] = {
	{ (char *)"bob@example.org", (char *)"notify=FAILURE" },
	{ (char *)"\"a> b\"@example.org", NULL },
};

static struct agent_job
sample(void)
{
	return (struct agent_job){ .id = (char *)"0DkXYZabc", .sender = (char *)"alice@example.com", .opt = (char *)"body=8BITMIME",
	    .set = (char *)"transport=smtp nexthop=example.org", .content = 123, .size = 45, .rcpt = two, .rcpts = 2, .fd = -1 };
}

static void
test_job(void)
{
	struct agent_job j = sample(), k = AGENT_JOB_INIT;
	struct buf b = BUF_INIT(AGENT_PACKET);
	const char *err;

	is_num(agent_job_format(&j, &b), 0, "a job becomes text");
	is(b.data, "job 1\nid 0DkXYZabc\nsender <alice@example.com>\ncontent 123 45\nopt body=8BITMIME\n"
	    "set transport=smtp nexthop=example.org\nrcpt <bob@example.org> notify=FAILURE\nrcpt <\"a> b\"@example.org>\n",
	    "text of a job");
	is_num(agent_job_parse(&k, b.data, b.len, &err), 0, "and is read again");
	is(k.id, j.id, "ID");
	is(k.sender, j.sender, "sender");
	is(k.opt, j.opt, "options");
	is(k.set, j.set, "what is set");
	is_num((long long)k.content, 123, "offset of the content");
	is_num((long long)k.size, 45, "size of the content");
	is_num((long long)k.rcpts, 2, "two recipients");
	is(k.rcpt[0].addr, "bob@example.org", "first recipient");
	is(k.rcpt[0].params, "notify=FAILURE", "its parameters");
	is(k.rcpt[1].addr, "\"a> b\"@example.org", "'>' and blank inside quotes belong to the address");
	is(k.rcpt[1].params, "", "no parameters");
	j.sender = (char *)"";
	j.opt = NULL;
	buf_clear(&b);
	agent_job_format(&j, &b);
	is_num(agent_job_parse(&k, b.data, b.len, &err), 0, "memory of a job is used again");
	is(k.sender, "", "null sender");
	is(k.opt, "", "no options");
	j.set = (char *)"a=b\nrcpt <evil@example.org>";
	buf_clear(&b);
	is_num(agent_job_format(&j, &b), -1, "a line feed inside a value is refused");
	is_num((long long)b.len, 0, "and leaves nothing");
	b.max = 100;
	j = sample();
	is_num(agent_job_format(&j, &b), -1, "a job larger than the packet is refused");
	agent_job_free(&k);
	buf_free(&b);
}

static void
test_bad_jobs(void)
{
	static const char *const bad[] = { "", "job 2\n", "job 1\n", "job 1\nsender <a>\n", "job 1\nrcpt <a>\n", "job 1\nsender <a\nrcpt <b>\n",
	    "job 1\nsender <a>\nrcpt <b>x\n", "job 1\nsender <a>\nrcpt <b>", "job 1\nsender <a>\nrcpt <>\n",
	    "job 1\nsender <a>\ncontent 1\nrcpt <b>\n", "job 1\nsender <a>\ncontent -1 2\nrcpt <b>\n" };
	struct agent_job k = AGENT_JOB_INIT;
	const char *err;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err = NULL;
		ok(agent_job_parse(&k, bad[i], strlen(bad[i]), &err) < 0 && err, "malformed job %zu: %s", i, err ? err : "");
	}
	agent_job_free(&k);
}

struct result_case {
	enum agent_status status;
	const char *dsn, *addr, *relay, *delays, *text, *line;
	const char *back_dsn;
};

static void
test_results(void)
{
	static const struct result_case cases[] = {
		{ AGENT_SENT, "2.0.0", "b@x", "mx[192.0.2.1]:25", "0.1/0.2/0.3", "250 ok",
		  "sent 2.0.0 <b@x> relay=mx[192.0.2.1]:25 delays=0.1/0.2/0.3 250 ok\n", "2.0.0" },
		{ AGENT_DEFERRED, "4.4.1", "b@x", NULL, NULL, "timed out", "deferred 4.4.1 <b@x> timed out\n", "4.4.1" },
		{ AGENT_DEFERRED, "5.7.1", "b@x", NULL, NULL, "no", "deferred 4.7.1 <b@x> no\n", "4.7.1" },
		{ AGENT_BOUNCED, "", "\"a>\"@x", NULL, NULL, "550 a\nsent 2.0.0 <c@x>", "bounced 5.0.0 <\"a>\"@x> 550 a sent 2.0.0 <c@x>\n", "5.0.0" },
		{ AGENT_BOUNCED, "5.1.1", "b@x", NULL, NULL, "relay=forged x", "bounced 5.1.1 <b@x> relay= relay=forged x\n", "5.1.1" },
		{ AGENT_BOUNCED, "5.1.1", "b@x", NULL, NULL, "delays=9/9/9", "bounced 5.1.1 <b@x> relay= delays= delays=9/9/9\n", "5.1.1" },
		{ AGENT_SENT, "2.0.0", "b@x", "a b", NULL, NULL, "sent 2.0.0 <b@x> relay=a?b\n", "2.0.0" },
		{ AGENT_SENT, "2.1234.0", "b@x", NULL, NULL, "", "sent 2.0.0 <b@x>\n", "2.0.0" },
	};
	struct buf b = BUF_INIT(AGENT_PACKET);
	struct agent_result r = { 0 };
	const char *err = NULL;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct result_case *c = &cases[i];

		buf_clear(&b);
		agent_result_format(&b, c->status, c->dsn, c->addr, c->relay, c->delays, c->text);
		is(b.data, c->line, "result line");
		ok(agent_result_parse(&r, b.data, b.len - 1, &err) == 0 && r.status == c->status && strcmp(r.dsn, c->back_dsn) == 0 &&
		    strcmp(r.addr, c->addr) == 0, "result %zu is read again", i);
		if (!strchr(c->line, '?'))
			is(r.relay, c->relay ? c->relay : "", "relay");
		is(r.delays, c->delays ? c->delays : "", "delays");
	}
	is_num(agent_result_parse(&r, "lost 2.0.0 <a@b>", 16, &err), -1, "an unknown status is refused");
	is_num(agent_result_parse(&r, "sent 2.0.0 a@b", 14, &err), -1, "an address without brackets is refused");
	is_num(agent_result_parse(&r, "done", 4, &err), -1, "done is no result");
	buf_clear(&b);
	agent_result_format(&b, AGENT_SENT, "2.0.0", "b@x", NULL, NULL, "action=passed x");
	is(b.data, "sent 2.0.0 <b@x> action= action=passed x\n", "a text that looks like action= is none");
	is_num(agent_result_parse(&r, b.data, b.len - 1, &err), 0, "it is read again");
	is(r.action, "", "no action");
	is(r.text, "action=passed x", "the text");
	is_num(agent_result_parse(&r, "sent 2.0.0 <b@x> relay=r delays=1/2/3 action=relayed 250 ok", 58, &err), 0, "a result with its action");
	is(r.action, "relayed", "which is read");
	agent_result_free(&r);
	buf_free(&b);
}

/* Sends text with descriptor fd. */
static void
send_fd(int sock, const char *text, size_t n, int fd)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)text, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	sendmsg(sock, &m, 0);
}

static void
test_socket(void)
{
	struct agent_job j = sample(), k = AGENT_JOB_INIT;
	struct agent_reply reply;
	struct buf b = BUF_INIT(AGENT_PACKET);
	char *big = malloc(AGENT_PACKET);
	int pair[2], packets = 0;
	ssize_t n;

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	agent_job_format(&j, &b);
	send_fd(pair[0], b.data, b.len, STDOUT_FILENO);
	is_num(agent_receive(pair[1], &k), 1, "an agent receives a job");
	ok(k.fd >= 0 && (fcntl(k.fd, F_GETFD) & FD_CLOEXEC), "with the message's descriptor, closed on exec");
	is(k.rcpt[0].addr, "bob@example.org", "and its recipients");
	send(pair[0], "x\n", 2, 0);
	ok(agent_receive(pair[1], &k) < 0 && errno == EBADMSG && k.fd == -1, "what is no job is told as such");
	agent_reply_init(&reply, pair[1]);
	for (int i = 0; i < 1000; i++)
		agent_reply_add(&reply, i == 500 ? AGENT_BOUNCED : AGENT_SENT, i == 500 ? "5.1.1" : "2.0.0", "someone@example.org", "mx", "1/2/3",
		    "a text of some length so that the results do not fit into one packet");
	is_num(agent_reply_done(&reply), EX_NOUSER, "exit status: one unknown user");
	while ((n = recv(pair[0], big, AGENT_PACKET, 0)) > 0 && ++packets)
		if (n >= 5 && memcmp(big + n - 5, "done\n", 5) == 0)
			break;
	ok(n > 0 && packets > 1, "many results come in several packets, the last ends in done");
	agent_reply_add(&reply, AGENT_BOUNCED, "5.2.1", "a@b", NULL, NULL, "x");
	agent_reply_add(&reply, AGENT_DEFERRED, "4.2.1", "a@b", NULL, NULL, "x");
	is_num(agent_reply_done(&reply), EX_TEMPFAIL, "exit status: any deferred counts first");
	n = recv(pair[0], big, AGENT_PACKET, 0);
	agent_reply_add(&reply, AGENT_SENT, "2.0.0", "a@b", NULL, NULL, "x");
	agent_reply_notice(&reply, "protocol", "mx\x1b[192.0.2.1]:25", "C: MAIL\nS: 500 what\n");
	agent_reply_done(&reply);
	n = recv(pair[0], big, AGENT_PACKET - 1, 0);
	big[n > 0 ? n : 0] = '\0';
	is(big, "sent 2.0.0 <a@b> x\nnotice protocol mx?[192.0.2.1]:25\nsaid C: MAIL\nsaid S: 500 what\ndone\n", "a notice with what was said");
	memset(big, 'x', AGENT_PACKET - 100);
	big[AGENT_PACKET - 100] = '\0';
	agent_reply_add(&reply, AGENT_SENT, "2.0.0", "a@b", NULL, NULL, "a text that takes some room in the packet already: together they do not fit, and so this one goes first");
	agent_reply_notice(&reply, "protocol", "mx", big);
	agent_reply_done(&reply);
	ok(recv(pair[0], big, AGENT_PACKET, 0) < 200 && (n = recv(pair[0], big, AGENT_PACKET, 0)) > AGENT_PACKET - 200 && memcmp(big, "notice ", 7) == 0,
	    "a long one has a packet of its own");
	memset(big, 'x', AGENT_PACKET);
	big[AGENT_PACKET - 1] = '\0';
	agent_reply_notice(&reply, "protocol", "mx", big);
	is_num(agent_reply_done(&reply), EX_OK, "one that is too long harms nothing");
	is_num(recv(pair[0], big, AGENT_PACKET, 0), 5, "the job is done without it");
	close(pair[0]);
	agent_reply_add(&reply, AGENT_SENT, "2.0.0", "a@b", NULL, NULL, "x");
	is_num(agent_reply_done(&reply), EX_TEMPFAIL, "results that could not be told are temporary failures");
	is_num(agent_receive(pair[1], &k), 0, "end of the connection");
	close(pair[1]);
	free(big);
	agent_reply_free(&reply);
	agent_job_free(&k);
	buf_free(&b);
}

int
main(void)
{
	test_job();
	test_bad_jobs();
	test_results();
	test_socket();
	return tap_done();
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The client side of the auth protocol against servers that follow a script. */
#include "tap.h"

#include "base/clock.h"
#include "mail/authclient.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tTOKEN\tprivate\nSPID\t7\nCUID\t9\nCOOKIE\tabcd\nDONE\n"

static char path[64];

/* A server: sends hello, then an answer for each line that begins with AUTH or CONT, "%" in it standing for the request's ID.
 * An answer of "" closes the connection. Serves one connection after the other. */
static pid_t
serve(const char *hello, const char *const *answers)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	strcpy(sun.sun_path, path);
	unlink(path);
	if (bind(l, (struct sockaddr *)&sun, sizeof sun) < 0 || listen(l, 5) < 0)
		exit(1);
	pid = fork();
	if (pid) {
		close(l);
		return pid;
	}
	for (;;) {
		FILE *in, *out;
		char line[65536], id[32], resp[4096];
		int fd = accept(l, NULL, NULL);

		in = fdopen(fd, "r");
		out = fdopen(dup(fd), "w");
		fputs(hello, out);
		fflush(out);
		while (fgets(line, sizeof line, in)) {
			if (sscanf(line, "AUTH\t%31[0-9]", id) != 1 && sscanf(line, "CONT\t%31[0-9]\t%4095s", id, resp) < 1)
				continue;
			if (!*answers || !**answers)
				break;
			for (const char *p = *answers++; *p; p++)
				if (*p == '%')
					fputs(id, out);
				else
					putc(*p, out);
			fflush(out);
		}
		if (*answers && !**answers)
			answers++;
		fclose(in);
		fclose(out);
	}
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct {
	const char *what, *hello, *answers[4];
	int result;
	const char *user, *text;
} cases[] = {
	{ "a user", HELLO, { "OK\t%\tuser=joe\n" }, AUTH_OK, "joe", "" },
	{ "escapes in a name", HELLO, { "OK\t%\tuser=a\001tb\n" }, AUTH_OK, "a\tb", "" },
	{ "an answer to another request before it", HELLO, { "OK\t77\tuser=eve\nFAIL\t%\treason=no\n" }, AUTH_FAIL, "", "no" },
	{ "lines that are not known", HELLO, { "NEWS\t1\n\nOK\t%\tuser=joe\n" }, AUTH_OK, "joe", "" },
	{ "a failure without a reason", HELLO, { "FAIL\t%\tuser=joe\n" }, AUTH_FAIL, "", "" },
	{ "a failure with nothing", HELLO, { "FAIL\t%\n" }, AUTH_FAIL, "", "" },
	{ "a temporary failure", HELLO, { "FAIL\t%\ttemp\treason=database\n" }, AUTH_TEMPFAIL, "", "database" },
	{ "a challenge", HELLO, { "CONT\t%\tVXNlcg==\n" }, AUTH_CONTINUE, "", "VXNlcg==" },
	{ "an empty challenge", HELLO, { "CONT\t%\t\n" }, AUTH_CONTINUE, "", "" },
	{ "OK without a user", HELLO, { "OK\t%\tuid=0\n" }, AUTH_TEMPFAIL, "", NULL },
	{ "OK with an empty user", HELLO, { "OK\t%\tuser=\n" }, AUTH_TEMPFAIL, "", NULL },
	{ "OK with a NUL in the user", HELLO, { "OK\t%\tuser=a\0010b\n" }, AUTH_TEMPFAIL, NULL, NULL },
	{ "OK cut off in the middle of the line", HELLO, { "OK\t%\tuser=jo", "" }, AUTH_TEMPFAIL, "", NULL },
	{ "a server that hangs up", HELLO, { "" }, AUTH_TEMPFAIL, "", NULL },
	{ "a server that hangs up at once", "", { "" }, AUTH_TEMPFAIL, "", NULL },
	{ "another version of the protocol", "VERSION\t2\t0\nDONE\n", { "OK\t%\tuser=joe\n" }, AUTH_TEMPFAIL, "", NULL },
	{ "something that is no auth server", "220 mail ESMTP\n250 DONE\n", { "OK\t%\tuser=joe\n" }, AUTH_TEMPFAIL, "", NULL },
};

static void
answers(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		pid_t pid = serve(cases[i].hello, cases[i].answers);
		struct authclient *a = authclient_new(path);
		struct auth_request req = { .mech = "PLAIN", .service = "smtp", .resp = "AGEAYg==" };
		struct auth_result res;
		int r;

		auth_result_init(&res);
		r = authclient_start(a, &req, clock_mono() + 500000, &res);
		is_num(r, cases[i].result, cases[i].what);
		if (cases[i].user && r != AUTH_TEMPFAIL)
			is(res.user.data, cases[i].user, "  its user");
		if (cases[i].text)
			is(res.text.data, cases[i].text, "  its text");
		auth_result_free(&res);
		authclient_free(&a);
		end(pid);
	}
}

static void
requests(void)
{
	static const char *const script[] = { "CONT\t%\tVXNlcg==\n", "OK\t%\tuser=joe\tmail=a\001tb\n", "", "OK\t%\tuser=two\n", NULL };
	pid_t pid = serve(HELLO, script);
	struct authclient *a = authclient_new(path);
	struct auth_request req = { .mech = "LOGIN", .service = "smtp" };
	struct auth_result res;
	struct buf err = BUF_INIT(1000), mail = BUF_INIT(100);
	const char *mechs = authclient_mechs(a, clock_deadline(5), &err);
	char cookie[64];

	auth_result_init(&res);
	is(mechs, "PLAIN LOGIN", "the mechanisms, without private ones");
	snprintf(cookie, sizeof cookie, "%ld\t9\tabcd", (long)getpid());
	is(authclient_cookie(a), cookie, "process, CUID and cookie");
	is_num(authclient_start(a, &req, clock_deadline(5), &res), AUTH_CONTINUE, "an exchange");
	is_num(authclient_continue(a, res.id, "bad base64!", clock_deadline(5), &res), AUTH_FAIL, "a response that is no base64 is not sent");
	is_num(authclient_continue(a, 1, "am9lCg==\t", clock_deadline(5), &res), AUTH_FAIL, "nor one with a tab");
	is_num(authclient_continue(a, 1, "am9l", clock_deadline(5), &res), AUTH_OK, "a good one is");
	ok(auth_field(res.fields.data, "mail", &mail) == 1, "a field");
	is(mail.data, "a\tb", "without the escapes");
	ok(auth_field(res.fields.data, "mai", NULL) == 0, "not by a part of its name");
	is_num(authclient_continue(a, 1, "am9l", clock_deadline(5), &res), AUTH_TEMPFAIL, "after the end there is no more to say");
	req.mech = "PLAIN\tx";
	is_num(authclient_start(a, &req, clock_deadline(5), &res), AUTH_FAIL, "a mechanism with a tab is not sent");
	req.mech = "PLAIN";
	req.resp = "AA=\n=";
	is_num(authclient_start(a, &req, clock_deadline(5), &res), AUTH_FAIL, "nor an initial response with a line feed");
	is_num(authclient_plain(a, &req, "u", "p", clock_deadline(5), &res), AUTH_OK, "a kept connection that has ended: once more on a new one");
	is(res.user.data, "two", "  its user");
	end(pid);
	is_num(authclient_plain(a, &req, "u", "p", clock_deadline(5), &res), AUTH_TEMPFAIL, "no server");
	ok(res.text.len > 0, "the reason: %s", res.text.data);
	auth_result_free(&res);
	authclient_free(&a);
	buf_free(&err);
	buf_free(&mail);
}

static void
long_lines(void)
{
	static char hello[200000] = HELLO;
	static const char *const script[] = { "OK\t%\tuser=joe\n", NULL };
	struct authclient *a = authclient_new(path);
	struct buf err = BUF_INIT(1000);
	const char *mechs;
	pid_t pid;

	memset(hello, 'x', sizeof hello - 1);
	pid = serve(hello, script);
	mechs = authclient_mechs(a, clock_mono() + 500000, &err);
	ok(!mechs, "a line without end: %s", err.data);
	end(pid);
	authclient_free(&a);
	buf_free(&err);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof path, "/tmp/authclient.%ld", (long)getpid());
	answers();
	requests();
	long_lines();
	unlink(path);
	return tap_done();
}

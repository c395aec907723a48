/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The mail log: where lines go, what they look like, and that nothing from the network can forge or garble one. */
#include "mail/log.h"

#include "base/msg.h"
#include "mail/config.h"
#include "sys/file.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/mta-log.XXXXXX";
static char cf[64], logfile[64], errfile[64];

#define STAMP "^[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [^ ]+ "

static void
text_of(const char *path, struct buf *out)
{
	buf_clear(out);
	if (file_read(AT_FDCWD, path, out) < 0 && errno != ENOENT)
		abort();
}

static bool
matches(const char *text, const char *pattern)
{
	regex_t re;
	bool yes;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
		abort();
	yes = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

/* Runs f in a child whose standard error is errfile, with a main.cf of that text. Its exit status. */
static int
run(const char *text, bool journal, void (*f)(struct config *c))
{
	FILE *file = fopen(cf, "w");
	int status = 0;
	pid_t pid;

	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
	unlink(errfile);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct buf err = BUF_INIT(4096);
		int fd = open(errfile, O_WRONLY | O_CREAT | O_APPEND, 0600);
		struct stat st;
		char id[64];

		dup2(fd, 2);
		fstat(2, &st);
		snprintf(id, sizeof id, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
		setenv("JOURNAL_STREAM", journal ? id : "1:1", 1);
		msg_init("test");
		f(config_open(dir, NULL, &err));
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
write_lines(struct config *c)
{
	log_open(c, "smtpd");
	log_info("connect from %s", "mx.example.com[192.0.2.1]");
	log_warn("disk is %d%% full", 95);
	log_error("no");
	log_component("lmtp");
	log_info("sent");
	msg_warn("a message");
}

static void
test_shape(void)
{
	struct buf text = BUF_INIT(1 << 20);

	run("", false, write_lines);
	text_of(errfile, &text);
	ok(matches(text.data, STAMP "mta/smtpd\\[[0-9]+\\]: connect from mx\\.example\\.com\\[192\\.0\\.2\\.1\\]$"), "a line in Postfix's shape on standard error, a file");
	ok(matches(text.data, "mta/smtpd\\[[0-9]+\\]: warning: disk is 95% full$"), "a warning says so");
	ok(matches(text.data, "mta/smtpd\\[[0-9]+\\]: error: no$"), "an error, too");
	ok(matches(text.data, "mta/lmtp\\[[0-9]+\\]: sent$"), "under the name of another component");
	ok(matches(text.data, "mta/lmtp\\[[0-9]+\\]: warning: a message$"), "messages of the program go there as well");
	run("syslog_name = relay\n", false, write_lines);
	text_of(errfile, &text);
	ok(matches(text.data, "relay/smtpd\\["), "syslog_name");
	run("", true, write_lines);
	text_of(errfile, &text);
	ok(matches(text.data, "^<6>mta/smtpd\\[[0-9]+\\]: connect") && matches(text.data, "^<4>.*warning: disk") && matches(text.data, "^<3>.*error: no"),
	    "under the journal each line has its priority in front");
	buf_free(&text);
}

static void
write_hostile(struct config *c)
{
	log_open(c, "smtpd");
	log_info("helo=<%s>", "a\r\nNov 20 00:00:00 host mta/smtpd[1]: forged");
	log_info("helo=<%s>", "\033[2J\033]0;title\007 \x9b" "2J \x7f \x01\x1f");
	log_info("helo=<%s>", "\xc2\x9b" "2J \xe2\x80\xae" "txt \xff\xfe \xed\xa0\x80");
	log_info("helo=<%s>", "gr\xc3\xbc\xc3\x9f" "e \xe4\xbd\xa0 %s %n");
	errno = ENOENT;
	log_info("errno %s", strerror(errno));
	if (errno != ENOENT)
		log_info("errno was changed");
}

static void
test_hostile(void)
{
	struct buf text = BUF_INIT(1 << 20);
	size_t lines = 0, bad = 0;

	run("", false, write_hostile);
	text_of(errfile, &text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char b = (unsigned char)text.data[i];

		lines += b == '\n';
		bad += (b < 0x20 && b != '\n') || b == 0x7f;
	}
	is_num((long long)lines, 5, "five calls make five lines, whatever is in them");
	is_num((long long)bad, 0, "no control characters");
	ok(!matches(text.data, "^Nov 20 00:00:00"), "no forged line");
	ok(!strstr(text.data, "\xc2\x9b") && !strstr(text.data, "\xe2\x80\xae") && !strstr(text.data, "\xff"), "no C1 controls, no turned text, no broken UTF-8");
	ok(strstr(text.data, "gr\xc3\xbc\xc3\x9f" "e \xe4\xbd\xa0 %s %n") != NULL, "UTF-8 and percent signs stay as they are");
	ok(strstr(text.data, "errno No such") && !strstr(text.data, "was changed"), "errno is left alone");
	buf_free(&text);
}

static void
write_long(struct config *c)
{
	char *s = malloc(200001);

	memset(s, 'x', 200000);
	s[200000] = '\0';
	log_open(c, "smtpd");
	log_info("%.60000s", s);
	log_info("%s", s);
	log_info("after");
}

static void
test_long(void)
{
	struct buf text = BUF_INIT(1 << 20);

	run("", false, write_long);
	text_of(errfile, &text);
	ok(text.len > 60000 && text.len < 70000, "a long line is written, one beyond any use is not");
	ok(matches(text.data, "more than 64 kilobytes"), "and says so");
	ok(matches(text.data, ": after$"), "and the next line is whole");
	buf_free(&text);
}

static void
write_file(struct config *c)
{
	char moved[80];

	/* standard error: not a file */
	dup2(open("/dev/null", O_WRONLY), 2);
	log_open(c, "qmgr");
	log_info("one");
	snprintf(moved, sizeof moved, "%s.1", logfile);
	if (rename(logfile, moved) < 0)
		_exit(1);
	log_info("two");
	log_open(c, "qmgr");
	log_info("three");
}

static void
write_same(struct config *c)
{
	char moved[80];

	/* standard error is maillog_file itself, as a supervisor has it */
	dup2(open(logfile, O_WRONLY | O_APPEND | O_CREAT, 0600), 2);
	log_open(c, "qmgr");
	log_info("one");
	snprintf(moved, sizeof moved, "%s.1", logfile);
	if (rename(logfile, moved) < 0)
		_exit(1);
	log_open(c, "qmgr");
	log_info("two");
	(void)!write(2, "raw\n", 4);
}

static void
write_unusable(struct config *c)
{
	dup2(open("/dev/null", O_WRONLY), 2);
	log_open(c, "qmgr");
	log_info("to syslog, where there is one");
}

static void
test_file(void)
{
	struct buf text = BUF_INIT(1 << 20), first = BUF_INIT(1 << 20), main_cf = BUF_INIT(4096);
	char moved[80];
	struct stat st;

	snprintf(moved, sizeof moved, "%s.1", logfile);
	buf_addf(&main_cf, "maillog_file = %s\n", logfile);
	run(main_cf.data, false, write_file);
	text_of(logfile, &text);
	text_of(moved, &first);
	ok(matches(first.data, ": one$") && matches(first.data, ": two$"), "maillog_file takes the lines");
	ok(matches(text.data, ": three$") && !matches(text.data, ": two$"), "and is a new file after it was moved and opened again");
	ok(stat(logfile, &st) == 0 && (st.st_mode & 0077) == 0, "that others cannot read");
	unlink(logfile);
	run(main_cf.data, false, write_same);
	text_of(logfile, &text);
	ok(matches(text.data, ": two$") && matches(text.data, "^raw$"), "standard error moves along when it is that file");
	unlink(logfile);
	run(main_cf.data, false, write_lines);
	text_of(errfile, &text);
	ok(matches(text.data, ": sent$"), "standard error counts first when it is another file");
	is_num(run("maillog_file = /nonexistent/log\n", false, write_unusable), 0, "a file that cannot be opened stops nothing");
	unlink(logfile);
	unlink(moved);
	buf_free(&text);
	buf_free(&first);
	buf_free(&main_cf);
}

int
main(void)
{
	if (!mkdtemp(dir))
		abort();
	snprintf(cf, sizeof cf, "%s/main.cf", dir);
	snprintf(logfile, sizeof logfile, "%s/log", dir);
	snprintf(errfile, sizeof errfile, "%s/err", dir);
	test_shape();
	test_hostile();
	test_long();
	test_file();
	unlink(cf);
	unlink(errfile);
	rmdir(dir);
	return tap_done();
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Reading a password: from the terminal with its echo off, or from a pipe. */
#include "mtapasswd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One line without its end. 0, or -1 with err. */
static int
read_line(int fd, struct buf *out, struct buf *err)
{
	ssize_t n;
	char c;

	buf_clear(out);
	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		if (buf_addc(out, c) < 0) {
			buf_adds(err, "password is too long");
			return -1;
		}
	if (n < 0) {
		buf_addf(err, "read password: %s", strerror(errno));
		return -1;
	}
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		buf_truncate(out, out->len - 1);
	if (memchr(out->data, '\0', out->len)) {
		buf_adds(err, "password with a NUL character");
		return -1;
	}
	return 0;
}

static int
ask(int tty, const char *before, const char *prompt, struct buf *out, struct buf *err)
{
	struct termios was, quiet;
	sigset_t block, old;
	int r;

	if (tcgetattr(tty, &was) < 0) {
		buf_addf(err, "terminal: %s", strerror(errno));
		return -1;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* no signal that would leave the terminal without echo */
	quiet.c_lflag |= ECHONL;
	sigemptyset(&block);
	sigaddset(&block, SIGTSTP);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &old);
	(void)!write(tty, before, strlen(before));
	(void)!write(tty, prompt, strlen(prompt));
	(void)!write(tty, ": ", 2);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	r = read_line(tty, out, err);
	tcsetattr(tty, TCSAFLUSH, &was);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r == 0 && (memchr(out->data, 3, out->len) || memchr(out->data, 4, out->len))) {
		buf_adds(err, "interrupted");
		r = -1;
	}
	return r;
}

int
ask_password(const char *prompt, bool from_stdin, bool confirm, struct buf *out, struct buf *err)
{
	struct buf again = BUF_INIT(4096);
	int tty, r;

	if (from_stdin)
		return read_line(STDIN_FILENO, out, err);
	tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0) {
		buf_adds(err, "no terminal to ask for the password (-p reads it from standard input)");
		return -1;
	}
	r = ask(tty, "", prompt, out, err);
	if (r == 0 && confirm) {
		r = ask(tty, "Again ", prompt, &again, err);
		if (r == 0 && strcmp(again.data, out->data) != 0) {
			buf_adds(err, "the two passwords differ");
			r = -1;
		}
	}
	close(tty);
	explicit_bzero(again.data, again.len);
	buf_free(&again);
	return r;
}

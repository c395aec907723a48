/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages to people: see msg.h. */
#include "base/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *msg_program = "mta";
void (*msg_sink)(const char *line);

void
msg_init(const char *argv0)
{
	const char *slash;

	if (!argv0 || !*argv0)
		argv0 = "?";
	slash = strrchr(argv0, '/');
	msg_program = slash ? slash + 1 : argv0;
}

/* Length of the well-formed, printable UTF-8 sequence at s (RFC 3629 4), or 0. */
static size_t
utf8_printable(const unsigned char *s, size_t n)
{
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return n > 1 && (s[1] & 0xc0) == 0x80 && !(s[0] == 0xc2 && s[1] < 0xa0) ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		if (n < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		/* line separators and bidirectional overrides would disturb a terminal */
		if (s[0] == 0xe2 && s[1] == 0x80 && ((s[2] >= 0xa8 && s[2] <= 0xae) || (s[2] >= 0x8b && s[2] <= 0x8f)))
			return 0;
		if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (n < 4 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

void
msg_clean(char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = utf8_printable((unsigned char *)s + i, n - i);

		if (k == 0) {
			s[i] = '?';
			k = 1;
		}
		i += k;
	}
}

static void __attribute__((format(printf, 1, 0)))
emit(const char *fmt, va_list ap)
{
	char line[4096]; /* no allocation here: this also reports that memory is gone */
	int at = 0, n;

	if (!msg_sink)
		at = snprintf(line, sizeof line, "%.100s: ", msg_program);
	n = vsnprintf(line + at, sizeof line - 1 - (size_t)at, fmt, ap);
	if (n < 0)
		return;
	n += at;
	if ((size_t)n > sizeof line - 2) /* the one place where a message may be cut: it is shown, not used */
		n = (int)sizeof line - 2;
	msg_clean(line, (size_t)n);
	if (msg_sink) {
		line[n] = '\0';
		msg_sink(line);
		return;
	}
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

void
msg_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

void
msg_die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
	exit(status);
}

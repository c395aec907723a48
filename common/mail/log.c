/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The mail log: see log.h. */
#include "mail/log.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"
#include "mail/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536          /* a longer line is cut: it is shown, not used */

static enum { TO_STDERR, TO_JOURNAL, TO_FILE, TO_SYSLOG } where = TO_STDERR;
static int file = -1;
static bool stderr_is_file;           /* descriptor 2 is maillog_file: it moves with it when the file is re-opened */
static struct buf tag = BUF_INIT(1024); /* "mta/smtpd" */
static char *base_name;               /* "mta" */
static char host[65];
static int facility = LOG_MAIL;
static struct buf line = BUF_INIT(2 * LINE_MAX_BYTES);
static pid_t self;                    /* 0: not asked yet, in this process */
static bool batch;                    /* lines are kept in 'line' until log_flush */

/* systemd sets JOURNAL_STREAM to device:inode of what it connected to standard error (sd-daemon(3)); it is
 * inherited by programs whose standard error is something else. */
static bool
stderr_is_journal(const struct stat *st)
{
	const char *s = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;

	return s && sscanf(s, "%ju:%ju", &dev, &ino) == 2 && st->st_dev == (dev_t)dev && st->st_ino == (ino_t)ino;
}

static int
facility_number(const char *name)
{
	static const struct { const char *name; int number; } names[] = {
		{ "mail", LOG_MAIL }, { "daemon", LOG_DAEMON }, { "user", LOG_USER }, { "auth", LOG_AUTH },
		{ "authpriv", LOG_AUTHPRIV }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
		{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
		{ "local7", LOG_LOCAL7 },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].number;
	return LOG_MAIL;
}

static void
forget_pid(void)
{
	self = 0;
}

/* getpid is a system call, and a log line too small for one of its own. */
static int
own_pid(void)
{
	static bool watched;

	if (!watched)
		watched = pthread_atfork(NULL, NULL, forget_pid) == 0;
	if (!self || !watched)
		self = getpid();
	return (int)self;
}

/* The line with its prefix to where it belongs; one write. line holds the prefix already. */
static void
put(int level, const char *text, size_t n)
{
	static const char *const words[] = { "<0>", "<1>", "<2>", "<3>", "<4>", "<5>", "<6>", "<7>" };
	static char stamp[32];
	static time_t stamped;
	struct tm tm;
	time_t now;

	if (where == TO_SYSLOG) {
		syslog(level, "%.*s", (int)n, text);
		return;
	}
	if (line.len > LINE_MAX_BYTES)
		log_flush();
	if (where == TO_JOURNAL) {
		buf_adds(&line, words[level & 7]);
	} else {
		now = time(NULL);
		if (now != stamped) {
			localtime_r(&now, &tm);
			strftime(stamp, sizeof stamp, "%b %e %H:%M:%S ", &tm);
			stamped = now;
		}
		buf_adds(&line, stamp);
		buf_adds(&line, host);
		buf_addc(&line, ' ');
	}
	buf_addf(&line, "%s[%d]: ", tag.len ? tag.data : msg_program, own_pid());
	buf_add(&line, text, n < LINE_MAX_BYTES - 512 ? n : LINE_MAX_BYTES - 512);
	buf_addc(&line, '\n');
	if (!batch || level <= LOG_WARNING)
		log_flush();
}

void
log_batch(bool on)
{
	log_flush();
	batch = on;
}

void
log_flush(void)
{
	if (line.len)
		(void)!write(where == TO_FILE ? file : STDERR_FILENO, line.data, line.len);
	buf_clear(&line);
}

static void __attribute__((format(printf, 3, 0)))
log_line(int level, const char *prefix, const char *fmt, va_list ap)
{
	static struct buf text = BUF_INIT(LINE_MAX_BYTES);
	int saved = errno;

	buf_clear(&text);
	buf_adds(&text, prefix);
	if (buf_vaddf(&text, fmt, ap) < 0)
		buf_adds(&text, "(a line of more than 64 kilobytes)");
	msg_clean(text.data, text.len);
	put(level, text.data, text.len);
	errno = saved;
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFO, "", fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARNING, "warning: ", fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_ERR, "error: ", fmt, ap);
	va_end(ap);
}

/* msg_warn and msg_die, from now on. */
static void
sink(const char *text)
{
	log_warn("%s", text);
}

void
log_component(const char *component)
{
	buf_clear(&tag);
	buf_addf(&tag, "%s/%s", base_name ? base_name : "mta", component);
	if (where == TO_SYSLOG)
		openlog(tag.data, LOG_PID, facility); /* the name only: the connection stays */
}

/* maillog_file, opened (again). Where standard error is that same file, it moves along, so that a rotated log
 * does not keep what is written there. 0 or -1. */
static int
open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	struct stat a, b;

	if (fd < 0)
		return -1;
	if (fstat(fd, &a) == 0 && fstat(STDERR_FILENO, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		stderr_is_file = true;
	else if (stderr_is_file)
		dup2(fd, STDERR_FILENO);
	if (file >= 0)
		close(file);
	file = fd;
	return 0;
}

static void
read_names(struct config *c)
{
	free(base_name);
	base_name = mem_strdup(config_str(c, "syslog_name"));
	facility = facility_number(config_str(c, "syslog_facility"));
	if (gethostname(host, sizeof host - 1) < 0 || !*host)
		strcpy(host, "localhost");
	host[strcspn(host, ".")] = '\0';
}

void
log_open_command(struct config *c, const char *component)
{
	const char *path = config_str(c, "maillog_file");

	read_names(c);
	where = *path && open_file(path) == 0 ? TO_FILE : TO_SYSLOG;
	log_component(component);
}

void
log_open(struct config *c, const char *component)
{
	const char *path = config_str(c, "maillog_file");
	struct stat st;
	bool known = fstat(STDERR_FILENO, &st) == 0;
	int error = 0;

	read_names(c);
	if (known && stderr_is_journal(&st))
		where = TO_JOURNAL;
	else if (known && isatty(STDERR_FILENO))
		where = TO_STDERR;
	else if (*path && open_file(path) == 0 && (stderr_is_file || !known || !S_ISREG(st.st_mode)))
		where = TO_FILE;
	else if (known && S_ISREG(st.st_mode))
		where = TO_STDERR;
	else {
		error = errno;
		where = TO_SYSLOG;
	}
	log_component(component);
	msg_sink = sink;
	if (where == TO_SYSLOG && *path)
		log_warn("open %s: %s", path, strerror(error));
}

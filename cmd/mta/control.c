/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The lock on pid/mta.pid tells whether a system runs; the file holds the supervisor's process ID. A file without a lock is
 * what a crash left: it means nothing. */
#include "mta.h"

#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define NOT_RUNNING 3                 /* as the LSB has it for "status" */
#define LEFTOVERS 5                   /* seconds */

static void
pid_path(struct config *c, const char *name, struct buf *out)
{
	buf_addf(out, "%s/%s/%s.pid", config_str(c, "queue_directory"), config_str(c, "process_id_directory"), name);
}

int
control_lock(struct config *c, struct buf *err)
{
	struct buf path = BUF_INIT(65536), text = BUF_INIT(64);
	int fd;

	pid_path(c, "mta", &path);
	fd = file_lock(path.data, 0644, false);
	if (fd < 0 && errno == EWOULDBLOCK) {
		file_read(AT_FDCWD, path.data, &text);
		text.data[strcspn(text.data, "\n")] = '\0';
		buf_addf(err, "already running (process %s)", text.len ? text.data : "unknown");
	} else if (fd < 0) {
		buf_addf(err, "lock %s: %s", path.data, strerror(errno));
	}
	buf_free(&path);
	buf_free(&text);
	return fd;
}

/* Process ID in a file; 0 when there is none. */
static pid_t
read_pid(int fd)
{
	char text[32];
	uint64_t v = 0;
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return num_u64(text, INT32_MAX, &v) == 0 ? (pid_t)v : 0;
}

pid_t
control_running(struct config *c, struct buf *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct buf path = BUF_INIT(65536);
	pid_t pid = 0;
	int fd;

	pid_path(c, "mta", &path);
	fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT) {
		buf_addf(err, "open %s: %s", path.data, strerror(errno));
		pid = -1;
	} else if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) < 0) {
		buf_addf(err, "lock %s: %s", path.data, strerror(errno));
		pid = -1;
	} else if (fd >= 0 && lock.l_type != F_UNLCK && (pid = read_pid(fd)) < 2) {
		/* it has the lock and has not written yet */
		buf_addf(err, "%s: about to start or to end", path.data);
		pid = -1;
	}
	if (fd >= 0)
		close(fd);
	buf_free(&path);
	return pid;
}

bool
control_wait(struct config *c, int64_t deadline)
{
	struct buf err = BUF_INIT(4096);
	pid_t pid;

	while ((pid = control_running(c, &err)) != 0 && clock_mono() < deadline) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		buf_clear(&err);
	}
	buf_free(&err);
	return pid == 0;
}

/* Process ID in the pid file of a service, when that process lives; 0. */
static pid_t
service_pid(struct config *c, const char *name, struct stat *st)
{
	struct buf path = BUF_INIT(65536);
	pid_t pid = 0;
	int fd;

	pid_path(c, name, &path);
	fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0) {
		pid = fstat(fd, st) == 0 ? read_pid(fd) : 0;
		close(fd);
	}
	buf_free(&path);
	return pid > 1 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

void
control_wait_leftovers(struct config *c, const struct services *l)
{
	int64_t deadline = clock_deadline(LEFTOVERS);
	struct stat st;

	for (size_t i = 0; i < l->n; i++)
		while (service_pid(c, l->s[i].name, &st) && clock_mono() < deadline)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* "3d04h", "2h05m", "7m12s": the time since a pid file was written. */
static void
age(time_t since, char out[32])
{
	int64_t s = (int64_t)time(NULL) - (int64_t)since;

	if (s < 0)
		s = 0;
	if (s >= 86400)
		snprintf(out, 32, "%" PRId64 "d%02dh", s / 86400, (int)(s / 3600 % 24));
	else if (s >= 3600)
		snprintf(out, 32, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, 32, "%dm%02ds", (int)(s / 60), (int)(s % 60));
}

static bool
print_service(struct config *c, const struct service *s)
{
	struct stat st = { 0 };
	char up[32] = "-";
	pid_t pid = service_pid(c, s->name, &st);

	if (pid)
		age(st.st_mtime, up);
	printf("%-12s %-8s %8d %8s ", s->name, pid > 0 ? "running" : "down", (int)pid, up);
	for (char **w = s->argv; *w; w++)
		if (w == s->argv || strcmp(*w, "-l") == 0)
			printf(" %s", w == s->argv ? *w : w[1] ? w[1] : "");
	putchar('\n');
	return pid > 0;
}

int
control_status(struct config *c)
{
	struct buf err = BUF_INIT(65536);
	struct services l = { 0 };
	pid_t pid = control_running(c, &err);
	int down = 0;

	if (pid < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (pid == 0) {
		printf("not running (%s)\n", config_dir(c));
		buf_free(&err);
		return NOT_RUNNING;
	}
	if (services_read(&l, c, NULL, &err) < 0)
		msg_die(EX_CONFIG, "%s", err.data);
	printf("running, process %d (%s)\n", (int)pid, config_dir(c));
	printf("%-12s %-8s %8s %8s  %s\n", "SERVICE", "STATE", "PID", "UP", "PROGRAM AND SOCKET");
	for (size_t i = 0; i < l.n; i++)
		down += !print_service(c, &l.s[i]);
	services_free(&l);
	buf_free(&err);
	return down > 0 ? EXIT_FAILURE : EX_OK;
}

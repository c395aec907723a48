/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Mail logs: see logfile.h. */
#include "logfile.h"

#include "base/buf.h"
#include "base/mem.h"
#include "syntax/envelope.h"
#include "sys/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *
logfile_current(struct config *c)
{
	static const char *const usual[] = { "/var/log/mail.log", "/var/log/maillog" };
	const char *file = config_str(c, "maillog_file");

	for (size_t i = 0; i < 2 && !*file; i++)
		if (access(usual[i], R_OK) == 0)
			file = usual[i];
	return *file ? file : NULL;
}

const char *
logfile_line_id(const char *line, char id[QUEUE_ID_MAX + 1])
{
	const char *p = strstr(line, "]: ");
	size_t n;

	if (!p)
		return NULL;
	p += 3;
	n = strcspn(p, ": ");
	if (p[n] != ':' || !envelope_id_ok(p, n))
		return NULL;
	memcpy(id, p, n);
	id[n] = '\0';
	return p + n + 1;
}

static const struct { const char *suffix, *program; } packers[] = {
	{ ".gz", "gzip" }, { ".bz2", "bzip2" }, { ".xz", "xz" }, { ".zst", "zstd" },
};

/* What unpacks it; NULL: it is plain text. */
static const char *
packer(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof packers / sizeof packers[0]; i++)
		if (strcmp(dot, packers[i].suffix) == 0)
			return packers[i].program;
	return NULL;
}

void
logfiles_add(struct logfiles *l, const char *name)
{
	l->name = mem_resize(l->name, l->n + 1, sizeof *l->name);
	l->name[l->n++] = mem_strdup(name);
}

void
logfiles_free(struct logfiles *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
	*l = (struct logfiles){ 0 };
}

/* ".1", ".2.gz", "-20261120", ".20261120-103000": what logrotate(8) and others put behind the name. */
static bool
rotated(const char *end)
{
	size_t n;

	if (*end != '.' && *end != '-')
		return false;
	n = strspn(++end, "0123456789-");
	return n > 0 && (!end[n] || (end[n] == '.' && packer(end + n) && !strchr(end + n + 1, '.')));
}

struct dated { char *name; int64_t time; };

static int
by_time(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

void
logfiles_find(struct logfiles *l, const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	char *dir = slash ? mem_strndup(file, (size_t)(slash - file) + 1) : mem_strdup("./");
	struct dated *found = NULL;
	DIR *d = opendir(dir);
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		struct buf path = BUF_INIT(65536);
		struct stat st;

		if (strncmp(e->d_name, base, strlen(base)) != 0 || !rotated(e->d_name + strlen(base)))
			continue;
		buf_addf(&path, "%s%s", dir, e->d_name);
		if (stat(path.data, &st) == 0 && S_ISREG(st.st_mode)) {
			found = mem_resize(found, n + 1, sizeof *found);
			found[n++] = (struct dated){ mem_strdup(path.data), (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
		}
		buf_free(&path);
	}
	if (d)
		closedir(d);
	if (n)
		qsort(found, n, sizeof *found, by_time);
	for (size_t i = 0; i < n; i++) {
		logfiles_add(l, found[i].name);
		free(found[i].name);
	}
	logfiles_add(l, file);
	free(found);
	free(dir);
}

static FILE *
open_packed(const char *program, int fd, pid_t *pid)
{
	char *argv[] = { mem_strdup(program), mem_strdup("-dc"), NULL };
	struct proc p = { .argv = argv, .path = "/usr/local/bin:/usr/bin:/bin", .in = fd, .err = STDERR_FILENO, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int ends[2], saved;
	FILE *f = NULL;

	if (pipe2(ends, O_CLOEXEC) == 0) {
		p.out = ends[1];
		*pid = proc_spawn(&p);
		saved = errno;
		close(ends[1]);
		f = *pid < 0 ? NULL : fdopen(ends[0], "r");
		if (!f)
			close(ends[0]);
		errno = saved;
	}
	free(argv[0]);
	free(argv[1]);
	return f;
}

FILE *
logfile_open(const char *name, pid_t *pid)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), saved;
	FILE *f;

	*pid = 0;
	if (fd < 0)
		return NULL;
	if (!packer(name))
		return fdopen(fd, "r");
	f = open_packed(packer(name), fd, pid);
	saved = errno;
	close(fd);
	errno = saved;
	return f;
}

int
logfile_close(FILE *f, pid_t pid)
{
	int bad = ferror(f), status = 0;

	fclose(f);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return bad || status ? -1 : 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Child processes without a shell, users, command lines: see proc.h. */
#include "sys/proc.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* The folder of the running program into dir; false: it cannot be told. */
static bool
own_dir(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n <= 0 || (size_t)n >= size - 1)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return false;
	*slash = '\0';
	return true;
}

/* The folder of the running program, its sister where that is bin or sbin, then PATH. */
static char *
default_search(void)
{
	struct buf b = BUF_INIT(65536);
	const char *path = getenv("PATH");
	char dir[4096], *slash;

	if (own_dir(dir, sizeof dir)) {
		buf_addf(&b, "%s:", dir);
		slash = strrchr(dir, '/');
		if (slash && (strcmp(slash, "/bin") == 0 || strcmp(slash, "/sbin") == 0)) {
			slash[1] = '\0';
			buf_addf(&b, "%s%s:", dir, b.data[b.len - 5] == 's' ? "bin" : "sbin");
		}
	}
	buf_adds(&b, path && *path ? path : DEFAULT_PATH);
	return buf_steal(&b);
}

/* Like execvpe, but a file that is no program is an error and never a shell script. Returns only on failure. */
static void
exec_search(const struct proc *p, char *const *envp)
{
	const char *at = p->path;
	int why = ENOENT;

	if (strchr(p->argv[0], '/')) {
		execve(p->argv[0], p->argv, envp);
		return;
	}
	if (!at)
		at = default_search();
	while (*at) {
		size_t n = strcspn(at, ":");
		struct buf full = BUF_INIT(65536);

		/* an empty element would mean the working directory: never */
		if (n) {
			buf_add(&full, at, n);
			buf_addc(&full, '/');
			buf_adds(&full, p->argv[0]);
			execve(full.data, p->argv, envp);
			/* a directory that we may not search is none where the program was found */
			if (errno == EACCES && faccessat(AT_FDCWD, full.data, F_OK, AT_EACCESS) == 0)
				why = EACCES;
			else if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
				return;
		}
		at += n + (at[n] == ':');
	}
	errno = why;
}

/* A program beside the running one, opened while the caller still may: after a change of user the folder may be one
 * that the user cannot reach (a build in somebody's home). -1: there is none, or it is not looked for there. */
static int
open_sibling(const struct proc *p)
{
	struct buf name = BUF_INIT(65536);
	char dir[4096];
	int fd;

	if (p->path || strchr(p->argv[0], '/') || !own_dir(dir, sizeof dir))
		return -1;
	buf_addf(&name, "%s/%s", dir, p->argv[0]);
	fd = open(name.data, O_PATH | O_CLOEXEC);
	buf_free(&name);
	return fd;
}

int
proc_exec(char *const *argv)
{
	struct proc p = { .argv = argv };

	exec_search(&p, environ);
	return -1;
}

/* Moves in, out, err to 0, 1, 2 in any order they came; everything else will close on exec. 0 or -1. */
static int
place_descriptors(const struct proc *p)
{
	int want[3] = { p->in, p->out, p->err };

	/* first out of the way of 0-2 */
	for (int i = 0; i < 3; i++) {
		if (want[i] < 0)
			want[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (want[i] < 0)
			return -1;
		want[i] = fcntl(want[i], F_DUPFD_CLOEXEC, 3);
		if (want[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(want[i], i) < 0)
			return -1;
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		long most = sysconf(_SC_OPEN_MAX);

		for (int fd = 3; fd < (most > 0 && most < 65536 ? most : 65536); fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

static void
default_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct rlimit data_before;  /* proc_limit_memory: what there was */
static bool data_limited;

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
/* What counts for RLIMIT_DATA already (and the stack, which is little): sixth field of statm, in pages. 0: unknown. */
static rlim_t
data_in_use(void)
{
	unsigned long pages = 0;
	char text[256] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* stdio would leave its buffer in each worker's heap */

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		pages = 0;
	close(fd);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}
#endif

int
proc_limit_memory(uint64_t bytes)
{
#ifdef SANITIZED
	(void)bytes;
	return 0;
#else
	struct rlimit fresh;
	rlim_t most;

	if (bytes == 0)
		return 0;
	if (!data_limited && getrlimit(RLIMIT_DATA, &data_before) < 0)
		return -1;
	fresh = data_before;
	most = data_in_use();
	most = bytes < RLIM_INFINITY - most ? most + (rlim_t)bytes : RLIM_INFINITY;
	/* the hard limit stays, so that the programs we start can have theirs back */
	if (most < fresh.rlim_cur)
		fresh.rlim_cur = most;
	if (setrlimit(RLIMIT_DATA, &fresh) < 0)
		return -1;
	data_limited = true;
	return 0;
#endif
}

/* In the child: all up to the exec. Returns only on failure, with errno. */
static void
become_program(const struct proc *p)
{
	static const char *const kept[] = { "TZ", "LANG" };
	char *clean[4] = { (char *)(uintptr_t)"PATH=" DEFAULT_PATH };
	int n = 1, program;

	if (place_descriptors(p) < 0)
		return;
	program = open_sibling(p);
	if (p->session && setsid() < 0)
		return;
	if (geteuid() == 0 && (p->user || p->uid != (uid_t)-1) && proc_become(p->user, p->uid, p->gid) < 0)
		return;
	if (p->dir && chdir(p->dir) < 0)
		return;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		const char *v = getenv(kept[i]);
		struct buf b = BUF_INIT(4096);

		if (v && buf_addf(&b, "%s=%s", kept[i], v) == 0)
			clean[n++] = buf_steal(&b);
	}
	default_signals();
	if (data_limited)
		(void)setrlimit(RLIMIT_DATA, &data_before);
	/* after the change of user, which would clear it */
	if (p->death_signal && prctl(PR_SET_PDEATHSIG, p->death_signal) < 0)
		return;
	if (program >= 0) /* what cannot be run that way (a script) is looked for again */
		execveat(program, "", p->argv, p->envp ? p->envp : clean, AT_EMPTY_PATH);
	exec_search(p, p->envp ? p->envp : clean);
}

pid_t
proc_spawn(const struct proc *p)
{
	int report[2], why = 0, saved;
	ssize_t k;
	pid_t pid;

	if (!p->argv || !p->argv[0] || !*p->argv[0]) {
		errno = EINVAL;
		return -1;
	}
	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		/* 0-2 are about to be replaced */
		int to = fcntl(report[1], F_DUPFD_CLOEXEC, 3);

		if (to >= 0) {
			become_program(p);
			why = errno;
			(void)!write(to, &why, sizeof why);
		}
		_exit(127);
	}
	saved = errno;
	close(report[1]);
	if (pid > 0) {
		do
			k = read(report[0], &why, sizeof why);
		while (k < 0 && errno == EINTR);
		if (k < 0) /* it may well run, but the caller is going to be told that it does not */
			kill(pid, SIGKILL);
		if (k != 0) {
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
			saved = k == (ssize_t)sizeof why ? why : EIO;
			pid = -1;
		}
	}
	close(report[0]);
	errno = saved;
	return pid;
}

int
proc_user_find(struct proc_user *u, const char *user, uid_t uid, gid_t gid)
{
	const struct passwd *pw = NULL;
	int room = 16;

	memset(u, 0, sizeof *u);
	if (user) {
		errno = 0;
		pw = getpwnam(user);
		if (!pw) {
			if (!errno)
				errno = EINVAL;
			return -1;
		}
		if (uid == (uid_t)-1) {
			uid = pw->pw_uid;
			gid = pw->pw_gid;
		}
	}
	if (uid == (uid_t)-1) {
		errno = EINVAL;
		return -1;
	}
	u->uid = uid;
	u->gid = gid;
	u->groups = mem_array((size_t)room, sizeof *u->groups);
	u->groups[0] = gid;
	u->count = 1;
	if (!pw)
		return 0;
	for (;;) {
		int n = room;

		if (getgrouplist(pw->pw_name, gid, u->groups, &n) >= 0) {
			u->count = n;
			return 0;
		}
		room = n > room ? n : room * 2;
		u->groups = mem_resize(u->groups, (size_t)room, sizeof *u->groups);
	}
}

int
proc_user_become(const struct proc_user *u, const char *root)
{
	/* an ordinary user can be nobody else, and keeps the groups it has */
	if (geteuid() != 0) {
		if (u->uid == geteuid() && u->uid == getuid() && !root)
			return 0;
		errno = EPERM;
		return -1;
	}
	if (setgroups((size_t)u->count, u->groups) < 0)
		return -1;
	if (root && (chroot(root) < 0 || chdir("/") < 0))
		return -1;
	if (setresgid(u->gid, u->gid, u->gid) < 0 || setresuid(u->uid, u->uid, u->uid) < 0)
		return -1;
	if (u->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
		errno = EPERM; /* there is a way back: that is no change at all */
		return -1;
	}
	return 0;
}

void
proc_user_free(struct proc_user *u)
{
	free(u->groups);
	memset(u, 0, sizeof *u);
}

int
proc_become(const char *user, uid_t uid, gid_t gid)
{
	struct proc_user u;
	int r, saved;

	if (proc_user_find(&u, user, uid, gid) < 0)
		return -1;
	r = proc_user_become(&u, NULL);
	saved = errno;
	proc_user_free(&u);
	errno = saved;
	return r;
}

void
proc_sane_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			/* the lowest free descriptor is this one */
			if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
				_exit(71); /* EX_OSERR: no place to say why */
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of the group that begins with the '{' at s: its '}', or NULL. */
static const char *
group_end(const char *s)
{
	int depth = 0;

	for (; *s; s++) {
		if (*s == '{')
			depth++;
		else if (*s == '}' && --depth == 0)
			return s;
	}
	return NULL;
}

char **
proc_split(const char *command)
{
	size_t count = 0, room = 8;
	char **argv = mem_array(room, sizeof *argv);
	const char *s = command;

	for (;;) {
		const char *start, *end;

		while (blank(*s))
			s++;
		if (!*s)
			return argv;
		start = s;
		if (*s == '{') {
			start++;
			end = group_end(s);
			s = end ? end + 1 : s;
			if (!end || (*s && !blank(*s)))
				break;
			while (start < end && blank(*start))
				start++;
			while (end > start && blank(end[-1]))
				end--;
		} else {
			/* ${name?text with blanks} stays together */
			while (*s && !blank(*s)) {
				end = s[0] == '$' && s[1] == '{' ? group_end(s + 1) : NULL;
				s = end ? end + 1 : s + 1;
			}
			end = s;
		}
		if (count + 2 > room) {
			argv = mem_resize(argv, room * 2, sizeof *argv);
			memset(argv + room, 0, room * sizeof *argv);
			room *= 2;
		}
		argv[count++] = mem_strndup(start, (size_t)(end - start));
	}
	proc_free_argv(&argv);
	return NULL;
}

void
proc_free_argv(char ***argv)
{
	if (!*argv)
		return;
	for (char **p = *argv; *p; p++)
		free(*p);
	free(*argv);
	*argv = NULL;
}

void
proc_harden(void)
{
	struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Child processes: run without a shell, as a given user, with a clean environment and no
 * descriptor but those named. */
#ifndef SYS_PROC_H
#define SYS_PROC_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
	char *const *argv;        /* argv[0] has a '/', or is looked for in path */
	char *const *envp;        /* NULL: PATH=/usr/local/bin:/usr/bin:/bin only, and TZ, LANG where set */
	const char *path;         /* directories tried for argv[0], colon-separated; NULL: the caller's own directory, its sister (bin, sbin), then PATH */
	const char *dir;          /* working directory; NULL: unchanged */
	int in, out, err;         /* become 0, 1, 2; -1: /dev/null */
	const char *user;         /* as root: become this user; NULL: no change unless uid is set */
	uid_t uid; gid_t gid;     /* as root: become these; (uid_t)-1: no change */
	bool session;             /* leads a session of its own: kill(-pid, ...) reaches all its processes */
	int death_signal;         /* sent to it when the caller dies; 0: none */
};

/* Forks and execs; the exec's failure is reported: -1 with errno, nothing left running. */
pid_t proc_spawn(const struct proc *p);
/* Becomes another program of the kit (or of PATH) with all that this process has: environment, descriptors, user.
 * Returns only on failure: -1 with errno. */
int proc_exec(char *const *argv);
/* Becomes uid/gid with the groups of user (or none but gid): permanently. uid (uid_t)-1: those of user. Not root: 0
 * when this is the user already. 0 or -1 with errno (EINVAL: no such user). */
int proc_become(const char *user, uid_t uid, gid_t gid);
/* The same in two steps, so that a parent looks the user up once (with all the memory that it takes) and its children
 * just become it; root: inside that directory from then on (chroot), NULL: no change. */
struct proc_user {
	uid_t uid; gid_t gid;
	gid_t *groups; int count;
};
int proc_user_find(struct proc_user *u, const char *user, uid_t uid, gid_t gid);
int proc_user_become(const struct proc_user *u, const char *root);
void proc_user_free(struct proc_user *u);
/* Opens /dev/null on any of descriptors 0-2 that is closed: first thing in main(). */
void proc_sane_fds(void);
/* Splits a command line of main.cf into words: blanks separate, { } around a word group, no shell meaning; a ${...}
 * inside a word stays together. NULL-terminated; free with proc_free_argv. NULL when a brace has no partner. */
char **proc_split(const char *command);
void proc_free_argv(char ***argv);
/* From now on this process may take that many bytes (0: as many as before) in addition to what it has, then allocations fail. Private
 * writable memory counts (RLIMIT_DATA), and nothing else: address space (RLIMIT_AS) would also hold the mapped tables of maps, which
 * may be larger than any sensible limit and cost nothing, and a server whose start took much would have no room for sessions.
 * Programs that proc_spawn starts have the old limit. Not in builds with sanitizers, whose shadow memory would count. 0 or -1 with errno. */
int proc_limit_memory(uint64_t bytes);
/* Locks the process down: no new privileges, no core of secrets (PR_SET_NO_NEW_PRIVS, dumpable off). */
void proc_harden(void);
#endif

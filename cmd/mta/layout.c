/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The directories that a system needs: see mta.h. The top of the queue, pid/ and public/ belong to whoever starts the
 * system (root, so that nobody else can put a pid file there); all else to mail_owner. maildrop/ is for all users: they may put files
 * down, which get its group (set-group-ID), so that mail_owner can read them and other users cannot; they may not list it, nor (sticky)
 * take away the files of others. */
#include "mta.h"

#include "sys/proc.h"
#include "syntax/maincf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct layout {
	struct config *c;
	bool fix;
	void (*warn)(const char *line);
	uid_t uid;                /* of mail_owner */
	gid_t gid;
	int errors;
};

static void __attribute__((format(printf, 2, 3)))
say(struct layout *l, const char *fmt, ...)
{
	struct buf b = BUF_INIT(65536);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	l->warn(b.data);
	buf_free(&b);
}

/* One directory: made when missing, owner and mode compared. */
static void
check_dir(struct layout *l, const char *path, mode_t mode, bool owned)
{
	uid_t uid = owned ? l->uid : geteuid();
	gid_t gid = owned ? l->gid : getegid();
	mode_t mask = mode & 07000 ? 07777 : 0777;
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && mkdir(path, 0700) == 0) {
		say(l, "made %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)) {
			say(l, "error: set the owner and mode of %s: %s", path, strerror(errno));
			l->errors++;
		}
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		say(l, "error: directory %s: %s", path, strerror(errno));
		l->errors++;
	} else if (st.st_uid != uid || (st.st_mode & mask) != mode || (mode & S_ISGID && st.st_gid != gid)) {
		if (l->fix && fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0) {
			say(l, "put right the owner and mode of %s", path);
		} else {
			say(l, "error: %s belongs to user %u, group %u with mode %o, and must belong to user %u, group %u with mode %o", path,
			    (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)(st.st_mode & mask), (unsigned)uid, (unsigned)gid, (unsigned)mode);
			l->errors++;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* Directories above the queue. */
static void
make_parents(struct layout *l, const char *path)
{
	struct buf b = BUF_INIT(65536);

	for (const char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		buf_clear(&b);
		buf_add(&b, path, (size_t)(s - path));
		if (mkdir(b.data, 0755) == 0)
			say(l, "made %s", b.data);
	}
	buf_free(&b);
}

/* Who mail_owner is; as an ordinary user everything is the caller's own. */
static int
find_owner(struct layout *l)
{
	const char *name = config_str(l->c, "mail_owner");
	const struct passwd *pw;

	l->uid = geteuid();
	l->gid = getegid();
	if (l->uid != 0)
		return 0;
	pw = getpwnam(name);
	if (!pw) {
		const char *where = config_where(l->c, "mail_owner");

		say(l, "error: %s%smail_owner: there is no user \"%s\" (make one: useradd --system --home-dir / --shell /usr/sbin/nologin %s)",
		    where ? where : "", where ? ": " : "", name, name);
		l->errors++;
		return -1;
	}
	if (pw->pw_uid == 0) {
		say(l, "error: mail_owner: must not be root");
		l->errors++;
		return -1;
	}
	l->uid = pw->pw_uid;
	l->gid = pw->pw_gid;
	return 0;
}

/* mtaauth becomes this user. */
static void
check_auth_user(struct layout *l)
{
	const char *name = config_str(l->c, "auth_user"), *where = config_where(l->c, "auth_user");

	if (geteuid() != 0 || !strstr(config_str(l->c, "services"), "auth") || getpwnam(name))
		return;
	say(l, "error: %s%sauth_user: there is no user \"%s\" (make one: useradd --system --home-dir / --shell /usr/sbin/nologin %s)",
	    where ? where : "", where ? ": " : "", name, name);
	l->errors++;
}

/* As root: mail_owner must be able to pass through all directories above the queue. Names the first that is closed. */
static void
check_reach(struct layout *l, const char *top)
{
	const char *owner = config_str(l->c, "mail_owner"), *end = top;
	struct buf part = BUF_INIT(65536);
	int status = 0, n = 0;
	pid_t pid;

	if (geteuid() != 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (proc_become(owner, (uid_t)-1, (gid_t)-1) < 0)
			_exit(0);
		while (*end && n < 255) {
			end += 1 + strcspn(end + 1, "/");
			buf_clear(&part);
			buf_add(&part, top, (size_t)(end - top));
			n++;
			if (access(part.data, X_OK) < 0)
				_exit(n);
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 0)
		return;
	for (n = WEXITSTATUS(status); n > 0; n--)
		end += 1 + strcspn(end + 1, "/");
	say(l, "%s: user %s (mail_owner) cannot reach %s: %.*s is closed to it: chmod a+x, or another place for queue_directory",
	    l->fix ? "warning" : "error", owner, top, (int)(end - top), top);
	l->errors += !l->fix; /* set-permissions has nothing to put right there: mtaconf init makes a system all the same */
}

/* A main.cf from a time before pickup names its services without it: then mail of users would wait for ever, unseen. */
static void
check_waiting(struct layout *l, const char *top)
{
	struct buf path = BUF_INIT(65536), word = BUF_INIT(4096);
	const char *services = config_str(l->c, "services");
	bool runs = false, any = false;
	const struct dirent *d;
	size_t at = 0;
	DIR *dir;

	while (maincf_word(services, &at, &word) == 1)
		runs |= strcmp(word.data, "pickup") == 0;
	buf_addf(&path, "%s/maildrop", top);
	dir = runs ? NULL : opendir(path.data);
	while (dir && !any && (d = readdir(dir)) != NULL)
		any = d->d_name[0] != '.';
	if (any)
		say(l, "warning: there is mail of users in %s, and services does not name pickup, which takes it", path.data);
	if (dir)
		closedir(dir);
	buf_free(&path);
	buf_free(&word);
}

/* A maillog_file that mail_owner may write, or a syslog. */
static void
check_log(struct layout *l)
{
	const char *path = config_str(l->c, "maillog_file");
	int fd;

	if (!*path) {
		if (access("/dev/log", F_OK) < 0 && errno == ENOENT)
			say(l, "warning: maillog_file is empty and there is no syslog (/dev/log): the log is lost");
		return;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	else if (fd >= 0)
		(void)!fchown(fd, l->uid, l->gid);
	if (fd < 0) {
		say(l, "error: open %s (maillog_file): %s", path, strerror(errno));
		l->errors++;
		return;
	}
	close(fd);
}

int
layout_check(struct config *c, bool fix, void (*warn)(const char *))
{
	static const struct { const char *name; mode_t mode; bool owned; } dirs[] = {
		{ "", 0755, false }, { "/incoming", 0700, true }, { "/active", 0700, true }, { "/deferred", 0700, true },
		{ "/hold", 0700, true }, { "/corrupt", 0700, true }, { "/defer", 0700, true }, { "/tmp", 0700, true },
		{ "/trash", 0700, true }, { "/state", 0755, true }, { "/maildrop", 03733, true },
		{ "/pid", 0755, false }, { "/public", 0755, false }, { "/private", 0700, true },
	};
	struct layout l = { .c = c, .fix = fix, .warn = warn };
	const char *top = config_str(c, "queue_directory");
	struct buf path = BUF_INIT(65536);

	if (*top != '/') {
		say(&l, "error: queue_directory: \"%s\" is no absolute path", top);
		return 1;
	}
	if (find_owner(&l) < 0)
		return l.errors;
	check_auth_user(&l);
	make_parents(&l, top);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		buf_clear(&path);
		buf_addf(&path, "%s%s", top, dirs[i].name);
		check_dir(&l, path.data, dirs[i].mode, dirs[i].owned);
	}
	if (l.errors == 0)
		check_reach(&l, top);
	check_waiting(&l, top);
	check_log(&l);
	buf_free(&path);
	return l.errors;
}

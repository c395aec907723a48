/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The sockets that main.cf names, made with the owners and modes that keep passwords and users apart, and handed on as
 * systemd hands sockets on (sd_listen_fds(3)). */
#include "base/clock.h"
#include "base/mem.h"
#include "sockets.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, FIRST_FD = 3 };

/* Whether somebody serves path; a socket file that nobody serves is removed. */
static bool
in_use(const char *path)
{
	struct buf where = BUF_INIT(4096), err = BUF_INIT(1024);
	struct stat st;
	int fd;

	buf_addf(&where, "unix:%s", path);
	fd = sock_connect(where.data, clock_deadline(2), &err);
	buf_free(&where);
	buf_free(&err);
	if (fd >= 0)
		close(fd);
	else if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	return fd >= 0;
}

/* Gives the socket that we just made at path to its owner. The directory belongs to users that we must not trust as root: what is
 * there now may be another file, or a link to one. */
static int
give(const char *path, uid_t uid, gid_t gid)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), r = -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		errno = EPERM;
		if (S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
			r = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	}
	close(fd);
	return r;
}

/* A listening socket at path, its file with this owner, and from the first moment with this mode. */
static int
make(const char *path, uid_t uid, gid_t gid, mode_t mode, struct buf *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, r;

	if (strlen(path) >= sizeof sun.sun_path) {
		buf_addf(err, "socket %s: the path is longer than %zu bytes", path, sizeof sun.sun_path - 1);
		return -1;
	}
	if (in_use(path)) {
		buf_addf(err, "socket %s: another process serves it", path);
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mask = umask(0777 & ~mode);
	r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sun, sizeof sun);
	umask(mask);
	if (r == 0 && geteuid() == 0)
		r = give(path, uid, gid);
	if (r == 0)
		r = listen(fd, BACKLOG);
	if (r == 0)
		return fd;
	buf_addf(err, "socket %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Who may connect to the sockets that check passwords: mail_owner and auth_group. */
static int
clients(struct config *c, uid_t *uid, gid_t *gid, struct buf *err)
{
	const char *owner = config_str(c, "mail_owner"), *group = config_str(c, "auth_group");
	const struct passwd *pw;
	const struct group *gr;

	*uid = geteuid();
	*gid = getegid();
	if (geteuid() != 0)
		return 0;
	pw = getpwnam(owner);
	if (!pw) {
		buf_addf(err, "mail_owner: no such user: %s", owner);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	gr = *group ? getgrnam(group) : NULL;
	if (*group && !gr) {
		buf_addf(err, "auth_group: no such group: %s", group);
		return -1;
	}
	if (gr)
		*gid = gr->gr_gid;
	return 0;
}

int
sockets_open(struct config *c, struct buf *err)
{
	static const struct { const char *name; mode_t mode; } sockets[] = {
		{ "auth_socket", 0660 }, { "saslauthd_socket", 0660 }, { "auth_master_socket", 0600 },
	};
	int fd[3], n = 0;
	char text[24];
	uid_t uid;
	gid_t gid;

	if (clients(c, &uid, &gid, err) < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		const char *path = config_str(c, sockets[i].name);
		bool own = sockets[i].mode == 0600;

		if (!*path)
			continue;
		fd[n] = make(path, own ? geteuid() : uid, own ? getegid() : gid, sockets[i].mode, err);
		if (fd[n] < 0)
			return -1;
		/* out of the way of the places that they will take */
		fd[n] = fcntl(fd[n], F_DUPFD_CLOEXEC, FIRST_FD + 8);
		n++;
	}
	for (int i = 0; i < n; i++)
		if (fd[i] < 0 || dup2(fd[i], FIRST_FD + i) < 0) {
			buf_addf(err, "sockets: %s", strerror(errno));
			return -1;
		}
	for (int i = 0; i < n; i++)
		close(fd[i]);
	snprintf(text, sizeof text, "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof text, "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

void
sockets_remove(struct config *c)
{
	static const char *const names[] = { "auth_socket", "saslauthd_socket", "auth_master_socket" };

	for (size_t i = 0; i < 3; i++)
		unlink(config_str(c, names[i]));
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What a confined process may not do, and that it still can do its work. */
#include "sys/sandbox.h"
#include "tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static bool landlocked;

/* Runs f in a confined child: true when it returns 0. */
static bool
confined(int (*f)(void))
{
	static const char *const writable[] = { "queue", "missing", NULL };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(sandbox_enter(writable) < 0 ? 99 : f() != 0);
	waitpid(pid, &status, 0);
	if (status)
		printf("# status %d\n", status);
	return status == 0;
}

static int
runs_programs(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno != EPERM;
}

static int
traces(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM;
}

static int
new_spaces(void)
{
	return unshare(CLONE_NEWUSER) == 0 || errno != EPERM;
}

static int
odd_sockets(void)
{
	if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT || socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0)
		return 1;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_INET6, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int
writable_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
		return 1;
	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || errno != EPERM;
}

static int
devices(void)
{
	return mkfifo("queue/fifo", 0600) == 0 || errno != EPERM;
}

static int
forks(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	return waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7;
}

static int
looks_up(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;

	return getaddrinfo("localhost", "25", &hints, &list);
}

static int
capable(void)
{
	/* of root's powers that would be to read another's file */
	return geteuid() == 0 && open("secret", O_RDONLY) >= 0;
}

static int
queues(void)
{
	int in = open("queue/incoming", O_RDONLY | O_DIRECTORY), tmp = open("queue/tmp", O_RDONLY | O_DIRECTORY), fd;
	char name[40];

	fd = file_temp(in, 0600, name);
	if (fd < 0 || file_write_all(fd, "x", 1) < 0 || file_link(fd, in, name, in, "one") < 0 || file_sync(fd, in) < 0)
		return 1;
	fd = openat(tmp, "named", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || file_link(fd, tmp, "named", in, "two") < 0)
		return 2;
	if (renameat(in, "one", tmp, "three") < 0 || unlinkat(tmp, "three", 0) < 0 || unlinkat(in, "two", 0) < 0)
		return 3;
	return ftruncate(fd, 0) < 0 || mkdir("queue/new", 0700) < 0 || rmdir("queue/new") < 0 || open("/dev/null", O_WRONLY) < 0;
}

static int
elsewhere(void)
{
	struct buf b = BUF_INIT(100);

	if (open("outside", O_WRONLY) >= 0 || errno != EACCES || open("new", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
		return 1;
	if (unlink("outside") == 0 || rename("outside", "queue/outside") == 0 || mkdir("directory", 0700) == 0 || truncate("outside", 0) == 0)
		return 2;
	return file_read(AT_FDCWD, "outside", &b) < 0 || strcmp(b.data, "kept") != 0;
}

static int
signals(void)
{
	return kill(getppid(), 0) == 0 || errno != EPERM;
}

static int
connects(void)
{
	struct buf err = BUF_INIT(200);

	return sock_connect("unix:socket", clock_deadline(5), &err) < 0;
}

int
main(void)
{
	static const struct { int (*f)(void); bool landlock; const char *name; } table[] = {
		{ runs_programs, false, "it cannot run a program" },
		{ traces, false, "nor trace a process" },
		{ new_spaces, false, "nor make name spaces" },
		{ odd_sockets, false, "nor open sockets but Unix and Internet ones" },
		{ writable_code, false, "nor have memory that is writable and executable" },
		{ devices, false, "nor make special files" },
		{ capable, false, "nor pass over permissions as root" },
		{ elsewhere, true, "nor change files outside its directories; it may read them" },
		{ signals, true, "nor send signals to others" },
		{ forks, false, "it can fork" },
		{ looks_up, false, "and look up names" },
		{ queues, false, "and write, link, move and remove files inside its directories" },
		{ connects, false, "and connect to local sockets" },
	};
	char dir[] = "/tmp/mtakit-sandbox.XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);

	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("queue", 0700) < 0 || mkdir("queue/incoming", 0700) < 0 || mkdir("queue/tmp", 0700) < 0)
		return 1;
	file_replace("outside", "kept", 4, 0600);
	file_replace("secret", "x", 1, 0600);
	if (geteuid() == 0 && chown("secret", 1, 1) < 0)
		return 1;
	bind(l, (struct sockaddr *)&sun, sizeof sun);
	listen(l, 5);
	/* Landlock of this kernel does what these need? 2: moves between directories, 6: signals */
	landlocked = syscall(444, NULL, 0, 1) >= 6;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].landlock && !landlocked)
			ok(true, "%s # SKIP this kernel has no Landlock for it", table[i].name);
		else
			ok(confined(table[i].f), "%s", table[i].name);
	for (const char *const *f = (const char *const[]){ "outside", "secret", "socket", NULL }; *f; f++)
		unlink(*f);
	rmdir("queue/tmp");
	rmdir("queue/incoming");
	ok(rmdir("queue") == 0 && chdir("/") == 0 && rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}

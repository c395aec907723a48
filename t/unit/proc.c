/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Child processes and command lines. */
#include "sys/proc.h"
#include "tap.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void
splitting(void)
{
	static const struct { const char *line; const char *words[6]; } table[] = {
		{ "", { NULL } },
		{ "  a\tb  c ", { "a", "b", "c" } },
		{ "mtasmtp -o {a=b c d} -l 25", { "mtasmtp", "-o", "a=b c d", "-l", "25" } },
		{ "x { padded } {}", { "x", "padded", "" } },
		{ "x {a {b c} d}", { "x", "a {b c} d" } },
		{ "x -a${user?with blanks}b ${recipient}", { "x", "-a${user?with blanks}b", "${recipient}" } },
		{ "x 'no quotes' $(none)", { "x", "'no", "quotes'", "$(none)" } },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		char **argv = proc_split(table[i].line);
		bool same = argv != NULL;
		int n = 0;

		for (; same && argv[n] && table[i].words[n]; n++)
			same = strcmp(argv[n], table[i].words[n]) == 0;
		ok(same && !argv[n] && !table[i].words[n], "\"%s\" is split into %d words", table[i].line, n);
		proc_free_argv(&argv);
	}
	ok(!proc_split("x {a b"), "a brace without its partner is refused");
	ok(!proc_split("x {a b}c"), "a word that goes on after its brace is refused");
}

/* Runs argv; its standard output goes to out, its exit status is returned. */
static int
run(struct proc p, struct buf *out)
{
	int pipe_out[2], status;
	char data[512];
	ssize_t n;
	pid_t pid;

	buf_clear(out);
	if (pipe2(pipe_out, O_CLOEXEC) < 0)
		return -1;
	p.in = p.err = -1;
	p.out = pipe_out[1];
	pid = proc_spawn(&p);
	close(pipe_out[1]);
	if (pid < 0)
		return -1;
	while ((n = read(pipe_out[0], data, sizeof data)) > 0)
		buf_add(out, data, (size_t)n);
	close(pipe_out[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define ARGV(...) ((char *const[]){ __VA_ARGS__, NULL })
#define SH(text) ARGV((char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)(text))
#define ONE(text) ARGV((char *)(uintptr_t)(text))

static void
spawning(void)
{
	struct buf out = BUF_INIT(65536);
	struct proc p = { .uid = (uid_t)-1 };

	setenv("SECRET", "x", 1);
	setenv("TZ", "UTC", 1);
	unsetenv("LANG");
	p.argv = SH("echo hello; exit 3");
	is_num(run(p, &out), 3, "a program's exit status comes back");
	is(out.data, "hello\n", "and its output");
	p.argv = ONE("env");
	is_num(run(p, &out), 0, "env runs");
	is(out.data, "PATH=/usr/local/bin:/usr/bin:/bin\nTZ=UTC\n", "a program's environment is clean");
	p.argv = SH("ls /proc/self/fd | wc -l");
	(void)open("/dev/null", O_RDONLY);
	run(p, &out);
	is_num(atoi(out.data), 4, "it has no descriptor but three (and the one ls opened)");
	p.argv = SH("pwd; read x || echo eof");
	p.dir = "/usr";
	run(p, &out);
	is(out.data, "/usr\neof\n", "it runs where it is told, with nothing to read");
	p.dir = "/nonexistent";
	errno = 0;
	ok(run(p, &out) == -1 && errno == ENOENT, "a missing directory is reported");
	p.dir = NULL;
	p.argv = ONE("/nonexistent/program");
	errno = 0;
	ok(run(p, &out) == -1 && errno == ENOENT, "a missing program is reported");
	p.argv = ONE("/etc/passwd");
	errno = 0;
	ok(run(p, &out) == -1 && errno == EACCES, "a file that is no program is reported");
	p.argv = ONE("no-such-program-anywhere");
	errno = 0;
	ok(run(p, &out) == -1 && errno == ENOENT, "a program that is in no directory is reported");
	ok(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no process is left behind");
	p.argv = SH("kill -9 $$");
	is_num(run(p, &out), 128 + 9, "a signal is seen as such");
	buf_free(&out);
}

static void
users(void)
{
	struct buf out = BUF_INIT(65536);
	struct proc p = { .uid = (uid_t)-1, .user = "nobody" };

	errno = 0;
	ok(proc_become("no-such-user", (uid_t)-1, 0) == -1 && errno == EINVAL, "an unknown user is refused");
	if (geteuid() != 0) {
		is_num(proc_become(NULL, geteuid(), getegid()), 0, "an ordinary user can stay itself");
		errno = 0;
		ok(proc_become(NULL, 0, 0) == -1 && errno == EPERM, "and become nobody else");
		return;
	}
	p.argv = SH("id -un; id -G | wc -w");
	is_num(run(p, &out), 0, "a program runs as another user");
	is(out.data, "nobody\n1\n", "with that user's groups only");
	p.user = NULL;
	p.uid = 12345;
	p.gid = 54321;
	p.argv = SH("id -u; id -G");
	run(p, &out);
	is(out.data, "12345\n54321\n", "or as a user without a name");
	buf_free(&out);
}

#ifndef __SANITIZE_ADDRESS__ /* with it there is no limit */
/* In a child: 1 when size bytes can be had. */
static int
fits(uint64_t limit, size_t size)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		char *p;

		if (proc_limit_memory(limit) < 0)
			_exit(2);
		p = malloc(size);
		if (p)
			memset(p, 1, size);
		_exit(p != NULL);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
memory(void)
{
	struct buf out = BUF_INIT(65536);
	struct proc p = { .uid = (uid_t)-1, .argv = SH("ulimit -d") };
	size_t had = 64 << 20;
	char *held = malloc(had), *before;

	memset(held, 1, had);
	is_num(fits(16 << 20, 8 << 20), 1, "memory within the limit, beyond the 64 MB that were there before");
	is_num(fits(16 << 20, 32 << 20), 0, "none beyond it");
	is_num(fits(0, 32 << 20), 1, "0 is no limit");
	is_num(fits(UINT64_MAX, 32 << 20), 1, "a limit that does not fit into a number is none");
	free(held);
	run(p, &out);
	before = buf_steal(&out);
	is_num(proc_limit_memory(512 << 20), 0, "a limit for this process");
	run(p, &out);
	is(out.data, before, "programs that it starts have the one from before");
	free(before);
	buf_free(&out);
}
#endif

int
main(void)
{
	splitting();
	spawning();
	users();
#ifndef __SANITIZE_ADDRESS__
	memory();
#endif
	return tap_done();
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What mtaconf(8) finds in main.cf, for a reload: no service complains of a name that none of them asks for. */
#include "mta.h"

#include "base/mem.h"
#include "base/msg.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
warn_lines(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	while (in && getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		msg_warn("%s", line);
	}
	free(line);
	if (in)
		fclose(in);
	else
		close(fd);
}

void
findings_warn(struct config *c)
{
	char *dir = mem_strdup(config_dir(c)), program[] = "mtaconf", letter[] = "-C", verb[] = "check";
	char *argv[] = { program, letter, dir, verb, NULL };
	struct proc p = { .argv = argv, .in = -1, .err = STDERR_FILENO, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0) {
		msg_warn("main.cf is not checked: pipe: %s", strerror(errno));
		free(dir);
		return;
	}
	p.out = pair[1];
	pid = proc_spawn(&p);
	if (pid < 0)
		msg_warn("main.cf is not checked: run %s: %s", program, strerror(errno));
	close(pair[1]);
	warn_lines(pair[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(dir);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The one-shot form of an agent: see oneshot.h. */
#include "mail/oneshot.h"

#include "base/mem.h"
#include "sys/file.h"
#include "syntax/address.h"
#include "syntax/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (64 * 1024 * 1024)   /* the arguments of a command are bounded by the kernel anyway */
#define CHUNK 65536

static const char *const opt_words[] = { "auth", "body", "client", "envid", "helo", "proto", "ret", "smtputf8" };
static const char *const set_words[] = { "home", "id", "mailbox", "nexthop", "transport", "user" };

void
oneshot_init(struct oneshot *o)
{
	*o = (struct oneshot){ .job = AGENT_JOB_INIT };
	buf_init(&o->opt, TEXT_MAX);
	buf_init(&o->set, TEXT_MAX);
	buf_init(&o->text, TEXT_MAX);
}

void
oneshot_free(struct oneshot *o)
{
	agent_job_free(&o->job);
	buf_free(&o->opt);
	buf_free(&o->set);
	buf_free(&o->text);
}

static bool
in_list(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

bool
oneshot_option(struct oneshot *o, const char *arg)
{
	const char *eq = strchr(arg, '=');
	char *name = mem_strndup(arg, eq ? (size_t)(eq - arg) : strlen(arg));
	struct buf *to = NULL;

	if (in_list(opt_words, sizeof opt_words / sizeof *opt_words, name))
		to = &o->opt;
	else if (in_list(set_words, sizeof set_words / sizeof *set_words, name))
		to = &o->set;
	if (to)
		envelope_param_add(to, name, eq ? eq + 1 : NULL);
	free(name);
	return to != NULL;
}

/* Appends "<canonical address>" to o->text. */
static int
add_address(struct oneshot *o, const char *text, unsigned flags, struct buf *err)
{
	struct address a;
	const char *why;
	int rc;

	address_init(&a);
	rc = address_parse(&a, text, strlen(text), flags | ADDRESS_UTF8, &why);
	if (rc < 0) {
		buf_addf(err, "bad address <%s>: %s", text, why);
	} else {
		buf_addc(&o->text, '<');
		address_format(&a, &o->text);
		buf_adds(&o->text, ">\n");
	}
	address_free(&a);
	return rc;
}

/* Copies what comes on in to an unnamed file. The file, or -1. */
static int
spool(int in, uint64_t *size, struct buf *err)
{
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char name[40] = "", *chunk;
	ssize_t n = -1;
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = -1;

	if (dirfd >= 0)
		out = file_temp(dirfd, 0600, name);
	if (out >= 0 && name[0])
		unlinkat(dirfd, name, 0);
	chunk = mem_alloc(CHUNK);
	for (*size = 0; out >= 0; *size += (uint64_t)n) {
		n = read(in, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0 || file_write_all(out, chunk, (size_t)n) < 0)
			break;
	}
	if (out < 0 || n != 0) {
		buf_addf(err, "copy the message to a file in %s: %s", dir, strerror(errno));
		if (out >= 0)
			close(out);
		out = -1;
	}
	free(chunk);
	if (dirfd >= 0)
		close(dirfd);
	return out;
}

static int
take_message(struct agent_job *j, int in, struct buf *err)
{
	struct stat st;
	off_t at = lseek(in, 0, SEEK_CUR);

	j->content = 0;
	if (fstat(in, &st) == 0 && S_ISREG(st.st_mode) && at >= 0) {
		j->content = (uint64_t)at;
		j->size = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
		j->fd = dup(in);
		if (j->fd < 0)
			buf_addf(err, "dup: %s", strerror(errno));
	} else {
		j->fd = spool(in, &j->size, err);
	}
	return j->fd < 0 ? -1 : 0;
}

int
oneshot_job(struct oneshot *o, const char *sender, char *const *rcpt, size_t rcpts, int in, struct buf *err, bool *usage)
{
	const char *why;
	size_t i;

	*usage = true;
	buf_adds(&o->text, "job 1\nsender ");
	if (add_address(o, sender, ADDRESS_NULL | ADDRESS_NODOMAIN, err) < 0)
		return -1;
	if (o->opt.len)
		buf_addf(&o->text, "opt%s\n", o->opt.data);
	if (o->set.len)
		buf_addf(&o->text, "set%s\n", o->set.data);
	for (i = 0; i < rcpts; i++) {
		buf_adds(&o->text, "rcpt ");
		if (add_address(o, rcpt[i], ADDRESS_NODOMAIN, err) < 0)
			return -1;
	}
	if (agent_job_parse(&o->job, o->text.data, o->text.len, &why) < 0) {
		buf_adds(err, why);
		return -1;
	}
	*usage = false;
	return take_message(&o->job, in, err);
}

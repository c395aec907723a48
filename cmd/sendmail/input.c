/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The message on standard input. All of it is read before anything is sent, so that a slow writer holds no
 * session open and the size is known; a body larger than a megabyte goes to an unlinked file, not to memory. */
#include "sendmail.h"

#include "mail/compose.h"
#include "sys/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
#define MEMORY_MAX (1 << 20)

/* Where in a line the last portion ended, for the line with a dot alone. */
enum { LINE_START, AFTER_DOT, IN_LINE, ENDED };

struct reader {
	struct input *in;
	int state;
	bool cr;
	bool fix;                 /* CRLF becomes LF */
	bool first;
	uint64_t limit;
	struct buf err;
};

static void
spool(struct input *in, const char *data, size_t n)
{
	const char *dir = getenv("TMPDIR");
	size_t room = MEMORY_MAX - in->memory_len, k = n < room ? n : room;
	char name[40];
	int at;

	if (in->spool < 0 && k > 0) {
		size_t need = in->memory_len + k, cap = need <= CHUNK ? CHUNK : MEMORY_MAX;

		if (in->memory_len == 0 || (in->memory_len <= CHUNK && need > CHUNK))
			in->memory = mem_resize(in->memory, cap, 1);
		memcpy(in->memory + in->memory_len, data, k);
		in->memory_len += k;
		data += k;
		n -= k;
	}
	if (n == 0)
		return;
	if (in->spool < 0) {
		at = open(dir && *dir == '/' ? dir : "/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
		in->spool = at < 0 ? -1 : file_temp(at, 0600, name);
		if (in->spool < 0)
			msg_die(EX_TEMPFAIL, "temporary file in %s: %s", dir && *dir == '/' ? dir : "/tmp", strerror(errno));
		if (*name)
			unlinkat(at, name, 0);
		close(at);
	}
	if (file_write_all(in->spool, data, n) < 0)
		msg_die(EX_TEMPFAIL, "write to temporary file: %s", strerror(errno));
}

static void
body(struct reader *r, const char *data, size_t n)
{
	struct input *in = r->in;

	if (n == 0)
		return;
	in->size += n;
	if (r->limit && in->size + compose_header(in->compose)->len > r->limit)
		msg_die(EX_DATAERR, "message larger than message_size_limit (%" PRIu64 " bytes)", r->limit);
	for (size_t i = 0; i < n && !in->eight_bit; i++)
		in->eight_bit = (data[i] & 0x80) != 0;
	in->last = data[n - 1];
	spool(in, data, n);
}

static void
take(struct reader *r, const char *data, size_t n, bool last)
{
	struct input *in = r->in;
	size_t used;
	int done;

	if (in->header_done) {
		body(r, data, n);
		return;
	}
	done = compose_feed(in->compose, data, n, last, &used, &r->err);
	if (done < 0)
		msg_die(EX_DATAERR, "%s", r->err.data);
	if (done) {
		const struct buf *h = compose_header(in->compose);

		in->header_done = true;
		for (size_t i = 0; i < h->len && !in->eight_bit; i++)
			in->eight_bit = (h->data[i] & 0x80) != 0;
		body(r, data + used, n - used);
	}
}

/* Passes on what stands before a line with a dot alone; finds it over any portions. */
static void
take_lines(struct reader *r, const char *data, size_t n)
{
	const char *p = data, *end = data + n, *start = data;

	while (p < end && r->state != ENDED) {
		if (r->state == AFTER_DOT) { /* that dot, perhaps of an earlier portion, has not been passed on */
			if (*p == '\n') {
				r->state = ENDED;
				return;
			}
			take(r, ".", 1, false);
			start = p;
			r->state = IN_LINE;
		}
		if (r->state == LINE_START && *p == '.') {
			take(r, start, (size_t)(p - start), false);
			start = ++p;
			r->state = AFTER_DOT;
			continue;
		}
		p = memchr(p, '\n', (size_t)(end - p));
		r->state = p ? LINE_START : IN_LINE;
		p = p ? p + 1 : end;
	}
	take(r, start, (size_t)(end - start), false);
}

/* sendmail_fix_line_endings = strict: what the first line ends in decides. */
static void
look_at_first(struct reader *r, const char *data, size_t n)
{
	const char *lf = memchr(data, '\n', n);

	if (r->first && lf) {
		r->fix = lf > data && lf[-1] == '\r';
		r->first = false;
	}
}

static void
start(struct input *in, struct job *j, struct reader *r)
{
	const char *endings = config_str(j->config, "sendmail_fix_line_endings");
	struct compose_settings s = {
		.recipients = j->from_header, .drop = config_str(j->config, "message_drop_headers"), .origin = j->origin,
		.max_rcpts = COMPOSE_RCPT_MAX, .host = config_str(j->config, "myhostname"), .now = time(NULL),
		.identity = who_identity, .identity_arg = j,
	};

	*in = (struct input){ .job = j, .spool = -1, .last = '\n' };
	in->compose = compose_new(&s);
	*r = (struct reader){ .in = in, .state = LINE_START, .limit = (uint64_t)config_size(j->config, "message_size_limit") };
	buf_init(&r->err, 4096);
	r->fix = strcmp(endings, "always") == 0;
	r->first = strcmp(endings, "strict") == 0;
}

void
input_read(struct input *in, struct job *j)
{
	static char raw[CHUNK], lines[CHUNK + 1];
	struct reader r;
	ssize_t n;

	start(in, j, &r);
	do {
		const char *data = raw;
		size_t len;

		n = read(STDIN_FILENO, raw, sizeof raw);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			msg_die(EX_IOERR, "read message from standard input: %s", strerror(errno));
		len = (size_t)n;
		look_at_first(&r, raw, len);
		if (r.fix) {
			len = compose_line_ends(&r.cr, raw, len, lines);
			data = lines;
		}
		if (j->dots)
			take(&r, data, len, false);
		else
			take_lines(&r, data, len);
	} while (n != 0 && r.state != ENDED);
	if (!in->header_done)
		take(&r, "", 0, true);
	if (in->last != '\n')
		body(&r, "\n", 1);
	buf_free(&r.err);
}

int
input_each(struct input *in, int (*f)(void *, const char *, size_t), void *arg)
{
	static char chunk[CHUNK];
	const struct buf *h = compose_header(in->compose);
	uint64_t done = in->memory_len;
	int r = f(arg, h->data, h->len);

	if (r == 0 && in->memory_len)
		r = f(arg, in->memory, in->memory_len);
	while (r == 0 && done < in->size) {
		ssize_t n = pread(in->spool, chunk, sizeof chunk, (off_t)(done - in->memory_len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			msg_die(EX_TEMPFAIL, "read from temporary file: %s", n ? strerror(errno) : "it is too short");
		r = f(arg, chunk, (size_t)n);
		done += (uint64_t)n;
	}
	return r;
}

void
input_free(struct input *in)
{
	compose_free(&in->compose);
	free(in->memory);
	if (in->spool >= 0)
		close(in->spool);
}

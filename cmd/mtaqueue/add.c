/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue add: puts a message from standard input into the queue as it is; into maildrop/, when the caller may not write the
 * queue. It is durable when its ID is printed. */
#include "mtaqueue.h"

#include "mail/compose.h"
#include "mail/dupfilter.h"
#include "mail/log.h"
#include "mail/userlist.h"
#include "syntax/header.h"

#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#define CHUNK 65536

struct adding {
	struct app *app;
	struct queue *queue;      /* the app's, or drop */
	struct queue drop;
	struct queue_envelope e;
	struct dupfilter named;
	const char *origin;
	bool from_header;         /* -t */
	bool hold;
	bool cr;                  /* of compose_line_ends */
	bool eof;
	char last;                /* byte of the content */
	struct header header;     /* for the Message-Id in the log */
	bool header_over;
	struct buf message_id;
	struct compose *compose;
	struct queue_writer *w;
	struct buf err;
	size_t n;                 /* bytes in data */
	char data[CHUNK + 1];
};

/* The next portion of standard input, with LF line ends, into a->data. */
static void
read_more(struct adding *a)
{
	static char raw[CHUNK];
	ssize_t n;

	do
		n = read(STDIN_FILENO, raw, sizeof raw);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		int saved = errno;

		queue_write_abort(&a->w);
		msg_die(EX_IOERR, "read message from standard input: %s", strerror(saved));
	}
	a->eof = n == 0;
	a->n = compose_line_ends(&a->cr, raw, (size_t)n, a->data);
}

static int
add_rcpt(void *arg, const char *addr)
{
	struct adding *a = arg;

	if (!dupfilter_again(&a->named, addr, ""))
		queue_envelope_rcpt(&a->e, addr, "");
	return 0;
}

static void
recipient_argument(struct adding *a, const char *text)
{
	if (compose_addresses(text, strlen(text), a->origin, add_rcpt, a, &a->err) < 0)
		msg_die(EX_USAGE, "recipient \"%s\": %s", text, a->err.data);
}

static void
sender_argument(struct adding *a, const char *text)
{
	struct buf out = BUF_INIT(4096);

	if (compose_address(text, a->origin, &out, &a->err) < 0)
		msg_die(EX_USAGE, "sender \"%s\": %s", text, a->err.data);
	free(a->e.sender);
	a->e.sender = buf_steal(&out);
}

static void
arguments(struct adding *a, int argc, char **argv)
{
	enum { OPT_HOLD = 1000 };
	static const struct option options[] = { { "hold", no_argument, NULL, OPT_HOLD }, { 0 } };
	int letter;

	optind = 0;
	while ((letter = getopt_long(argc, argv, "+:f:t", options, NULL)) != -1)
		switch (letter) {
		case 'f':
			sender_argument(a, optarg);
			break;
		case 't':
			a->from_header = true;
			break;
		case OPT_HOLD:
			a->hold = true;
			break;
		case ':':
			usage(a->app, "option -%c needs a value", optopt);
		default:
			usage(a->app, "unknown option %s", argv[optind - 1]);
		}
	if (!a->e.sender && !a->from_header && optind < argc)
		sender_argument(a, argv[optind++]);
	while (optind < argc)
		recipient_argument(a, argv[optind++]);
	if (!a->from_header && !a->e.rcpts)
		usage(a->app, a->e.sender ? "no recipients after the sender" : "no recipients");
}

/* -t: reads the header, which gives recipients and sender. Leaves in a->data what was read of the body. */
static void
read_header(struct adding *a)
{
	struct compose_settings s = {
		.recipients = true, .sender = !a->e.sender, .origin = a->origin, .max_rcpts = COMPOSE_RCPT_MAX,
		.drop = config_str(a->app->config, "message_drop_headers"),
	};
	size_t used = 0, n;
	char **rcpt;
	int r;

	a->compose = compose_new(&s);
	do {
		read_more(a);
		r = compose_feed(a->compose, a->data, a->n, a->eof, &used, &a->err);
	} while (r == 0);
	if (r < 0)
		msg_die(EX_DATAERR, "%s", a->err.data);
	a->n -= used;
	memmove(a->data, a->data + used, a->n);
	rcpt = compose_recipients(a->compose, &n);
	for (size_t i = 0; i < n; i++)
		add_rcpt(a, rcpt[i]);
	if (!a->e.rcpts)
		msg_die(EX_USAGE, "no recipients in the header (To, Cc, Bcc) nor as arguments");
	if (!a->e.sender && !compose_sender(a->compose))
		msg_die(EX_USAGE, "no sender in the header (Sender, From), nor with -f");
	if (!a->e.sender)
		a->e.sender = mem_strdup(compose_sender(a->compose));
}

static bool
eight_bit(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] & 0x80)
			return true;
	return false;
}

static void
check_space(struct adding *a)
{
	int64_t least = config_size(a->app->config, "queue_minfree");
	struct statvfs fs;

	if (least > 0 && fstatvfs(a->queue->top, &fs) == 0 && (int64_t)(fs.f_bavail * fs.f_frsize) < least)
		msg_die(EX_TEMPFAIL, "%s: less than queue_minfree (%" PRId64 " bytes) is free", a->queue->dir, least);
}

static void
look_at_header(struct adding *a, const char *data, size_t n)
{
	size_t at = 0;

	while (!a->header_over)
		switch (header_next(&a->header, data, n, &at, false)) {
		case HEADER_MORE:
			return;
		case HEADER_FIELD:
			if (header_is(&a->header, "Message-Id") && !a->message_id.len)
				header_unfold(a->header.value, a->header.value_len, &a->message_id);
			break;
		case HEADER_LONG:
			break;
		case HEADER_END:
			a->header_over = true;
			break;
		}
}

static void
put(struct adding *a, const char *data, size_t n)
{
	int64_t limit = config_size(a->app->config, "message_size_limit");

	if (n == 0)
		return;
	if (limit > 0 && queue_write_size(a->w) + n > (uint64_t)limit) {
		queue_write_abort(&a->w);
		msg_die(EX_DATAERR, "message larger than message_size_limit (%" PRId64 " bytes)", limit);
	}
	a->last = data[n - 1];
	look_at_header(a, data, n);
	queue_write(a->w, data, n); /* a failure shows at the commit */
}

static void
begin(struct adding *a)
{
	char from[60];

	snprintf(from, sizeof from, "proto=local uid=%ju", (uintmax_t)getuid());
	a->e.from = mem_strdup(from);
	if (eight_bit(a->data, a->n) || (a->compose && eight_bit(compose_header(a->compose)->data, compose_header(a->compose)->len)))
		a->e.opt = mem_strdup("body=8BITMIME");
	check_space(a);
	a->w = queue_write_begin(a->queue, &a->e, &a->err);
	if (!a->w)
		msg_die(errno == EINVAL ? EX_DATAERR : errno == EACCES ? EX_NOPERM : EX_TEMPFAIL, "%s", a->err.data);
}

/* The line of the log comes first, or the queue manager's would stand before it. */
static void
commit(struct adding *a, char id[QUEUE_ID_MAX + 1])
{
	bool drop = a->queue == &a->drop;

	if (!drop) { /* that is logged by pickup */
		log_open_command(a->app->config, "pickup");
		log_info("%s: uid=%ju from=<%s>", a->e.id, (uintmax_t)getuid(), a->e.sender);
		log_component("cleanup");
		log_info("%s: message-id=%s", a->e.id, a->message_id.data);
	}
	if (queue_write_commit(&a->w, drop ? QUEUE_MAILDROP : a->hold ? QUEUE_HOLD : QUEUE_INCOMING, id, &a->err) < 0) {
		int saved = errno;

		if (!drop)
			log_warn("%s: not queued: %s", a->e.id, a->err.data);
		msg_die(saved == EACCES ? EX_NOPERM : EX_TEMPFAIL, "%s", a->err.data);
	}
	if (!drop && strcmp(id, a->e.id) != 0) /* its name was taken: a clock was set back */
		log_info("%s: renamed to %s", a->e.id, id);
}

/* The queue, where the caller may write it; else maildrop/, if there is one. Asked beforehand: the message is read only once. */
static void
choose_queue(struct adding *a)
{
	struct userlist *s;

	a->queue = &a->app->queue;
	if (faccessat(a->queue->fd[QUEUE_INCOMING], ".", W_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES || a->hold)
		return;
	s = userlist_open(a->app->config, "authorized_submit_users", "submit mail", &a->err);
	if (s && userlist_allow(s, getuid(), &a->err) == 0)
		msg_die(EX_NOPERM, "%s", a->err.data);
	userlist_close(&s);
	buf_clear(&a->err);
	if (queue_drop_open(&a->drop, a->app->queue.dir, &a->err) == 0)
		a->queue = &a->drop;
	buf_clear(&a->err);
}

int
verb_add(struct app *app, int argc, char **argv)
{
	struct adding *a = mem_zalloc(sizeof *a);
	char id[QUEUE_ID_MAX + 1];

	a->app = app;
	buf_init(&a->err, 4096);
	a->last = '\n';
	header_init(&a->header, 65536);
	buf_init(&a->message_id, 65536);
	dupfilter_init(&a->named, (size_t)config_int(app->config, "duplicate_filter_limit"));
	a->origin = config_str(app->config, "myorigin");
	arguments(a, argc, argv);
	choose_queue(a);
	if (a->from_header)
		read_header(a);
	else
		read_more(a);
	begin(a);
	if (a->compose)
		put(a, compose_header(a->compose)->data, compose_header(a->compose)->len);
	for (put(a, a->data, a->n); !a->eof; put(a, a->data, a->n))
		read_more(a);
	if (a->last != '\n')
		put(a, "\n", 1);
	commit(a, id);
	if (puts(id) < 0 || fflush(stdout) != 0) { /* it is queued all the same */
		msg_warn("write to standard output: %s", strerror(errno));
		clearerr(stdout);
	}
	if (a->queue == &a->drop)
		queue_close(&a->drop);
	compose_free(&a->compose);
	queue_envelope_free(&a->e);
	dupfilter_free(&a->named);
	header_free(&a->header);
	buf_free(&a->message_id);
	buf_free(&a->err);
	free(a);
	return EX_OK;
}

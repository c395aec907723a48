/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Three ways into the mail system: the local submission socket, where the server knows who we are; when nobody answers
 * there, the queue itself, if the caller may write it; and else its directory maildrop/, where anybody may put a file down
 * and nobody but the queue's owner can find it. */
#include "sendmail.h"

#include "mail/compose.h"
#include "mail/log.h"
#include "mail/dupfilter.h"
#include "mail/queue.h"
#include "mail/submit.h"
#include "syntax/date.h"
#include "syntax/envelope.h"
#include "syntax/smtp.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#define SUBMIT_SECONDS 600        /* for the whole dialogue */

static bool
ascii(const char *s)
{
	for (; *s; s++)
		if (*s & 0x80)
			return false;
	return true;
}

static bool
needs_utf8(const struct job *j)
{
	bool plain = ascii(j->sender);

	for (size_t i = 0; i < j->rcpt.n && plain; i++)
		plain = ascii(j->rcpt.addr[i]);
	return !plain;
}

static bool
is_eight_bit(const struct job *j, const struct input *in)
{
	return j->body ? strcmp(j->body, "8BITMIME") == 0 : in->eight_bit;
}

static int
to_socket(void *arg, const char *data, size_t n)
{
	return submit_data(arg, data, n);
}

/* The exit status for a refusal (RFC 5321 4.2). */
static int
status_of(int code, bool recipient)
{
	if (code / 100 != 5)
		return EX_TEMPFAIL;
	if (recipient && (code == 550 || code == 551 || code == 553))
		return EX_NOUSER;
	return code == 552 || code == 554 ? EX_DATAERR : EX_UNAVAILABLE;
}

/* All recipients, in as many transactions as the server wants. -1: the connection failed before anything was sent; err. */
static int
transactions(struct job *j, struct input *in, struct submit *s, struct buf *err)
{
	struct submit_rcpt *rcpt = mem_array(j->rcpt.n, sizeof *rcpt);
	struct buf params = BUF_INIT(200), reply = BUF_INIT(8192), envid = BUF_INIT(8192);
	int status = EX_OK;

	if (j->envid)
		xtext_encode(j->envid, strlen(j->envid), &envid);

	if (j->notify)
		buf_addf(&params, "NOTIFY=%s", j->notify);
	for (size_t i = 0; i < j->rcpt.n; i++)
		rcpt[i] = (struct submit_rcpt){ j->rcpt.addr[i], params.data };
	for (size_t done = 0, taken = 0; done < j->rcpt.n && status == EX_OK; done += taken) {
		struct submit_message m = {
			.sender = j->sender, .rcpt = rcpt + done, .rcpts = j->rcpt.n - done, .ret = j->ret, .envid = j->envid ? envid.data : NULL,
			.size = in->size + compose_header(in->compose)->len, .eight_bit = is_eight_bit(j, in), .utf8 = needs_utf8(j),
		};

		if (submit_begin(s, &m, &taken, err) < 0) {
			status = submit_code(s) == 0 && done == 0 ? -1 : status_of(submit_code(s), submit_refused(s) >= 0);
		} else {
			input_each(in, to_socket, s);
			buf_clear(&reply);
			if (submit_end(s, &reply, err) < 0)
				status = status_of(submit_code(s), false);
			else if (j->verbose)
				msg_warn("%s", reply.data);
		}
		if (status > 0 && done > 0)
			buf_addf(err, " (%zu of %zu recipients were sent to)", done, j->rcpt.n);
	}
	free(rcpt);
	buf_free(&params);
	buf_free(&reply);
	buf_free(&envid);
	return status;
}

/* -1: there is no service; err says why. */
static int
by_socket(struct job *j, struct input *in, struct buf *err)
{
	struct buf path = BUF_INIT(8192);
	struct submit *s;
	int status = -1;

	buf_addf(&path, "%s/public/submit", config_str(j->config, "queue_directory"));
	s = submit_open(path.data, config_str(j->config, "myhostname"), clock_deadline(SUBMIT_SECONDS), err);
	if (s)
		status = transactions(j, in, s, err);
	if (status > 0)
		msg_warn("%s", err->data);
	submit_close(&s);
	buf_free(&path);
	return status;
}

static int
to_queue(void *arg, const char *data, size_t n)
{
	return queue_write(arg, data, n);
}

static void
envelope(struct job *j, struct input *in, struct queue_envelope *e)
{
	struct buf opt = BUF_INIT(8192), params = BUF_INIT(200), from = BUF_INIT(200);
	struct dupfilter named;

	dupfilter_init(&named, (size_t)config_int(j->config, "duplicate_filter_limit"));
	if (is_eight_bit(j, in))
		buf_adds(&opt, " body=8BITMIME");
	if (needs_utf8(j))
		buf_adds(&opt, " smtputf8");
	if (j->ret)
		buf_addf(&opt, " ret=%s", j->ret);
	if (j->envid)
		envelope_param_add(&opt, "envid", j->envid);
	if (j->notify)
		envelope_param_add(&params, "notify", j->notify);
	buf_addf(&from, "proto=local uid=%ju", (uintmax_t)getuid());
	*e = (struct queue_envelope){ .sender = mem_strdup(j->sender), .opt = buf_steal(&opt), .from = buf_steal(&from) };
	for (size_t i = 0; i < j->rcpt.n; i++)
		if (!dupfilter_again(&named, j->rcpt.addr[i], params.data))
			queue_envelope_rcpt(e, j->rcpt.addr[i], params.data);
	dupfilter_free(&named);
	buf_free(&params);
}

static void
check_space(struct job *j, struct queue *q)
{
	int64_t least = config_size(j->config, "queue_minfree");
	struct statvfs fs;

	if (least > 0 && fstatvfs(q->top, &fs) == 0 && (int64_t)(fs.f_bavail * fs.f_frsize) < least)
		msg_die(EX_TEMPFAIL, "%s: less than queue_minfree (%" PRId64 " bytes) is free", q->dir, least);
}

/* What pickup adds to a message from maildrop/. */
static void
put_received(struct job *j, const struct queue_envelope *e, struct queue_writer *w)
{
	struct buf received = BUF_INIT(8192);

	buf_addf(&received, "Received: by %s (%s, from userid %ju)\n\tid %s; ", config_str(j->config, "myhostname"),
	    config_str(j->config, "mail_name"), (uintmax_t)getuid(), e->id);
	date_format(e->time / 1000000, &received);
	buf_addc(&received, '\n');
	queue_write(w, received.data, received.len);
	buf_free(&received);
}

/* Before the commit: behind it the queue manager's lines would come first. In maildrop/ it is not logged: the users who come here
 * cannot all write the log, and what has a queue ID is logged by pickup. */
static void
log_arrival(const struct job *j, const struct input *in, const char *id)
{
	log_open_command(j->config, "pickup");
	log_info("%s: uid=%ju from=<%s>", id, (uintmax_t)getuid(), j->sender);
	log_component("cleanup");
	log_info("%s: message-id=%s", id, compose_message_id(in->compose));
}

static int
write_queue_file(struct job *j, struct input *in, struct queue *q, struct buf *err)
{
	char id[QUEUE_ID_MAX + 1];
	struct queue_envelope e;
	struct queue_writer *w;
	int r = -1, saved = 0;
	bool began;

	envelope(j, in, &e);
	w = queue_write_begin(q, &e, err);
	began = w != NULL;
	if (w) {
		if (!q->drop)
			put_received(j, &e, w);
		input_each(in, to_queue, w); /* a failure shows at the commit */
		if (!q->drop)
			log_arrival(j, in, e.id);
		r = queue_write_commit(&w, q->drop ? QUEUE_MAILDROP : QUEUE_INCOMING, id, err);
	}
	saved = errno;
	if (r < 0 && began && !q->drop)
		log_warn("%s: not queued: %s", e.id, err->data);
	if (r == 0 && !q->drop && strcmp(id, e.id) != 0) /* its name was taken: a clock was set back */
		log_info("%s: renamed to %s", e.id, id);
	if (r == 0 && j->verbose)
		msg_warn(q->drop ? "waits in maildrop as %s: the mail system is down" : "queued as %s", id);
	queue_envelope_free(&e);
	errno = saved;
	return r;
}

/* 0, a status with a message printed, or -1 with err: the caller may not write there. */
static int
by_queue(struct job *j, struct input *in, bool drop, struct buf *err)
{
	const char *dir = config_str(j->config, "queue_directory");
	struct queue q;
	int r, saved;

	if ((drop ? queue_drop_open(&q, dir, err) : queue_open(&q, dir, false, err)) < 0)
		return -1;
	check_space(j, &q);
	r = write_queue_file(j, in, &q, err);
	saved = errno;
	queue_close(&q);
	if (r < 0 && saved != EACCES && saved != EPERM && saved != EROFS) {
		msg_warn("%s", err->data);
		return saved == EINVAL ? EX_DATAERR : EX_TEMPFAIL;
	}
	return r;
}

int
deliver(struct job *j, struct input *in)
{
	struct buf no_socket = BUF_INIT(8192), no_queue = BUF_INIT(8192), no_drop = BUF_INIT(8192);
	int status = by_socket(j, in, &no_socket);

	if (status == -1)
		status = by_queue(j, in, false, &no_queue);
	if (status == -1)
		status = by_queue(j, in, true, &no_drop);
	if (status == -1) {
		msg_warn("the mail system cannot be reached; try again later (%s; %s; %s)", no_socket.data, no_queue.data, no_drop.data);
		status = EX_TEMPFAIL;
	}
	buf_free(&no_socket);
	buf_free(&no_queue);
	buf_free(&no_drop);
	return status;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue watch: follows the queue live, a line for each message that comes, is tried, waits, or goes. Linux only: inotify(7)
 * on the directories tells of every link, rename and unlink. */
#include "mtaqueue.h"
#include "print.h"
#include "watch.h"

#include "match.h"
#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/msg.h"
#include "base/num.h"
#include "base/strmap.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { OPT_FOR = 1000, SEEN_MAX = 100000 };

static int
option(void *arg, int letter, char *value)
{
	struct watching *w = arg;

	if (letter == 'j')
		w->json = true;
	else if (letter == OPT_FOR)
		return num_time(value, 's', &w->seconds);
	else
		return -1;
	return 0;
}

/* What an event in a queue means; NULL: nothing, the other end of a move is told of. */
static const char *
meaning(enum queue_name where, uint32_t mask)
{
	static const char *const came[QUEUE_NAMES] = { "arrived", "active", "deferred", "held", "corrupt", "deleted", "dropped" };

	if (where == QUEUE_MAILDROP) /* what pickup does next is told as an arrival */
		return mask & IN_CREATE ? came[where] : NULL;

	if (mask & (IN_CREATE | IN_MOVED_TO))
		return came[where];
	return mask & IN_DELETE ? "removed" : NULL;
}

void
watch_time(void)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[16];

	localtime_r(&now, &tm);
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	fputs(text, stdout);
}

/* The rest of a line about a message that is still there. */
static void
print_message(struct item *it)
{
	const struct queue_reason *why = NULL;
	char size[24];
	size_t i = 0;

	while (i < it->e.rcpts && it->e.rcpt[i].status != 'T')
		i++;
	if (i == it->e.rcpts)
		i = 0;
	printf(" from=<%s> size=%s to=<%s>", clean(it->e.sender), short_size(it->e.size, size), clean(it->e.rcpt[i].addr));
	if (it->e.todo > 1)
		printf(" (%zu recipients)", it->e.todo);
	if (it->where == QUEUE_DEFERRED && (why = item_reason(it, it->e.rcpt[i].addr)))
		printf(": %s %s", why->dsn, clean(why->text));
}

/* what happened to a message that cannot be looked at any more. */
static void
tell_gone(struct watching *w, enum queue_name where, const char *id, const char *what)
{
	if (w->json) {
		printf("{\"event\": \"%s\", \"time\": %" PRId64 ", \"message\": {\"queue_id\": \"%s\", \"queue_name\": \"%s\"}}\n",
		    what, clock_real() / 1000000, id, queue_names[where]);
		return;
	}
	watch_time();
	printf(" %s %s%s%s\n", id, what, *what == 'r' ? " from " : "", *what == 'r' ? queue_names[where] : "");
}

bool
watch_seen(const struct watching *w, const char *id)
{
	return strmap_get(w->seen, id) || strmap_get(w->seen_before, id);
}

/* Bounded, however long we watch. */
static void
remember(struct watching *w, const char *id)
{
	if (strmap_count(w->seen) >= SEEN_MAX) {
		strmap_free(&w->seen_before, NULL);
		w->seen_before = w->seen;
		w->seen = strmap_new();
	}
	strmap_set(w->seen, id, w);
}

void
watch_told(struct watching *w)
{
	w->over = w->s.limit && ++w->s.matched >= w->s.limit;
}

/* Whether it may be meant, as far as its name and place tell. */
static bool
may_match(const struct watching *w, enum queue_name where, const char *id)
{
	bool named = !w->s.ids.n;

	for (size_t i = 0; i < w->s.ids.n && !named; i++)
		named = strcmp(w->s.ids.text[i], id) == 0;
	return named && (!w->s.queues || (w->s.queues & 1u << where));
}

/* The message: when it has moved on already, from where it is now. */
static void
look_at(struct item *it, struct app *app, enum queue_name where, const char *id)
{
	int now;

	item_init(it, app, where, id);
	item_envelope(it);
	if (it->gone && (now = queue_find(&app->queue, id)) >= 0) {
		item_free(it);
		item_init(it, app, (enum queue_name)now, id);
		item_envelope(it);
	}
}

static void
tell(struct watching *w, enum queue_name where, const char *id, const char *what)
{
	bool removed = strcmp(what, "removed") == 0;
	struct item it;

	if (w->over || !may_match(w, where, id))
		return;
	item_init(&it, w->s.app, where, id);
	if (!removed)
		look_at(&it, w->s.app, where, id);
	if (removed || it.gone) {
		if (w->everything || watch_seen(w, id)) {
			tell_gone(w, where, id, what);
			watch_told(w);
		}
		item_free(&it);
		return;
	}
	if (match(&w->s, &it)) {
		if (!w->everything || w->s.queues)
			remember(w, id);
		if (w->json) {
			printf("{\"event\": \"%s\", \"time\": %" PRId64 ", \"message\": ", what, clock_real() / 1000000);
			print_json_object(&it);
			puts("}");
		} else {
			watch_time();
			printf(" %s %s", id, what);
			if (it.good)
				print_message(&it);
			putchar('\n');
		}
		watch_told(w);
	}
	item_free(&it);
}

static void
take_events(struct watching *w)
{
	char data[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(w->fd, data, sizeof data);

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		msg_die(EX_OSERR, "read events: %s", strerror(errno));
	for (char *p = data; n > 0 && p < data + n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)p;
		const char *what;

		p += sizeof *e + e->len;
		if (e->mask & IN_Q_OVERFLOW)
			msg_warn("too much happens at once: some of it is not told");
		for (int i = 0; i < QUEUE_NAMES; i++)
			if (e->wd == w->watch[i] && e->len && envelope_id_ok(e->name, strlen(e->name)) &&
			    (what = meaning((enum queue_name)i, e->mask)))
				tell(w, (enum queue_name)i, e->name, what);
	}
	check_output();
}

static void
start(struct watching *w, struct app *app)
{
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		msg_die(EX_OSERR, "inotify: %s", strerror(errno));
	for (int i = 0; i < QUEUE_NAMES; i++) {
		struct buf path = BUF_INIT(8192);

		w->watch[i] = -1;
		if (app->queue.fd[i] < 0)
			continue;
		buf_addf(&path, "%s/%s", app->queue.dir, queue_names[i]);
		w->watch[i] = inotify_add_watch(w->fd, path.data, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
		if (w->watch[i] < 0)
			msg_die(errno == EACCES ? EX_NOPERM : EX_OSERR, "watch %s: %s", path.data, strerror(errno));
		buf_free(&path);
	}
}

/* Nothing was asked of the messages themselves. */
static bool
watches_everything(struct selection s)
{
	s.all = false;
	s.queues = 0;
	return select_everything(&s);
}

int
verb_watch(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "for", required_argument, NULL, OPT_FOR }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct watching w = { .json = false };
	struct verb_options own = { "j", options, option, &w };
	struct buf err = BUF_INIT(4096);
	int64_t end;

	select_parse(&w.s, app, (1u << QUEUE_NAMES) - 1, argc, argv, &own);
	if (match_open(&w.s, &err) < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	w.everything = watches_everything(w.s);
	w.seen = strmap_new();
	w.seen_before = strmap_new();
	start(&w, app);
	w.results = results_open(&w);
	end = w.seconds ? clock_deadline(w.seconds) : CLOCK_NEVER;
	while (!w.over) {
		struct pollfd p = { .fd = w.fd, .events = POLLIN };
		int left = clock_left_ms(end);

		if (left == 0)
			break;
		if (poll(&p, 1, left < 0 || left > 1000 ? 1000 : left) > 0)
			take_events(&w);
		if (w.results)
			results_read(w.results);
		check_output();
	}
	results_close(w.results);
	strmap_free(&w.seen, NULL);
	strmap_free(&w.seen_before, NULL);
	close(w.fd);
	select_free(&w.s);
	return EX_OK;
}

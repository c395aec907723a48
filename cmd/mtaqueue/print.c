/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages in print: a table for people, Postfix's mailq for scripts that read that, a format of the caller's own. */
#include "pause.h"
#include "print.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RCPTS_SHOWN 5             /* in the table, unless all are asked for */

const char *
clean(const char *text)
{
	static struct buf kept[4];
	static unsigned turn;
	struct buf *b = &kept[turn++ % 4];

	b->max = SIZE_MAX / 2;
	if (!b->data)
		buf_init(b, b->max);
	buf_clear(b);
	buf_adds(b, text);
	msg_clean(b->data, b->len);
	return b->data;
}

const char *
short_time(int64_t seconds, char out[24])
{
	static const struct { int64_t above, unit; char letter; } units[] = {
		{ 2 * 86400, 86400, 'd' }, { 2 * 3600, 3600, 'h' }, { 2 * 60, 60, 'm' }, { 0, 1, 's' },
	};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (units[i].above && seconds < units[i].above)
		i++;
	snprintf(out, 24, "%" PRId64 "%c", seconds / units[i].unit, units[i].letter);
	return out;
}

const char *
short_size(uint64_t bytes, char out[24])
{
	static const char letters[] = "KMGTPE";
	double v = (double)bytes;
	int i = -1;

	while (v >= 1000 && i < 5) {
		v /= 1024;
		i++;
	}
	if (i < 0)
		snprintf(out, 24, "%" PRIu64, bytes);
	else
		snprintf(out, 24, v < 10 ? "%.1f%c" : "%.0f%c", v, letters[i]);
	return out;
}

static const char *
sender_text(struct item *it)
{
	return *it->e.sender ? clean(it->e.sender) : "<>";
}

void
print_heading(void)
{
	printf("%-17s  %-8s  %4s  %6s  %4s  %s\n", "ID", "QUEUE", "AGE", "SIZE", "NEXT", "SENDER AND RECIPIENTS");
}

static void
table_rcpts(struct item *it, bool verbose)
{
	size_t shown = 0, left = it->e.todo;
	const struct pause_rule *rule;

	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why;

		if (r->status != 'T')
			continue;
		if (!verbose && shown == RCPTS_SHOWN && left > 1) {
			printf("%49s... and %zu more (-v shows them)\n", "", left);
			return;
		}
		shown++;
		left--;
		why = item_reason(it, r->addr);
		printf("%49s%s", "", clean(r->addr));
		rule = pause_of(it->app, r->addr);
		if (rule)
			printf(": paused%s%s", *rule->reason ? ": " : "", clean(rule->reason));
		else if (why)
			printf(": %s %s", why->dsn, clean(why->text));
		putchar('\n');
	}
}

void
print_table(struct item *it, bool verbose, int64_t now)
{
	char age[24], size[24], next[24] = "-";
	int64_t when = item_next(it);

	item_envelope(it);
	if (when)
		short_time(when - now / 1000000, next);
	printf("%-17s  %-8s  %4s  %6s  %4s  ", it->id, queue_names[it->where],
	    short_time((now - item_arrival(it)) / 1000000, age), short_size(item_size(it), size), next);
	if (!it->good) {
		printf("(unreadable: %s)\n", clean(it->err.data));
		return;
	}
	printf("%s%s\n", sender_text(it), item_expire(it) ? " (to be returned)" : "");
	table_rcpts(it, verbose);
}

void
print_mailq_heading(void)
{
	printf("%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------");
}

void
print_mailq(struct item *it)
{
	const char *mark = item_expire(it) ? "#" : it->where == QUEUE_ACTIVE ? "*" : it->where == QUEUE_HOLD ? "!" : "";
	int width = 8 - (int)strlen(mark); /* the columns stay where Postfix has them */
	char stamp[40];
	time_t t = (time_t)(item_arrival(it) / 1000000);
	const char *last = NULL;
	struct tm tm;

	if (!item_envelope(it))
		return;
	localtime_r(&t, &tm);
	strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S", &tm);
	printf("%-17s%s %*" PRIu64 " %19.19s %s\n", it->id, mark, width, it->e.size, stamp,
	    *it->e.sender ? clean(it->e.sender) : "MAILER-DAEMON");
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why = r->status == 'T' ? item_reason(it, r->addr) : NULL;

		if (r->status != 'T')
			continue;
		if (why && (!last || strcmp(last, why->text) != 0)) {
			last = why->text;
			printf("%*s(%s)\n", (int)(strlen(last) < 76 ? 76 - strlen(last) : 0), "", clean(last));
		}
		printf("%-17s %8s %-19s %s\n", "", "", "", clean(r->addr));
	}
	putchar('\n');
}

/* The recipients that wait, or their domains, with commas between. */
static void
format_rcpts(struct item *it)
{
	bool any = false;

	for (size_t i = 0; i < it->e.rcpts; i++)
		if (it->e.rcpt[i].status == 'T') {
			printf("%s%s", any ? "," : "", clean(it->e.rcpt[i].addr));
			any = true;
		}
}

static void
format_reason(struct item *it)
{
	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_reason *why = it->e.rcpt[i].status == 'T' ? item_reason(it, it->e.rcpt[i].addr) : NULL;

		if (why) {
			printf("%s %s", why->dsn, clean(why->text));
			return;
		}
	}
}

static void
format_from(struct item *it, const char *name)
{
	struct buf value = BUF_INIT(8192);

	if (item_from(it, name, &value))
		fputs(clean(value.data), stdout);
	buf_free(&value);
}

static void
format_time(int64_t t)
{
	char stamp[40];
	time_t unix_time = (time_t)t;
	struct tm tm;

	localtime_r(&unix_time, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S%z", &tm);
	fputs(stamp, stdout);
}

static void
format_letter(struct item *it, char letter, int64_t now)
{
	int64_t arrival = item_arrival(it) / 1000000;
	bool good = item_envelope(it);
	char text[24];

	switch (letter) {
	case 'i': fputs(it->id, stdout); break;
	case 'q': fputs(queue_names[it->where], stdout); break;
	case 'a': fputs(short_time(now / 1000000 - arrival, text), stdout); break;
	case 'A': printf("%" PRId64, now / 1000000 - arrival); break;
	case 't': format_time(arrival); break;
	case 'T': printf("%" PRId64, arrival); break;
	case 's': printf("%" PRIu64, item_size(it)); break;
	case 'S': fputs(short_size(item_size(it), text), stdout); break;
	case 'n': fputs(item_next(it) ? short_time(item_next(it) - now / 1000000, text) : "-", stdout); break;
	case 'N': printf("%" PRId64, item_next(it)); break;
	case 'f': fputs(good ? sender_text(it) : "?", stdout); break;
	case 'r': if (good) format_rcpts(it); break;
	case 'R': printf("%zu", good ? it->e.todo : 0); break;
	case 'd': if (good) format_reason(it); break;
	case 'c': format_from(it, "client"); break;
	case 'u': format_from(it, "uid"); break;
	case '%': putchar('%'); break;
	default: printf("%%%c", letter);
	}
}

void
print_format(struct item *it, const char *format, int64_t now)
{
	for (const char *p = format; *p; p++) {
		if (*p == '%' && p[1])
			format_letter(it, *++p, now);
		else if (*p == '\\' && p[1] == 't')
			putchar('\t'), p++;
		else if (*p == '\\' && p[1] == 'n')
			putchar('\n'), p++;
		else
			putchar(*p);
	}
	putchar('\n');
}

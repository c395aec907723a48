/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Messages in print: a table for people, Postfix's mailq for scripts that read that, a format of the caller's own. */
#include "pause.h"
#include "print.h"
#include "showq.h"

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

/* The next character of UTF-8 text; a byte that begins none counts as one. */
static uint32_t
next_char(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
	uint32_t c = more == 3 ? *p & 7 : more == 2 ? *p & 15 : more == 1 ? *p & 31 : *p;

	for (p++; more > 0 && (*p & 0xc0) == 0x80; more--)
		c = c << 6 | (*p++ & 63);
	*text = (const char *)p;
	return c;
}

int
text_columns(const char *text)
{
	/* what combines with the character before, and what is twice as wide as others (Unicode TR 11), in large strokes */
	static const struct { uint32_t from, to; int columns; } odd[] = {
		{ 0x300, 0x36f, 0 }, { 0x1100, 0x115f, 2 }, { 0x200b, 0x200f, 0 }, { 0x2e80, 0xa4cf, 2 }, { 0xac00, 0xd7a3, 2 },
		{ 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 },
		{ 0x1f300, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	};
	int columns = 0;

	while (*text) {
		uint32_t c = next_char(&text);
		int n = 1;

		for (size_t i = 0; c >= odd[0].from && i < sizeof odd / sizeof odd[0]; i++)
			if (c >= odd[i].from && c <= odd[i].to)
				n = odd[i].columns;
		columns += n;
	}
	return columns;
}

void
print_spaces(int n)
{
	printf("%*s", n > 0 ? n : 0, "");
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

/* The column where recipients begin: under the sender, or further left where that leaves no room. */
static int
table_indent(int terminal)
{
	return terminal == 0 || terminal >= 120 ? 49 : 19;
}

/* A recipient's line; on a terminal what is longer goes on below, between words. */
static void
table_line(const char *text, int terminal)
{
	int indent = table_indent(terminal), room = terminal - indent, used = 0;

	print_spaces(indent);
	while (*text) {
		size_t n = strcspn(text, " ");
		const char *rest = text + n;
		char *word = mem_strndup(text, n);
		int columns = text_columns(word);

		if (room > 0 && used > 0 && used + 1 + columns > room) {
			putchar('\n');
			print_spaces(indent + 2);
			used = 2;
		} else if (used > 0) {
			putchar(' ');
			used++;
		}
		fputs(word, stdout);
		used += columns;
		free(word);
		text = rest + (*rest == ' ');
	}
	putchar('\n');
}

static void
table_rcpts(struct item *it, bool verbose)
{
	size_t shown = 0, left = it->e.todo;
	int terminal = terminal_width(it->app);
	struct buf line = BUF_INIT(SIZE_MAX / 2);
	const struct pause_rule *rule;

	for (size_t i = 0; i < it->e.rcpts; i++) {
		const struct queue_rcpt *r = &it->e.rcpt[i];
		const struct queue_reason *why;

		if (r->status != 'T')
			continue;
		if (!verbose && shown == RCPTS_SHOWN && left > 1) {
			print_spaces(table_indent(terminal));
			printf("... and %zu more (-v shows them)\n", left);
			break;
		}
		shown++;
		left--;
		why = item_reason(it, r->addr);
		rule = pause_of(it, r->addr);
		buf_clear(&line);
		buf_adds(&line, clean(r->addr));
		if (rule)
			buf_addf(&line, ": paused%s%s", *rule->reason ? ": " : "", clean(rule->reason));
		else if (why)
			buf_addf(&line, ": %s %s", why->dsn, clean(why->text));
		table_line(line.data, terminal);
	}
	buf_free(&line);
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

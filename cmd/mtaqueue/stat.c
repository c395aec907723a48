/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue stat: how much there is, in each queue or by what the messages have in common, with their ages (what
 * Postfix's qshape shows, and more); for people, as JSON lines, or as metrics for Prometheus. One pass over the queue;
 * memory for each different key, not for each message. */
#include "group.h"
#include "metrics.h"
#include "pause.h"
#include "print.h"
#include "showq.h"

#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Columns of the table: the four numbers, the classes of age, and what a bar needs to be one. */
enum { NUMBERS = 33, AGES = 7 * GROUP_AGES, BAR_MIN = 8 };

enum { OPT_BY = 1000, OPT_TOP, OPT_PROMETHEUS };

static const int64_t age_limits[GROUP_AGES] = { 300, 1200, 3600, 6 * 3600, 86400, 3 * 86400, INT64_MAX };
static const char *const age_names[GROUP_AGES] = { "<5m", "<20m", "<1h", "<6h", "<1d", "<3d", "older" };

struct stats {
	struct groups groups;
	bool json, prometheus;
	uint64_t top;
	int64_t now;
};

static int
option(void *arg, int letter, char *value)
{
	struct stats *s = arg;

	switch (letter) {
	case 'j':
		s->json = true;
		return 0;
	case OPT_PROMETHEUS:
		s->prometheus = true;
		return 0;
	case OPT_TOP:
		return num_u64(value, UINT32_MAX, &s->top);
	case OPT_BY:
		if (groups_by(&s->groups, value) == 0)
			return 0;
		usage(s->groups.s->app, "--by: \"%s\" is not one of %s", value, groups_keys());
	}
	return -1;
}

static int
count(void *arg, struct item *it)
{
	struct stats *s = arg;
	int64_t age = (s->now - item_arrival(it)) / 1000000;
	int slot = 0;

	if (age < 0)
		age = 0;
	while (age >= age_limits[slot])
		slot++;
	if (!item_envelope(it) && it->gone)
		return 0;
	groups_count(&s->groups, it, age, slot);
	return 0;
}

/* What the table looks like: columns for the key, whether there are classes of age, columns for bars. */
struct layout { int terminal, width, room; bool ages; };

static void
print_bar(uint64_t part, uint64_t whole, int room)
{
	int n = whole && room > 0 ? (int)((double)part / (double)whole * room + 0.5) : 0;

	if (n > 0)
		fputs("  ", stdout);
	while (n-- > 0)
		putchar('#');
}

static void
print_row(const struct group *g, const struct layout *l, uint64_t most)
{
	const char *key = clean(g->key);
	char size[24], oldest[24];
	int columns = text_columns(key);

	fputs(key, stdout);
	if (columns > l->width && l->terminal) { /* the numbers stay in their columns */
		putchar('\n');
		columns = 0;
	}
	print_spaces(l->width - columns);
	printf(" %8" PRIu64 " %8" PRIu64 " %7s %6s", g->messages, g->rcpts, short_size(g->bytes, size),
	    g->messages ? short_time(g->oldest, oldest) : "-");
	for (int i = 0; l->ages && i < GROUP_AGES; i++)
		printf(" %6" PRIu64, g->age[i]);
	print_bar(g->messages, most, l->room);
	putchar('\n');
}

/* On a terminal where there is no room for both, bars are shown and not the classes of age. */
static void
lay_out(struct layout *l, const struct groups *groups, struct group **list, size_t n)
{
	int terminal = terminal_width(groups->s->app), most = terminal && terminal < 120 ? terminal / 3 : terminal ? 60 : 100;

	*l = (struct layout){ .terminal = terminal, .width = 8, .ages = groups->by != GROUP_QUEUE && groups->by != GROUP_AGE };
	if (text_columns(group_heading(groups)) > l->width)
		l->width = text_columns(group_heading(groups));
	for (size_t i = 0; i < n; i++) {
		int columns = text_columns(clean(list[i]->key));

		if (columns > l->width)
			l->width = columns < most ? columns : most;
	}
	l->room = terminal - l->width - NUMBERS - 2;
	if (l->ages && terminal && l->room < AGES + BAR_MIN)
		l->ages = false;
	if (l->ages)
		l->room -= AGES;
}

static void
print_text(struct stats *s, struct group **list, size_t n, const struct group *total)
{
	size_t shown = s->top && s->top < n ? (size_t)s->top : n;
	uint64_t most = 0;
	struct layout l;

	lay_out(&l, &s->groups, list, shown);
	for (size_t i = 0; i < shown; i++)
		most = list[i]->messages > most ? list[i]->messages : most;
	printf("%-*s %8s %8s %7s %6s", l.width, group_heading(&s->groups), "MESSAGES", "RCPTS", "BYTES", "OLDEST");
	for (int i = 0; l.ages && i < GROUP_AGES; i++)
		printf(" %6s", age_names[i]);
	putchar('\n');
	for (size_t i = 0; i < shown; i++)
		print_row(list[i], &l, most);
	if (shown < n)
		printf("... and %zu more (--top)\n", n - shown);
	print_row(total, &l, 0);
}

static void
print_json_rows(struct stats *s, struct group **list, size_t n)
{
	for (size_t i = 0; i < n && !(s->top && i >= s->top); i++) {
		const struct group *g = list[i];

		printf("{\"%s\": ", group_name(&s->groups));
		json_string(g->key);
		printf(", \"messages\": %" PRIu64 ", \"recipients\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"oldest\": %" PRId64 ", \"ages\": {",
		    g->messages, g->rcpts, g->bytes, g->oldest);
		for (int k = 0; k < GROUP_AGES; k++)
			printf("%s\"%s\": %" PRIu64, k ? ", " : "", age_names[k], g->age[k]);
		puts("}}");
	}
}

/* https://prometheus.io/docs/instrumenting/exposition_formats/: the text format. */
static void
print_prometheus(struct group **list, size_t n)
{
	static const struct { const char *name, *help; } rows[] = {
		{ "mta_queue_messages", "Messages in the queue." },
		{ "mta_queue_recipients", "Recipients that wait." },
		{ "mta_queue_bytes", "Size of their content." },
		{ "mta_queue_oldest_seconds", "Age of the oldest message." },
	};

	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		metrics_family(rows[k].name, "gauge", rows[k].help);
		for (size_t i = 0; i < n; i++) {
			const struct group *g = list[i];
			uint64_t values[] = { g->messages, g->rcpts, g->bytes, (uint64_t)g->oldest };

			printf("%s{queue=", rows[k].name);
			metrics_label(g->key);
			printf("} %" PRIu64 "\n", values[k]);
		}
	}
}

/* Deferred recipients by the class of the reason ("4.4.1"), as a metric too. */
static void
print_prometheus_reasons(struct groups *g)
{
	size_t n;
	struct group **list = groups_sorted(g, &n);

	metrics_family("mta_queue_deferred_recipients", "gauge", "Recipients in deferred by the status code of the last attempt.");
	for (size_t i = 0; i < n; i++) {
		fputs("mta_queue_deferred_recipients{status=", stdout);
		metrics_label(list[i]->key);
		printf("} %" PRIu64 "\n", list[i]->rcpts);
	}
	free(list);
}

struct prometheus { struct stats *s; struct groups reasons; };

static int
count_twice(void *arg, struct item *it)
{
	struct prometheus *p = arg;

	item_envelope(it);
	if (it->gone)
		return 0;
	count(p->s, it);
	if (it->where == QUEUE_DEFERRED && it->good)
		groups_count(&p->reasons, it, 0, 0);
	return 0;
}

static int
run_prometheus(struct stats *s, struct selection *sel)
{
	struct prometheus p = { .s = s };
	size_t n;
	struct group **list;
	int status;

	groups_init(&p.reasons, sel, age_names);
	groups_by(&p.reasons, "status");
	groups_by(&s->groups, "queue");
	groups_open(&s->groups);
	status = select_run(sel, count_twice, &p);
	list = groups_sorted(&s->groups, &n);
	print_prometheus(list, n);
	print_prometheus_reasons(&p.reasons);
	metrics_deliveries(sel->app);
	free(list);
	groups_free(&p.reasons);
	return status == EX_NOINPUT ? EX_OK : status;
}

int
verb_stat(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "by", required_argument, NULL, OPT_BY }, { "top", required_argument, NULL, OPT_TOP },
		{ "prometheus", no_argument, NULL, OPT_PROMETHEUS }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct stats s = { .json = false };
	struct verb_options own = { "j", options, option, &s };
	struct selection sel;
	struct group **list;
	bool everything;
	int status;
	size_t n;

	groups_init(&s.groups, &sel, age_names);
	select_parse(&sel, app, (1u << QUEUE_NAMES) - 1 - (1u << QUEUE_TRASH), argc, argv, &own);
	if (ask_needed(app, false)) {
		status = ask(app, &sel, argc, argv);
		groups_free(&s.groups);
		select_free(&sel);
		return status;
	}
	everything = select_everything(&sel);
	s.now = sel.now;
	if (s.prometheus) {
		status = run_prometheus(&s, &sel);
	} else {
		groups_open(&s.groups);
		status = select_run(&sel, count, &s);
		list = groups_sorted(&s.groups, &n);
		if (s.json)
			print_json_rows(&s, list, n);
		else
			print_text(&s, list, n, groups_total(&s.groups));
		if (!s.json)
			pause_print(app);
		free(list);
	}
	groups_free(&s.groups);
	select_free(&sel);
	return status == EX_NOINPUT && everything ? EX_OK : status;
}

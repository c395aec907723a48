/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The selection language: its options, and the walk through the queue. Messages are looked at one by one as
 * the directory gives them; nothing is kept of them unless they have to be sorted. */
#include "select.h"

#include "match.h"
#include "showq.h"
#include "mail/route.h"
#include "syntax/envelope.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { OPT_QUEUE = 256 + SELECT_KINDS, OPT_AGE, OPT_SIZE, OPT_LIMIT, OPT_SORT, OPT_REVERSE, OPT_ALL };

static const struct option select_options[] = {
	{ "from", required_argument, NULL, 256 + SELECT_FROM },
	{ "to", required_argument, NULL, 256 + SELECT_TO },
	{ "domain", required_argument, NULL, 256 + SELECT_DOMAIN },
	{ "nexthop", required_argument, NULL, 256 + SELECT_NEXTHOP },
	{ "transport", required_argument, NULL, 256 + SELECT_TRANSPORT },
	{ "reason", required_argument, NULL, 256 + SELECT_REASON },
	{ "client", required_argument, NULL, 256 + SELECT_CLIENT },
	{ "uid", required_argument, NULL, 256 + SELECT_UID },
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "age", required_argument, NULL, OPT_AGE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "sort", required_argument, NULL, OPT_SORT },
	{ "reverse", no_argument, NULL, OPT_REVERSE },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "dry-run", no_argument, NULL, 'n' },
};

static void
add_pattern(struct patterns *p, const char *text)
{
	p->text = mem_resize(p->text, p->n + 1, sizeof *p->text);
	p->text[p->n++] = mem_strdup(text);
}

static void
add_queues(struct selection *s, const char *names)
{
	char *copy = mem_strdup(names), *save = NULL;

	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		int i = 0;

		while (i < QUEUE_NAMES && strcmp(w, queue_names[i]) != 0)
			i++;
		if (i == QUEUE_NAMES && strcmp(w, "all") != 0)
			usage(s->app, "no queue \"%s\": incoming, active, deferred, hold, corrupt, trash, maildrop or all", w);
		s->queues |= i < QUEUE_NAMES ? 1u << i : (1u << QUEUE_NAMES) - 1;
	}
	free(copy);
}

static void
add_comparison(struct selection *s, struct comparisons *list, const char *text, bool time)
{
	static const struct { const char *text; char op; bool equal; } ops[] = { /* the longer ones first */
		{ "<=", '<', true }, { ">=", '>', true }, { "<", '<', false }, { ">", '>', false }, { "=", '=', true }, { "", '>', true },
	};
	struct comparison c;
	int64_t seconds = 0;
	size_t i = 0, n;
	int r;

	while (strncmp(text, ops[i].text, strlen(ops[i].text)) != 0)
		i++;
	n = strlen(ops[i].text);
	n += strspn(text + n, " ");
	c = (struct comparison){ ops[i].op, ops[i].equal, 0 };
	r = time ? num_time(text + n, 's', &seconds) : num_size(text + n, &c.value);
	if (time)
		c.value = (uint64_t)seconds;
	if (r < 0)
		usage(s->app, time ? "not a comparison of times: \"%s\" (such as '>2h', '<=30m', 1d)" :
		    "not a comparison of sizes: \"%s\" (such as '>10k', '<1M')", text);
	list->c = mem_resize(list->c, list->n + 1, sizeof *list->c);
	list->c[list->n++] = c;
}

/* By number, which is what messages have. A name mistyped would select nothing and look like an answer. */
static void
add_uid(struct selection *s, const char *user)
{
	char number[24];
	const struct passwd *pw;
	uint64_t uid;

	if (num_u64(user, UINT32_MAX, &uid) < 0) {
		pw = getpwnam(user);
		if (!pw)
			usage(s->app, "--uid: no user \"%s\"", user);
		uid = pw->pw_uid;
	}
	snprintf(number, sizeof number, "%" PRIu64, uid);
	add_pattern(&s->pattern[SELECT_UID], number);
}

static void
select_option(struct selection *s, int letter, char *value)
{
	switch (letter) {
	case OPT_QUEUE:
		add_queues(s, value);
		break;
	case OPT_AGE:
		add_comparison(s, &s->age, value, true);
		break;
	case OPT_SIZE:
		add_comparison(s, &s->size, value, false);
		break;
	case OPT_LIMIT:
		if (num_u64(value, UINT64_MAX, &s->limit) < 0 || !s->limit)
			usage(s->app, "--limit: not a number of messages: \"%s\"", value);
		break;
	case OPT_SORT:
		s->sort = match_sort_key(value);
		if (!s->sort)
			usage(s->app, "--sort: \"%s\" is not one of age, size, sender, domain, next, queue", value);
		break;
	case OPT_REVERSE:
		s->reverse = true;
		break;
	case OPT_ALL:
		s->all = true;
		break;
	case 'n':
		s->dry = true;
		break;
	case 256 + SELECT_UID:
		add_uid(s, value);
		break;
	default:
		add_pattern(&s->pattern[letter - 256], value);
	}
}

static void
add_id(struct selection *s, char *id)
{
	if (strcmp(id, "ALL") == 0)
		s->all = true;
	else if (s->lenient && !envelope_id_ok(id, strlen(id)))
		msg_warn("warning: invalid mail queue id: %s", id);
	else if (!envelope_id_ok(id, strlen(id)))
		usage(s->app, "not a queue ID: \"%s\"", id);
	else
		add_pattern(&s->ids, id);
}

/* "-": IDs from standard input, the first word of each line; in the server, those that the client has read. */
static void
add_stdin(struct selection *s)
{
	const struct guest *guest = s->app->guest;
	char *line = NULL;
	size_t cap = 0;

	s->listed = true;
	for (size_t i = 0; guest && i < guest->request->ids; i++)
		add_id(s, guest->request->id[i]);
	while (!guest && getline(&line, &cap, stdin) > 0) {
		line[strcspn(line, " \t\r\n*!#")] = '\0';
		if (!*line)
			continue;
		add_id(s, line);
		add_pattern(&s->given, line);
	}
	free(line);
}

void
select_init(struct selection *s, struct app *app, unsigned queues)
{
	*s = (struct selection){ .app = app, .all_queues = queues, .now = clock_real() };
}

void
select_add(struct selection *s, char *id)
{
	if (strcmp(id, "-") == 0)
		add_stdin(s);
	else
		add_id(s, id);
}

void
select_add_pattern(struct selection *s, enum select_kind kind, const char *pattern)
{
	add_pattern(&s->pattern[kind], pattern);
}

/* All long options in one table: the verb's own and those of the selection. */
static struct option *
all_options(const struct verb_options *own)
{
	size_t n = sizeof select_options / sizeof select_options[0], more = 0;
	struct option *all;

	while (own->more && own->more[more].name)
		more++;
	all = mem_array(n + more + 1, sizeof *all);
	memcpy(all, select_options, sizeof select_options);
	if (more)
		memcpy(all + n, own->more, more * sizeof *all);
	return all;
}

static const char *
option_name(const struct option *all, int letter)
{
	while (all->name && all->val != letter)
		all++;
	return all->name ? all->name : "";
}

void
select_parse(struct selection *s, struct app *app, unsigned queues, int argc, char **argv, const struct verb_options *own)
{
	struct option *all = all_options(own);
	char letters[40];
	int letter;

	select_init(s, app, queues);
	snprintf(letters, sizeof letters, ":n%s", own->letters);
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, all, NULL)) != -1) {
		if (letter == ':')
			usage(app, "option %s needs a value", argv[optind - 1]);
		else if (letter == '?')
			usage(app, optopt && optopt < 256 ? "unknown option -%c" : "unknown option %.0i%s",
			    optopt, argv[optind - 1]);
		else if (letter == 'n' || (letter >= 256 && letter < 1000))
			select_option(s, letter, optarg);
		else if (own->option(own->arg, letter, optarg) < 0)
			usage(app, "option --%s cannot be \"%s\"", option_name(all, letter), optarg ? optarg : "");
	}
	for (int i = optind; i < argc; i++)
		select_add(s, argv[i]);
	free(all);
}

void
select_only(struct selection *s, unsigned queues)
{
	if (s->queues && !(s->queues & queues)) {
		msg_warn("%s is not for messages that are there", s->app->verb);
		s->nothing = true;
	} else {
		s->queues &= queues;
	}
}

bool
select_everything(const struct selection *s)
{
	for (int i = 0; i < SELECT_KINDS; i++)
		if (s->pattern[i].n)
			return false;
	return !s->ids.n && !s->listed && !s->all && !s->queues && !s->age.n && !s->size.n;
}

/* A message that is selected, to be sorted. */
struct found {
	struct sort_key key;
	unsigned char where;
	char id[QUEUE_ID_MAX + 1];
};

struct walk {
	struct selection *s;
	enum queue_name where;
	int (*f)(void *, struct item *);
	void *arg;
	struct found *found;
	size_t n, cap;
	int sort;
	bool reverse;
};

static int
visit(void *arg, const char *id)
{
	struct walk *w = arg;
	struct selection *s = w->s;
	struct item it;
	int r = 0;

	if (!w->sort && s->limit && s->matched >= s->limit)
		return 1;
	item_init(&it, s->app, w->where, id);
	if (!match(s, &it) || it.gone) {
		item_free(&it);
		return 0;
	}
	if (w->sort) {
		if (w->n == w->cap) {
			w->cap = w->cap ? w->cap * 2 : 1024;
			w->found = mem_resize(w->found, w->cap, sizeof *w->found);
		}
		match_key(w->sort, &it, &w->found[w->n].key);
		w->found[w->n].where = (unsigned char)w->where;
		strcpy(w->found[w->n++].id, id);
	} else {
		r = w->f(w->arg, &it);
		s->matched += !it.gone;
	}
	item_free(&it);
	return r;
}

static int
compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int r = match_compare_keys(&x->key, &y->key);

	return r ? r : strcmp(x->id, y->id);
}

static int
visit_sorted(struct walk *w)
{
	struct selection *s = w->s;
	int r = 0;

	if (w->n)
		qsort(w->found, w->n, sizeof *w->found, compare);
	for (size_t i = 0; i < w->n && r == 0 && !(s->limit && s->matched >= s->limit); i++) {
		struct found *found = &w->found[s->reverse ? w->n - 1 - i : i];
		struct item it;

		item_init(&it, s->app, (enum queue_name)found->where, found->id);
		r = w->f(w->arg, &it);
		s->matched += !it.gone;
		item_free(&it);
	}
	for (size_t i = 0; i < w->n; i++)
		free(w->found[i].key.text);
	free(w->found);
	return r;
}

static int
visit_ids(struct walk *w)
{
	int r = 0;

	for (size_t i = 0; i < w->s->ids.n && r == 0; i++) {
		const char *id = w->s->ids.text[i];
		struct queue *q = &w->s->app->queue;
		int where;

		errno = 0;
		where = queue_find(q, id);
		if (where < 0 && errno == EACCES)
			msg_die(EX_NOPERM, "look for %s in %s: %s", id, q->dir, strerror(errno));
		if (where < 0) {
			if (!w->s->lenient)
				msg_warn("%s: not in the queue", id);
			w->s->missing = true;
			continue;
		}
		w->where = (enum queue_name)where;
		r = visit(w, id);
	}
	return r;
}

int
select_run(struct selection *s, int (*f)(void *, struct item *), void *arg)
{
	struct walk w = { .s = s, .f = f, .arg = arg, .sort = s->sort ? s->sort : s->reverse ? 'a' : 0 };
	unsigned queues = s->queues ? s->queues : s->all_queues;
	bool ids = s->ids.n || (s->listed && !s->all);
	struct buf err = BUF_INIT(4096);
	int r = 0;

	if (s->nothing)
		return EX_NOINPUT;
	if (match_open(s, &err) < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (ids)
		r = visit_ids(&w);
	for (int i = 0; !ids && i < QUEUE_NAMES && r == 0; i++)
		if (queues & 1u << i) {
			w.where = (enum queue_name)i;
			r = queue_scan(&s->app->queue, w.where, visit, &w, &err);
			if (r < 0)
				msg_die(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR, "%s", err.data);
		}
	if (w.sort)
		visit_sorted(&w);
	buf_free(&err);
	return s->missing || !s->matched ? EX_NOINPUT : EX_OK;
}

void
select_free(struct selection *s)
{
	for (int i = 0; i < SELECT_KINDS; i++) {
		for (size_t k = 0; k < s->pattern[i].n; k++)
			free(s->pattern[i].text[k]);
		free(s->pattern[i].text);
	}
	for (size_t k = 0; k < s->ids.n; k++)
		free(s->ids.text[k]);
	free(s->ids.text);
	free(s->age.c);
	free(s->size.c);
	for (size_t k = 0; k < s->given.n; k++)
		free(s->given.text[k]);
	free(s->given.text);
	route_close(&s->routes);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue list, and mailq's form of it. Streams: a message is printed when it is found, and forgotten. */
#include "mtaqueue.h"
#include "pause.h"
#include "print.h"
#include "showq.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { OPT_FORMAT = 1000, OPT_MAILQ };

struct listing {
	enum { TABLE, JSON, FORMAT, MAILQ, MAILQ_JSON } form;
	bool mailq, json;
	bool verbose;
	const char *format;
	int64_t now;
	uint64_t count, bytes;
};

static int
option(void *arg, int letter, char *value)
{
	struct listing *l = arg;

	switch (letter) {
	case 'j':
		l->json = true;
		return 0;
	case 'v':
		l->verbose = true;
		return 0;
	case OPT_FORMAT:
		l->form = FORMAT;
		l->format = value;
		return 0;
	case OPT_MAILQ:
		l->mailq = true;
		return 0;
	}
	return -1;
}

static int
print(void *arg, struct item *it)
{
	struct listing *l = arg;

	item_envelope(it);
	if (it->gone || (l->mailq && !it->good))
		return 0;
	if (l->count == 0 && l->form == TABLE)
		print_heading();
	if (l->count == 0 && l->form == MAILQ)
		print_mailq_heading();
	l->count++;
	l->bytes += item_size(it);
	switch (l->form) {
	case TABLE:
		print_table(it, l->verbose, l->now);
		break;
	case JSON:
		print_json(it);
		break;
	case MAILQ_JSON:
		print_mailq_json(it);
		break;
	case FORMAT:
		print_format(it, l->format, l->now);
		break;
	case MAILQ:
		print_mailq(it);
		break;
	}
	if (l->count < 50 || l->count % 256 == 0) /* the first ones at once */
		check_output();
	return 0;
}

static void
print_total(struct listing *l, bool everything)
{
	char size[24];

	if (l->form == MAILQ && l->count)
		printf("-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n", l->bytes / 1024, l->count, l->count == 1 ? "" : "s");
	else if (l->form == MAILQ)
		puts("Mail queue is empty");
	else if (l->form == TABLE && l->count)
		printf("-- %" PRIu64 " message%s, %s bytes\n", l->count, l->count == 1 ? "" : "s", short_size(l->bytes, size));
	else if (l->form == TABLE)
		puts(everything ? "The queue is empty." : "No message matches.");
}

int
verb_list(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "verbose", no_argument, NULL, 'v' },
		{ "format", required_argument, NULL, OPT_FORMAT }, { "mailq", no_argument, NULL, OPT_MAILQ }, { 0 },
	};
	struct listing l = { .form = TABLE };
	struct verb_options own = { "jv", options, option, &l };
	struct selection s;
	bool everything;
	int status;

	select_parse(&s, app, (1u << QUEUE_NAMES) - 1 - (1u << QUEUE_TRASH), argc, argv, &own);
	if (ask_needed(app, false)) {
		status = ask(app, &s, argc, argv);
		select_free(&s);
		return status;
	}
	if (l.mailq || l.json)
		l.form = !l.json ? MAILQ : l.mailq ? MAILQ_JSON : JSON;
	if (l.mailq && !s.queues) /* what Postfix lists */
		s.queues = 1u << QUEUE_INCOMING | 1u << QUEUE_ACTIVE | 1u << QUEUE_DEFERRED | 1u << QUEUE_HOLD | 1u << QUEUE_MAILDROP;
	everything = select_everything(&s) || l.mailq;
	l.now = s.now;
	status = select_run(&s, print, &l);
	print_total(&l, everything);
	if (l.form == TABLE)
		pause_print(app);
	select_free(&s);
	return status == EX_NOINPUT && everything ? EX_OK : status;
}

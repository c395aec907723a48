/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaqueue watch: what became of each recipient. The queue's directories do not tell who has a message when it goes; the log
 * does, in the lines of the delivery agents. Followed as tail -F does it, also into the log that takes its place. */
#include "logfile.h"
#include "print.h"
#include "watch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

struct results {
	struct watching *w;
	const char *name;
	FILE *in, *old;           /* old: rotated away, where some still write until they hear of it */
	struct stat st;
	int64_t old_until;
};

#define OLD_SECONDS 30

static bool
begin(struct results *r, int whence)
{
	r->in = fopen(r->name, "re");
	if (!r->in)
		return false;
	if (fstat(fileno(r->in), &r->st) < 0 || fseeko(r->in, 0, whence) < 0) {
		fclose(r->in);
		r->in = NULL;
		return false;
	}
	inotify_add_watch(r->w->fd, r->name, IN_MODIFY); /* without, we look once a second */
	return true;
}

struct results *
results_open(struct watching *w)
{
	const char *name = logfile_current(w->s.app->config);
	struct results *r;

	if (!name)
		return NULL;
	r = mem_zalloc(sizeof *r);
	r->w = w;
	r->name = name;
	if (!begin(r, SEEK_END)) {
		free(r);
		return NULL;
	}
	return r;
}

void
results_close(struct results *r)
{
	if (r && r->in)
		fclose(r->in);
	if (r && r->old)
		fclose(r->old);
	free(r);
}

/* A value of "name=value, ": its length, 0 when it is not there. */
static size_t
value(const char *text, const char *name, const char **at)
{
	const char *p = strstr(text, name);

	if (!p)
		return 0;
	*at = p + strlen(name);
	return strcspn(*at, ",");
}

static void
json_text(const char *text, size_t n)
{
	char *copy = mem_strndup(text, n);

	json_string(copy);
	free(copy);
}

static void
member(const char *name, const char *text, size_t n)
{
	printf(", \"%s\": ", name);
	json_text(text, n);
}

/* " to=<bob@example.org>, relay=..., dsn=2.0.0, status=sent (text)" */
static void
tell(struct results *r, const char *id, const char *text)
{
	const char *status = strstr(text, ", status="), *end = strstr(text, ">, "), *reason, *relay, *dsn;
	size_t n, relay_n, dsn_n;
	char *copy;

	if (strncmp(text, " to=<", 5) != 0 || !status || !end || end > status)
		return;
	reason = strchr(status, '(');
	reason = reason ? reason : status + strlen(status);
	relay_n = value(end, "relay=", &relay);
	dsn_n = value(end, "dsn=", &dsn);
	n = strcspn(status + 9, " ");
	/* a message that is deferred is told of with its reason when it moves */
	if (!(n == 4 && memcmp(status + 9, "sent", 4) == 0) && !(n == 7 && memcmp(status + 9, "bounced", 7) == 0))
		return;
	if (r->w->json) {
		printf("{\"event\": \"%.*s\", \"time\": %" PRId64 ", \"message\": {\"queue_id\": \"%s\"}, \"recipient\": {", (int)n, status + 9,
		    clock_real() / 1000000, id);
		printf("\"address\": ");
		json_text(text + 5, (size_t)(end - text - 5));
		member("relay", relay_n ? relay : "", relay_n);
		member("dsn", dsn_n ? dsn : "", dsn_n);
		member("text", *reason ? reason + 1 : "", *reason ? strlen(reason + 1) - (reason[strlen(reason) - 1] == ')') : 0);
		puts("}}");
	} else {
		watch_time();
		printf(" %s %.*s", id, (int)n, status + 9);
		copy = mem_strndup(text, (size_t)(status - text));
		printf("%s %s\n", clean(copy), clean(reason));
		free(copy);
	}
	watch_told(r->w);
}

static void
read_lines(struct results *r, FILE *in)
{
	char *line = NULL, id[QUEUE_ID_MAX + 1];
	const char *text;
	size_t cap = 0;
	ssize_t n;

	while (!r->w->over && (n = getline(&line, &cap, in)) > 0) {
		if (line[n - 1] != '\n') { /* half a line: the rest comes */
			fseeko(in, -(off_t)n, SEEK_CUR);
			break;
		}
		line[n - 1] = '\0';
		text = logfile_line_id(line, id);
		if (text && ((r->w->everything && !r->w->s.queues) || watch_seen(r->w, id)))
			tell(r, id, text);
	}
	clearerr(in);
	free(line);
}

void
results_read(struct results *r)
{
	struct stat st;

	if (r->old) {
		read_lines(r, r->old);
		if (clock_left_ms(r->old_until) == 0) {
			fclose(r->old);
			r->old = NULL;
		}
	}
	if (r->in)
		read_lines(r, r->in);
	if (stat(r->name, &st) < 0)
		return;
	if (r->in && (st.st_ino != r->st.st_ino || st.st_dev != r->st.st_dev)) {
		if (r->old)
			fclose(r->old);
		r->old = r->in;
		r->old_until = clock_deadline(OLD_SECONDS);
		r->in = NULL;
	} else if (r->in && st.st_size < ftello(r->in)) { /* emptied in place */
		fclose(r->in);
		r->in = NULL;
	}
	if (!r->in && begin(r, SEEK_SET))
		read_lines(r, r->in);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/): what can be said without
 * a look at the messages. */
#include "metrics.h"

#include "mail/agent.h"
#include "mail/counters.h"
#include "pause.h"

#include "base/msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
metrics_family(const char *name, const char *type, const char *help)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
metrics_label(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if (*text == '\n')
			fputs("\\n", stdout);
		else
			putchar(*text);
	}
	putchar('"');
}

static void
sample(const char *name, const struct counter *t, const char *label, const char *value)
{
	printf("%s{transport=", name);
	metrics_label(t->transport);
	if (label)
		printf(",%s=\"%s\"", label, value);
	fputs("} ", stdout);
}

/* Buckets of a histogram count all that is not above their limit. */
static void
histogram(const struct counter *t)
{
	uint64_t sum = 0;
	char limit[32];

	for (int i = 0; i < COUNTER_BUCKETS; i++) {
		if (i < COUNTER_BUCKETS - 1)
			snprintf(limit, sizeof limit, "%g", counter_limits[i]);
		else
			strcpy(limit, "+Inf");
		sum += t->bucket[i];
		sample("mta_delivery_delay_seconds_bucket", t, "le", limit);
		printf("%" PRIu64 "\n", sum);
	}
	sample("mta_delivery_delay_seconds_sum", t, NULL, NULL);
	printf("%" PRIu64 ".%06" PRIu64 "\n", t->microseconds / 1000000, t->microseconds % 1000000);
	sample("mta_delivery_delay_seconds_count", t, NULL, NULL);
	printf("%" PRIu64 "\n", sum);
}

void
metrics_deliveries(struct app *app)
{
	struct buf err = BUF_INIT(65536);
	struct counters c;

	metrics_family("mta_pauses", "gauge", "Pauses that are in force.");
	printf("mta_pauses %zu\n", pause_rules(app)->n);
	if (counters_read(&app->queue, &c, &err) < 0)
		msg_warn("%s", err.data);
	buf_free(&err);
	if (c.n) {
		metrics_family("mta_deliveries_total", "counter", "Results of recipients, attempt by attempt.");
		for (size_t i = 0; i < c.n; i++)
			for (int k = 0; k < COUNTER_RESULTS; k++) {
				sample("mta_deliveries_total", &c.c[i], "status", agent_status_names[k]);
				printf("%" PRIu64 "\n", c.c[i].result[k]);
			}
		metrics_family("mta_delivery_delay_seconds", "histogram", "Time from arrival to delivery, of each recipient delivered to.");
		for (size_t i = 0; i < c.n; i++)
			histogram(&c.c[i]);
	}
	counters_free(&c);
}

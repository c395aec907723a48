/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See result.h. The log line has Postfix's shape, so that the programs that read such logs can. */
#include "result.h"

#include "counting.h"
#include "manager.h"

#include "mail/bounce.h"
#include "mail/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Seconds with two digits that count: 0, 0.03, 1.2, 12. */
static void
delay_text(char out[24], double seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds >= 9.95)
		snprintf(out, 24, "%.0f", seconds > 1e12 ? 1e12 : seconds);
	else if (seconds >= 0.995)
		snprintf(out, 24, "%.1f", seconds);
	else
		snprintf(out, 24, "%.2f", seconds);
	if (strchr(out, '.')) {
		size_t n = strlen(out);

		while (out[n - 1] == '0')
			out[--n] = '\0';
		if (out[n - 1] == '.')
			out[n - 1] = '\0';
	}
}

static void
log_result(struct message *m, struct rcpt *r, const char *transport, int64_t started, const char *status, const char *dsn,
    const char *relay, const char *delays, const char *text)
{
	int64_t now = clock_real(), at = started ? started : now;
	double c = 0, s = 0, t = (double)(now - at) / 1e6;
	char total[24], part[4][24];

	if (delays && *delays && sscanf(delays, "%lf/%lf/%lf", &c, &s, &t) != 3) {
		c = s = 0;
		t = (double)(now - at) / 1e6;
	}
	delay_text(total, (double)(now - m->e.time) / 1e6);
	delay_text(part[0], (double)(m->active_at - m->e.time) / 1e6);
	delay_text(part[1], (double)(at - m->active_at) / 1e6);
	delay_text(part[2], c + s);
	delay_text(part[3], t);
	log_component(transport);
	log_info("%s: to=<%s>, relay=%s, delay=%s, delays=%s/%s/%s/%s, dsn=%s, status=%s (%s)", m->id, r->q->addr,
	    relay && *relay ? relay : "none", total, part[0], part[1], part[2], part[3], dsn, status,
	    text ? text : "");
	log_component("qmgr");
}

enum rcpt_action
result_action(const char *name)
{
	static const char *const names[] = { "delivered", "relayed", "expanded", "passed" };

	for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum rcpt_action)i;
	return RCPT_DELIVERED;
}

void
result_set(struct message *m, struct rcpt *r, const char *transport, int64_t started, enum agent_status status, const char *dsn,
    const char *relay, const char *delays, const char *text)
{
	bool soft = status == AGENT_BOUNCED && manager.soft_bounce;
	char code[sizeof r->dsn];

	if (r->state != RCPT_OPEN)
		return;
	snprintf(code, sizeof code, "%s", dsn);
	if (soft) { /* whatever was permanent is tried again */
		code[0] = '4';
		status = AGENT_DEFERRED;
	}
	log_result(m, r, transport, started, soft ? "SOFTBOUNCE" : agent_status_names[status], code, relay, delays, text);
	counting_add(transport, status, clock_real() - m->e.time);
	r->state = status == AGENT_SENT ? RCPT_SENT : status == AGENT_DEFERRED ? RCPT_DEFERRED : RCPT_BOUNCED;
	m->open--;
	r->report = status == AGENT_SENT && r->action != RCPT_PASSED && *r->q->params && bounce_wanted(r->q->params, "SUCCESS");
	if (status == AGENT_SENT && !r->report)
		return;
	memcpy(r->dsn, code, sizeof r->dsn);
	r->relay = mem_strdup(relay ? relay : "");
	r->text = mem_strdup(text ? text : "");
}

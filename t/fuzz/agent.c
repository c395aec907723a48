/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Jobs and results between the queue manager and its agents: what is read can be written and is
 * the same when read again; a result is one line without control characters. */
#include "mail/agent.h"

#include "fuzz.h"

static bool
same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static void
job(const char *s, size_t n)
{
	struct agent_job j = AGENT_JOB_INIT, k = AGENT_JOB_INIT;
	struct buf text = BUF_INIT(2 * AGENT_PACKET);
	const char *err = NULL;

	if (agent_job_parse(&j, s, n, &err) < 0) {
		CHECK(err);
	} else if (agent_job_format(&j, &text) == 0) {
		CHECK(agent_job_parse(&k, text.data, text.len, &err) == 0);
		CHECK(same(j.id, k.id) && same(j.sender, k.sender) && same(j.opt, k.opt) && same(j.set, k.set));
		CHECK(j.content == k.content && j.size == k.size && j.rcpts == k.rcpts);
		for (size_t i = 0; i < j.rcpts; i++)
			CHECK(same(j.rcpt[i].addr, k.rcpt[i].addr) && same(j.rcpt[i].params, k.rcpt[i].params));
	}
	agent_job_free(&j);
	agent_job_free(&k);
	buf_free(&text);
}

static void
one_line(const struct buf *b)
{
	CHECK(b->len > 0 && b->data[b->len - 1] == '\n');
	for (size_t i = 0; i + 1 < b->len; i++)
		CHECK((unsigned char)b->data[i] >= ' ' && b->data[i] != 0x7f);
}

static void
result(const char *s, size_t n)
{
	struct agent_result r = { 0 }, q = { 0 };
	struct buf line = BUF_INIT(1 << 20);
	const char *err = NULL;

	if (agent_result_parse(&r, s, n, &err) < 0) {
		CHECK(err);
	} else if (agent_result_format(&line, r.status, r.dsn, r.addr, r.relay, r.delays, r.text) == 0) {
		one_line(&line);
		CHECK(agent_result_parse(&q, line.data, line.len - 1, &err) == 0);
		CHECK(q.status == r.status && (same(q.addr, r.addr) || !clean(r.addr)));
	}
	agent_result_free(&r);
	agent_result_free(&q);
	buf_free(&line);
}

/* Whatever a server or a command says stays one line. */
static void
any_text(const char *s, size_t n)
{
	struct buf line = BUF_INIT(1 << 20);
	struct agent_result r = { 0 };
	char *text = strndup(s, n);
	const char *err;

	if (agent_result_format(&line, AGENT_BOUNCED, "5.0.0", "a@b", "r", NULL, text) == 0) {
		one_line(&line);
		CHECK(agent_result_parse(&r, line.data, line.len - 1, &err) == 0);
		CHECK(r.status == AGENT_BOUNCED && same(r.addr, "a@b") && same(r.relay, "r"));
	}
	buf_clear(&line);
	if (agent_result_format(&line, AGENT_SENT, text, text, text, text, text) == 0)
		one_line(&line);
	agent_result_free(&r);
	buf_free(&line);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);

	job(s, n);
	result(s, n);
	any_text(s, n);
	free(s);
	return 0;
}

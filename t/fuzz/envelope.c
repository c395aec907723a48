/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Envelope lines: pointers stay in the line, nothing with a control character is accepted,
 * parameters come back as they were added, the first line comes back as it was formatted. */
#include "syntax/envelope.h"

#include "fuzz.h"

static void
line(const char *s, size_t n)
{
	struct envelope_line l;
	const char *err = NULL;

	if (envelope_line_parse(&l, s, n, &err) < 0) {
		CHECK(err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		CHECK((unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
	CHECK(n <= ENVELOPE_LINE_MAX && (n == 0) == (l.kind == ENVELOPE_END));
	CHECK((l.value != NULL) == (l.kind != ENVELOPE_TIME && l.kind != ENVELOPE_END));
	if (l.value)
		CHECK(l.value >= s && l.value + l.value_len <= s + n);
	if (l.kind == ENVELOPE_ID)
		CHECK(envelope_id_ok(l.value, l.value_len) && l.value_len <= 20);
	if (l.kind == ENVELOPE_TIME)
		CHECK(l.time >= 0);
	if (l.kind == ENVELOPE_RCPT) {
		CHECK(l.status_at < n && s[l.status_at] == l.status && strchr("TDBX", l.status) && l.value_len > 0);
		CHECK(l.params == l.value + l.value_len + 1 && l.params + l.params_len == s + n);
		CHECK(l.value[-1] == '<' && l.value[l.value_len] == '>');
	}
}

static void
param(const char *s, size_t n)
{
	struct buf out = BUF_INIT(65536);
	const char *err = NULL;
	int r = envelope_param(s, n, "x", &out, &err);

	CHECK(r >= 0 || err);
	for (size_t i = 0; r > 0 && i < out.len; i++)
		CHECK((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f);
	buf_free(&out);
}

/* A value that is added is found again; one that is refused leaves the text as it was. */
static void
round_trip(const char *s, size_t n)
{
	struct buf text = BUF_INIT(65536), back = BUF_INIT(65536);
	char *value = strndup(s, n);
	const char *err = NULL;
	size_t before;

	CHECK(envelope_param_add(&text, "a", NULL) == 0 && envelope_param_add(&text, "b", "x") == 0);
	before = text.len;
	if (envelope_param_add(&text, "x", value) == 0) {
		struct envelope_line l;
		char whole[16384];
		int len = snprintf(whole, sizeof whole, "opt%s", text.data);

		CHECK(envelope_param(text.data, text.len, "x", &back, &err) == 1);
		CHECK(strcmp(back.data, value) == 0);
		if (len <= ENVELOPE_LINE_MAX)
			CHECK(envelope_line_parse(&l, whole, (size_t)len, &err) == 0 && l.kind == ENVELOPE_OPT);
	} else {
		CHECK(text.len == before);
	}
	CHECK(envelope_param(text.data, text.len, "b", NULL, &err) == 1);
	free(value);
	buf_free(&text);
	buf_free(&back);
}

static void
first(const char *s, size_t n)
{
	uint64_t offset, size;
	char text[ENVELOPE_FIRST + 1];
	const char *err = NULL;

	if (envelope_first_parse(s, n, &offset, &size, &err) < 0) {
		CHECK(err);
		return;
	}
	envelope_first_format(text, offset, size);
	CHECK(memcmp(text, s, ENVELOPE_FIRST - 1) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);

	line(s, n);
	param(s, n);
	round_trip(s, n);
	first(s, n);
	free(s);
	return 0;
}

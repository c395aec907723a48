/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* main.cf text: entries go forward only and stay within the text; expansion and lists end, within
 * their bounds, also when values name each other. */
#include "syntax/maincf.h"

#include "fuzz.h"

static const char *
lookup(void *arg, const char *name, const char **err)
{
	const char *value = arg;

	if (strcmp(name, "bad") == 0)
		*err = "bad name";
	return name[0] == 'n' ? NULL : name[0] == 'v' ? value : "$x ${y} {a} , 1.2";
}

static void
expand(const char *s, size_t n)
{
	struct buf out = BUF_INIT(MAINCF_VALUE_MAX), word = BUF_INIT(MAINCF_VALUE_MAX);
	char *list = strndup(s, n);
	const char *err = NULL;
	size_t at = 0, before = 0;

	if (maincf_expand(s, n, lookup, "value", &out, &err) < 0)
		CHECK(err);
	while (maincf_word(list, &at, &word) > 0) {
		CHECK(at > before && at <= strlen(list) && word.len <= at);
		before = at;
	}
	free(list);
	buf_free(&out);
	buf_free(&word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n), *copy = strndup((const char *)data, n);
	const char *err = NULL, *name, *value;
	struct maincf m;
	struct maincf_entry e;
	size_t end = 0;
	int r;

	maincf_init(&m, s, n);
	while ((r = maincf_next(&m, &e, &err)) != 0) {
		CHECK(r > 0 || err);
		CHECK(m.at <= n && m.at >= end && e.line >= 1);
		end = m.at;
		if (r < 0)
			continue;
		CHECK(e.start < e.end && e.end <= n && *e.name);
		CHECK(!strchr(e.value, '\n'));
		expand(e.value, strlen(e.value));
	}
	maincf_free(&m);
	expand(s, n);
	if (maincf_split(copy, &name, &value, &err) == 0)
		CHECK(name >= copy && value >= name);
	free(copy);
	free(s);
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What any user of the host may send to mtaqueue serve: a request that is taken apart can be written again, and is then the same. */
#include "../../cmd/mtaqueue/request.c"

#include "fuzz.h"

static void
same_words(char **a, size_t n, char **b, size_t m)
{
	CHECK(n == m);
	for (size_t i = 0; i < n; i++)
		CHECK(strcmp(a[i], b[i]) == 0 && !strchr(a[i], '\n'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct request r = { .text = BUF_INIT(SHOWQ_REQUEST_MAX + 1) }, again = { .text = BUF_INIT(SHOWQ_REQUEST_MAX + 1) };
	struct buf err = BUF_INIT(4096);

	buf_adds(&r.text, SHOWQ_HELLO "\n");
	buf_add(&r.text, data, n);
	if (request_complete(&r.text, &err) == 1 && request_parse(&r, &err) == 0 && request_write(&r, &again.text, &err) == 0) {
		CHECK(request_complete(&again.text, &err) == 1 && request_parse(&again, &err) == 0);
		CHECK(strcmp(r.program, again.program) == 0 && r.width == again.width);
		same_words(r.arg, r.args, again.arg, again.args);
		same_words(r.id, r.ids, again.id, again.ids);
	}
	request_free(&r);
	request_free(&again);
	buf_free(&err);
	return 0;
}

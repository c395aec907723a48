/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Dates: what is read and written again is the same second. */
#include "syntax/date.h"

#include "fuzz.h"

static void
round_trip(int64_t t)
{
	struct buf b = BUF_INIT(200);
	int64_t back;

	if (date_format(t, &b) == 0 && t > INT64_C(-2200000000)) /* reading begins with the year 1900 */
		CHECK(date_parse(b.data, b.len, &back) == 0 && back == t);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n);
	int64_t t;

	if (date_parse(s, n, &t) == 0) {
		CHECK(t > INT64_C(-2300000000) && t < INT64_C(253500000000));
		round_trip(t);
	}
	if (n >= sizeof t) {
		memcpy(&t, data, sizeof t);
		round_trip(t);
		round_trip(t % INT64_C(253402300800));
	}
	free(s);
	return 0;
}

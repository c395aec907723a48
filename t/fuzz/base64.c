/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Base64: what is encoded decodes to itself; what decodes encodes to itself. */
#include "syntax/base64.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf text = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
	char *s = fuzz_copy(data, n);

	CHECK(base64_encode(s, n, &text) == 0 && text.len == (n + 2) / 3 * 4);
	CHECK(base64_decode(text.data, text.len, &back) == 0 && back.len == n && memcmp(back.data, s, n) == 0);
	buf_clear(&text);
	buf_clear(&back);
	if (base64_decode(s, n, &back) == 0) {
		CHECK(base64_encode(back.data, back.len, &text) == 0 && text.len == n && memcmp(text.data, s, n) == 0);
	} else {
		CHECK(back.len == 0);
	}
	buf_free(&text);
	buf_free(&back);
	free(s);
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Networks: what is accepted prints and parses to itself and holds its own address. */
#include "syntax/cidr.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = fuzz_copy(data, n), text[46], whole[64];
	struct cidr c, d, host;
	const char *err = NULL;

	if (cidr_parse(&c, s, n, &err) == 0) {
		int max = c.family == 4 ? 32 : 128, len;

		CHECK((c.family == 4 || c.family == 6) && c.bits <= max);
		cidr_format(&c, text);
		len = snprintf(whole, sizeof whole, "%s/%d", text, c.bits);
		CHECK(cidr_parse(&d, whole, (size_t)len, &err) == 0 && memcmp(&c, &d, sizeof c) == 0);
		CHECK(cidr_parse(&host, text, strlen(text), &err) == 0 && host.bits == max && cidr_match(&c, &host));
		if (c.bits) {
			host.addr[(c.bits - 1) / 8] ^= (unsigned char)(0x80 >> (c.bits - 1) % 8);
			CHECK(!cidr_match(&c, &host));
		}
	} else {
		CHECK(err);
	}
	free(s);
	return 0;
}

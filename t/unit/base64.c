/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Base64. */
#include "syntax/base64.h"
#include "tap.h"

static const struct { const char *plain, *text; } cases[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xfb\xef\xbe\xff\xff\xff", "++++////" },
};
static const char *const bad[] = {
	"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zm8= ", " Zm8=", "Zm\n8=", "Zm8=Zm8=", "Zm-_", "Zg=v", "Zm9vZ", "\xc3\xa9==",
};

int
main(void)
{
	struct buf b = BUF_INIT(64), small = BUF_INIT(3);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_clear(&b);
		base64_encode(cases[i].plain, strlen(cases[i].plain), &b);
		is(b.data, cases[i].text, "encoded");
		buf_clear(&b);
		ok(base64_decode(cases[i].text, strlen(cases[i].text), &b) == 0, "decodes: %s", cases[i].text);
		is(b.data, cases[i].plain, "to what it was");
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		buf_clear(&b);
		buf_adds(&b, "before");
		ok(base64_decode(bad[i], strlen(bad[i]), &b) < 0, "malformed base64 %zu is refused", i);
		is(b.data, "before", "and adds nothing");
	}
	buf_clear(&b);
	ok(base64_decode("AAAA", 4, &b) == 0 && b.len == 3, "NUL bytes come through");
	ok(base64_decode("Zm9vYmFy", 8, &small) < 0, "more than there is room for is refused");
	ok(base64_encode("f", 1, &small) < 0 && small.full, "also when encoding");
	buf_free(&b);
	buf_free(&small);
	return tap_done();
}

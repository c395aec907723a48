/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Headers that local programs hand over: what comes out, with the text fed whole and cut in two
 * everywhere. */
#include "mail/compose.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
	const char *name, *in, *out, *rcpts;
} cases[] = {
	{ "recipients are collected, Bcc is dropped", "To: a@b, C <c@d>\nBcc: e@f\nSubject: x\n\nbody\n",
	    "To: a@b, C <c@d>\nSubject: x\n\nbody\n", "a@b c@d e@f " },
	{ "bare names get the domain", "To: root, x@y\n\n", "To: root@o.example, x@y\n\n", "root@o.example x@y " },
	{ "an address twice is one recipient", "To: a@b\nCc: <a@b>\n\n", "To: a@b\nCc: <a@b>\n\n", "a@b " },
	{ "Resent fields go before others", "To: a@b\nResent-To: c@d\n\n", "To: a@b\nResent-To: c@d\n\n", "c@d " },
	{ "the From_ line of an mbox is left out", "From a Mon\nTo: a@b\n\nx\n", "To: a@b\n\nx\n", "a@b " },
	{ "a message without a header", "not a field\n", "\nnot a field\n", "" },
	{ "a message that is shorter than a From_ line", "From", "\nFrom", "" },
	{ "and one that is nothing", "", "\n", "" },
	{ "a last line that ends in CR", "x\r", "\nx\r", "" },
};

static bool
run(size_t i, size_t cut)
{
	struct compose_settings set = { .recipients = true, .drop = "bcc", .origin = "o.example", .max_rcpts = 10 };
	const char *in = cases[i].in;
	size_t n = strlen(in), used = 0, rcpts = 0, at = 0;
	struct compose *c = compose_new(&set);
	struct buf err = BUF_INIT(1000), out = BUF_INIT(1000), list = BUF_INIT(1000);
	char **rcpt;
	bool good;
	int r = 0;

	if (cut)
		r = compose_feed(c, in, cut, false, &used, &err);
	at = r > 0 ? used : cut;
	if (r == 0) {
		r = compose_feed(c, in + cut, n - cut, true, &used, &err);
		at = cut + used;
	}
	good = r == 1;
	if (good) {
		buf_add(&out, compose_header(c)->data, compose_header(c)->len);
		buf_adds(&out, in + at);
		rcpt = compose_recipients(c, &rcpts);
		for (size_t k = 0; k < rcpts; k++)
			buf_addf(&list, "%s ", rcpt[k]);
		good = strcmp(out.data, cases[i].out) == 0 && strcmp(list.data, cases[i].rcpts) == 0;
		if (!good)
			printf("# cut at %zu: %s\n# recipients %s\n", cut, out.data, list.data);
	}
	compose_free(&c);
	buf_free(&err);
	buf_free(&out);
	buf_free(&list);
	return good;
}

int
main(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t bad = 0;

		for (size_t cut = 0; cut <= strlen(cases[i].in); cut++)
			bad += !run(i, cut);
		ok(bad == 0, "%s", cases[i].name);
	}
	return tap_done();
}

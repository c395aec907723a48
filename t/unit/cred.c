/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mail/cred: password hashes, locked and odd ones, user names, records. */
#include "mail/cred.h"
#include "tap.h"

#include <stdlib.h>

static const struct { const char *stored, *password; int want; const char *name; } checks[] = {
	{ "{PLAIN}secret", "secret", CRED_MATCH, "plain" },
	{ "{PLAIN}secret", "secre", CRED_WRONG, "plain, shorter" },
	{ "{PLAIN}secret", "secrett", CRED_WRONG, "plain, longer" },
	{ "{PLAIN}", "", CRED_WRONG, "empty stored password and empty password" },
	{ "{plain}x", "", CRED_WRONG, "empty password" },
	{ "$1$abcdefgh$hkNqXtBNXmxMDG5ndMz7e1", "x", CRED_WRONG, "crypt without a scheme, wrong" },
	{ "{CRYPT}!$6$x$y", "x", CRED_WRONG, "locked" },
	{ "{CRYPT}*", "*", CRED_WRONG, "star" },
	{ "{CRYPT}*0", "x", CRED_WRONG, "libcrypt's failure as a stored hash" },
	{ "{CRYPT}", "", CRED_WRONG, "no hash" },
	{ "{CRYPT}garbage", "garbage", CRED_WRONG, "garbage hash" },
	{ "", "x", CRED_WRONG, "empty record" },
	{ "{NOSUCH}x", "x", CRED_UNKNOWN, "unknown scheme" },
};

static void
test_hash(const char *scheme)
{
	struct buf a = BUF_INIT(1024), b = BUF_INIT(1024), err = BUF_INIT(256);

	cred_hash(scheme, "p\303\244ss word", &a, &err);
	cred_hash(scheme, "p\303\244ss word", &b, &err);
	ok(strcmp(a.data, b.data) != 0, "%s: two hashes have two salts", scheme);
	is_num(cred_verify(a.data, "p\303\244ss word"), CRED_MATCH, "the right password matches");
	is_num(cred_verify(a.data, "p\303\244ss Word"), CRED_WRONG, "a wrong one does not");
	buf_free(&a);
	buf_free(&b);
	buf_free(&err);
}

int
main(void)
{
	struct buf out = BUF_INIT(1024), err = BUF_INIT(256);
	struct cred c;
	char huge[70000];

	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
		is_num(cred_verify(checks[i].stored, checks[i].password), checks[i].want, checks[i].name);
	test_hash("yescrypt");
	test_hash("sha512-crypt");
	test_hash("bcrypt");
	memset(huge, 'x', sizeof huge);
	huge[sizeof huge - 1] = '\0';
	is_num(cred_verify("{CRYPT}$6$x$y", huge), CRED_WRONG, "a huge password is wrong");
	is_num(cred_hash(NULL, huge, &out, &err), -1, "a huge password is not stored");
	is_num(cred_hash(NULL, "", &out, &err), -1, "an empty password is not stored");
	is_num(cred_hash("nosuch", "x", &out, &err), -1, "an unknown scheme is refused");
	is_num(cred_hash(NULL, "x", &out, &err), 0, "default scheme");
	ok(strncmp(out.data, "{CRYPT}$y$", 10) == 0, "which is yescrypt");
	ok(cred_user_ok("alice@example.com") && cred_user_ok("J\303\266rg"), "good user names");
	ok(!cred_user_ok("") && !cred_user_ok("../x") && !cred_user_ok("a/b") && !cred_user_ok("a\tb") && !cred_user_ok("a\nb") &&
	   !cred_user_ok("-x") && !cred_user_ok(huge), "bad user names");
	cred_parse(&c, "{PLAIN}x\tuid=1\tgid=2");
	is(c.password, "{PLAIN}x", "record: password");
	is(c.fields, "uid=1\tgid=2", "record: fields");
	cred_free(&c);
	is_num(cred_hash("plain", "a\tuid=0", &out, &err), -1, "a plain password with a tab is not stored");
	buf_free(&out);
	buf_free(&err);
	return tap_done();
}

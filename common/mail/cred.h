/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Credentials: "{SCHEME}hash", then tab-separated fields (uid=, gid=, home=, mail=, ...): a record of the credential database,
 * and what the other password back ends give. */
#ifndef MAIL_CRED_H
#define MAIL_CRED_H
#include "base/buf.h"

#include <stdbool.h>

#define CRED_USER_MAX 255         /* bytes of a user name */
#define CRED_PASSWORD_MAX 511     /* libcrypt takes no more */

/* Whether name can be a user: 1..CRED_USER_MAX bytes, no control characters, no blank or tab, no '/', does not begin with '-' or '.'. */
bool cred_user_ok(const char *name);

/* The hash of password ready to be stored: "{CRYPT}$y$...". scheme: yescrypt, sha512-crypt, bcrypt, plain; NULL: yescrypt. -1 with err. */
int cred_hash(const char *scheme, const char *password, struct buf *out, struct buf *err);

enum { CRED_MATCH = 1, CRED_WRONG = 0, CRED_UNKNOWN = -1, CRED_FAILED = -2 };
/* stored: "{SCHEME}hash"; without a scheme it counts as crypt(3). A '!' or '*' before the hash locks it. CRED_UNKNOWN: a scheme that is
 * not known. CRED_FAILED: there is no memory for the hash (yescrypt wants 16 MB). An empty password never matches. */
int cred_verify(const char *stored, const char *password);
/* Verifies against a hash that nobody has, for about the time that cred_verify takes with the default scheme. CRED_WRONG, CRED_FAILED. */
int cred_verify_nobody(const char *password);

/* The parts of a record. The password is up to the first tab. */
struct cred {
	char *password;           /* "{SCHEME}hash" */
	char *fields;             /* "uid=1000 TAB gid=...", "" for none */
};
void cred_parse(struct cred *c, const char *record);
void cred_free(struct cred *c);
bool cred_locked(const char *password);
#endif

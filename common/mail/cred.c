/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Password hashes and credential records: see cred.h. Hashes are those of crypt(5), by libcrypt. */
#include "mail/cred.h"

#include "base/mem.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct { const char *name, *prefix; } schemes[] = {
	{ "yescrypt", "$y$" },
	{ "sha512-crypt", "$6$" },
	{ "bcrypt", "$2b$" },
};

/* Names in braces that mean crypt(3): the hash itself says which kind. */
static const char *const crypt_names[] = { "CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "BLF-CRYPT", "YESCRYPT", NULL };
static const char *const plain_names[] = { "PLAIN", "CLEAR", "CLEARTEXT", NULL };

bool
cred_user_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > CRED_USER_MAX || *name == '-' || *name == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f || *name == '/')
			return false;
	return true;
}

/* Time that does not depend on where the strings differ. */
static bool
same(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned char d = n != m;

	for (size_t i = 0; i < n; i++)
		d |= (unsigned char)(a[i] ^ b[i < m ? i : 0]);
	return d == 0;
}

/* The hash with the method and salt of setting appended to out. 0, or -1 with errno. */
static int
crypt_add(const char *password, const char *setting, struct buf *out)
{
	struct crypt_data *data = mem_zalloc(sizeof *data);
	const char *hash = crypt_r(password, setting, data);
	int r = -1;

	if (!hash)
		errno = errno ? errno : EINVAL;
	else if (*hash == '*')
		errno = EINVAL;   /* libcrypt's sign of failure; never a hash */
	else
		r = buf_adds(out, hash);
	explicit_bzero(data, sizeof *data);
	free(data);
	return r;
}

int
cred_hash(const char *scheme, const char *password, struct buf *out, struct buf *err)
{
	size_t n = strlen(password), i = 0;
	char *salt;
	int r;

	if (n == 0 || n > CRED_PASSWORD_MAX) {
		buf_addf(err, n == 0 ? "empty password" : "password is longer than %d bytes", CRED_PASSWORD_MAX);
		return -1;
	}
	if (strpbrk(password, "\t\r\n")) {
		buf_adds(err, "password with a tab or line end");
		return -1;
	}
	if (scheme && strcasecmp(scheme, "plain") == 0)
		return buf_addf(out, "{PLAIN}%s", password);
	while (scheme && i < sizeof schemes / sizeof schemes[0] && strcasecmp(scheme, schemes[i].name) != 0)
		i++;
	if (i == sizeof schemes / sizeof schemes[0]) {
		buf_addf(err, "unknown scheme %s (yescrypt, sha512-crypt, bcrypt, plain)", scheme);
		return -1;
	}
	salt = crypt_gensalt_ra(schemes[i].prefix, 0, NULL, 0);
	buf_adds(out, "{CRYPT}");
	r = salt ? crypt_add(password, salt, out) : -1;
	if (r < 0)
		buf_addf(err, "hash password: %s", strerror(errno));
	free(salt);
	return r;
}

static bool
one_of(const char *const *names, const char *s, size_t n)
{
	for (; *names; names++)
		if (strlen(*names) == n && strncasecmp(*names, s, n) == 0)
			return true;
	return false;
}

/* The hash after "{SCHEME}"; plain tells which kind. NULL: unknown scheme. */
static const char *
hash_of(const char *stored, bool *plain)
{
	const char *end = *stored == '{' ? strchr(stored, '}') : NULL;
	size_t n;

	*plain = false;
	if (!end)
		return stored;
	n = (size_t)(end - stored - 1);
	*plain = one_of(plain_names, stored + 1, n);
	return *plain || one_of(crypt_names, stored + 1, n) ? end + 1 : NULL;
}

bool
cred_locked(const char *password)
{
	bool plain;
	const char *hash = hash_of(password, &plain);

	return !hash || !*hash || (!plain && (*hash == '!' || *hash == '*'));
}

int
cred_verify(const char *stored, const char *password)
{
	bool plain;
	const char *hash = hash_of(stored, &plain);
	struct buf got = BUF_INIT(1024);
	int r = CRED_WRONG;

	if (!hash)
		return CRED_UNKNOWN;
	if (!*password || strlen(password) > CRED_PASSWORD_MAX || cred_locked(stored))
		return cred_verify_nobody(*password ? password : "x");
	if (plain)
		r = same(hash, password);
	else if (crypt_add(password, hash, &got) == 0)
		r = same(got.data, hash);
	else /* malformed, or no memory? libcrypt does not say, so see whether a good one can be computed now */
		r = cred_verify_nobody(password);
	explicit_bzero(got.data, got.len);
	buf_free(&got);
	return r;
}

int
cred_verify_nobody(const char *password)
{
	static char *setting;
	int r = CRED_WRONG;
	struct buf got = BUF_INIT(1024);
	char part[CRED_PASSWORD_MAX + 1];
	size_t n = strlen(password);

	if (!setting)
		setting = crypt_gensalt_ra(schemes[0].prefix, 0, NULL, 0);
	n = n < sizeof part ? n : sizeof part - 1;
	memcpy(part, password, n);
	part[n] = '\0';
	if (setting && crypt_add(part, setting, &got) < 0)
		r = CRED_FAILED;
	explicit_bzero(part, sizeof part);
	buf_free(&got);
	return r;
}

void
cred_parse(struct cred *c, const char *record)
{
	size_t n = strcspn(record, "\t");

	c->password = mem_strndup(record, n);
	c->fields = mem_strdup(record[n] ? record + n + 1 : "");
}

void
cred_free(struct cred *c)
{
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	free(c->fields);
	*c = (struct cred){ 0 };
}

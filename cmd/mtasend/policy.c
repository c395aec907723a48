/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* How to speak to a server: see policy.h. */
#include "policy.h"

#include "mail/config.h"
#include "map/map.h"

#include <string.h>
#include <strings.h>

#define VALUE_MAX 8192

static const char *const level_names[] = { "none", "may", "encrypt", "verify", "secure" };

void
policy_init(struct policy *p)
{
	*p = (struct policy){ 0 };
	buf_init(&p->user, VALUE_MAX);
	buf_init(&p->password, VALUE_MAX);
	buf_init(&p->mechanisms, VALUE_MAX);
}

void
policy_free(struct policy *p)
{
	if (p->password.cap)
		explicit_bzero(p->password.data, p->password.cap);
	buf_free(&p->user);
	buf_free(&p->password);
	buf_free(&p->mechanisms);
}

void
policy_tables_free(struct policy_tables *t)
{
	maplist_close(&t->tls);
	maplist_close(&t->passwords);
}

static int
level_of(const char *word, size_t n)
{
	for (int i = LEVEL_NONE; i <= LEVEL_SECURE; i++)
		if (strlen(level_names[i]) == n && strncasecmp(level_names[i], word, n) == 0)
			return i;
	return -1;
}

/* The first of the keys that the tables have. MAP_*. */
static int
find_first(struct maplist **l, const char *tables, const char *const *keys, struct buf *value, struct buf *err)
{
	int rc = MAP_ABSENT;

	if (!*tables)
		return MAP_ABSENT;
	if (!*l)
		*l = maplist_open(tables, err);
	if (!*l)
		return MAP_ERROR;
	for (; *keys && rc == MAP_ABSENT; keys++) {
		buf_clear(value);
		rc = maplist_find(*l, *keys, value, err);
	}
	return rc;
}

static int
find_level(struct policy *p, struct policy_tables *tables, struct config *c, const struct nexthop *n, struct failure *f)
{
	const char *keys[] = { n->text.data, n->host.data, NULL };
	struct buf value = BUF_INIT(VALUE_MAX), err = BUF_INIT(VALUE_MAX);
	const char *text = config_str(c, "smtp_tls_security_level");
	int level, rc;

	rc = find_first(&tables->tls, config_str(c, "smtp_tls_policy_maps"), keys, &value, &err);
	if (rc == MAP_FOUND)
		text = value.data;
	level = config_bool(c, "smtp_enforce_tls") ? LEVEL_ENCRYPT : config_bool(c, "smtp_use_tls") ? LEVEL_MAY : LEVEL_NONE;
	if (*text)
		level = level_of(text, strcspn(text, " \t,"));
	if (rc == MAP_ERROR)
		failure_set(f, "4.7.5", "TLS policy of %s: %s", n->text.data, err.data);
	else if (level < 0)
		failure_set(f, "4.7.5", "TLS policy of %s: level \"%s\" is not supported", n->text.data, text);
	if (level >= 0)
		p->level = (enum tls_level)level;
	p->wrapper = config_bool(c, "smtp_tls_wrappermode");
	if (p->wrapper && p->level < LEVEL_ENCRYPT)
		p->level = LEVEL_ENCRYPT;
	buf_free(&value);
	buf_free(&err);
	return rc == MAP_ERROR || level < 0 ? -1 : 0;
}

/* Without noplaintext any mechanism will do; with it, only those that do not show the password. */
static void
choose_mechanisms(struct policy *p, struct config *c)
{
	const char *filter = config_str(c, "smtp_sasl_mechanism_filter");
	const char *options = config_str(c, p->level >= LEVEL_ENCRYPT ? "smtp_sasl_tls_security_options" :
	    "smtp_sasl_security_options");

	buf_clear(&p->mechanisms);
	if (*filter)
		buf_adds(&p->mechanisms, filter);
	else if (strstr(options, "noplaintext"))
		buf_adds(&p->mechanisms, "CRAM-MD5 DIGEST-MD5");
}

int
policy_find(struct policy *p, struct policy_tables *tables, struct config *c, const struct nexthop *n,
    const char *host, struct failure *f)
{
	const char *keys[] = { host, n->text.data, n->host.data, NULL };
	struct buf value = BUF_INIT(VALUE_MAX), err = BUF_INIT(VALUE_MAX);
	const char *colon;
	int rc = MAP_ABSENT;

	p->auth = false;
	if (find_level(p, tables, c, n, f) < 0)
		return -1;
	if (config_bool(c, "smtp_sasl_auth_enable"))
		rc = find_first(&tables->passwords, config_str(c, "smtp_sasl_password_maps"), keys, &value, &err);
	colon = strchr(value.data, ':');
	if (rc == MAP_FOUND && colon) {
		buf_clear(&p->user);
		buf_clear(&p->password);
		buf_add(&p->user, value.data, (size_t)(colon - value.data));
		buf_adds(&p->password, colon + 1);
		p->auth = true;
		choose_mechanisms(p, c);
	} else if (rc == MAP_FOUND) {
		failure_set(f, "4.7.8", "the password table has no user:password for %s", host);
	} else if (rc == MAP_ERROR) {
		failure_set(f, "4.7.8", "password table: %s", err.data);
	}
	if (value.cap)
		explicit_bzero(value.data, value.cap);
	buf_free(&value);
	buf_free(&err);
	return rc == MAP_ERROR || (rc == MAP_FOUND && !colon) ? -1 : 0;
}

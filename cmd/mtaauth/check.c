/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* One login attempt: the user's name as it is looked up, throttling, the back ends in turn, and where the user's mail is.
 * An attempt for a user that does not exist takes as long as one with a wrong password. */
#include "base/mem.h"
#include "mail/cred.h"
#include "mail/log.h"
#include "mail/route.h"
#include "map/map.h"
#include "mtaauth.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
plain_split(char *raw, size_t n, char **user, char **password, const char **why)
{
	char *authzid = raw, *end = raw + n;

	*user = memchr(raw, '\0', n);
	*password = *user ? memchr(*user + 1, '\0', (size_t)(end - *user - 1)) : NULL;
	if (!*password || memchr(*password + 1, '\0', (size_t)(end - *password - 1))) {
		*why = "malformed response";
		return -1;
	}
	++*user;
	++*password;
	/* nobody acts for another user */
	if (*authzid && strcmp(authzid, *user) != 0) {
		*why = "authorization for another user";
		return -1;
	}
	return 0;
}

/* auth_username_translation: pairs of characters. */
static void
translate(char *s, const char *pairs)
{
	for (; *s; s++)
		for (const char *p = pairs; p[0] && p[1]; p += 2)
			if (*s == p[0]) {
				*s = p[1];
				break;
			}
}

/* auth_username_format: %u the name, %n before the '@', %d after it; L and U in between change the case. */
static void
format_name(const char *format, const char *name, struct buf *out)
{
	const char *at = strrchr(name, '@');

	for (const char *p = format; *p; p++) {
		size_t start = out->len;
		char change = 0;

		if (*p != '%' || !p[1]) {
			buf_addc(out, *p);
			continue;
		}
		if (*++p == 'L' || *p == 'U')
			change = *p++;
		if (*p == 'n' && at)
			buf_add(out, name, (size_t)(at - name));
		else if (*p == 'u' || *p == 'n')
			buf_adds(out, name);
		else if (*p == 'd')
			buf_adds(out, at ? at + 1 : "");
		else if (*p == '%')
			buf_addc(out, '%');
		else if (!*p)
			break;
		for (; change && start < out->len; start++) {
			int c = (unsigned char)out->data[start];

			out->data[start] = (char)(c < 0x80 ? change == 'L' ? tolower(c) : toupper(c) : c);
		}
	}
}

/* Whether word is in a list separated by blanks or commas. */
static bool
in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*(list += strspn(list, ", \t"))) {
		size_t m = strcspn(list, ", \t");

		if (n == m && strncasecmp(list, word, n) == 0)
			return true;
		list += m;
	}
	return false;
}

int
user_normal(struct auth *a, const char *given, struct buf *user)
{
	const char *chars = config_str(a->config, "auth_username_chars"), *at;
	const char *realm = config_str(a->config, "auth_default_realm"), *realms = config_str(a->config, "auth_realms");
	struct buf name = BUF_INIT(2 * CRED_USER_MAX);
	int r = -1;

	buf_adds(&name, given);
	if (!name.full && cred_user_ok(given) && (!*chars || given[strspn(given, chars)] == '\0')) {
		translate(name.data, config_str(a->config, "auth_username_translation"));
		at = strrchr(name.data, '@');
		if (!at && *realm)
			buf_addf(&name, "@%s", realm);
		buf_clear(user);
		format_name(config_str(a->config, "auth_username_format"), name.data, user);
		if ((!at || !*realms || in_list(realms, at + 1)) && !user->full && cred_user_ok(user->data))
			r = 0;
	}
	if (r < 0)
		buf_clear(user);
	buf_free(&name);
	return r;
}

static bool
has_field(const char *fields, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = fields; p; p = strchr(p, '\t')) {
		p += *p == '\t';
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return true;
	}
	return false;
}

/* The mailbox that the router knows, as a mail_location. */
static void
add_route_mail(struct auth *a, const struct route *r, struct buf *fields)
{
	const char *base = config_str(a->config, "virtual_mailbox_base");
	struct buf path = BUF_INIT(8192);

	if (r->class == ROUTE_VIRTUAL_MAILBOX && r->mailbox.len > 0) {
		const char *box = r->mailbox.data;
		bool maildir = box[r->mailbox.len - 1] == '/';

		buf_addf(&path, "%s:%s%s%s", maildir ? "maildir" : "mbox", base, *base ? "/" : "", box + (*box == '/'));
		if (maildir)
			buf_truncate(&path, path.len - 1);
	}
	if (path.len > 0 && !path.full) {
		buf_adds(fields, "\tmail=");
		field_add(fields, path.data);
	}
	buf_free(&path);
}

/* What the record does not say comes from the routing tables: the system user, or virtual_mailbox_maps and its kin. */
static int
add_route(struct auth *a, const char *user, struct buf *fields, struct buf *err)
{
	struct buf text = BUF_INIT(4096);
	struct route r;
	int found;

	route_init(&r);
	found = a->routes ? route_resolve(a->routes, user, &r, &text, err) : 0;
	if (found > 0 && (r.class == ROUTE_LOCAL || r.class == ROUTE_VIRTUAL_MAILBOX)) {
		bool owner = r.uid != (uid_t)-1 && !has_field(fields->data, "uid");

		if (owner)
			buf_addf(fields, "\tuid=%lu\tgid=%lu", (unsigned long)r.uid, (unsigned long)r.gid);
		if (r.home.len > 0 && !has_field(fields->data, "home")) {
			buf_adds(fields, "\thome=");
			field_add(fields, r.home.data);
		}
		if (!has_field(fields->data, "mail"))
			add_route_mail(a, &r, fields);
	}
	route_free(&r);
	buf_free(&text);
	return found < 0 ? -1 : 0;
}

/* The fields of a record, escaped, each with a tab before it. */
static void
add_record(const char *record_fields, struct buf *fields)
{
	char *copy = mem_strdup(record_fields), *rest = copy, *word;

	while ((word = strsep(&rest, "\t")) != NULL)
		if (*word) {
			buf_addc(fields, '\t');
			field_add(fields, word);
		}
	free(copy);
}

static int
all_fields(struct auth *a, const char *user, const char *record_fields, struct buf *fields, struct buf *err)
{
	add_record(record_fields, fields);
	if (has_field(fields->data, "uid") && has_field(fields->data, "mail"))
		return 0;
	return add_route(a, user, fields, err);
}

int
user_fields(struct auth *a, const char *user, struct buf *fields, struct buf *err)
{
	struct buf record = BUF_INIT(1 << 16);
	int r = MAP_ABSENT;

	for (size_t i = 0; r == MAP_ABSENT && i < backends_count(a->backends); i++) {
		buf_clear(&record);
		r = backends_find(a->backends, i, user, &record, err);
	}
	if (r == MAP_FOUND) {
		struct cred c;

		cred_parse(&c, record.data);
		r = all_fields(a, user, c.fields, fields, err) < 0 ? MAP_ERROR : MAP_FOUND;
		cred_free(&c);
	}
	explicit_bzero(record.data, record.len);
	buf_free(&record);
	return r;
}

static void
no_memory(struct buf *why)
{
	buf_clear(why);
	buf_adds(why, "out of memory for the password's hash (default_vsz_limit)");
}

/* The back ends in turn: the first that has the user with this password. LOGIN_*; *tried tells that a hash was computed. */
static int
ask_backends(struct auth *a, const char *user, const char *password, struct buf *fields, struct buf *why, bool *tried)
{
	struct buf record = BUF_INIT(1 << 16);
	int result = LOGIN_FAIL;

	for (size_t i = 0; result != LOGIN_OK && i < backends_count(a->backends); i++) {
		struct cred c;
		int r;

		buf_clear(&record);
		r = backends_find(a->backends, i, user, &record, why);
		if (r == MAP_ERROR)
			result = LOGIN_TEMPFAIL;
		if (r != MAP_FOUND)
			continue;
		cred_parse(&c, record.data);
		r = cred_verify(c.password, password);
		*tried = true;
		if (r == CRED_UNKNOWN) {
			buf_addf(why, "%s: unknown password scheme", user);
			result = LOGIN_TEMPFAIL;
		} else if (r == CRED_FAILED) {
			no_memory(why);
			result = LOGIN_TEMPFAIL;
		} else if (r == CRED_MATCH) {
			buf_clear(why);
			result = all_fields(a, user, c.fields, fields, why) < 0 ? LOGIN_TEMPFAIL : LOGIN_OK;
		} else if (result == LOGIN_FAIL) {
			buf_clear(why);
			buf_adds(why, cred_locked(c.password) ? "account is locked" : "wrong password");
		}
		cred_free(&c);
	}
	if (record.len > 0)
		explicit_bzero(record.data, record.len);
	buf_free(&record);
	return result;
}

int
login_check(struct auth *a, const struct login *l, struct buf *user, struct buf *fields, struct buf *why)
{
	bool known = user_normal(a, l->user, user) == 0, tried = false;
	const char *name = known ? user->data : l->user;
	int wait = shared_wait(a->shared, name, l->password, l->remote_ip), r = LOGIN_FAIL;

	/* who guesses may take all processes: then those that would only wait are refused, so that others need not */
	if (wait > 1 && server_crowded())
		wait = -1;
	if (wait < 0) {
		buf_adds(why, "too many failed logins, try again later");
		log_warn("auth: user=<%s> rip=%s service=%s: too many failed logins, refused for now", name, l->remote_ip, l->service);
		return LOGIN_TEMPFAIL;
	}
	if (wait > 0)
		sleep((unsigned)wait);
	if (known)
		r = ask_backends(a, user->data, l->password, fields, why, &tried);
	/* who is not known gets what the others get */
	if (r == LOGIN_FAIL && !tried && cred_verify_nobody(l->password) == CRED_FAILED) {
		no_memory(why);
		r = LOGIN_TEMPFAIL;
	}
	if (r == LOGIN_TEMPFAIL) {
		log_error("auth: user=<%s> service=%s: %s", name, l->service, why->data);
	} else if (r == LOGIN_OK) {
		shared_success(a->shared, name, l->password, l->remote_ip);
	} else {
		if (!tried)
			buf_adds(why, "unknown user");
		shared_failure(a->shared, name, l->remote_ip);
		if (config_bool(a->config, "auth_verbose"))
			log_info("auth: user=<%s> rip=%s service=%s: %s", name, l->remote_ip, l->service, why->data);
		sleep((unsigned)config_time(a->config, "auth_failure_delay"));
	}
	return r;
}

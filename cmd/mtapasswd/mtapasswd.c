/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtapasswd - edits the credential database; saslpasswd2 by name. See mtapasswd(8). */
#include "mtapasswd.h"

#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"
#include "mail/config.h"
#include "mail/cred.h"
#include "mail/program.h"
#include "map/map.h"
#include "sys/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mtapasswd [-pV] [-C dir] [-f file] [-g gid] [-H home] [-m mail] [-o name=value] [-s scheme]\n"
	"                 [-u uid] [-w password] add|change|delete|list|lock|unlock|verify [user]";
static const char sasl_usage[] = "saslpasswd2 [-V] [-C dir] [-p] [-c | -d] [-n] [-f file] [-u domain] [-a service] user";

struct options {
	struct config_options config;
	const char *file, *scheme, *password, *domain;
	const char *field[4];     /* of field_names */
	bool pipe, create, disable;
	char *user;
	struct buf secret;        /* the new password */
	bool must_exist, must_not_exist;
	char *owner;              /* whose a new database is: auth_user, when root makes the one that mtaauth reads */
};
static const char *const field_names[4] = { "uid", "gid", "home", "mail" };

/* The database: -f, or the first tdb: of auth_backends. Without ".tdb". */
static char *
database(struct options *o)
{
	struct config *c;
	char *name = NULL, *list, *rest, *word;
	size_t n;

	if (o->file) {
		name = mem_strdup(o->file);
	} else {
		c = config_from_options(&o->config);
		rest = list = mem_strdup(config_str(c, "auth_backends"));
		while (!name && (word = strsep(&rest, ", \t")) != NULL)
			if (strncmp(word, "tdb:", 4) == 0)
				name = mem_strdup(word + 4);
		free(list);
		if (geteuid() == 0)
			o->owner = mem_strdup(config_str(c, "auth_user"));
		config_close(&c);
		if (!name)
			msg_die(EX_CONFIG, "auth_backends names no tdb: database; name one with -f");
	}
	n = strlen(name);
	if (n > 4 && strcmp(name + n - 4, ".tdb") == 0)
		name[n - 4] = '\0';
	return name;
}

/* The fields of the new record: those that were given, then the others of the old one. */
static void
add_fields(const struct options *o, const char *old, struct buf *record)
{
	char *copy, *rest, *word;

	for (size_t i = 0; i < 4; i++)
		if (o->field[i] && *o->field[i])
			buf_addf(record, "\t%s=%s", field_names[i], o->field[i]);
	rest = copy = mem_strdup(old);
	while ((word = strsep(&rest, "\t")) != NULL) {
		bool given = !*word;

		for (size_t i = 0; i < 4; i++) {
			size_t n = strlen(field_names[i]);

			given |= o->field[i] && strncmp(word, field_names[i], n) == 0 && word[n] == '=';
		}
		if (!given)
			buf_addf(record, "\t%s", word);
	}
	free(copy);
}

static int
edit_set(void *arg, const char *old, struct buf *record, struct buf *err)
{
	const struct options *o = arg;
	struct cred c = { 0 };

	if (o->must_exist && !old)
		buf_addf(err, "no such user: %s", o->user);
	if (o->must_not_exist && old)
		buf_addf(err, "user exists: %s", o->user);
	if (err->len > 0)
		return -1;
	if (old)
		cred_parse(&c, old);
	buf_adds(record, o->secret.len > 0 ? o->secret.data : c.password);
	add_fields(o, old ? c.fields : "", record);
	cred_free(&c);
	if (!record->full)
		return 1;
	buf_adds(err, "record is too long");
	return -1;
}

static int
edit_delete(void *arg, const char *old, struct buf *record, struct buf *err)
{
	(void)record;
	if (!old)
		buf_addf(err, "no such user: %s", ((struct options *)arg)->user);
	return old ? 0 : -1;
}

/* A '!' in front locks a password and keeps it. */
static int
edit_lock(void *arg, const char *old, struct buf *record, struct buf *err)
{
	if (!old)
		return edit_delete(arg, old, record, err);
	buf_addf(record, "%s%s", *old == '!' ? "" : "!", old);
	return 1;
}

static int
edit_unlock(void *arg, const char *old, struct buf *record, struct buf *err)
{
	if (!old)
		return edit_delete(arg, old, record, err);
	buf_adds(record, old + (*old == '!'));
	return 1;
}

static void
apply(struct options *o, bool create, edit_fn *edit)
{
	struct buf err = BUF_INIT(4096);
	char *name = database(o);

	umask(077); /* a database made now is its owner's alone; an existing one keeps its mode */
	if (db_edit(name, o->user, o->owner, create, edit, o, &err) < 0)
		msg_die(strncmp(err.data, "no such user", 12) == 0 ? EX_NOUSER : EX_CANTCREAT, "%s", err.data);
	free(name);
	buf_free(&err);
}

/* Takes the new password from where it was said and makes its hash. */
static void
new_password(struct options *o)
{
	struct buf text = BUF_INIT(CRED_PASSWORD_MAX + 1), err = BUF_INIT(1024);

	if (o->password ? buf_adds(&text, o->password) < 0 : ask_password("Password", o->pipe, true, &text, &err) < 0)
		msg_die(EX_DATAERR, "%s", err.len ? err.data : "password is too long");
	if (cred_hash(o->scheme, text.data, &o->secret, &err) < 0)
		msg_die(EX_DATAERR, "%s", err.data);
	explicit_bzero(text.data, text.len);
	buf_free(&text);
	buf_free(&err);
}

static struct map *
open_database(struct options *o)
{
	struct buf table = BUF_INIT(1 << 16), err = BUF_INIT(4096);
	char *name = database(o);
	struct map *m;

	buf_addf(&table, "tdb:%s", name);
	m = map_open(table.data, &err);
	if (!m)
		msg_die(EX_USAGE, "%s", err.data);
	free(name);
	buf_free(&table);
	return m;
}

static int
verb_verify(struct options *o)
{
	struct buf record = BUF_INIT(1 << 16), err = BUF_INIT(4096), text = BUF_INIT(4096);
	struct map *m = open_database(o);
	struct cred c;
	int r;

	if (o->password ? buf_adds(&text, o->password) < 0 : ask_password("Password", o->pipe, false, &text, &err) < 0)
		msg_die(EX_DATAERR, "%s", err.len ? err.data : "password is too long");
	r = map_find(m, o->user, &record, &err);
	if (r < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (r == 0)
		msg_die(EX_NOUSER, "no such user: %s", o->user);
	cred_parse(&c, record.data);
	r = cred_verify(c.password, text.data);
	if (r == CRED_UNKNOWN)
		msg_die(EX_DATAERR, "%s: unknown password scheme", o->user);
	if (r == CRED_FAILED)
		msg_die(EX_TEMPFAIL, "%s: out of memory for the password's hash", o->user);
	if (r == CRED_WRONG)
		msg_warn(cred_locked(c.password) ? "%s: locked" : "%s: wrong password", o->user);
	cred_free(&c);
	map_close(&m);
	buf_free(&record);
	buf_free(&text);
	buf_free(&err);
	return r == CRED_MATCH ? 0 : EX_NOPERM;
}

struct users { char **line; size_t n; };

static int
list_user(void *arg, const char *key, const char *value)
{
	struct users *u = arg;
	struct buf line = BUF_INIT(1 << 17);
	struct cred c;

	cred_parse(&c, value);
	buf_addf(&line, "%s%s%s%s", key, cred_locked(c.password) ? "\tlocked" : "", *c.fields ? "\t" : "", c.fields);
	cred_free(&c);
	u->line = mem_resize(u->line, u->n + 1, sizeof *u->line);
	u->line[u->n++] = buf_steal(&line);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
verb_list(struct options *o)
{
	struct buf err = BUF_INIT(4096);
	struct map *m = open_database(o);
	struct users u = { 0 };

	if (map_each(m, list_user, &u, &err) < 0)
		msg_die(EX_TEMPFAIL, "%s", err.data);
	if (u.n > 0)
		qsort(u.line, u.n, sizeof *u.line, by_name);
	for (size_t i = 0; i < u.n; i++) {
		puts(u.line[i]);
		free(u.line[i]);
	}
	free(u.line);
	map_close(&m);
	buf_free(&err);
	if (fflush(stdout) != 0)
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	return 0;
}

static int
verb_add(struct options *o)
{
	new_password(o);
	o->must_not_exist = true;
	apply(o, true, edit_set);
	return 0;
}

static int
verb_change(struct options *o)
{
	bool fields = o->field[0] || o->field[1] || o->field[2] || o->field[3];

	/* fields alone can change without a new password */
	if (!fields || o->pipe || o->password)
		new_password(o);
	o->must_exist = true;
	apply(o, false, edit_set);
	return 0;
}

static int
verb_delete(struct options *o)
{
	apply(o, false, edit_delete);
	return 0;
}

static int
verb_lock(struct options *o)
{
	apply(o, false, edit_lock);
	return 0;
}

static int
verb_unlock(struct options *o)
{
	apply(o, false, edit_unlock);
	return 0;
}

static const struct { const char *name; int (*run)(struct options *); bool user; } verbs[] = {
	{ "add", verb_add, true },
	{ "change", verb_change, true },
	{ "delete", verb_delete, true },
	{ "list", verb_list, false },
	{ "lock", verb_lock, true },
	{ "unlock", verb_unlock, true },
	{ "verify", verb_verify, true },
};

static void
check_fields(const struct options *o)
{
	uint64_t id;

	for (int i = 0; i < 2; i++)
		if (o->field[i] && *o->field[i] && (num_u64(o->field[i], UINT32_MAX - 1, &id) < 0 || id == 0))
			program_usage(usage_text, "-u and -g take a number that is not 0");
	for (int i = 2; i < 4; i++)
		for (const char *p = o->field[i]; p && *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				program_usage(usage_text, "-H and -m take no control characters");
}

/* Cyrus SASL's command line: -c makes or changes, -d removes, neither changes. */
static int
saslpasswd2(struct options *o, int argc, char **argv)
{
	struct buf user = BUF_INIT(CRED_USER_MAX + 1);
	int c, status = 0;

	while ((c = getopt(argc, argv, ":C:Va:cdf:no:pu:v")) != -1)
		switch (c) {
		case 'c': o->create = true; break;
		case 'd': o->disable = true; break;
		case 'f': o->file = optarg; break;
		case 'p': o->pipe = true; break;
		case 'u': o->domain = optarg; break;
		case 'a': case 'n': case 'o': break;
		default: program_option(&o->config, c == 'v' ? 'V' : c, sasl_usage);
		}
	if (optind + 1 != argc)
		program_usage(sasl_usage, "one user is to be named");
	if (o->create && o->disable)
		program_usage(sasl_usage, "-c and -d exclude each other");
	buf_adds(&user, argv[optind]);
	if (o->domain && !strchr(argv[optind], '@'))
		buf_addf(&user, "@%s", o->domain);
	if (user.full || !cred_user_ok(user.data))
		msg_die(EX_DATAERR, "not a user name: %s", argv[optind]);
	o->user = buf_steal(&user);
	if (o->disable) {
		status = verb_delete(o);
	} else {
		new_password(o);
		o->must_exist = !o->create;
		apply(o, o->create, edit_set);
	}
	buf_free(&o->secret);
	free(o->owner);
	free(o->user);
	return status;
}

int
main(int argc, char **argv)
{
	struct options o = { .secret = BUF_INIT(8192) };
	int c;

	proc_sane_fds();
	proc_harden();
	msg_init(argv[0]);
	opterr = 0;
	if (strcmp(msg_program, "saslpasswd2") == 0)
		return saslpasswd2(&o, argc, argv);
	while ((c = getopt(argc, argv, ":C:H:Vf:g:m:o:ps:u:w:")) != -1)
		switch (c) {
		case 'H': o.field[2] = optarg; break;
		case 'f': o.file = optarg; break;
		case 'g': o.field[1] = optarg; break;
		case 'm': o.field[3] = optarg; break;
		case 'p': o.pipe = true; break;
		case 's': o.scheme = optarg; break;
		case 'u': o.field[0] = optarg; break;
		case 'w': o.password = optarg; break;
		default: program_option(&o.config, c, usage_text);
		}
	check_fields(&o);
	if (optind == argc)
		program_usage(usage_text, "nothing to do was named");
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(argv[optind], verbs[i].name) != 0)
			continue;
		if (optind + 1 + verbs[i].user != argc)
			program_usage(usage_text, verbs[i].user ? "one user is to be named" : "list takes no argument");
		if (verbs[i].user && !cred_user_ok(argv[optind + 1]))
			msg_die(EX_DATAERR, "not a user name: %s", argv[optind + 1]);
		o.user = verbs[i].user ? argv[optind + 1] : NULL;
		c = verbs[i].run(&o);
		buf_free(&o.secret);
		free(o.owner);
		return c;
	}
	msg_warn("no such thing to do: %s", argv[optind]);
	program_usage(usage_text, "expected add, change, delete, list, lock, unlock or verify");
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See command.h. No shell comes near these: the line is split into words first, and each word is expanded by itself. */
#include "command.h"

#include "mail/config.h"
#include "sys/proc.h"

#include "base/mem.h"
#include "base/num.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 10000           /* arguments after expansion */
#define WORD_MAX 65536

/* Value of "name=value", or NULL. */
static const char *
value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

/* user=NAME or user=NAME:GROUP */
static int
set_user(struct agent_command *a, const char *value, struct buf *err)
{
	const char *colon = strchrnul(value, ':');
	char *name = mem_strndup(value, (size_t)(colon - value));
	struct passwd *pw = getpwnam(name);
	struct group *gr = *colon ? getgrnam(colon + 1) : NULL;

	if (!pw || (*colon && !gr)) {
		buf_addf(err, "user=%s: no such %s", value, pw ? "group" : "user");
		free(name);
		return -1;
	}
	a->uid = pw->pw_uid;
	a->gid = gr ? gr->gr_gid : pw->pw_gid;
	free(a->user);
	a->user = name;
	return 0;
}

static int
set_number(const char *value, unsigned *out, struct buf *err)
{
	uint64_t n;

	if (num_u64(value, UINT32_MAX - 1, &n) < 0) {
		buf_addf(err, "not a number: %s", value);
		return -1;
	}
	*out = (unsigned)n;
	return 0;
}

/* One word before the command. 1 taken, 0 the command begins here, -1 with err. */
static int
take_word(struct agent_command *a, char *word, struct buf *err)
{
	const char *v;

	if ((v = value_of(word, "user")))
		return set_user(a, v, err) < 0 ? -1 : 1;
	if ((v = value_of(word, "uid")))
		return set_number(v, &a->uid, err) < 0 ? -1 : 1;
	if ((v = value_of(word, "gid")))
		return set_number(v, &a->gid, err) < 0 ? -1 : 1;
	if ((v = value_of(word, "flags"))) {
		if (strlen(v) >= sizeof a->flags || v[strspn(v, "DFORXhu")]) {
			buf_addf(err, "flags=%s: known are D F O R X h u", v);
			return -1;
		}
		snprintf(a->flags, sizeof a->flags, "%s", v);
		return 1;
	}
	if (value_of(word, "argv"))
		memmove(word, word + 5, strlen(word + 5) + 1);
	return 0;
}

static int
parse(struct agent_command *a, struct buf *err)
{
	int r;

	for (a->argv = a->words; *a->argv; a->argv++) {
		r = take_word(a, *a->argv, err);
		if (r < 0)
			return -1;
		if (r == 0)
			break;
	}
	if (!*a->argv || !**a->argv) {
		buf_adds(err, "no command");
		return -1;
	}
	for (char **w = a->argv + 1; *w; w++)
		a->resident |= strcmp(*w, "-b") == 0;
	return 0;
}

struct agent_command *
command_get(struct config *c, const char *transport, struct buf *err)
{
	struct buf name = BUF_INIT(1024);
	struct agent_command *a;
	const char *line;

	buf_addf(&name, "%s_agent", transport);
	line = name.full ? NULL : config_any(c, name.data);
	if (!line || !*line) {
		buf_addf(err, "mail transport unknown: %s is not set", name.data);
		buf_free(&name);
		return NULL;
	}
	a = mem_zalloc(sizeof *a);
	a->uid = (uid_t)-1;
	a->gid = (gid_t)-1;
	buf_addf(err, "%s: ", name.data);
	buf_free(&name);
	a->words = proc_split(line);
	if (!a->words)
		buf_adds(err, "a brace has no partner");
	if (!a->words || parse(a, err) < 0)
		command_free(&a);
	else
		buf_clear(err);
	return a;
}

void
command_free(struct agent_command **ap)
{
	struct agent_command *a = *ap;

	if (!a)
		return;
	if (a->words)
		proc_free_argv(&a->words);
	free(a->user);
	free(a);
	*ap = NULL;
}

/* A word under expansion: which recipient it is for, and whether it speaks of one at all. */
struct expansion {
	const char *attrs;
	size_t n, index;
	bool of_recipient;
};

/* The index'th value of name. */
static const char *
attr_find(const char *attrs, size_t n, const char *name, size_t index)
{
	const char *v;

	for (const char *p = attrs; p < attrs + n; p += strlen(p) + 1)
		if ((v = value_of(p, name)) && index-- == 0)
			return v;
	return NULL;
}

/* Only these are the job's; anything else is the configuration's, whatever the job says. */
static const char *
lookup(void *arg, const char *name)
{
	static const char *const of_recipient[] = { "recipient", "user", "extension", "domain", "mailbox", "original_recipient" };
	static const char *const of_message[] = { "sender", "nexthop", "queue_id", "size", "client_address", "client_helo", "client_protocol",
		"sasl_username" };
	struct expansion *e = arg;

	for (size_t i = 0; i < sizeof of_recipient / sizeof *of_recipient; i++) {
		if (strcmp(name, of_recipient[i]) == 0) {
			e->of_recipient = true;
			return attr_find(e->attrs, e->n, name, e->index);
		}
	}
	for (size_t i = 0; i < sizeof of_message / sizeof *of_message; i++)
		if (strcmp(name, of_message[i]) == 0)
			return attr_find(e->attrs, e->n, name, 0);
	return NULL;
}

struct words {
	char **w;
	size_t n;
};

static void
words_add(struct words *l, char *word)
{
	l->w = mem_resize(l->w, l->n + 2, sizeof *l->w);
	l->w[l->n++] = word;
	l->w[l->n] = NULL;
}

/* One word: once, or once for each recipient. */
static int
expand_word(struct config *c, struct words *l, const char *word, struct expansion *e, struct buf *err)
{
	struct buf out = BUF_INIT(WORD_MAX);

	e->of_recipient = false;
	for (e->index = 0; e->index == 0 || (e->of_recipient && attr_find(e->attrs, e->n, "recipient", e->index)); e->index++) {
		buf_clear(&out);
		if (l->n >= WORDS_MAX || config_expand(c, word, lookup, e, &out, err) < 0) {
			if (!err->len)
				buf_adds(err, "too many arguments");
			buf_free(&out);
			return -1;
		}
		words_add(l, buf_steal(&out));
	}
	buf_free(&out);
	return 0;
}

bool
command_attrs_safe(const char *attrs, size_t n)
{
	static const char *const names[] = { "sender", "recipient", "user", "mailbox" };
	const char *v;

	if (n && attrs[n - 1])
		return false;
	for (const char *p = attrs; p < attrs + n; p += strlen(p) + 1)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if ((v = value_of(p, names[i])) && *v == '-')
				return false;
	return true;
}

char **
command_expand(struct config *c, const struct agent_command *a, const char *attrs, size_t n, struct buf *err)
{
	struct expansion e = { .attrs = attrs, .n = n };
	struct words l = { 0 };

	if (!command_attrs_safe(attrs, n)) {
		buf_adds(err, "an address that begins with '-' is not passed to a command");
		return NULL;
	}
	for (char **w = a->argv; *w; w++) {
		e.n = w == a->argv ? 0 : n; /* which program is run is not for the mail to say */
		if (expand_word(c, &l, *w, &e, err) < 0) {
			command_free_argv(&l.w);
			return NULL;
		}
	}
	return l.w;
}

void
command_free_argv(char ***argv)
{
	for (char **w = *argv; w && *w; w++)
		free(*w);
	free(*argv);
	*argv = NULL;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Parameters on standard output: see mtaconf.h. */
#include "mtaconf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_pair(const struct print *p, const char *name, const char *value)
{
	if (p->no_value)
		printf("%s\n", name);
	else if (p->no_name)
		printf("%s\n", value);
	else
		printf("%s = %s\n", name, value); /* as postconf: with the blank before an empty value, too */
}

/* The default of a row of the table, as written; computed ones are asked from a configuration. */
static const char *
default_of(struct config *c, const struct param *row, const char *name)
{
	return row->def ? row->def : config_computed(c, name);
}

bool
print_one(struct config *c, const struct print *p, const char *name)
{
	const struct param *row = param_find(name);
	struct buf b = BUF_INIT(1 << 20), err = BUF_INIT(65536);
	const char *value = p->which == PRINT_DEFAULTS && row ? default_of(c, row, name) : config_raw(c, name);
	bool known = value != NULL;

	if (known && p->which == PRINT_SET && !config_where(c, name))
		return true; /* known, and nothing to print */
	if (known && p->expand && config_expand(c, value, NULL, NULL, &b, &err) == 0)
		print_pair(p, name, b.data);
	else if (known)
		print_pair(p, name, value);
	buf_free(&b);
	buf_free(&err);
	return known;
}

struct names { const char **name; size_t n; };

static void
add_name(void *arg, const char *name, const char *raw)
{
	struct names *l = arg;

	(void)raw;
	l->name = mem_resize(l->name, l->n + 1, sizeof *l->name);
	l->name[l->n++] = name;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
print_list(struct config *c, const struct print *p)
{
	struct names l = { 0 };

	for (size_t i = 0; i < param_count; i++)
		if (p->which != PRINT_SET || config_where(c, param_table[i].name))
			add_name(&l, param_table[i].name, NULL);
	if (p->which != PRINT_DEFAULTS)
		config_each_other(c, add_name, &l);
	if (l.n)
		qsort(l.name, l.n, sizeof *l.name, by_name);
	for (size_t i = 0; i < l.n; i++)
		print_one(c, p, l.name[i]);
	free(l.name);
}

/* Text for mdoc: a backslash is written \e, a new sentence begins a new line. */
static void
print_mdoc(const char *s)
{
	for (; *s; s++)
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (s[0] == '.' && s[1] == ' ' && s[2])
			fputs(".\n", stdout), s++;
		else
			putchar(*s);
}

static const char *
type_text(const struct param *p)
{
	switch (p->type) {
	case PARAM_BOOL: return "yes or no";
	case PARAM_INT: return "number";
	case PARAM_TIME: return "time";
	case PARAM_SIZE: return "size";
	case PARAM_LIST: return "list";
	case PARAM_ENUM: return p->choices;
	case PARAM_RAW: return "text, expanded when used";
	case PARAM_STR: break;
	}
	return "text";
}

static void
print_default(const struct param *p)
{
	if (!p->def) {
		printf("Its default is computed.\n");
	} else if (!*p->def) {
		printf("Default: empty.\n");
	} else {
		/* a macro would take punctuation at the end of the value for its own */
		printf("Default:\n\\&\\fB");
		print_mdoc(p->def);
		printf("\\fR\n");
	}
}

void
print_manual(void)
{
	for (size_t i = 0; i < param_count; i++) {
		const struct param *p = &param_table[i];

		if (!*p->programs)
			continue;
		printf(".It Va %s Pq %s\n", p->name, type_text(p));
		print_mdoc(p->help);
		printf("\n");
		if (param_unread(p->name))
			printf("(This version does nothing with it.)\n");
		print_default(p);
	}
	printf(".El\n.Ss Known and without effect\n"
	    "These parameters of Postfix and Dovecot may stand in\n.Pa main.cf .\n"
	    "They change nothing, and\n.Ic mtaconf check\nsays so.\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < param_count; i++)
		if (!*param_table[i].programs) {
			printf(".It Va %s\n", param_table[i].name);
			print_mdoc(param_table[i].help);
			printf("\n");
		}
	printf(".El\n");
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* cidr:/file (cidr_table(5)): lines of network, white space, value; the first that matches answers. A '!' before the network
 * inverts it; "if [!]network" and "endif" enclose lines. A key that is no address matches nothing. */
#include "base/mem.h"
#include "map/driver.h"
#include "map/rules.h"
#include "syntax/cidr.h"

#include <string.h>
#include <strings.h>

static int
parse_rule(struct rule *r, struct maptext *line, struct buf *why)
{
	const char *wrong = "expected a network and a value";
	char *net, *value;
	int v = maptext_pair(line, &net, &value, &wrong);

	if (v > 0 && strcasecmp(net, "if") == 0)
		net = value;
	else if (v > 0)
		r->value = mem_strdup(value);
	if (v > 0 && *net == '!') {
		r->invert = true;
		net += 1 + strspn(net + 1, " \t");
	}
	if (v > 0 && cidr_parse(r->pattern, net, strlen(net), &wrong) == 0)
		return 0;
	buf_adds(why, wrong);
	return -1;
}

static const struct rules_type cidr_rules = { .name = "cidr", .size = sizeof(struct cidr), .parse = parse_rule };

static int
match(void *addr, const struct rule *r)
{
	return cidr_match(r->pattern, addr);
}

static int
cidr_find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct rules *t = table;
	const struct rule *r;
	struct cidr addr;
	const char *why;

	if (rules_refresh(t, err) < 0)
		return MAP_ERROR;
	if (strchr(key, '/') || cidr_parse(&addr, key, strlen(key), &why) < 0 || rules_find(t, match, &addr, &r) == 0)
		return MAP_ABSENT;
	if (buf_adds(out, r->value) == 0)
		return MAP_FOUND;
	buf_addf(err, "table cidr:%s: value is too long", t->watch.path);
	return MAP_ERROR;
}

static void *
cidr_open(const char *name, struct buf *err)
{
	(void)err;
	return rules_open(&cidr_rules, name);
}

const struct map_driver map_cidr = { .type = "cidr", .pattern = true, .open = cidr_open, .find = cidr_find, .close = rules_close };

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Address classes and the way to a recipient: see route.h. The order of searches is Postfix's
 * (ADDRESS_CLASS_README, transport(5), virtual(5)). A failed lookup is never "absent". */
#include "mail/route.h"

#include "mail/config.h"
#include "mail/route_user.h"
#include "map/map.h"
#include "syntax/address.h"

#include "base/mem.h"
#include "base/num.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX (1 << 20)       /* bytes of a table's value */

struct route_maps {
	struct matchlist *mydestination, *alias_domains, *mailbox_domains, *relay_domains, *own_addresses;
	struct maplist *transport, *mailbox, *alias, *virtual_alias, *relay_rcpt, *local_rcpt, *relocated, *uid, *gid;
	bool has_mailbox, has_virtual_alias, has_relay_rcpt, has_local_rcpt, has_transport, has_relocated, has_fallback;
	bool transport_parent;    /* parent_domain_matches_subdomains names transport_maps */
	char *local_transport, *virtual_transport, *relay_transport, *default_transport, *relayhost;
	char *myorigin, *delimiter, *double_bounce;
	int64_t minimum_uid;
	struct route_users *users;
	struct address addr;      /* the address under work, and */
	size_t base;              /* the length of its local part without the extension */
	struct buf key, value;
};

void
route_init(struct route *r)
{
	*r = (struct route){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	buf_init(&r->transport, 1 << 16);
	buf_init(&r->nexthop, 1 << 16);
	buf_init(&r->user, 1 << 16);
	buf_init(&r->mailbox, VALUE_MAX);
	buf_init(&r->home, 1 << 16);
}

void
route_free(struct route *r)
{
	buf_free(&r->transport);
	buf_free(&r->nexthop);
	buf_free(&r->user);
	buf_free(&r->mailbox);
	buf_free(&r->home);
}

static struct matchlist *
open_list(struct config *c, const char *name, bool parent, struct buf *err)
{
	struct matchlist *l;

	buf_addf(err, "%s: ", name);
	l = matchlist_open(config_str(c, name), parent, err);
	if (l)
		buf_clear(err);
	return l;
}

static struct maplist *
open_maps(struct config *c, const char *name, bool *has, struct buf *err)
{
	const char *value = config_str(c, name);
	struct maplist *l;

	*has = value[strspn(value, ", \t")] != '\0';
	buf_addf(err, "%s: ", name);
	l = maplist_open(value, err);
	if (l)
		buf_clear(err);
	return l;
}

/* name is one of the words of a list parameter. */
static bool
listed(struct config *c, const char *parameter, const char *name)
{
	const char *value = config_str(c, parameter), *at = value;
	size_t n = strlen(name);

	while ((at = strstr(at, name)) != NULL) {
		bool starts = at == value || strchr(", \t", at[-1]);

		if (starts && (at[n] == '\0' || strchr(", \t", at[n])))
			return true;
		at += n;
	}
	return false;
}

static bool
is_set(struct config *c, const char *name)
{
	const char *value = config_str(c, name);

	return value[strspn(value, ", \t")] != '\0';
}

static int
open_tables(struct route_maps *m, struct config *c, struct buf *err)
{
	bool parent = listed(c, "parent_domain_matches_subdomains", "relay_domains"), ignored;

	m->transport_parent = listed(c, "parent_domain_matches_subdomains", "transport_maps");
	if (!(m->mydestination = open_list(c, "mydestination", false, err)) ||
	    !(m->alias_domains = open_list(c, "virtual_alias_domains", false, err)) ||
	    !(m->mailbox_domains = open_list(c, "virtual_mailbox_domains", false, err)) ||
	    !(m->relay_domains = open_list(c, "relay_domains", parent, err)) ||
	    !(m->own_addresses = route_own_addresses(config_str(c, "inet_interfaces"), config_str(c, "proxy_interfaces"), err)) ||
	    !(m->transport = open_maps(c, "transport_maps", &m->has_transport, err)) ||
	    !(m->mailbox = open_maps(c, "virtual_mailbox_maps", &m->has_mailbox, err)) ||
	    !(m->virtual_alias = open_maps(c, "virtual_alias_maps", &m->has_virtual_alias, err)) ||
	    !(m->relay_rcpt = open_maps(c, "relay_recipient_maps", &m->has_relay_rcpt, err)) ||
	    !(m->local_rcpt = open_maps(c, "local_recipient_maps", &m->has_local_rcpt, err)) ||
	    !(m->relocated = open_maps(c, "relocated_maps", &m->has_relocated, err)) ||
	    !(m->alias = open_maps(c, "alias_maps", &ignored, err)) ||
	    !(m->uid = open_maps(c, "virtual_uid_maps", &ignored, err)) ||
	    !(m->gid = open_maps(c, "virtual_gid_maps", &ignored, err)))
		return -1;
	return 0;
}

struct route_maps *
route_open(struct config *c, struct buf *err)
{
	struct route_maps *m = mem_zalloc(sizeof *m);

	address_init(&m->addr);
	buf_init(&m->key, 1 << 16);
	buf_init(&m->value, VALUE_MAX);
	m->users = route_users_new();
	m->local_transport = mem_strdup(config_str(c, "local_transport"));
	m->virtual_transport = mem_strdup(config_str(c, "virtual_transport"));
	m->relay_transport = mem_strdup(config_str(c, "relay_transport"));
	m->default_transport = mem_strdup(config_str(c, "default_transport"));
	m->relayhost = mem_strdup(config_str(c, "relayhost"));
	m->myorigin = mem_strdup(config_str(c, "myorigin"));
	m->double_bounce = mem_strdup(config_str(c, "double_bounce_sender"));
	m->delimiter = mem_strdup(config_str(c, "recipient_delimiter"));
	m->minimum_uid = config_int(c, "virtual_minimum_uid");
	m->has_fallback = is_set(c, "luser_relay") || is_set(c, "fallback_transport") || is_set(c, "fallback_transport_maps") ||
	    is_set(c, "mailbox_transport") || is_set(c, "mailbox_transport_maps");
	if (open_tables(m, c, err) < 0)
		route_close(&m);
	return m;
}

void
route_close(struct route_maps **mp)
{
	struct route_maps *m = *mp;

	if (!m)
		return;
	matchlist_close(&m->mydestination);
	matchlist_close(&m->alias_domains);
	matchlist_close(&m->mailbox_domains);
	matchlist_close(&m->relay_domains);
	matchlist_close(&m->own_addresses);
	maplist_close(&m->transport);
	maplist_close(&m->mailbox);
	maplist_close(&m->virtual_alias);
	maplist_close(&m->relay_rcpt);
	maplist_close(&m->local_rcpt);
	maplist_close(&m->relocated);
	maplist_close(&m->alias);
	maplist_close(&m->uid);
	maplist_close(&m->gid);
	free(m->local_transport);
	free(m->virtual_transport);
	free(m->relay_transport);
	free(m->default_transport);
	free(m->relayhost);
	free(m->myorigin);
	free(m->double_bounce);
	free(m->delimiter);
	route_users_free(&m->users);
	address_free(&m->addr);
	buf_free(&m->key);
	buf_free(&m->value);
	free(m);
	*mp = NULL;
}

/* Takes the address apart into m->addr; one without a domain is of myorigin. */
static int
take_address(struct route_maps *m, const char *address, struct buf *text)
{
	const char *why;

	if (address_parse(&m->addr, address, strlen(address), ADDRESS_UTF8 | ADDRESS_NODOMAIN, &why) < 0) {
		buf_addf(text, "bad address syntax: %s", why);
		return -1;
	}
	if (m->addr.domain.len == 0)
		buf_adds(&m->addr.domain, m->myorigin);
	m->base = strcspn(m->addr.local.data, m->delimiter);
	if (m->base == 0)
		m->base = m->addr.local.len;
	return 0;
}

/* The address that notices for postmasters come from, at a domain of ours: what is returned to it is accepted and dropped, so
 * that no bounce goes back and forth. */
static bool
is_double_bounce(const struct route_maps *m, int class)
{
	size_t n = strcspn(m->double_bounce, "@");

	if (n != m->addr.local.len || strncasecmp(m->addr.local.data, m->double_bounce, n) != 0 || class == ROUTE_DEFAULT ||
	    class == ROUTE_RELAY)
		return false;
	if (m->double_bounce[n])
		return strcasecmp(m->addr.domain.data, m->double_bounce + n + 1) == 0;
	return class == ROUTE_LOCAL || strcasecmp(m->addr.domain.data, m->myorigin) == 0;
}

/* One lookup of local[0..n] + at + domain. part: the key is not the whole address. */
static int
ask(struct route_maps *m, struct maplist *l, size_t n, const char *at, const char *domain, bool part, struct buf *out, struct buf *err)
{
	buf_clear(&m->key);
	buf_add(&m->key, m->addr.local.data, n);
	buf_adds(&m->key, at);
	buf_adds(&m->key, domain);
	buf_clear(out);
	return part ? maplist_find_part(l, m->key.data, out, err) : maplist_find(l, m->key.data, out, err);
}

/* user+ext@domain, user@domain; then user+ext, user when the domain is local; then @domain when that is wanted. */
static int
find_address(struct route_maps *m, struct maplist *l, bool local, bool at_domain, struct buf *out, struct buf *err)
{
	const char *domain = m->addr.domain.data;
	size_t whole = m->addr.local.len;
	int r = ask(m, l, whole, "@", domain, false, out, err);

	if (r == MAP_ABSENT && m->base < whole)
		r = ask(m, l, m->base, "@", domain, false, out, err);
	if (r == MAP_ABSENT && local)
		r = ask(m, l, whole, "", "", true, out, err);
	if (r == MAP_ABSENT && local && m->base < whole)
		r = ask(m, l, m->base, "", "", true, out, err);
	if (r == MAP_ABSENT && at_domain)
		r = ask(m, l, 0, "@", domain, true, out, err);
	return r;
}

static int
own_literal(struct route_maps *m, const char *domain, struct buf *err)
{
	size_t n = strlen(domain);
	int r;

	if (n < 3 || domain[0] != '[' || domain[n - 1] != ']')
		return MAP_ABSENT;
	domain += strncasecmp(domain, "[IPv6:", 6) == 0 ? 6 : 1;
	buf_clear(&m->key);
	buf_add(&m->key, domain, strlen(domain) - 1);
	r = matchlist_address(m->own_addresses, m->key.data, err);
	return r;
}

int
route_domain(struct route_maps *m, const char *domain, struct buf *err)
{
	const struct { struct matchlist *list; enum route_class class; } order[] = {
		{ m->mydestination, ROUTE_LOCAL },
		{ m->alias_domains, ROUTE_VIRTUAL_ALIAS },
		{ m->mailbox_domains, ROUTE_VIRTUAL_MAILBOX },
		{ m->relay_domains, ROUTE_RELAY },
	};
	int r;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		r = matchlist_domain(order[i].list, domain, err);
		if (r == MAP_ABSENT && i == 0)
			r = own_literal(m, domain, err);
		if (r != MAP_ABSENT)
			return r == MAP_FOUND ? (int)order[i].class : -1;
	}
	return ROUTE_DEFAULT;
}

/* Whether a class's table has the address: known, or else text. */
static int
listed_recipient(struct route_maps *m, int class, struct buf *text, struct buf *err)
{
	static const char *const names[] = { "local", "virtual alias", "virtual mailbox", "relay" };
	struct maplist *lists[] = { m->local_rcpt, m->virtual_alias, m->mailbox, m->relay_rcpt };
	bool has[] = { m->has_local_rcpt, true, m->has_mailbox, m->has_relay_rcpt };
	int r;

	if (class == ROUTE_DEFAULT || !has[class])
		return MAP_FOUND;
	/* the bare name first: most local names are found by it, and which key finds a name does not matter here */
	r = class == ROUTE_LOCAL ? ask(m, lists[class], m->base, "", "", true, &m->value, err) : MAP_ABSENT;
	if (r == MAP_ABSENT)
		r = find_address(m, lists[class], class == ROUTE_LOCAL, true, &m->value, err);
	if (r == MAP_ABSENT && class != ROUTE_VIRTUAL_ALIAS && m->has_virtual_alias)
		r = find_address(m, m->virtual_alias, class == ROUTE_LOCAL, true, &m->value, err);
	if (r == MAP_ABSENT)
		buf_addf(text, "User unknown in %s %stable", names[class],
		    class == ROUTE_LOCAL || class == ROUTE_RELAY ? "recipient " : "");
	return r;
}

int
route_recipient(struct route_maps *m, const char *address, struct buf *text, struct buf *err)
{
	int class;

	if (take_address(m, address, text) < 0)
		return MAP_ABSENT;
	class = route_domain(m, m->addr.domain.data, err);
	return class < 0 ? -1 : is_double_bounce(m, class) ? MAP_FOUND : listed_recipient(m, class, text, err);
}

int
route_relocated(struct route_maps *m, const char *address, struct buf *text, struct buf *err)
{
	int class, found;

	if (!m->has_relocated || take_address(m, address, &m->value) < 0)
		return MAP_ABSENT;
	class = route_domain(m, m->addr.domain.data, err);
	if (class < 0)
		return -1;
	found = find_address(m, m->relocated, class == ROUTE_LOCAL, true, &m->value, err);
	if (found == MAP_FOUND)
		buf_addf(text, "User has moved to %s", m->value.data);
	return found == MAP_ERROR ? -1 : found;
}

/* "transport:nexthop" over what is there: an empty transport leaves it, an empty next hop means the recipient's
 * domain where a transport is named. */
static void
set_transport(struct route_maps *m, struct route *r, const char *value)
{
	const char *colon = strchrnul(value, ':');

	if (colon > value) {
		buf_clear(&r->transport);
		buf_add(&r->transport, value, (size_t)(colon - value));
		buf_clear(&r->nexthop);
		buf_adds(&r->nexthop, m->addr.domain.data);
	}
	if (*colon && colon[1]) {
		buf_clear(&r->nexthop);
		buf_adds(&r->nexthop, colon + 1);
	}
}

/* The transport that the class has in main.cf. */
static void
class_transport(struct route_maps *m, struct route *r)
{
	const char *value[] = { m->local_transport, NULL, m->virtual_transport, m->relay_transport, m->default_transport };
	const char *colon = strchr(value[r->class], ':');

	set_transport(m, r, value[r->class]);
	if ((r->class == ROUTE_RELAY || r->class == ROUTE_DEFAULT) && *m->relayhost && !(colon && colon[1])) {
		buf_clear(&r->nexthop);
		buf_adds(&r->nexthop, m->relayhost);
	}
}

/* transport_maps. 0, or -1 with err. */
static int
map_transport(struct route_maps *m, struct route *r, struct buf *err)
{
	const char *domain = m->addr.domain.data;
	int found;

	if (!m->has_transport)
		return 0;
	found = find_address(m, m->transport, false, false, &m->value, err);
	if (found == MAP_ABSENT)
		found = ask(m, m->transport, 0, "", domain, true, &m->value, err);
	while (found == MAP_ABSENT && *domain != '[' && (domain = strchr(domain + 1, '.')) != NULL && domain[1])
		found = ask(m, m->transport, 0, "", m->transport_parent ? domain + 1 : domain, true, &m->value, err);
	if (found == MAP_ABSENT)
		found = ask(m, m->transport, 0, "*", "", true, &m->value, err);
	if (found == MAP_FOUND)
		set_transport(m, r, m->value.data);
	return found == MAP_ERROR ? -1 : 0;
}

/* A local name: a system user, or one that alias_maps or the agent's fallbacks may know. */
static int
find_user(struct route_maps *m, struct route *r, struct buf *text, struct buf *err)
{
	int found = find_address(m, m->alias, true, false, &m->value, err);

	if (found != MAP_ABSENT)
		return found;
	buf_clear(&m->key);
	for (size_t i = 0; i < m->base; i++) {
		char c = m->addr.local.data[i];

		buf_addc(&m->key, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
	}
	found = route_users_find(m->users, m->key.data, r, err);
	if (found != MAP_ABSENT || m->has_fallback || strcmp(r->transport.data, "local") != 0)
		return found == MAP_ABSENT ? MAP_FOUND : found;
	buf_addf(text, "unknown user: \"%s\"", m->key.data);
	return MAP_ABSENT;
}

/* A number of virtual_uid_maps or virtual_gid_maps; (uid_t)-1 where there is no such table. */
static int
find_number(struct route_maps *m, struct maplist *l, const char *name, int64_t min, unsigned *out, struct buf *err)
{
	int found = find_address(m, l, false, true, &m->value, err);
	uint64_t number;

	if (found != MAP_FOUND)
		return found;
	if (num_u64(m->value.data, UINT32_MAX - 1, &number) < 0 || (int64_t)number < min) {
		buf_addf(err, "%s: \"%s\" is not a number of at least %lld", name, m->value.data, (long long)min);
		return MAP_ERROR;
	}
	*out = (unsigned)number;
	return MAP_FOUND;
}

static int
find_mailbox(struct route_maps *m, struct route *r, struct buf *text, struct buf *err)
{
	int found = m->has_mailbox ? find_address(m, m->mailbox, false, true, &r->mailbox, err) : MAP_FOUND;

	if (found == MAP_ABSENT && strcmp(r->transport.data, "virtual") == 0)
		buf_adds(text, "unknown user: ");
	else if (found == MAP_ABSENT)
		found = MAP_FOUND;
	if (found == MAP_ABSENT)
		address_format(&m->addr, text);
	if (found != MAP_FOUND)
		return found;
	address_format(&m->addr, &r->user);
	if (find_number(m, m->uid, "virtual_uid_maps", m->minimum_uid, &r->uid, err) < 0 ||
	    find_number(m, m->gid, "virtual_gid_maps", 1, &r->gid, err) < 0)
		return MAP_ERROR;
	return MAP_FOUND;
}

static int
resolve(struct route_maps *m, struct route *r, struct buf *text, struct buf *err)
{
	int class;

	class = route_domain(m, m->addr.domain.data, err);
	if (class < 0)
		return -1;
	r->class = (enum route_class)class;
	if (is_double_bounce(m, class)) {
		buf_adds(&r->transport, "discard");
		buf_adds(&r->nexthop, "undeliverable postmaster notification discarded");
		return MAP_FOUND;
	}
	if (class == ROUTE_VIRTUAL_ALIAS) {
		buf_adds(text, "User unknown in virtual alias table");
		return MAP_ABSENT;
	}
	class_transport(m, r);
	if (map_transport(m, r, err) < 0)
		return -1;
	/* only the agents that deliver as a user need to know which; for any other the next hop knows its recipients */
	if (class == ROUTE_LOCAL)
		return find_user(m, r, text, err);
	if (class == ROUTE_VIRTUAL_MAILBOX)
		return find_mailbox(m, r, text, err);
	return MAP_FOUND;
}

int
route_resolve(struct route_maps *m, const char *address, struct route *r, struct buf *text, struct buf *err)
{
	int found;

	buf_clear(&r->transport);
	buf_clear(&r->nexthop);
	buf_clear(&r->user);
	buf_clear(&r->mailbox);
	buf_clear(&r->home);
	r->uid = (uid_t)-1;
	r->gid = (gid_t)-1;
	if (take_address(m, address, text) < 0)
		return MAP_ABSENT;
	found = resolve(m, r, text, err);
	/* the server has taken the mail because the table has the address: it must not be returned as unknown */
	if (found == MAP_ABSENT && m->has_virtual_alias) {
		found = find_address(m, m->virtual_alias, r->class == ROUTE_LOCAL, true, &m->value, err);
		if (found == MAP_FOUND) {
			buf_clear(text);
			buf_addf(err, "%s is in virtual_alias_maps, but this version does not expand aliases", address);
			found = MAP_ERROR;
		}
	}
	return found;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The restriction lists and what their entries mean: see policy.h. A new restriction is a function and a row in
 * the table; a new stage (client, HELO, sender) is another list. */
#include "policy.h"

#include "client.h"
#include "reply.h"
#include "settings.h"

#include "mail/config.h"
#include "mail/log.h"
#include "mail/route.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum verdict {
	DUNNO,        /* the next entry decides */
	PERMIT,       /* this list is over: accepted */
	REFUSED,      /* the reply is sent */
};

enum { GUARDS = 1 };              /* keeps strangers from relaying */

struct restriction {
	const char *name;
	enum verdict (*check)(struct session *s, const struct policy_rcpt *r, const struct restriction *self);
	unsigned flags;
	int code;                 /* of a refusal; 0: the parameter's */
};

struct policy_list {
	const char *parameter;
	const struct restriction **entry;     /* the UNKNOWN row for names that are not known */
	size_t n;
};

enum { RELAY, RECIPIENT, LISTS };

struct policy {
	struct policy_list list[LISTS];
	int order[LISTS];
	bool guarded;
};

static enum verdict
trouble(struct session *s, const struct policy_rcpt *r, const char *what)
{
	log_warn("%s: %s", s->client.data, what);
	reply_reject(s, r->text, 451, "4.3.0", "<%s>: Temporary lookup failure", r->text);
	return REFUSED;
}

static enum verdict
permit(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	(void)s, (void)r, (void)self;
	return PERMIT;
}

static enum verdict
reject(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	reply_reject(s, r->text, self->code, "5.7.1", "<%s>: Recipient address rejected: Access denied", r->text);
	return REFUSED;
}

static enum verdict
permit_mynetworks(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	int in = client_in_networks(s);

	(void)self;
	if (in < 0)
		return trouble(s, r, "mynetworks cannot be searched");
	return in ? PERMIT : DUNNO;
}

static enum verdict
permit_sasl_authenticated(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	(void)r, (void)self;
	return s->sasl_sender ? PERMIT : DUNNO;
}

/* Is the destination ours or relayed by us? A local part that says where to send the mail on (user%other@us,
 * other!user@us, "user@other"@us) makes it a destination elsewhere. 1, 0, -1 with err. */
static int
destination_ours(struct session *s, const struct policy_rcpt *r, struct buf *err)
{
	int class = route_domain(s->set->routes, r->addr->domain.data, err);

	if (class < 0)
		return -1;
	return class != ROUTE_DEFAULT && !strpbrk(r->addr->local.data, "@%!");
}

static enum verdict
permit_auth_destination(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	struct buf err = BUF_INIT(1024);
	int ours = destination_ours(s, r, &err);
	enum verdict v = ours > 0 ? PERMIT : DUNNO;

	(void)self;
	if (ours < 0)
		v = trouble(s, r, err.data);
	buf_free(&err);
	return v;
}

/* reject_ and defer_unauth_destination. */
static enum verdict
refuse_unauth_destination(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	struct buf err = BUF_INIT(1024);
	int ours = destination_ours(s, r, &err);
	enum verdict v = DUNNO;

	if (ours < 0) {
		v = trouble(s, r, err.data);
	} else if (ours == 0) {
		reply_reject(s, r->text, self->code ? self->code : s->set->denied_code, "5.7.1", "<%s>: Relay access denied", r->text);
		v = REFUSED;
	}
	buf_free(&err);
	return v;
}

static enum verdict
reject_unlisted_recipient(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	(void)self;
	return policy_listed(s, r) < 0 ? REFUSED : DUNNO;
}

static enum verdict
unknown_name(struct session *s, const struct policy_rcpt *r, const struct restriction *self)
{
	(void)self;
	log_warn("restrictions in main.cf are wrong: recipient <%s> is put off", r->text);
	reply_reject(s, r->text, 451, "4.3.5", "Server configuration error");
	return REFUSED;
}

static const struct restriction restrictions[] = {
	{ "defer", reject, GUARDS, 450 },
	{ "defer_unauth_destination", refuse_unauth_destination, GUARDS, 454 },
	{ "permit", permit, 0, 0 },
	{ "permit_auth_destination", permit_auth_destination, 0, 0 },
	{ "permit_mynetworks", permit_mynetworks, 0, 0 },
	{ "permit_sasl_authenticated", permit_sasl_authenticated, 0, 0 },
	{ "reject", reject, GUARDS, 554 },
	{ "reject_unauth_destination", refuse_unauth_destination, GUARDS, 0 },
	{ "reject_unlisted_recipient", reject_unlisted_recipient, 0, 0 },
};
static const struct restriction unknown = { "", unknown_name, 0, 0 };

static const struct restriction *
find(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof restrictions / sizeof restrictions[0]; i++)
		if (strlen(restrictions[i].name) == n && memcmp(restrictions[i].name, name, n) == 0)
			return &restrictions[i];
	return NULL;
}

static void
compile(struct policy_list *l, const char *value, struct buf *warnings)
{
	static const char separators[] = ", \t\r\n";

	while (*(value += strspn(value, separators))) {
		size_t n = strcspn(value, separators);
		const struct restriction *r = find(value, n);

		if (!r)
			buf_addf(warnings, "%s: unknown restriction: %.*s\n", l->parameter, (int)(n < 200 ? n : 200), value);
		l->entry = mem_resize(l->entry, l->n + 1, sizeof *l->entry);
		l->entry[l->n++] = r ? r : &unknown;
		value += n;
	}
}

struct policy *
policy_new(struct config *c, struct buf *warnings)
{
	static const char *const names[LISTS] = { "smtpd_relay_restrictions", "smtpd_recipient_restrictions" };
	struct policy *p = mem_zalloc(sizeof *p);

	p->order[0] = config_bool(c, "smtpd_relay_before_recipient_restrictions") ? RELAY : RECIPIENT;
	p->order[1] = p->order[0] == RELAY ? RECIPIENT : RELAY;
	for (int i = 0; i < LISTS; i++) {
		p->list[i].parameter = names[i];
		compile(&p->list[i], config_str(c, names[i]), warnings);
		for (size_t k = 0; k < p->list[i].n; k++)
			if (p->list[i].entry[k]->flags & GUARDS)
				p->guarded = true;
	}
	if (!p->guarded)
		buf_adds(warnings, "smtpd_relay_restrictions and smtpd_recipient_restrictions hold none of reject_unauth_destination, "
		    "defer_unauth_destination, reject, defer: every recipient is put off, for strangers could relay\n");
	return p;
}

void
policy_free(struct policy **p)
{
	if (!*p)
		return;
	for (int i = 0; i < LISTS; i++)
		free((*p)->list[i].entry);
	free(*p);
	*p = NULL;
}

int
policy_rcpt(struct session *s, const struct policy_rcpt *r)
{
	const struct policy *p = s->set->policy;

	if (s->local) /* a user of this host sends, as with sendmail(1) */
		return 0;
	if (!p->guarded) {
		unknown_name(s, r, NULL);
		return -1;
	}
	for (int i = 0; i < LISTS; i++)
		for (size_t k = 0; k < p->list[p->order[i]].n; k++) {
			const struct restriction *e = p->list[p->order[i]].entry[k];
			enum verdict v = e->check(s, r, e);

			if (v == REFUSED)
				return -1;
			if (v == PERMIT)
				break;
		}
	return 0;
}

/* relocated_maps. 1: the refusal is sent. */
static int
refuse_moved(struct session *s, const struct policy_rcpt *r)
{
	struct buf text = BUF_INIT(4096), err = BUF_INIT(1024);
	int moved = route_relocated(s->set->routes, r->text, &text, &err);

	if (moved < 0)
		trouble(s, r, err.data);
	else if (moved > 0)
		reply_reject(s, r->text, 550, "5.1.6", "<%s>: Recipient address rejected: %s", r->text, s->set->name_table ? text.data : "User has moved");
	buf_free(&text);
	buf_free(&err);
	return moved != 0;
}

int
policy_listed(struct session *s, const struct policy_rcpt *r)
{
	struct buf text = BUF_INIT(1024), err = BUF_INIT(1024);
	int known, class;

	if (refuse_moved(s, r))
		return -1;
	known = route_recipient(s->set->routes, r->text, &text, &err);
	if (known < 0) {
		trouble(s, r, err.data);
	} else if (known == 0) {
		class = route_domain(s->set->routes, r->addr->domain.data, &err);
		reply_reject(s, r->text, class == ROUTE_LOCAL ? s->set->local_code : class == ROUTE_RELAY ? s->set->relay_code :
		    class == ROUTE_VIRTUAL_ALIAS ? s->set->virtual_alias_code : class == ROUTE_VIRTUAL_MAILBOX ? s->set->virtual_mailbox_code : 550,
		    "5.1.1", "<%s>: Recipient address rejected: %s", r->text, s->set->name_table ? text.data : "User unknown");
	}
	buf_free(&text);
	buf_free(&err);
	return known > 0 ? 0 : -1;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Who calls: the login name from the kernel's user ID, the full name from -F, $NAME or the password file. */
#include "sendmail.h"

#include "mail/compose.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/msg.h"

#include <ctype.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The first part of the gecos field, with & for the login name. */
static char *
gecos_name(const struct passwd *pw)
{
	struct buf out = BUF_INIT(1024);
	const char *text = pw->pw_gecos ? pw->pw_gecos : "";

	for (size_t n = strcspn(text, ","); n > 0; n--, text++) {
		size_t start = out.len;

		if (*text != '&') {
			buf_addc(&out, *text);
			continue;
		}
		buf_adds(&out, pw->pw_name);
		if (out.len > start)
			out.data[start] = (char)toupper((unsigned char)out.data[start]);
	}
	return buf_steal(&out);
}

const char *
who_login(struct job *j)
{
	const struct passwd *pw;

	if (j->login)
		return j->login;
	pw = getpwuid(getuid());
	if (!pw)
		msg_die(EX_NOUSER, "user ID %ju has no name: give a sender with -f", (uintmax_t)getuid());
	j->login = mem_strdup(pw->pw_name);
	j->gecos = gecos_name(pw);
	return j->login;
}

/* From: is the sender that was asked for with -f, else the caller (for the null sender, too). */
void
who_identity(void *job, const char **addr, const char **name)
{
	struct job *j = job;
	const char *env = getenv("NAME");

	if (!j->identity && *j->sender) {
		j->identity = mem_strdup(j->sender);
	} else if (!j->identity) {
		struct buf out = BUF_INIT(4096), err = BUF_INIT(4096);

		if (compose_address("MAILER-DAEMON", j->origin, &out, &err) < 0)
			buf_clear(&out);
		j->identity = buf_steal(&out);
		buf_free(&err);
	}
	*addr = j->identity;
	if (j->full_name)
		*name = j->full_name;
	else if (env && *env)
		*name = env;
	else if (!j->sender_arg)
		*name = who_login(j) && j->gecos ? j->gecos : "";
	else
		*name = "";
}

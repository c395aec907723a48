/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the files of mtaconf(8) share. */
#ifndef MTACONF_H
#define MTACONF_H
#include "base/buf.h"
#include "mail/config.h"

#include <stdbool.h>

/* init.c: writes a private system into dir; settings: "name=value" words, NULL-terminated. An exit status; messages are
 * printed. */
int init_write(const char *dir, char *const *settings, bool json);

/* initfile.c: the parts of a private system. */
struct private_system {
	char *dir;                /* absolute */
	char *owner;              /* mail_owner */
	unsigned uid, gid;
	char *domain, *host;      /* mydomain, myhostname */
	int port[5];              /* smtp, submission, submissions, pop3, pop3s */
	char password[25];
	bool login;               /* the password could be stored */
};
extern const char *const port_names[5];               /* the parameters that hold them */
int private_ports(struct private_system *p, struct buf *err);          /* free ports of 127.0.0.1 */
void private_password(struct private_system *p);
/* Text of main.cf; settings go in place of its lines, or to its end. */
void private_main_cf(const struct private_system *p, char *const *settings, struct buf *out);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Defaults of main.cf that are not a text: those of the host (myhostname, mydomain, mynetworks) and of the process. */
#ifndef MAIL_COMPUTED_H
#define MAIL_COMPUTED_H

struct config;

/* The default of a parameter whose row has none, for the caller to free; "" for a name not known here. */
char *computed_default(struct config *c, const char *name);
#endif

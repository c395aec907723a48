/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* bounce_template_file: texts for reports in place of the built-in ones, in Postfix's format (mtaqmgr(8)). */
#ifndef MAIL_BOUNCE_TEMPLATE_H
#define MAIL_BOUNCE_TEMPLATE_H
#include "base/buf.h"

struct config;

/* NULL: the built-in one. */
struct bounce_template {
	char *charset;            /* of the body */
	char *from, *subject, *postmaster_subject;
	char *body;               /* expanded, each line with its LF */
};

struct bounce_templates { struct bounce_template failure, delay, success, verify; };

/* Reads the file (NULL when path is ""). -1 with err: it cannot be read or has a mistake, which err names with its line. */
int bounce_templates_read(struct config *c, const char *path, struct bounce_templates **t, struct buf *err);
void bounce_templates_free(struct bounce_templates **t);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: the names of Postfix's programs that it answers to. */
#ifndef COMPAT_H
#define COMPAT_H
#include "mtaqueue.h"

int compat_mailq(struct app *app, int argc, char **argv);
int compat_postqueue(struct app *app, int argc, char **argv);
/* Before the queue is opened: -s makes directories that are not there. */
void compat_prepare_postsuper(struct app *app, int argc, char **argv);
int compat_postsuper(struct app *app, int argc, char **argv);
int compat_postcat(struct app *app, int argc, char **argv);
#endif

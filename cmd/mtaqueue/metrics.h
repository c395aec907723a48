/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: metrics in Prometheus' text format. */
#ifndef METRICS_H
#define METRICS_H
#include "mtaqueue.h"

/* "# HELP name help" and "# TYPE name type". */
void metrics_family(const char *name, const char *type, const char *help);
/* A label value, with its quotes. */
void metrics_label(const char *text);
/* What mtaqmgr has counted, and the number of pauses. */
void metrics_deliveries(struct app *app);
#endif

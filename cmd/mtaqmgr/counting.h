/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Counts deliveries for mtaqueue stat --prometheus (mail/counters.h). */
#ifndef COUNTING_H
#define COUNTING_H
#include "mail/agent.h"

#include <stdint.h>

void counting_open(void);
void counting_add(const char *transport, enum agent_status status, int64_t microseconds);
void counting_close(void);        /* writes what is not yet written */
#endif

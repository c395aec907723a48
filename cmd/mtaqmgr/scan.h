/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* How messages come to the manager: inotify on incoming/, scans of incoming/ and deferred/ in slices of time, and the
 * choice of the next one to take. */
#ifndef SCAN_H
#define SCAN_H
#include <stdbool.h>

/* Brings active/ back to incoming/, begins to watch, begins the first scans. Ends the program when it cannot. */
void scan_open(void);
/* All directories have been read, and nothing is there to be taken now. */
bool scan_nothing_due(void);
/* A message that stands in incoming/ again. */
void scan_again(const char *id);
#endif

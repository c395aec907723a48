/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: the mail log and those that were rotated away, compressed or not. */
#ifndef LOGFILE_H
#define LOGFILE_H
#include "mail/config.h"
#include "mail/queue.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* maillog_file, or where syslog is wont to put mail; NULL: it is not known, or may not be read. */
const char *logfile_current(struct config *c);
/* The queue ID of a log line ("... mta/smtp[12]: ID: ...") into id; the text after it, or NULL. */
const char *logfile_line_id(const char *line, char id[QUEUE_ID_MAX + 1]);

struct logfiles { char **name; size_t n; };

void logfiles_add(struct logfiles *l, const char *name);
/* Adds file and what rotation made of it (file.1, file.2.gz, file-20261120, ...), the oldest first. */
void logfiles_find(struct logfiles *l, const char *file);
void logfiles_free(struct logfiles *l);
/* Opens it, through gzip(1), bzip2(1), xz(1) or zstd(1) when its name says so. NULL with errno. */
FILE *logfile_open(const char *name, pid_t *pid);
/* 0, or -1: it could not be read to its end, or the program that unpacked it failed. */
int logfile_close(FILE *f, pid_t pid);
#endif

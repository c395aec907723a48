/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The message of a job: its first portion in memory (the whole of most messages), read once for all recipients. */
#ifndef MTADELIVER_MESSAGE_H
#define MTADELIVER_MESSAGE_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
	int fd;
	uint64_t at, size;        /* the content in fd */
	char *first;              /* first_len bytes of it */
	size_t first_len;
	struct buf seen;          /* values of the Delivered-To fields, each with a NUL */
};
void message_init(struct message *m);
void message_free(struct message *m);
/* Reads the first portion. 0, or -1 with errno (EIO: the file is shorter than size). */
int message_load(struct message *m, int fd, uint64_t at, uint64_t size);
/* The message has been delivered to address before: a Delivered-To field of its header says so. Fields beyond the first
 * portion (256 KB) do not count. */
bool message_was_delivered(const struct message *m, const char *address);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Private to mtaqueue: content of queue files to standard output. */
#ifndef SHOW_H
#define SHOW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n bytes at offset at; terminal: control characters as '?'. name is for messages. 0, -1 with a message. */
int show_bytes(int fd, const char *name, uint64_t at, uint64_t n, bool terminal);
/* Control characters but LF and TAB to '?', in place. */
void show_clean(char *text, size_t n);
/* Length of the header with the empty line behind it, of content of size bytes at offset content. */
uint64_t show_header_length(int fd, uint64_t content, uint64_t size);
#endif

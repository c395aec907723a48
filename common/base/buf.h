/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* struct buf: the one growable byte string. It has a maximum; an addition that
 * would pass it changes nothing, sets the sticky flag 'full' and returns -1, so a
 * caller may make many additions and check buf->full once. data is always followed
 * by a NUL byte (never counted in len), and is "" while nothing was allocated. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;     /* len bytes, then NUL */
	size_t len;
	size_t cap;     /* bytes allocated; 0: data is not ours */
	size_t max;     /* len never passes this */
	bool full;      /* an addition was refused since the last buf_clear */
};

#define BUF_INIT(maximum) { (char *)"", 0, 0, (maximum), false }

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);                        /* and ready for re-use */
void buf_clear(struct buf *b);                       /* keeps the memory, clears full */
void buf_truncate(struct buf *b, size_t len);        /* len <= b->len */
int buf_reserve(struct buf *b, size_t more);         /* room for more bytes; 0, or -1 past max */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_adds(struct buf *b, const char *s);
int buf_addc(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_drop(struct buf *b, size_t n);              /* removes the first n bytes */
char *buf_steal(struct buf *b);                      /* the string, now the caller's to free; b is empty */
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Allocation that never returns NULL: when memory is gone the program ends with
 * EX_TEMPFAIL (75), which every caller treats as "try again later". */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stddef.h>

void *mem_alloc(size_t size);                        /* uninitialised; free() it */
void *mem_zalloc(size_t size);                       /* zero-filled */
void *mem_array(size_t count, size_t size);          /* zero-filled; product checked for overflow */
void *mem_resize(void *p, size_t count, size_t size);/* realloc to count*size, overflow checked */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);          /* at most n bytes, NUL added */
/* When set, called once before the program ends that way, to tell its peer (421). It should not allocate; when it does and
 * there is no memory for that either, the program ends all the same. */
extern void (*mem_exhausted)(void);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Hash table from strings to pointers; keys are copied. Keyed hash (the key is random
 * per process), so that chosen keys cannot make it slow. */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H
#include <stddef.h>

struct strmap;

struct strmap *strmap_new(void);
void strmap_free(struct strmap **m, void (*free_value)(void *)); /* free_value may be NULL */
void *strmap_get(const struct strmap *m, const char *key);       /* NULL when absent */
/* Sets key to value (not NULL); returns the value it replaced, or NULL. */
void *strmap_set(struct strmap *m, const char *key, void *value);
void *strmap_remove(struct strmap *m, const char *key);          /* the value removed, or NULL */
size_t strmap_count(const struct strmap *m);
/* Calls f for each entry; f must not change the map. */
void strmap_each(const struct strmap *m, void (*f)(const char *key, void *value, void *arg), void *arg);
#endif

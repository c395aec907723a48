/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Numbers from text, bounded, no locale, no surprise: the whole text must be the
 * number. All return 0, or -1 with *out unchanged. */
#ifndef BASE_NUM_H
#define BASE_NUM_H
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only (no sign, no blank), at most max. */
int num_u64(const char *s, uint64_t max, uint64_t *out);
int num_u64n(const char *s, size_t n, uint64_t max, uint64_t *out);
/* Optional '-'; within min..max. */
int num_i64(const char *s, int64_t min, int64_t max, int64_t *out);
/* Postfix time: digits and one of s m h d w (default unit def), result in seconds. */
int num_time(const char *s, char def, int64_t *seconds);
/* Digits and an optional k M G T (powers of 1024, either case), result in bytes. */
int num_size(const char *s, uint64_t *bytes);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the libFuzzer targets share: the entry point and CHECK, which ends the run when an
 * invariant does not hold. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x), abort()))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A copy of exactly n bytes, so that AddressSanitizer sees a read past the end; the caller's to free. */
static inline char *
fuzz_copy(const void *data, size_t n)
{
	char *p = malloc(n ? n : 1);

	if (n)
		memcpy(p, data, n);
	return p;
}
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Any bytes as the source of a lookup table. */
#include "syntax/maptext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maptext t;
	const char *why;
	char *key, *value;

	maptext_init(&t, (const char *)data, size);
	while (maptext_next(&t, &why) > 0) {
		size_t n = t.text.len;

		if (maptext_pair(&t, &key, &value, &why) < 0)
			break;
		if (key < t.text.data || value + strlen(value) > t.text.data + n || strlen(key) > n)
			abort();
	}
	maptext_free(&t);
	return 0;
}

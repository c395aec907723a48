/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Base64, strict: see base64.h (RFC 4648 4; 3.5: no stray bits in the last character). */
#include "syntax/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_encode(const void *data, size_t n, struct buf *out)
{
	const unsigned char *s = data;
	char *o;

	if (n > SIZE_MAX / 2 || buf_reserve(out, (n + 2) / 3 * 4) < 0) {
		out->full = true;
		return -1;
	}
	for (; n > 0; s += 3) {
		unsigned left = n < 3 ? (unsigned)n : 3;
		unsigned v = (unsigned)s[0] << 16 | (left > 1 ? (unsigned)s[1] << 8 : 0) | (left > 2 ? s[2] : 0U);

		o = out->data + out->len;
		o[0] = alphabet[v >> 18];
		o[1] = alphabet[v >> 12 & 63];
		o[2] = left > 1 ? alphabet[v >> 6 & 63] : '=';
		o[3] = left > 2 ? alphabet[v & 63] : '=';
		out->len += 4;
		n -= left;
	}
	if (out->cap)
		out->data[out->len] = '\0';
	return 0;
}

static int
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int
base64_decode(const char *text, size_t n, struct buf *out)
{
	size_t before = out->len, pad = 0;

	if (n % 4 != 0)
		return -1;
	if (n && text[n - 1] == '=')
		pad = text[n - 2] == '=' ? 2 : 1;
	if (buf_reserve(out, n / 4 * 3) < 0)
		return -1;
	for (size_t i = 0; i < n; i += 4) {
		size_t keep = i + 4 == n ? 3 - pad : 3;
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			int x = j > keep ? 0 : value(text[i + j]);

			if (x < 0)
				goto bad;
			v = v << 6 | (uint32_t)x;
		}
		if (keep < 3 && v & (keep == 1 ? 0xffffU : 0xffU))
			goto bad;
		for (size_t j = 0; j < keep; j++)
			out->data[out->len++] = (char)(v >> (16 - 8 * j) & 0xff);
	}
	if (out->cap)
		out->data[out->len] = '\0';
	return 0;
bad:
	buf_truncate(out, before);
	return -1;
}

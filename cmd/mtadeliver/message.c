/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The message of a job: see message.h. */
#include "message.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define PORTION (256 * 1024)

void
message_init(struct message *m)
{
	*m = (struct message){ .fd = -1 };
	buf_init(&m->seen, PORTION);
}

void
message_free(struct message *m)
{
	free(m->first);
	buf_free(&m->seen);
}

/* Notes the address of a Delivered-To field; value ends at end. */
static void
note(struct message *m, const char *value, const char *end)
{
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	buf_add(&m->seen, value, (size_t)(end - value));
	buf_addc(&m->seen, '\0');
}

/* Looks at the beginning of each line of the header: far fewer bytes than a parser of fields would touch. */
static void
scan_header(struct message *m)
{
	static const char name[] = "Delivered-To:";
	const char *p = m->first, *end = p + m->first_len, *lf;

	buf_clear(&m->seen);
	for (; p < end && *p != '\n' && *p != '\r'; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf)
			lf = end;
		if ((*p == 'D' || *p == 'd') && (size_t)(lf - p) > sizeof name - 1 &&
		    strncasecmp(p, name, sizeof name - 1) == 0)
			note(m, p + sizeof name - 1, lf);
		if (lf == end)
			break;
	}
}

int
message_load(struct message *m, int fd, uint64_t at, uint64_t size)
{
	size_t want = size < PORTION ? (size_t)size : PORTION;
	ssize_t n;

	if (!m->first)
		m->first = mem_alloc(PORTION);
	m->fd = fd;
	m->at = at;
	m->size = size;
	m->first_len = 0;
	while (m->first_len < want) {
		n = pread(fd, m->first + m->first_len, want - m->first_len, (off_t)(at + m->first_len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		m->first_len += (size_t)n;
	}
	scan_header(m);
	return 0;
}

bool
message_was_delivered(const struct message *m, const char *address)
{
	const char *p = m->seen.data, *end = p + m->seen.len;

	for (; p < end; p += strlen(p) + 1)
		if (strcasecmp(p, address) == 0)
			return true;
	return false;
}

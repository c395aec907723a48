/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Any bytes as a queue file: it is refused with a reason, or everything in it is sound. The first
 * line is given its right numbers most of the time, so that the fuzzer gets past it. */
#include "mail/queue.h"

#include "fuzz.h"
#include "syntax/envelope.h"

#include <sys/mman.h>
#include <unistd.h>

static bool
clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static void
judge(const struct queue_envelope *e, const char *s, size_t n)
{
	size_t todo = 0;

	CHECK(envelope_id_ok(e->id, strlen(e->id)) && e->time >= 0);
	CHECK(e->content + e->size == n && e->content > ENVELOPE_FIRST);
	CHECK(clean(e->sender) && clean(e->opt) && clean(e->from));
	for (size_t i = 0; i < e->rcpts; i++) {
		CHECK(e->rcpt[i].status_at < e->content && s[e->rcpt[i].status_at] == e->rcpt[i].status);
		CHECK(clean(e->rcpt[i].addr) && e->rcpt[i].addr[0] && clean(e->rcpt[i].params));
		todo += e->rcpt[i].status == 'T';
	}
	CHECK(todo <= e->todo);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct queue_envelope e = { 0 };
	struct buf err = BUF_INIT(4096), file = BUF_INIT(1 << 20);
	const char *blank;

	if (fd < 0)
		fd = memfd_create("queue", 0);
	if (n && data[0] % 8) { /* with a good first line */
		char first[ENVELOPE_FIRST + 1];
		size_t offset;

		data++;
		n--;
		blank = n ? memmem(data, n, "\n\n", 2) : NULL;
		offset = ENVELOPE_FIRST + (blank ? (size_t)(blank - (const char *)data) + 2 : n);
		envelope_first_format(first, offset, ENVELOPE_FIRST + n - offset);
		buf_adds(&file, first);
	}
	buf_add(&file, data, n);
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, file.data, file.len, 0) == (ssize_t)file.len);
	for (size_t max = 0; max < 3; max += 2) {
		bool more = false;

		buf_clear(&err);
		if (queue_read(fd, &e, max, &more, &err) == 0) {
			judge(&e, file.data, file.len);
			CHECK(max == 0 || e.rcpts <= max);
		} else {
			CHECK(err.len > 0 && !e.rcpt && !e.sender);
		}
		queue_envelope_free(&e);
	}
	buf_free(&err);
	buf_free(&file);
	return 0;
}

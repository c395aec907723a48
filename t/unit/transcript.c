/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Transcripts: both ends are kept, what is missing is marked, every byte comes out as printable ASCII, no line is too long. The budget of notices. */
#include "mail/transcript.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/notice.h"

#include "tap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct buf out = BUF_INIT(1 << 20);

static const char *
text_of(const struct transcript *t)
{
	buf_clear(&out);
	transcript_format(t, &out);
	return out.data;
}

static void
lines(void)
{
	struct transcript t = { 0 };
	char all[256];
	bool clean = true;

	is(text_of(&t), "", "an empty one");
	transcript_add(&t, TRANSCRIPT_CLIENT, "EHLO me", 7);
	transcript_addf(&t, TRANSCRIPT_SERVER, "%d %s", 250, "ok");
	transcript_add(&t, TRANSCRIPT_NOTE, "gone", 4);
	is(text_of(&t), "    C: EHLO me\n    S: 250 ok\n    -- gone\n", "who said what");
	transcript_clear(&t);
	transcript_add(&t, TRANSCRIPT_CLIENT, "a\0\x1b\\\xff\n", 6);
	is(text_of(&t), "    C: a\\x00\\x1b\\\\\\xff\\x0a\n", "control characters are visible");
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	for (size_t at = 0; at < 256; at++) { /* each way to be cut */
		transcript_clear(&t);
		transcript_add(&t, TRANSCRIPT_CLIENT, all + at, 256 - at);
		for (const char *p = text_of(&t); *p; p++)
			clean = clean && ((*p >= ' ' && *p < 0x7f) || *p == '\n');
		clean = clean && out.len < TRANSCRIPT_LINE + 5;
	}
	ok(clean, "all bytes, wherever the line is cut: ASCII, and not too long");
	transcript_free(&t);
}

static void
ends(void)
{
	struct transcript t = { 0 };
	const uint64_t kept = TRANSCRIPT_HEAD + TRANSCRIPT_TAIL;

	for (uint64_t i = 1; i <= kept; i++)
		transcript_addf(&t, TRANSCRIPT_CLIENT, "line %" PRIu64, i);
	ok(!strstr(text_of(&t), "left out") && strstr(out.data, "C: line 100\n"), "all of 100 lines are kept");
	transcript_add(&t, TRANSCRIPT_CLIENT, "one more", 8);
	ok(strstr(text_of(&t), "C: line 50\n    -- 1 lines are left out here --\n    C: line 52\n") && strstr(out.data, "C: line 100\n    C: one more\n"),
	    "of 101 one is left out in the middle");
	for (uint64_t i = kept + 2; i <= 1000000; i++)
		transcript_add(&t, TRANSCRIPT_CLIENT, "x", 1);
	transcript_add(&t, TRANSCRIPT_CLIENT, "the end", 7);
	ok(strstr(text_of(&t), "-- 999901 lines are left out") && strstr(out.data, "C: line 50\n") && strstr(out.data, "C: the end\n"), "of a million the ends stay");
	transcript_free(&t);
}

static void
budget(void)
{
	char dir[] = "/tmp/mtanotice.XXXXXX", text[128];
	struct queue q;
	struct buf err = BUF_INIT(4096);
	uint64_t left;
	int sent = 0, fd;

	if (!mkdtemp(dir) || queue_open(&q, dir, true, &err) < 0) {
		ok(false, "a queue: %s", err.data);
		return;
	}
	for (int i = 0; i < 12; i++)
		sent += notice_budget(&q, "x", &left) > 0;
	is_num(sent, NOTICE_BURST, "a burst of notices, then no more");
	ok(notice_budget(&q, "y", &left) > 0, "another kind has its own");
	fd = openat(q.top, "state/notices-x", O_RDWR);
	snprintf(text, sizeof text, "%020" PRId64 " %020d\n", clock_real() + (NOTICE_BURST - 1) * (int64_t)NOTICE_EVERY * 1000000, 7);
	ok(pwrite(fd, text, strlen(text), 0) > 0 && notice_budget(&q, "x", &left) > 0 && left == 7, "a while later one more, which knows what was left out");
	is_num(notice_budget(&q, "x", &left), 0, "and no second");
	ok(ftruncate(fd, 0) == 0 && notice_budget(&q, "x", &left) > 0, "a damaged file is an unspent account");
	flock(fd, LOCK_EX);
	is_num(notice_budget(&q, "x", &left), 0, "nobody waits long for another process");
	close(fd);
	unlinkat(q.top, "state/notices-x", 0);
	ok(mkfifoat(q.top, "state/notices-x", 0600) == 0 && notice_budget(&q, "x", &left) < 0, "a FIFO in its place is an error, and no wait");
	queue_close(&q);
	snprintf(text, sizeof text, "rm -rf %s", dir);
	ok(system(text) == 0, "cleaned up");
}

int
main(void)
{
	lines();
	ends();
	budget();
	buf_free(&out);
	return tap_done();
}

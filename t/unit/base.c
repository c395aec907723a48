/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The base layer: byte strings, numbers, clock, string map, messages. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/num.h"
#include "base/strmap.h"
#include "tap.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static void
bufs(void)
{
	struct buf b = BUF_INIT(10), big = BUF_INIT(1 << 20);
	char *s;

	is(b.data, "", "an empty byte string is a string");
	ok(buf_adds(&b, "hello") == 0 && buf_addc(&b, '!') == 0, "additions");
	is(b.data, "hello!", "are appended");
	ok(buf_adds(&b, "12345") < 0 && b.full, "an addition past the maximum is refused");
	is(b.data, "hello!", "and nothing of it is added");
	ok(buf_adds(&b, "1234") == 0 && b.len == 10, "the maximum itself can be reached");
	ok(buf_addf(&b, "%d", 7) < 0 && b.len == 10, "formatted text is bounded as well");
	ok(buf_reserve(&b, SIZE_MAX) < 0, "a size that would overflow is refused");
	buf_drop(&b, 6);
	is(b.data, "1234", "bytes dropped from the front");
	buf_drop(&b, 100);
	ok(b.len == 0, "more than there are: empty");
	ok(b.full, "the refusal is remembered");
	buf_clear(&b);
	ok(!b.full, "until the byte string is cleared");
	buf_addf(&b, "%s-%d", "ab", 12);
	is(b.data, "ab-12", "formatted text");
	buf_truncate(&b, 2);
	is(b.data, "ab", "truncated");
	buf_truncate(&b, 9);
	is(b.data, "ab", "never made longer by truncation");
	buf_add(&b, "\0x", 2);
	ok(b.len == 4 && b.data[2] == '\0' && b.data[4] == '\0', "NUL bytes are data");
	s = buf_steal(&b);
	ok(memcmp(s, "ab\0x", 5) == 0 && b.len == 0 && b.cap == 0, "stolen: the caller's, and empty here");
	free(s);
	s = buf_steal(&b);
	is(s, "", "an empty one can be stolen too");
	free(s);
	for (int i = 0; i < 100000; i++)
		buf_adds(&big, "0123456789");
	ok(big.len == 1000000 && !big.full && memcmp(big.data + 999990, "0123456789", 11) == 0, "grows to a million bytes");
	buf_free(&big);
	ok(big.len == 0 && big.max == 1 << 20, "freed and ready for use");
}

static void
numbers(void)
{
	static const struct { const char *text; uint64_t max, value; bool good; } u[] = {
		{ "0", 0, 0, true }, { "10", 10, 10, true }, { "11", 10, 0, false }, { "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false }, { "99999999999999999999999", UINT64_MAX, 0, false },
		{ "18446744073709551617", UINT64_MAX, 0, false }, { "18446744073709551625", UINT64_MAX, 0, false }, { "18446744073709551626", 10, 0, false },
		{ "2147483648", INT32_MAX, 0, false }, { "2147483647", INT32_MAX, INT32_MAX, true }, { "4294967296", UINT32_MAX, 0, false },
		{ "4294967295", UINT32_MAX, UINT32_MAX, true }, { "9223372036854775808", INT64_MAX, 0, false },
		{ "9223372036854775807", INT64_MAX, INT64_MAX, true }, { "184467440737095516160", UINT64_MAX, 0, false },
		{ "", 10, 0, false }, { "-1", 10, 0, false }, { "+1", 10, 0, false }, { " 1", 10, 0, false }, { "1 ", 10, 0, false },
		{ "0x1", 10, 0, false }, { "1e1", 10, 0, false }, { "007", 10, 7, true },
	};
	static const struct { const char *text; char def; int64_t seconds; } t[] = {
		{ "5", 's', 5 }, { "5", 'm', 300 }, { "5s", 'd', 5 }, { "2h", 's', 7200 }, { "1d", 's', 86400 }, { "1w", 's', 604800 },
		{ "5x", 's', -1 }, { "h", 's', -1 }, { "", 's', -1 }, { "1hh", 's', -1 }, { "-1h", 's', -1 }, { "9223372036854775807w", 's', -1 },
		{ "4294967296", 's', INT64_C(4294967296) }, { "2147483648m", 's', INT64_C(2147483648) * 60 }, { "18446744073709551617", 's', -1 },
		{ "9223372036854", 's', INT64_C(9223372036854) }, { "9223372036855", 's', -1 }, { "30500568904944w", 's', -1 },
	};
	static const struct { const char *text; uint64_t bytes; bool good; } z[] = {
		{ "0", 0, true }, { "512", 512, true }, { "1k", 1024, true }, { "10M", 10485760, true }, { "1g", 1 << 30, true },
		{ "2T", UINT64_C(2) << 40, true }, { "8388608T", 0, false }, { "8388607T", UINT64_C(8388607) << 40, true },
		{ "4G", UINT64_C(4) << 30, true }, { "4194305k", UINT64_C(4194305) << 10, true }, { "9223372036854775807", INT64_MAX, true },
		{ "9223372036854775808", 0, false }, { "18446744073709551617", 0, false }, { "16777217T", 0, false },
 { "1x", 0, false }, { "k", 0, false }, { "", 0, false }, { "1kb", 0, false },
	};
	uint64_t v = 77;
	int64_t s = 77;

	for (size_t i = 0; i < sizeof u / sizeof u[0]; i++) {
		v = 77;
		ok(num_u64(u[i].text, u[i].max, &v) == (u[i].good ? 0 : -1) && v == (u[i].good ? u[i].value : 77), "number '%s'", u[i].text);
	}
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		s = 77;
		ok(num_time(t[i].text, t[i].def, &s) == (t[i].seconds < 0 ? -1 : 0) && s == (t[i].seconds < 0 ? 77 : t[i].seconds), "time '%s'", t[i].text);
	}
	for (size_t i = 0; i < sizeof z / sizeof z[0]; i++) {
		v = 77;
		ok(num_size(z[i].text, &v) == (z[i].good ? 0 : -1) && v == (z[i].good ? z[i].bytes : 77), "size '%s'", z[i].text);
	}
	ok(num_i64("-5", -10, 10, &s) == 0 && s == -5, "a negative number");
	ok(num_i64("-11", -10, 10, &s) < 0 && num_i64("--1", -10, 10, &s) < 0 && num_i64("-", -10, 10, &s) < 0 && s == -5, "and bad ones");
	ok(num_i64("-9223372036854775807", INT64_MIN, INT64_MAX, &s) == 0 && s == -INT64_MAX && num_i64("9223372036854775808", INT64_MIN, INT64_MAX, &s) < 0 &&
	       num_i64("-18446744073709551615", INT64_MIN, INT64_MAX, &s) < 0 && s == -INT64_MAX, "at the edge of 64 bits");
	ok(num_u64n("123abc", 3, 1000, &v) == 0 && v == 123, "a number within a text");
}

static void
clocks(void)
{
	int64_t a = clock_mono(), b = clock_mono(), d = clock_deadline(100);

	ok(a > 0 && b >= a, "the clock does not go back");
	ok(clock_real() > INT64_C(1700000000000000), "the wall clock is in microseconds since 1970");
	ok(d >= a + 100000000 && d < a + 160000000, "a deadline is absolute");
	ok(clock_left_ms(d) > 90000 && clock_left_ms(d) <= 100000, "the time left, in milliseconds");
	ok(clock_left_ms(a - 1) == 0 && clock_left_ms(CLOCK_NEVER) == -1, "none when it is past; -1 for never");
	ok(clock_deadline(INT64_MAX) == CLOCK_NEVER && clock_deadline(INT64_MAX / 1000000) == CLOCK_NEVER, "one that would overflow is never");
	ok(clock_left_ms(CLOCK_NEVER - 1) == INT_MAX, "as much as poll takes");
	ok(clock_left_ms(clock_mono() + 1) <= 1, "rounded up, not to a spin");
}

static size_t seen;

static void
count(const char *key, void *value, void *arg)
{
	(void)key;
	seen += value && arg;
}

static void
maps(void)
{
	struct strmap *m = strmap_new();
	char key[32];
	int one = 1, two = 2;
	size_t bad = 0;

	ok(strmap_get(m, "a") == NULL && strmap_count(m) == 0, "nothing in an empty map");
	ok(strmap_set(m, "a", &one) == NULL && strmap_get(m, "a") == &one, "set and got");
	ok(strmap_set(m, "a", &two) == &one && strmap_get(m, "a") == &two && strmap_count(m) == 1, "set again gives the old value back");
	ok(strmap_get(m, "") == NULL && strmap_set(m, "", &one) == NULL && strmap_get(m, "") == &one, "the empty key is a key");
	ok(strmap_remove(m, "") == &one && strmap_remove(m, "") == NULL, "removed once");
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof key, "key%d", i);
		strmap_set(m, key, mem_strdup(key));
	}
	for (int i = 0; i < 10000; i++) {
		const char *v;

		snprintf(key, sizeof key, "key%d", i);
		v = strmap_get(m, key);
		bad += !v || strcmp(v, key) != 0;
	}
	ok(bad == 0 && strmap_count(m) == 10001, "ten thousand keys");
	strmap_each(m, count, &one);
	is_num((long long)seen, 10001, "each is visited once");
	strmap_remove(m, "a");
	strmap_free(&m, free);
	ok(m == NULL, "freed, with its values");
	strmap_free(&m, free);
}

static char last[8192];

static void
sink(const char *line)
{
	snprintf(last, sizeof last, "%s", line);
}

static void
messages(void)
{
	static const struct { const char *in, *out; } t[] = {
		{ "plain text", "plain text" }, { "a\nb\rc\td", "a?b?c?d" }, { "\033[2J", "?[2J" }, { "\177", "?" }, { "j\xc3\xb6rg", "j\xc3\xb6rg" },
		{ "\x9b" "2J", "?2J" }, { "\xc2\x9b" "2J", "??2J" }, { "\xc0\xaf", "??" }, { "\xe2\x80\xae", "???" }, { "\xed\xa0\x80", "???" },
		{ "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7" }, { "\xf4\x90\x80\x80", "????" }, { "\xe2\x82", "??" },
	};
	char big[10000], text[64];

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		snprintf(text, sizeof text, "%s", t[i].in);
		msg_clean(text, strlen(text));
		is(text, t[i].out, "nothing that could move a terminal's cursor is left");
	}
	msg_sink = sink;
	msg_warn("open %s: %s", "x\ny", "No such file");
	is(last, "open x?y: No such file", "a message is one line");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	msg_warn("%s", big);
	ok(strlen(last) > 4000 && strlen(last) < 4096, "a huge message is cut, not lost");
	msg_sink = NULL;
	msg_init("/usr/sbin/mtaqueue");
	is(msg_program, "mtaqueue", "the program's name");
	msg_init(NULL);
	is(msg_program, "?", "also without argv[0]");
}

/* How the process ends that runs f. */
static int
status_of(void (*f)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(STDERR_FILENO);
		f();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *volatile kept;

static void
too_many(void)
{
	kept = mem_array((size_t)1 << 40, (size_t)1 << 40);
}

static void
too_much(void)
{
	kept = mem_alloc(PTRDIFF_MAX - 1);
}

static void
memory(void)
{
	char *p = mem_zalloc(10), *q;

	ok(p[0] == 0 && p[9] == 0, "memory is zero-filled where that is promised");
	p = mem_resize(p, 100, 1);
	free(p);
	q = mem_strndup("abcdef", 3);
	is(q, "abc", "a part of a string");
	free(q);
	q = mem_strndup("ab", 10);
	is(q, "ab", "not more than there is");
	free(q);
	free(mem_alloc(0));
	is_num(status_of(too_many), EX_TEMPFAIL, "a size that overflows ends the program: try again later");
#ifndef __SANITIZE_ADDRESS__ /* which ends the program in its own way */
	is_num(status_of(too_much), EX_TEMPFAIL, "so does memory that is gone");
#else
	(void)too_much;
#endif
}

int
main(void)
{
	bufs();
	numbers();
	clocks();
	maps();
	messages();
	memory();
	return tap_done();
}

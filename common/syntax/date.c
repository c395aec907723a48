/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Dates of messages, both ways: see date.h (RFC 5322 3.3, 4.3). Reading takes comments and
 * blanks anywhere, years of two and three digits, and the zones by letters; no locale. */
#include "syntax/date.h"

#include "base/num.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

int
date_format(int64_t unix_seconds, struct buf *out)
{
	time_t t = unix_seconds;
	struct tm tm;
	long offset;

	if (!localtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return -1;
	offset = tm.tm_gmtoff / 60;
	buf_addf(out, "%s, %d %s %04d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, offset < 0 ? '-' : '+',
	    (offset < 0 ? -offset : offset) / 60, (offset < 0 ? -offset : offset) % 60);
	if (tm.tm_zone && *tm.tm_zone)
		buf_addf(out, " (%s)", tm.tm_zone);
	return out->full ? -1 : 0;
}

/* The text that is left, and the word last taken from it. */
struct scan {
	const char *s, *end;
	const char *word;
	size_t len;
};

/* Skips blanks, line ends and comments. */
static void
skip(struct scan *p)
{
	int depth = 0;

	for (; p->s < p->end; p->s++) {
		if (*p->s == '(')
			depth++;
		else if (*p->s == ')' && depth)
			depth--;
		else if (*p->s == '\\' && depth && p->s + 1 < p->end)
			p->s++;
		else if (!depth && *p->s != ' ' && *p->s != '\t' && *p->s != '\r' && *p->s != '\n')
			return;
	}
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Takes the next run of digits or of letters: the length, 0 for neither. */
static size_t
take(struct scan *p, bool (*of)(char))
{
	skip(p);
	p->word = p->s;
	while (p->s < p->end && of(*p->s))
		p->s++;
	p->len = (size_t)(p->s - p->word);
	return p->len;
}

static bool
take_char(struct scan *p, char c)
{
	skip(p);
	if (p->s == p->end || *p->s != c)
		return false;
	p->s++;
	return true;
}

static int
take_number(struct scan *p, size_t min, size_t max, unsigned limit, int *out)
{
	uint64_t v;

	if (take(p, digit) < min || p->len > max || num_u64n(p->word, p->len, limit, &v) < 0)
		return -1;
	*out = (int)v;
	return 0;
}

static bool
word_is(const struct scan *p, const char *name)
{
	return p->len == strlen(name) && strncasecmp(p->word, name, p->len) == 0;
}

static int
take_name(struct scan *p, const char (*names)[4], int count)
{
	take(p, letter);
	for (int i = 0; i < count; i++)
		if (word_is(p, names[i]))
			return i;
	return -1;
}

/* The zone's offset in minutes. One that is missing or not known counts as -0000 (4.3). */
static int
take_zone(struct scan *p, int *minutes)
{
	static const struct { const char *name; int hours; } zones[] = {
		{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	};
	int sign = 1, hhmm;

	*minutes = 0;
	skip(p);
	if (p->s == p->end)
		return 0;
	if (*p->s == '+' || *p->s == '-') {
		sign = *p->s++ == '-' ? -1 : 1;
		if (p->s == p->end || !digit(*p->s) || take_number(p, 4, 4, 9999, &hhmm) < 0 || hhmm % 100 > 59)
			return -1;
		*minutes = sign * (hhmm / 100 * 60 + hhmm % 100);
		return 0;
	}
	if (!take(p, letter))
		return -1;
	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
		if (word_is(p, zones[i].name))
			*minutes = zones[i].hours * 60;
	return 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years count from March, so that the
 * leap day is the last one of a year. */
static int64_t
civil_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static int
month_days(int year, int month)
{
	static const int length[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return length[month - 1] + (month == 2 && leap);
}

int
date_parse(const char *text, size_t n, int64_t *unix_seconds)
{
	struct scan p = { .s = text, .end = text + n };
	int year, month, day, hour, minute, second = 0, zone;
	size_t digits;

	skip(&p);
	if (p.s < p.end && letter(*p.s)) {
		if (take_name(&p, days, 7) < 0)
			return -1;
		take_char(&p, ',');
	}
	if (take_number(&p, 1, 2, 31, &day) < 0)
		return -1;
	month = take_name(&p, months, 12) + 1;
	if (month < 1 || take_number(&p, 2, 4, 9999, &year) < 0)
		return -1;
	digits = p.len;
	if (digits == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits == 3)
		year += 1900;
	if (year < 1900 || day < 1 || day > month_days(year, month))
		return -1;
	if (take_number(&p, 1, 2, 23, &hour) < 0 || !take_char(&p, ':') || take_number(&p, 1, 2, 59, &minute) < 0)
		return -1;
	if (take_char(&p, ':') && take_number(&p, 1, 2, 60, &second) < 0)
		return -1;
	if (take_zone(&p, &zone) < 0)
		return -1;
	skip(&p);
	if (p.s < p.end)
		return -1;
	*unix_seconds = civil_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone * 60;
	return 0;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* common/map: each type of table, lists, and damaged or replaced compiled tables. */
#include "base/mem.h"
#include "map/build.h"
#include "map/map.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf out = BUF_INIT(1 << 20), err = BUF_INIT(4096);

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

/* The answer of one lookup as text: the value, "-" absent, "!" error. */
static const char *
get(struct map *m, const char *key)
{
	int r;

	buf_clear(&out);
	buf_clear(&err);
	r = map_find(m, key, &out, &err);
	return r == MAP_FOUND ? out.data : r == MAP_ABSENT ? "-" : err.len > 0 ? "!" : "error without text";
}

static const struct { const char *table, *key, *want, *name; } lookups[] = {
	{ "static:2525", "x", "2525", "static answers every key" },
	{ "static:{ a b }", "x", "a b", "static value in braces" },
	{ "fail:why", "x", "!", "fail always fails" },
	{ "inline:{ a=1, { B = two words }, c=3 }", "b", "two words", "inline with braces, key folded" },
	{ "inline:{ a=1, { B = two words }, c=3 }", "C", "3", "inline folds the key that is asked for" },
	{ "inline:{a=1}", "d", "-", "inline absent" },
	{ "environ:x", "MAP_TEST", "yes", "environ" },
	{ "environ:x", "MAP_TEST_NONE", "-", "environ absent" },
	{ "unix:passwd.byname", "root", "root:x:0:0:root:/root:/bin/bash", "passwd.byname" },
	{ "unix:passwd.byname", "no-such-user", "-", "passwd.byname absent" },
	{ "proxy:static:x", "k", "x", "proxy opens the table itself" },
	{ "texthash:src", "one", "1", "texthash" },
	{ "texthash:src", "TWO", "2 and more", "texthash continued line" },
	{ "texthash:src", "two words", "3", "texthash quoted key" },
	{ "texthash:src", "dup", "first", "texthash: the first of duplicates" },
	{ "texthash:src", "novalue", "-", "texthash: line without value" },
	{ "texthash:missing", "one", "!", "texthash: missing file is an error" },
	{ "cidr:nets", "192.0.2.7", "test", "cidr network" },
	{ "cidr:nets", "192.0.2.1", "one", "cidr: first match" },
	{ "cidr:nets", "2001:db8::1", "six", "cidr IPv6" },
	{ "cidr:nets", "10.1.2.3", "inner", "cidr inside if" },
	{ "cidr:nets", "11.1.2.3", "not ten", "cidr inverted" },
	{ "cidr:nets", "example.com", "-", "cidr: a name matches nothing" },
	{ "cidr:badnets", "192.0.2.1", "!", "cidr: malformed file is an error" },
	{ "regexp:rx", "Subject: BUY now", "reject BUY", "regexp with a group, case ignored" },
	{ "regexp:rx", "x100", "cost $100", "regexp $$ and ${1}" },
	{ "regexp:rx", "AbC", "case", "regexp flag i makes case count" },
	{ "regexp:rx", "abc", "outside", "regexp if/endif passed over" },
	{ "regexp:badrx", "x", "!", "regexp: malformed file is an error" },
	{ "hash:missing", "x", "!", "compiled table that is not there is an error" },
};

static void
test_lookups(void)
{
	setenv("MAP_TEST", "yes", 1);
	put("src", "# comment\none 1\n\nTwo\t2\n# in between\n  and more\n\"two words\" 3\ndup first\ndup second\nnovalue\n");
	put("nets", "192.0.2.1 one\n192.0.2.0/24 test\n2001:db8::/32 six\nif 10.0.0.0/8\n10.1.0.0/16 inner\nendif\n!10.0.0.0/8 not ten\n");
	put("badnets", "192.0.2.0/33 x\n");
	put("rx", "/^Subject: (buy) now/ reject $1\n/^x([0-9]+)$/ cost $$${1}\n/^AbC$/i case\nif /^A/i\n/./ inside\nendif\n!/^z/ outside\n");
	put("badrx", "/(/ x\n");
	for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++) {
		struct map *m;

		buf_clear(&err);
		m = map_open(lookups[i].table, &err);
		is(m ? get(m, lookups[i].key) : err.data, lookups[i].want, lookups[i].name);
		map_close(&m);
	}
	buf_clear(&err);
	ok(!map_open("nosuch:x", &err) && err.len, "unknown type is refused");
	ok(!map_open("plain", &err), "table without a type is refused");
	ok(!map_open("inline:{ a }", &err), "inline without = is refused");
	ok(!map_open("unix:shadow", &err), "unknown unix table is refused");
}

static void
build(const char *name, int n, const char *value)
{
	struct map_build *b = map_build_begin(name, (size_t)n, &err);
	char key[32];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof key, "Key%d", i);
		map_build_add(b, key, value, false, &err);
	}
	if (map_build_commit(&b, &err) < 0)
		printf("# %s\n", err.data);
}

/* Every byte position in turn is damaged; each lookup must then be right or an error. */
static void
test_damage(void)
{
	struct stat st;
	char *good;
	int fd, wrong = 0, errors = 0;

	build("damage", 20, "the right value");
	fd = open("damage.tdb", O_RDWR);
	fstat(fd, &st);
	good = mem_alloc((size_t)st.st_size);
	if (read(fd, good, (size_t)st.st_size) != st.st_size)
		wrong++;
	for (off_t at = 0; at < st.st_size; at += 7) {
		char bad = (char)(good[at] ^ 0x41);
		struct map *m;
		const char *got;

		if (pwrite(fd, &bad, 1, at) != 1)
			wrong++;
		m = map_open("tdb:damage", &err);
		got = get(m, "key7");
		if (strcmp(got, "!") == 0)
			errors++;
		else if (strcmp(got, "the right value") != 0)
			wrong++;
		if (strcmp(get(m, "absent"), "!") != 0)
			wrong++;
		map_close(&m);
		if (pwrite(fd, good + at, 1, at) != 1)
			wrong++;
	}
	is_num(wrong, 0, "no wrong answer from a table with a damaged byte");
	ok(errors == (int)((st.st_size + 6) / 7), "each damage is found (%d)", errors);
	for (off_t size = st.st_size - 1; size >= 0; size -= 97) {
		struct map *m;

		if (ftruncate(fd, size) < 0)
			wrong++;
		m = map_open("tdb:damage", &err);
		if (strcmp(get(m, "key7"), "!") != 0)
			wrong++;
		map_close(&m);
	}
	is_num(wrong, 0, "no answer from a truncated table");
	close(fd);
	free(good);
}

static int
count(void *arg, const char *key, const char *value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return 0;
}

static void
test_replace(void)
{
	struct map *m, *again;
	struct map_build *b;
	struct stat st;
	int n = 0;

	put("table", "");
	chmod("table", 0640);
	build("table", 1000, "old");
	stat("table.tdb", &st);
	is_num(st.st_mode & 07777, 0640, "a new table has the mode of its source");
	m = map_open("hash:table", &err);
	again = map_open("btree:table", &err);
	is(get(m, "KEY999"), "old", "compiled table");
	is(get(again, "key1"), "old", "the same file opened twice");
	is(get(m, "key1000"), "-", "absent key");
	is_num(map_each(m, count, &n, &err), 0, "listing a table");
	is_num(n, 1000, "every pair is listed, the seal is not");
	build("table", 10, "new");
	is(get(m, "key5"), "old", "an open table still gives the old answer");
	usleep(1100000);
	is(get(m, "key5"), "new", "after a second it gives the new one");
	is(get(again, "key999"), "-", "so does the other one");
	b = map_build_begin("table", 0, &err);
	is_num(map_build_add(b, "a", "1", false, &err), 1, "added");
	is_num(map_build_add(b, "A", "2", false, &err), 0, "duplicate after folding is told");
	is_num(map_build_add(b, "A", "2", true, &err), 1, "key kept as written");
	is_num(map_build_add(b, "", "2", true, &err), -1, "empty key is refused");
	map_build_abort(&b);
	ok(access("table.tdb.tmp", F_OK) < 0, "an abandoned build leaves no file");
	unlink("table.tdb");
	usleep(1100000);
	is(get(m, "key5"), "!", "a table that was removed is an error");
	map_close(&m);
	map_close(&again);
}

/* Two processes build at once: one after the other. */
static void
test_concurrent(void)
{
	struct map *m;
	const char *got;

	fflush(stdout);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			for (int j = 0; j < 10; j++)
				build("busy", 50, i % 2 ? "odd" : "even");
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	m = map_open("hash:busy", &err);
	got = get(m, "key49");
	ok(strcmp(got, "odd") == 0 || strcmp(got, "even") == 0, "tables built by several at once are whole");
	map_close(&m);
}

static const struct { const char *list; bool parent; const char *name; int want; const char *what; } names[] = {
	{ "example.com, example.net", false, "EXAMPLE.net", MAP_FOUND, "name in a list, case ignored" },
	{ "example.com", false, "sub.example.com", MAP_ABSENT, "subdomain without parent matching" },
	{ "example.com", true, "a.b.example.com", MAP_FOUND, "subdomain with parent matching" },
	{ "example.com", true, "badexample.com", MAP_ABSENT, "a longer name is no subdomain" },
	{ ".example.com", false, "sub.example.com", MAP_FOUND, "leading dot names the subdomains" },
	{ "!sub.example.com example.com", true, "sub.example.com", MAP_ABSENT, "! excludes" },
	{ "/list-that-is-not-there", true, "x", MAP_ERROR, "missing file" },
	{ "inline:{{example.org=x}}", true, "sub.example.org", MAP_FOUND, "table with parent matching" },
	{ "static:all", false, "any.thing", MAP_FOUND, "static table" },
	{ "fail:x", false, "example.com", MAP_ERROR, "failing table" },
	{ "[192.0.2.1]", false, "192.0.2.1", MAP_FOUND, "address literal" },
};

static const struct { const char *list, *addr; int want; const char *what; } addrs[] = {
	{ "127.0.0.0/8 [::1]/128", "127.0.0.1", MAP_FOUND, "network" },
	{ "127.0.0.0/8 [::1]/128", "::1", MAP_FOUND, "IPv6 network" },
	{ "127.0.0.0/8", "192.0.2.1", MAP_ABSENT, "outside" },
	{ "!192.0.2.1 192.0.2.0/24", "192.0.2.1", MAP_ABSENT, "excluded address" },
	{ "!192.0.2.1 192.0.2.0/24", "192.0.2.2", MAP_FOUND, "its neighbour" },
	{ "192.0.2.0/24", "unix", MAP_ABSENT, "no address" },
	{ "10.0.0.0/40", "10.0.0.1", MAP_ERROR, "malformed network is refused" },
};

static void
test_lists(void)
{
	struct matchlist *l;
	struct maplist *m;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		buf_clear(&err);
		l = matchlist_open(names[i].list, names[i].parent, &err);
		is_num(l ? matchlist_domain(l, names[i].name, &err) : MAP_ERROR, names[i].want, names[i].what);
		matchlist_close(&l);
	}
	for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++) {
		buf_clear(&err);
		l = matchlist_open(addrs[i].list, false, &err);
		is_num(l ? matchlist_address(l, addrs[i].addr, &err) : MAP_ERROR, addrs[i].want, addrs[i].what);
		matchlist_close(&l);
	}
	buf_clear(&out);
	buf_clear(&err);
	m = maplist_open("inline:{{a=1}}, inline:{{b=2}}  fail:z", &err);
	is_num(maplist_find(m, "b", &out, &err), MAP_FOUND, "second table of a list");
	is(maplist_last(m), "inline:{{b=2}}", "which table it was");
	is_num(maplist_find(m, "c", &out, &err), MAP_ERROR, "an error in a list is an error");
	maplist_close(&m);
}

int
main(void)
{
	char dir[] = "/tmp/map.XXXXXX";

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	test_lookups();
	test_replace();
	test_damage();
	test_concurrent();
	test_lists();
	for (const char *const *f = (const char *const[]){ "src", "nets", "badnets", "rx", "badrx", "damage.tdb", "table", "busy.tdb", NULL }; *f; f++)
		unlink(*f);
	if (chdir("/") < 0 || rmdir(dir) < 0)
		printf("# %s was not removed\n", dir);
	return tap_done();
}

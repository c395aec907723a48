/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Compiled tables, NAME.tdb: hash:NAME, btree:NAME and tdb:NAME read it, build.h writes it.
 *
 * The file is an ordinary tdb (hash TDB_INCOMPATIBLE_HASH) that is never changed after it got its name, so readers take
 * no locks. tdb itself notices hardly any damage, hence two checksums of 8 bytes (little-endian):
 *   - a record is: key -> checksum of key, NUL, value; then the value. Looked at in each lookup.
 *   - the first record has the key SEAL and 16 bytes: checksum of the whole file with these 16 bytes as zeros, and its
 *     size. Looked at when the file is opened, so that a damaged chain is never taken for an absent key.
 * Damage, a short file and a foreign one are errors. A file cut short under a reader (which no tool of ours does) ends
 * that process by SIGBUS. */
#include "base/mem.h"
#include "map/build.h"
#include "map/driver.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tdb.h>

#define SEAL "\0mtakit table seal"    /* NUL: no key of a user begins so */
enum { SEAL_KEY = sizeof SEAL - 1, SEAL_SIZE = 16, SUM_SIZE = 8, OPEN_TRIES = 5 };

/* An open file, shared by the tables of this process that name it: tdb refuses to open a file twice. */
struct file {
	struct file *next;
	struct tdb_context *tdb;  /* NULL: was changed in place, not to be used any more */
	struct stat st;
	unsigned refs;
};

struct table {
	struct map_watch watch;
	struct file *file;
	struct buf key;
};

static struct file *files;

/* Any change of one word changes the sum: each step is a bijection of both sum and word. */
static uint64_t
sum(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t w;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x9fb21c651e98df25;
		h = h << 29 | h >> 35;
	}
	for (w = n; n > 0; n--)
		w = w << 8 | p[n - 1];
	h = (h ^ w) * 0x9fb21c651e98df25;
	return h ^ h >> 32;
}

static uint64_t
record_sum(TDB_DATA key, const void *value, size_t n)
{
	return sum(sum(0x6d74616b6974, key.dptr, key.dsize), value, n);
}

static void
put64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t
get64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 8; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static void __attribute__((format(printf, 3, 4)))
quiet(struct tdb_context *tdb, enum tdb_debug_level level, const char *fmt, ...)
{
	(void)tdb;
	(void)level;
	(void)fmt;
}

static const struct tdb_logging_context no_log = { .log_fn = quiet };

/* Computes the seal of an open file and finds where it stands. 0, or -1: there is none. */
static int
seal_compute(int fd, size_t size, unsigned char seal[SEAL_SIZE], size_t *at)
{
	static const unsigned char zeros[SEAL_SIZE];
	const unsigned char *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0), *key;
	int r = -1;

	if (data == MAP_FAILED)
		return -1;
	key = memmem(data, size, SEAL, SEAL_KEY);
	if (key && (size_t)(key - data) + SEAL_KEY + SEAL_SIZE <= size) {
		uint64_t h;

		*at = (size_t)(key - data) + SEAL_KEY;
		h = sum(size, data, *at);
		h = sum(h, zeros, SEAL_SIZE);
		h = sum(h, data + *at + SEAL_SIZE, size - *at - SEAL_SIZE);
		put64(seal, h);
		put64(seal + 8, size);
		r = 0;
	}
	munmap((void *)(uintptr_t)data, size);
	return r;
}

/* Whether the open file is a whole, undamaged table. */
static int
seal_check(int fd, const struct stat *st, const char *path, struct buf *err)
{
	unsigned char want[SEAL_SIZE], found[SEAL_SIZE];
	size_t at;

	if (!S_ISREG(st->st_mode))
		buf_addf(err, "table %s: not a regular file", path);
	else if (st->st_size == 0 || seal_compute(fd, (size_t)st->st_size, want, &at) < 0)
		buf_addf(err, "table %s: damaged, or not made by mtamap", path);
	else if (pread(fd, found, SEAL_SIZE, (off_t)at) != SEAL_SIZE || memcmp(found, want, SEAL_SIZE) != 0)
		buf_addf(err, "table %s: damaged (its checksum does not match)", path);
	else
		return 0;
	return -1;
}

static void
file_release(struct file **fp)
{
	struct file *f = *fp, **p = &files;

	*fp = NULL;
	if (!f || --f->refs > 0)
		return;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	if (f->tdb)
		tdb_close(f->tdb);
	free(f);
}

/* An open file that is this one; one that was changed in place since is closed. */
static struct file *
file_known(const struct stat *st)
{
	for (struct file *f = files; f; f = f->next) {
		if (!f->tdb || f->st.st_dev != st->st_dev || f->st.st_ino != st->st_ino)
			continue;
		if (map_same_file(&f->st, st))
			return f;
		tdb_close(f->tdb);
		f->tdb = NULL;
	}
	return NULL;
}

static struct file *
file_new(const char *path, const struct stat *st)
{
	struct tdb_context *tdb = tdb_open_ex(path, 0, TDB_NOLOCK, O_RDONLY | O_CLOEXEC, 0, &no_log, NULL);
	struct file *f;

	if (!tdb)
		return NULL;
	f = mem_zalloc(sizeof *f);
	f->tdb = tdb;
	f->st = *st;
	f->next = files;
	files = f;
	return f;
}

/* Opens path, checked. 1 ok, 0 the file was replaced in between, -1 with err. */
static int
file_try(const char *path, struct file **out, struct buf *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = -1;
	struct stat st, now;
	struct file *f;

	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_addf(err, "open %s: %s", path, strerror(errno));
	} else if ((f = file_known(&st)) != NULL) {
		f->refs++;
		*out = f;
		r = 1;
	} else if (seal_check(fd, &st, path, err) == 0) {
		f = file_new(path, &st);
		if (f) {
			f->refs = 1;
			r = fstat(tdb_fd(f->tdb), &now) == 0 && map_same_file(&now, &st);
			if (r == 0)
				file_release(&f);
			*out = f;
		} else {
			buf_addf(err, "open %s: %s", path, strerror(errno));
		}
	}
	if (fd >= 0)
		close(fd);
	return r;
}

static int
refresh(struct table *t, struct buf *err)
{
	int r = t->file && !t->file->tdb ? WATCH_CHANGED : map_watch_check(&t->watch, err);

	if (r == WATCH_SAME)
		return 0;
	file_release(&t->file);
	t->watch.loaded = false;
	if (r < 0)
		return -1;
	r = 0;
	for (int i = 0; r == 0 && i < OPEN_TRIES; i++)
		r = file_try(t->watch.path, &t->file, err);
	if (r == 0)
		buf_addf(err, "table %s: replaced again and again", t->watch.path);
	if (r <= 0)
		return -1;
	map_watch_loaded(&t->watch, &t->file->st);
	return 0;
}

/* The value inside a record, or NULL: damaged. */
static const char *
record_value(TDB_DATA key, TDB_DATA data, size_t *n)
{
	if (data.dsize < SUM_SIZE)
		return NULL;
	*n = data.dsize - SUM_SIZE;
	if (get64(data.dptr) != record_sum(key, data.dptr + SUM_SIZE, *n))
		return NULL;
	return (const char *)data.dptr + SUM_SIZE;
}

struct take { struct buf *out; enum { TAKEN, DAMAGED, TOO_LONG } result; };

static int
take(TDB_DATA key, TDB_DATA data, void *arg)
{
	struct take *t = arg;
	size_t n;
	const char *value = record_value(key, data, &n);

	t->result = !value ? DAMAGED : buf_add(t->out, value, n) < 0 ? TOO_LONG : TAKEN;
	return 0;
}

static int
lookup(struct table *t, const char *key, struct buf *out, struct buf *err)
{
	TDB_DATA k = { (unsigned char *)(uintptr_t)key, strlen(key) };
	struct take got = { out, TAKEN };
	enum TDB_ERROR e = TDB_SUCCESS;

	if (tdb_parse_record(t->file->tdb, k, take, &got) < 0) {
		e = tdb_error(t->file->tdb);
		if (e == TDB_ERR_NOEXIST)
			return MAP_ABSENT;
	}
	if (e == TDB_SUCCESS && got.result == TAKEN)
		return MAP_FOUND;
	if (e != TDB_SUCCESS || got.result == DAMAGED)
		buf_addf(err, "table %s: damaged (record of %s)", t->watch.path, key);
	else
		buf_addf(err, "table %s: value of %s is too long", t->watch.path, key);
	return MAP_ERROR;
}

/* Keys are folded by the compiler; one that was kept as written is found as written. */
static int
find(void *table, const char *key, struct buf *out, struct buf *err)
{
	struct table *t = table;
	int r;

	if (refresh(t, err) < 0)
		return MAP_ERROR;
	if (map_fold(key, &t->key) < 0 || t->key.len == 0)
		return MAP_ABSENT;
	r = lookup(t, t->key.data, out, err);
	if (r != MAP_ABSENT || strcmp(t->key.data, key) == 0)
		return r;
	return lookup(t, key, out, err);
}

struct walk {
	int (*f)(void *arg, const char *key, const char *value);
	void *arg;
	int r;
	bool damaged;
};

static int
visit(struct tdb_context *tdb, TDB_DATA key, TDB_DATA data, void *arg)
{
	struct walk *w = arg;
	const char *value;
	char *k, *v;
	size_t n;

	(void)tdb;
	if (key.dsize == SEAL_KEY && memcmp(key.dptr, SEAL, SEAL_KEY) == 0)
		return 0;
	value = record_value(key, data, &n);
	if (!value) {
		w->damaged = true;
		return 1;
	}
	k = mem_strndup((char *)key.dptr, key.dsize);
	v = mem_strndup(value, n);
	w->r = w->f(w->arg, k, v);
	free(k);
	free(v);
	return w->r != 0;
}

static int
each(void *table, int (*f)(void *, const char *, const char *), void *arg, struct buf *err)
{
	struct table *t = table;
	struct walk w = { .f = f, .arg = arg };

	if (refresh(t, err) < 0)
		return MAP_ERROR;
	if (tdb_traverse_read(t->file->tdb, visit, &w) < 0 || w.damaged) {
		buf_addf(err, "table %s: damaged", t->watch.path);
		return MAP_ERROR;
	}
	return w.r;
}

static void *
table_open(const char *name, struct buf *err)
{
	struct table *t = mem_zalloc(sizeof *t);
	struct buf path = BUF_INIT(PATH_MAX), ignored = BUF_INIT(1024);

	size_t n = strlen(name);
	bool whole = n > 4 && strcmp(name + n - 4, ".tdb") == 0; /* tdb:NAME.tdb means the same as tdb:NAME */

	if (buf_addf(&path, whole ? "%s" : "%s.tdb", name) < 0 || !*name) {
		buf_addf(err, "table %s: bad file name", name);
		buf_free(&path);
		free(t);
		return NULL;
	}
	t->watch.path = buf_steal(&path);
	buf_init(&t->key, 1 << 16);
	/* opened here so that workers forked later share one mapping; a failure is the lookup's to tell */
	(void)refresh(t, &ignored);
	buf_free(&ignored);
	return t;
}

static void
recheck(void *table)
{
	((struct table *)table)->watch.next = 0;
}

static void
table_close(void *table)
{
	struct table *t = table;

	file_release(&t->file);
	buf_free(&t->key);
	free(t->watch.path);
	free(t);
}

const struct map_driver map_tdb = { .type = "tdb", .open = table_open, .find = find, .close = table_close, .each = each, .recheck = recheck };

struct map_build {
	char *path, *temp;        /* NAME.tdb, NAME.tdb.tmp */
	struct tdb_context *tdb;
	int lock;                 /* the temporary file, flock'ed: one builder at a time */
	struct buf key;
	char *record;             /* re-used space */
	size_t room;
};

static void
build_free(struct map_build **bp)
{
	struct map_build *b = *bp;

	if (b->tdb)
		tdb_close(b->tdb);
	if (b->lock >= 0)
		close(b->lock);
	buf_free(&b->key);
	free(b->record);
	free(b->path);
	free(b->temp);
	free(b);
	*bp = NULL;
}

/* Opens and locks the temporary file; one that another builder renamed or removed while we waited is let go. */
static int
temp_lock(const char *path)
{
	struct stat held, named;

	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
		    held.st_dev == named.st_dev) {
			if (S_ISREG(held.st_mode) && held.st_nlink == 1 && ftruncate(fd, 0) == 0)
				return fd;
			close(fd);
			errno = EINVAL;
			return -1;
		}
		close(fd);
	}
}

/* Mode and owner of the table that is replaced, or of its source, or what umask(2) leaves. */
static int
temp_mode(const struct map_build *b, const char *name)
{
	struct stat st;
	mode_t mask;

	if (stat(b->path, &st) == 0 || stat(name, &st) == 0) {
		if (geteuid() == 0 && fchown(b->lock, st.st_uid, st.st_gid) < 0)
			return -1;
		return fchmod(b->lock, st.st_mode & 0666);
	}
	mask = umask(0);
	umask(mask);
	return fchmod(b->lock, 0644 & ~mask);
}

static int
store(struct map_build *b, TDB_DATA key, TDB_DATA data, struct buf *err)
{
	if (tdb_store(b->tdb, key, data, TDB_INSERT) == 0)
		return 1;
	if (tdb_error(b->tdb) == TDB_ERR_EXISTS)
		return 0;
	buf_addf(err, "write %s: %s", b->temp, tdb_error(b->tdb) == TDB_ERR_IO && errno ? strerror(errno) : tdb_errorstr(b->tdb));
	return -1;
}

struct map_build *
map_build_begin(const char *name, size_t entries, struct buf *err)
{
	struct map_build *b = mem_zalloc(sizeof *b);
	struct buf path = BUF_INIT(PATH_MAX);
	unsigned char zeros[SEAL_SIZE] = { 0 }, seal[] = SEAL;
	TDB_DATA key = { seal, SEAL_KEY }, data = { zeros, SEAL_SIZE };
	int hash = entries == 0 ? 1021 : entries > 50000000 ? 50000000 : (int)entries | 1;

	buf_init(&b->key, 1 << 16);
	buf_addf(&path, "%s.tdb.tmp", name);
	b->temp = buf_steal(&path);
	b->path = mem_strndup(b->temp, strlen(b->temp) - 4);
	b->lock = temp_lock(b->temp);
	if (b->lock >= 0 && temp_mode(b, name) == 0)
		b->tdb = tdb_open_ex(b->temp, hash, TDB_NOLOCK | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH, O_RDWR | O_CREAT | O_CLOEXEC,
				     0600, &no_log, NULL);
	if (!b->tdb) {
		buf_addf(err, "create %s: %s", b->temp, strerror(errno));
		if (b->lock >= 0)
			unlink(b->temp);
		build_free(&b);
	} else if (store(b, key, data, err) < 0) {
		map_build_abort(&b);
	}
	return b;
}

int
map_build_add(struct map_build *b, const char *key, const char *value, bool keep_case, struct buf *err)
{
	size_t n = strlen(value);
	TDB_DATA k, d;

	if (keep_case) {
		buf_clear(&b->key);
		buf_adds(&b->key, key);
	} else {
		map_fold(key, &b->key);
	}
	if (b->key.full || b->key.len == 0) {
		buf_addf(err, "key is %s: %.100s", b->key.full ? "too long" : "empty", key);
		return -1;
	}
	if (n + SUM_SIZE > b->room) {
		b->room = 2 * (n + SUM_SIZE);
		b->record = mem_resize(b->record, b->room, 1);
	}
	k = (TDB_DATA){ (unsigned char *)b->key.data, b->key.len };
	d = (TDB_DATA){ (unsigned char *)b->record, n + SUM_SIZE };
	memcpy(b->record + SUM_SIZE, value, n);
	put64(d.dptr, record_sum(k, value, n));
	return store(b, k, d, err);
}

/* Writes the seal into the finished file, syncs it and gives it its name. 0 or -1 with errno. */
static int
publish(struct map_build *b, bool sync)
{
	unsigned char seal[SEAL_SIZE];
	char *dir = mem_strdup(b->path), *slash = strrchr(dir, '/');
	struct stat st;
	size_t at;
	int r = -1, dirfd;

	if (slash)
		slash[slash == dir] = '\0';
	dirfd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (dirfd < 0)
		return -1;
	errno = EIO;
	if (fstat(b->lock, &st) == 0 && seal_compute(b->lock, (size_t)st.st_size, seal, &at) == 0 &&
	    file_pwrite_all(b->lock, seal, SEAL_SIZE, (off_t)at) == 0 && (!sync || fsync(b->lock) == 0) && rename(b->temp, b->path) == 0)
		r = sync ? fsync(dirfd) : 0;
	close(dirfd);
	return r;
}

static int
commit(struct map_build **bp, bool sync, struct buf *err)
{
	struct map_build *b = *bp;
	int r = -1;

	if (tdb_check(b->tdb, NULL, NULL) < 0) {
		buf_addf(err, "write %s: the table that was written does not check", b->temp);
	} else {
		r = tdb_close(b->tdb);
		b->tdb = NULL;
		if (r == 0)
			r = publish(b, sync);
		if (r < 0)
			buf_addf(err, "write %s: %s", b->path, strerror(errno));
	}
	if (r < 0)
		unlink(b->temp);
	build_free(bp);
	return r;
}

int
map_build_commit(struct map_build **b, struct buf *err)
{
	return commit(b, true, err);
}

int
map_build_commit_unsynced(struct map_build **b, struct buf *err)
{
	return commit(b, false, err);
}

void
map_build_abort(struct map_build **bp)
{
	if (!*bp)
		return;
	unlink((*bp)->temp);
	build_free(bp);
}

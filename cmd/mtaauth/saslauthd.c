/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* saslauthd's protocol: login, password, service and realm, each two bytes of length (most significant first) and as many
 * bytes; the answer is two bytes of length and "OK" or "NO". One request a connection, as Cyrus SASL does it. */
#include "base/clock.h"
#include "mail/cred.h"
#include "mtaauth.h"
#include "sys/io.h"

#include <string.h>

enum { FIELDS = 4, FIELD_MAX = 65535, WAIT = 30 };

/* Exactly n bytes into out. 0 or -1. */
static int
take(struct io *io, size_t n, struct buf *out)
{
	char *data;
	size_t got;

	while (n > 0) {
		if (io_peek(io, &data, &got) <= 0)
			return -1;
		got = got < n ? got : n;
		buf_add(out, data, got);
		explicit_bzero(data, got);
		io_consume(io, got);
		n -= got;
	}
	return 0;
}

static int
take_field(struct io *io, struct buf *out)
{
	struct buf head = BUF_INIT(2);
	size_t n;
	int r = take(io, 2, &head);

	n = r < 0 ? 0 : (size_t)(unsigned char)head.data[0] << 8 | (unsigned char)head.data[1];
	buf_free(&head);
	if (r < 0 || n > FIELD_MAX || take(io, n, out) < 0)
		return -1;
	/* a NUL inside would make one name look like another */
	return memchr(out->data, '\0', out->len) ? -1 : 0;
}

void
saslauthd_session(struct auth *a, const struct server_peer *peer)
{
	struct buf field[FIELDS], user = BUF_INIT(1024), out = BUF_INIT(32768), why = BUF_INIT(1024);
	struct io io;
	int n, r = LOGIN_FAIL;

	io_init(&io, peer->rfd, peer->wfd);
	io_set_deadline(&io, clock_deadline(WAIT));
	for (n = 0; n < FIELDS; n++)
		buf_init(&field[n], FIELD_MAX + CRED_USER_MAX);
	for (n = 0; n < FIELDS && take_field(&io, &field[n]) == 0; n++)
		;
	if (n == FIELDS) {
		struct login l = { NULL, field[1].data, field[2].data, "" };

		if (field[3].len > 0 && !strchr(field[0].data, '@'))
			buf_addf(&field[0], "@%s", field[3].data);
		l.user = field[0].data;
		r = login_check(a, &l, &user, &out, &why);
		/* the delays of a failed login are over */
		io_set_deadline(&io, clock_deadline(WAIT));
		io_write(&io, r == LOGIN_OK ? "\0\002OK" : "\0\002NO", 4);
		(void)io_flush(&io);
	}
	explicit_bzero(field[1].data, field[1].len);
	for (n = 0; n < FIELDS; n++)
		buf_free(&field[n]);
	buf_free(&user);
	buf_free(&out);
	buf_free(&why);
	io_free(&io);
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What an enhanced status code (RFC 3463) means to a person. */
#ifndef MAIL_BOUNCE_MEANING_H
#define MAIL_BOUNCE_MEANING_H

struct bounce_meaning {
	const char *code;         /* without the class: "1.1", or the beginning of it */
	const char *what, *todo;  /* what has happened, and what the sender can do */
};
/* That of "5.1.1": never NULL. */
const struct bounce_meaning *bounce_meaning(const char *dsn);
#endif

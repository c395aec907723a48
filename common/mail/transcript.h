/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What was said in an SMTP session, for a notice to the postmaster (notify_classes). Memory is bounded whatever the peer does: the
 * first TRANSCRIPT_HEAD lines and the last TRANSCRIPT_TAIL lines are kept, with a mark between them of how many are missing,
 * and of each line its beginning. Text comes out as ASCII: any other byte as \xHH, a backslash doubled. */
#ifndef MAIL_TRANSCRIPT_H
#define MAIL_TRANSCRIPT_H
#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define TRANSCRIPT_HEAD 50
#define TRANSCRIPT_TAIL 50
#define TRANSCRIPT_LINE 240       /* bytes of a line as it is kept, with its NUL */

struct transcript {
	char (*line)[TRANSCRIPT_LINE];    /* NULL: nothing was said yet */
	uint64_t n;               /* lines, also those that are gone */
};

/* Who said it. TRANSCRIPT_NOTE: nobody, it is a remark of ours. */
enum transcript_who { TRANSCRIPT_CLIENT, TRANSCRIPT_SERVER, TRANSCRIPT_NOTE };

/* A zeroed struct is an empty transcript. clear keeps the memory. */
void transcript_clear(struct transcript *t);
void transcript_free(struct transcript *t);
/* A line of n bytes without its line end. What must not be seen (passwords, message content) is the caller's business. */
void transcript_add(struct transcript *t, enum transcript_who who, const char *text, size_t n);
void transcript_addf(struct transcript *t, enum transcript_who who, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Appends all of it, a line each: "    C: EHLO me". */
void transcript_format(const struct transcript *t, struct buf *out);
#endif

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The DATA automaton (RFC 5321 4.1.1.4, 4.5.2): takes bytes after DATA from the network
 * in any portions; gives the content with dots unstuffed and CRLF made LF, and finds the
 * one true end, CRLF.CRLF. A bare LF, a bare CR and a NUL are noted; nothing but CRLF ends
 * a line for the purpose of finding the end, so "\n.\n" and its kin never end a message. */
#ifndef SYNTAX_SMTPDATA_H
#define SYNTAX_SMTPDATA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtpdata {
	int state;
	bool done;                /* the end was found */
	bool bare_lf, bare_cr, nul; /* were seen anywhere */
	bool eight_bit;           /* a byte over 127 was seen */
	size_t line;              /* bytes of the line so far, without its end */
	size_t longest;           /* the longest line, without its end */
	uint64_t size;            /* bytes given out */
};

void smtpdata_init(struct smtpdata *d);
/* Reads up to n bytes from in; writes to out, which has room for n + 2 bytes. *out_len gets
 * the bytes written. Returns how many of in were used: fewer than n only when done. */
size_t smtpdata_feed(struct smtpdata *d, const char *in, size_t n, char *out, size_t *out_len);

/* The other way: content with LF line ends to the wire form: CRLF, dots stuffed. state
 * begins as SMTPDATA_LINE_START; out has room for 2 n bytes. Returns the bytes written. A CR
 * that stands in the content before LF is not doubled. smtpdata_end gives what ends the
 * message after the last portion ("\r\n.\r\n" or ".\r\n"). */
enum { SMTPDATA_LINE_START, SMTPDATA_IN_LINE, SMTPDATA_AFTER_CR };
size_t smtpdata_stuff(int *state, const char *in, size_t n, char *out);
const char *smtpdata_end(int state);
#endif

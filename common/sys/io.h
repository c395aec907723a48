/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Buffered I/O over a plain or TLS connection, with absolute deadlines. Output is flushed
 * whenever a read is about to block (so the replies to pipelined commands cost one write), and by
 * io_flush. One line bound on everything read; memory is the two buffers, whatever the peer does. */
#ifndef SYS_IO_H
#define SYS_IO_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls;
struct tls_context;

enum io_error { IO_OK, IO_EOF, IO_TIMEOUT, IO_LONG, IO_STOPPED, IO_SYSTEM, IO_TLS };

#define IO_BUFFER 65536           /* input buffer: the longest line that can be asked for */

struct io {
	int rfd, wfd;             /* equal for a socket */
	struct tls *tls;          /* NULL while plain */
	char *in;                 /* IO_BUFFER bytes */
	size_t in_start, in_end;
	struct buf out;
	int64_t deadline;         /* of the reading or writing now under way (monotonic) */
	int recv_ms;              /* SO_RCVTIMEO as set here; 0: not set yet, INT_MAX: not to be used */
	enum io_error error;      /* why the last call failed */
	int saved_errno;          /* with IO_SYSTEM */
	bool skipping;            /* inside a line that was too long */
	bool plain_file;          /* rfd is no socket: wait before each read, it may block */
	bool plain_out;           /* the same of wfd */
	enum io_error ended;      /* nothing more will be read; what was read before still is */
	bool (*stopping)(void);   /* when set and true, a read that would have to wait fails with IO_STOPPED (server_stopping) */
	char error_text[160];
};

/* Sockets (blocking or not), regular files, pipes and terminals; no call waits past the deadline (at first: never).
 * Writing to a pipe that nobody reads raises SIGPIPE: server_run ignores it, other programs do so themselves. */
void io_init(struct io *io, int rfd, int wfd);
/* The three ends of a connection; each writes what is buffered (unless the connection failed) and sends TLS close_notify. */
void io_close(struct io *io);                        /* closes both descriptors, frees */
void io_free(struct io *io);                         /* frees, leaves the descriptors open */
void io_reset(struct io *io, int rfd, int wfd);      /* begins the next connection: keeps the memory */
void io_set_deadline(struct io *io, int64_t deadline);

/* The next line up to and with its LF; valid until the next call on io. *n has all its bytes.
 * A last line without LF before EOF is given as it is (its last byte is not LF).
 * 1 a line, 0 end of input (io->error IO_EOF), -1 error: IO_LONG when it passes max bytes (the rest of that line
 * has been or will be skipped: the next call begins after its LF), IO_TIMEOUT, IO_STOPPED, IO_SYSTEM, IO_TLS. max is
 * at most IO_BUFFER. TLS that ends without close_notify is IO_TLS, never a clean end. */
int io_line(struct io *io, char **line, size_t *n, size_t max);
/* Whatever is there: waits for at least one byte. 1, 0 at the end, -1. The bytes stay until io_consume. */
int io_peek(struct io *io, char **data, size_t *n);
void io_consume(struct io *io, size_t n);
size_t io_pending(const struct io *io);              /* bytes that were read and not consumed */
bool io_input_waits(struct io *io);                  /* bytes pending or readable now (or the end), without blocking */
void io_discard_input(struct io *io);                /* drops pending bytes (before STARTTLS: RFC 3207 5) */

int io_write(struct io *io, const void *data, size_t n);   /* buffers; 0 or -1 */
int io_puts(struct io *io, const char *s);
int io_printf(struct io *io, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int io_flush(struct io *io);                         /* 0 all written, -1 */
const char *io_strerror(const struct io *io);        /* "timed out", "Connection reset by peer", ... */

/* Handshakes; pending output is flushed first; pending plaintext input is an error (io_discard_input before). 0 or -1. */
int io_tls_accept(struct io *io, struct tls_context *ctx);
/* name: SNI and, where ctx verifies, the name the certificate must carry. */
int io_tls_connect(struct io *io, struct tls_context *ctx, const char *name);
#endif

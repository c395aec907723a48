/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* TLS over struct io: handshakes, names, tickets, changed certificates, hostile endings. */
#include "sys/io.h"
#include "sys/tls.h"
#include "tap.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf err = BUF_INIT(1000);

static int
certificate(const char *file, const char *name)
{
	struct buf b = BUF_INIT(2000);
	int r;

	buf_addf(&b, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=%s -addext "
	    "subjectAltName=DNS:%s,IP:127.0.0.1 -keyout %s.new -out crt.new >/dev/null 2>&1 && cat crt.new >>%s.new && mv %s.new %s",
	    name, name, file, file, file, file);
	r = system(b.data);
	buf_free(&b);
	return r;
}

/* A child that serves one connection over TLS with ctx: answers each line with its protocol, ends at "quit". */
static pid_t
serve(struct tls_context *ctx, int *fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		exit(1);
	*fd = pair[0];
	pid = fork();
	if (pid == 0) {
		struct io io;
		char *line;
		size_t n;
		int r;

		close(pair[0]);
		io_init(&io, pair[1], pair[1]);
		io_set_deadline(&io, clock_deadline(5));
		if (io_tls_accept(&io, ctx) < 0)
			_exit(2);
		while ((r = io_line(&io, &line, &n, 1000)) == 1) {
			if (memcmp(line, "bye", 3) == 0)
				_exit(9); /* without close_notify */
			io_printf(&io, "%s %s", tls_protocol(io.tls), tls_resumed(io.tls) ? "resumed " : "");
			io_write(&io, line, n);
		}
		io_close(&io);
		_exit(r == 0 ? 0 : io.error == IO_TLS ? 3 : 4);
	}
	close(pair[1]);
	return pid;
}

static int
status_of(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct io
client(int fd)
{
	struct io io;

	io_init(&io, fd, fd);
	io_set_deadline(&io, clock_deadline(5));
	return io;
}

static bool
answer_is(struct io *io, const char *want)
{
	char *line;
	size_t n;

	return io_line(io, &line, &n, 1000) == 1 && n == strlen(want) && memcmp(line, want, n) == 0;
}

static void
usual(struct tls_context *server)
{
	struct tls_settings s = { .ca_file = "cert.pem", .verify = true };
	struct tls_context *ctx = tls_client_new(&s, &err);
	struct buf text = BUF_INIT(200);
	struct io io;
	pid_t pid;
	int fd;

	ok(ctx != NULL, "a client context is made");
	pid = serve(server, &fd);
	io = client(fd);
	is_num(io_tls_connect(&io, ctx, "mail.example.com"), 0, "a client connects and verifies the name");
	io_puts(&io, "hello\n");
	ok(answer_is(&io, "TLSv1.3 hello\n"), "and talks TLS 1.3");
	tls_describe(io.tls, &text);
	is(text.data, "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)", "as the description says");
	ok(!io_input_waits(&io), "no input waits when there is none");
	io_close(&io);
	is_num(status_of(pid), 0, "the server sees a clean end");
	for (const char *const *name = (const char *const[]){ "other.example.com", "127.0.0.2", "*", "", NULL }; *name; name++) {
		pid = serve(server, &fd);
		io = client(fd);
		ok(io_tls_connect(&io, ctx, *name) == -1 && io.error == IO_TLS, "a certificate is not taken for \"%s\": %s", *name, io_strerror(&io));
		io_close(&io);
		status_of(pid);
	}
	pid = serve(server, &fd);
	io = client(fd);
	is_num(io_tls_connect(&io, ctx, "127.0.0.1"), 0, "an address in the certificate is a name too");
	io_close(&io);
	is_num(status_of(pid), 0, "and all is well");
	tls_context_free(&ctx);
	s = (struct tls_settings){ .verify = true };
	ctx = tls_client_new(&s, &err);
	pid = serve(server, &fd);
	io = client(fd);
	is_num(io_tls_connect(&io, ctx, "mail.example.com"), -1, "with the system's authorities it is refused");
	is(io_strerror(&io), "self-signed certificate", "and the reason is told");
	io_close(&io);
	is_num(status_of(pid), 2, "the server sees the handshake fail");
	tls_context_free(&ctx);
	buf_free(&text);
}

static void
versions(void)
{
	static const struct { const char *server, *client, *answer; } table[] = {
		{ NULL, NULL, "TLSv1.3 x\n" },
		{ ">=TLSv1.3", NULL, "TLSv1.3 x\n" },
	};
	struct tls_settings s = { .cert_file = "cert.pem", .min_protocol = "SSLv3" };
	struct tls_context *ctx;

	ok(!tls_server_new(&s, &err), "an unknown protocol version is refused");
	is(err.data, "unknown TLS protocol version \"SSLv3\"", "by name");
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct tls_settings c = { .min_protocol = table[i].client };
		struct tls_context *cc = tls_client_new(&c, &err);
		struct io io;
		pid_t pid;
		int fd;

		s.min_protocol = table[i].server;
		ctx = tls_server_new(&s, &err);
		pid = serve(ctx, &fd);
		io = client(fd);
		io_tls_connect(&io, cc, NULL);
		io_puts(&io, "x\n");
		ok(answer_is(&io, table[i].answer), "with %s at least", table[i].server ? table[i].server : "the default");
		io_close(&io);
		status_of(pid);
		tls_context_free(&ctx);
		tls_context_free(&cc);
	}
}

static void
endings(struct tls_context *server)
{
	struct tls_settings s = { 0 };
	struct tls_context *ctx = tls_client_new(&s, &err);
	struct io io;
	char *line;
	size_t n;
	pid_t pid;
	int fd;

	/* close_notify and then plaintext in the middle of a message */
	pid = serve(server, &fd);
	io = client(fd);
	io_tls_connect(&io, ctx, NULL);
	io_puts(&io, "one\n");
	ok(answer_is(&io, "TLSv1.3 one\n"), "a session under TLS");
	io_puts(&io, "half a li");
	io_flush(&io);
	io_free(&io);
	(void)!send(fd, "ne\nplain\n", 9, MSG_NOSIGNAL);
	is_num(status_of(pid), 0, "ends at close_notify; plaintext after it is never read");
	close(fd);

	pid = serve(server, &fd);
	io = client(fd);
	io_tls_connect(&io, ctx, NULL);
	io_puts(&io, "bye\n");
	is_num(io_line(&io, &line, &n, 100), -1, "a connection cut without close_notify is an error");
	is(io_strerror(&io), "connection closed without TLS close_notify", "that says so");
	io_close(&io);
	status_of(pid);

	pid = serve(server, &fd);
	io = client(fd);
	io_tls_connect(&io, ctx, NULL);
	(void)!send(fd, "plaintext in the middle\n", 24, MSG_NOSIGNAL);
	io_line(&io, &line, &n, 100);
	is_num(status_of(pid), 3, "plaintext in the middle of TLS ends the session");
	io_close(&io);

	pid = serve(server, &fd);
	(void)!send(fd, "EHLO me\r\n", 9, MSG_NOSIGNAL);
	is_num(status_of(pid), 2, "plaintext instead of a handshake is refused");
	close(fd);

	pid = serve(server, &fd);
	io = client(fd);
	io.in[0] = 'x';
	io.in_end = 1;
	is_num(io_tls_connect(&io, ctx, NULL), -1, "plaintext that came before the handshake is refused");
	is(io_strerror(&io), "plaintext in front of the TLS handshake", "by name");
	io_close(&io);
	status_of(pid);

	tls_context_free(&ctx);
}

static void
certificates(struct tls_context *server)
{
	struct tls_settings s = { .cert_file = "none.pem" }, c = { .ca_file = "cert.pem", .verify = true };
	struct tls_context *ctx = tls_server_new(&s, &err);
	struct io io;
	pid_t pid;
	int fd;

	ok(!ctx, "a missing certificate is refused");
	is(err.data, "load certificate none.pem: No such file or directory", "by name");
	s.cert_file = "/etc/passwd";
	ok(!tls_server_new(&s, &err), "a file that is none is refused");
	is(err.data, "load certificate /etc/passwd: no start line", "by name");
	certificate("other.pem", "other.example.com");
	s = (struct tls_settings){ .cert_file = "cert.pem", .key_file = "other.pem" };
	ok(!tls_server_new(&s, &err), "a key of another certificate is refused");
	is(err.data, "load key other.pem: key values mismatch", "by name");
	is_num(tls_context_refresh(server, &err), 0, "an unchanged certificate is not loaded again");
	certificate("cert.pem", "new.example.com");
	is_num(tls_context_refresh(server, &err), 1, "a changed one is");
	ctx = tls_client_new(&c, &err);
	pid = serve(server, &fd);
	io = client(fd);
	is_num(io_tls_connect(&io, ctx, "new.example.com"), 0, "and is served");
	io_close(&io);
	is_num(status_of(pid), 0, "without a restart");
	if (truncate("cert.pem", 100) < 0)
		return;
	is_num(tls_context_refresh(server, &err), -1, "a broken one is reported");
	is_num(tls_context_refresh(server, &err), 0, "once");
	pid = serve(server, &fd);
	io = client(fd);
	is_num(io_tls_connect(&io, ctx, "new.example.com"), 0, "and the good one is still served");
	io_close(&io);
	status_of(pid);
	tls_context_free(&ctx);
}

int
main(void)
{
	char dir[] = "/tmp/mtakit-tls.XXXXXX";
	struct tls_settings s = { .cert_file = "cert.pem" };
	struct tls_context *server;

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	if (certificate("cert.pem", "mail.example.com") != 0) {
		rmdir(dir);
		puts("1..0 # SKIP openssl(1) is not there");
		return 0;
	}
	server = tls_server_new(&s, &err);
	if (ok(server != NULL, "a server context is made")) {
		usual(server);
		versions();
		endings(server);
		certificates(server);
	}
	tls_context_free(&server);
	buf_free(&err);
	for (const char *const *f = (const char *const[]){ "cert.pem", "other.pem", "crt.new", NULL }; *f; f++)
		unlink(*f);
	ok(chdir("/") == 0 && rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Services of main.cf: command lines read, started, asked whether they are ready. See mta.h. */
#include "mta.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sys/file.h"
#include "sys/proc.h"
#include "sys/sock.h"
#include "syntax/maincf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX 65536                /* of what a service says, this much is kept for a report */
#define QUIET 1000000                 /* microseconds that a service has to say by itself that it is ready */

static void
service_free(struct service *s)
{
	free(s->name);
	proc_free_argv(&s->argv);
	buf_free(&s->said);
}

void
services_free(struct services *l)
{
	for (size_t i = 0; i < l->n; i++)
		service_free(&l->s[i]);
	free(l->s);
	*l = (struct services){ 0 };
}

struct service *
services_find(struct services *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->s[i].name, name) == 0)
			return &l->s[i];
	return NULL;
}

static void
add_word(char ***argv, size_t *n, const char *word)
{
	*argv = mem_resize(*argv, *n + 2, sizeof **argv);
	(*argv)[(*n)++] = mem_strdup(word);
	(*argv)[*n] = NULL;
}

/* The command line of one service into words, each expanded, with -C after the first. */
static char **
command(struct config *c, const char *name, char *const *overrides, struct buf *err)
{
	struct buf param = BUF_INIT(4096), word = BUF_INIT(MAINCF_VALUE_MAX);
	const char *raw;
	char **words = NULL, **argv = NULL;
	size_t n = 0;

	buf_addf(&param, "service_%s", name);
	raw = config_any(c, param.data);
	if (!raw || !*raw)
		buf_addf(err, "services names \"%s\", and there is no %s", name, param.data);
	else if (!(words = proc_split(raw)) || !words[0])
		buf_addf(err, "%s: braces do not match, or nothing is named", param.data);
	if (err->len)
		goto out;
	for (size_t i = 0; words[i]; i++) {
		buf_clear(&word);
		if (config_expand(c, words[i], NULL, NULL, &word, err) < 0) {
			proc_free_argv(&argv);
			break;
		}
		add_word(&argv, &n, word.data);
		if (i > 0)
			continue;
		add_word(&argv, &n, "-C");
		add_word(&argv, &n, config_dir(c));
		for (char *const *o = overrides; o && *o; o++) {
			add_word(&argv, &n, "-o");
			add_word(&argv, &n, *o);
		}
	}
out:
	proc_free_argv(&words);
	buf_free(&param);
	buf_free(&word);
	return argv;
}

/* A name that may stand in a file name. */
static bool
name_ok(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(name) &&
	    strcmp(name, "mta") != 0;
}

int
services_read(struct services *l, struct config *c, char *const *overrides, struct buf *err)
{
	struct buf word = BUF_INIT(4096);
	const char *list = config_str(c, "services");
	size_t at = 0;

	*l = (struct services){ 0 };
	while (maincf_word(list, &at, &word) == 1 && !err->len) {
		struct service s = { .err = -1, .retry = CLOCK_NEVER, .wanted = true };

		if (!name_ok(word.data)) {
			buf_addf(err, "services: \"%s\" is no name of a service", word.data);
			break;
		}
		if (services_find(l, word.data))
			continue;
		s.argv = command(c, word.data, overrides, err);
		if (!s.argv)
			break;
		s.name = mem_strdup(word.data);
		buf_init(&s.said, SAID_MAX);
		l->s = mem_resize(l->s, l->n + 1, sizeof *l->s);
		l->s[l->n++] = s;
	}
	buf_free(&word);
	if (!err->len && l->n == 0)
		buf_adds(err, "services names none");
	if (err->len)
		services_free(l);
	return err->len ? -1 : 0;
}

/* Whether a service is to speak TLS always, and its command line does not bring a certificate of its own. */
static bool
needs_certificate(const struct service *s)
{
	bool tls = false;

	for (char **w = s->argv + 1; *w; w++) {
		if (strstr(*w, "cert"))
			return false;
		tls |= strncmp(*w, "tls:", 4) == 0 || strncmp(*w, "-ltls:", 6) == 0 || strcmp(*w, "-S") == 0 ||
		    strcmp(*w, "smtpd_tls_security_level=encrypt") == 0;
	}
	return tls;
}

int
services_check(const struct services *l, struct config *c, void (*warn)(const char *line))
{
	struct buf line = BUF_INIT(65536);
	int errors = 0;

	for (size_t i = 0; i < l->n; i++) {
		const char *slash = strrchr(l->s[i].argv[0], '/'), *program = slash ? slash + 1 : l->s[i].argv[0];
		bool pop = strcmp(program, "mtapop") == 0;

		if (!needs_certificate(&l->s[i]) || (pop ? *config_str(c, "ssl_cert_file") != '\0' || config_bool(c, "ssl_disable")
		    : strcmp(program, "mtasmtp") != 0 || *config_str(c, "smtpd_tls_cert_file")))
			continue;
		buf_clear(&line);
		buf_addf(&line, "%s: service %s is for TLS alone and there is no certificate: set smtpd_tls_cert_file and smtpd_tls_key_file%s, "
		    "or take %s out of services", pop ? "error" : "warning", l->s[i].name, pop ? " (or ssl_cert and ssl_key)" : "", l->s[i].name);
		warn(line.data);
		errors += pop;
	}
	buf_free(&line);
	return errors;
}

/* PATH, NOTIFY_SOCKET, and what import_environment names. */
static char **
environment(struct config *c, const char *notify)
{
	const char *list = config_str(c, "import_environment"), *path = getenv("PATH");
	struct buf word = BUF_INIT(65536), b = BUF_INIT(65536);
	size_t at = 0, n = 0;
	char **envp = mem_array(2, sizeof *envp);

	buf_addf(&b, "PATH=%s", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	envp[n++] = buf_steal(&b);
	if (notify) {
		buf_addf(&b, "NOTIFY_SOCKET=%s", notify);
		envp = mem_resize(envp, n + 2, sizeof *envp);
		envp[n++] = buf_steal(&b);
	}
	while (maincf_word(list, &at, &word) == 1) {
		const char *value = getenv(word.data);

		if (!strchr(word.data, '=') && !value)
			continue;
		buf_adds(&b, word.data);
		if (!strchr(word.data, '='))
			buf_addf(&b, "=%s", value);
		envp = mem_resize(envp, n + 2, sizeof *envp);
		envp[n++] = buf_steal(&b);
	}
	envp[n] = NULL;
	buf_free(&word);
	return envp;
}

int
service_spawn(struct service *s, struct config *c, const char *notify, int log_fd, struct buf *err)
{
	char **envp = environment(c, notify);
	struct proc p = { .argv = s->argv, .envp = envp, .dir = "/", .in = -1, .out = -1, .err = log_fd,
	    .uid = (uid_t)-1, .gid = (gid_t)-1, .session = true, .death_signal = SIGTERM };
	int pipes[2] = { -1, -1 };
	struct stat st;

	if (log_fd >= 0 && fstat(log_fd, &st) == 0)
		s->log_at = st.st_size;
	if (log_fd < 0 && pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0)
		p.err = pipes[1];
	buf_clear(&s->said);
	s->ready = false;
	s->retry = CLOCK_NEVER;
	s->started = clock_mono();
	s->pid = proc_spawn(&p);
	if (s->pid < 0) {
		buf_addf(err, "service %s: run %s: %s", s->name, s->argv[0], strerror(errno));
		s->pid = 0;
	}
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (!s->pid && pipes[0] >= 0) {
		close(pipes[0]);
		pipes[0] = -1;
	}
	s->err = pipes[0];
	proc_free_argv(&envp);
	if (s->pid)
		service_pidfile(s, c);
	return s->pid ? 0 : -1;
}

void
service_pidfile(const struct service *s, struct config *c)
{
	struct buf path = BUF_INIT(65536), text = BUF_INIT(64);
	int fd;

	buf_addf(&path, "%s/%s/%s.pid", config_str(c, "queue_directory"), config_str(c, "process_id_directory"), s->name);
	(void)unlink(path.data);
	if (s->pid) {
		buf_addf(&text, "%d\n", (int)s->pid);
		fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd >= 0) {
			(void)!write(fd, text.data, text.len);
			close(fd);
		}
	}
	buf_free(&path);
	buf_free(&text);
}

/* Connects to one -l argument and hangs up. */
static bool
accepts(struct config *c, const char *where, struct buf *why)
{
	struct buf at = BUF_INIT(65536), host = BUF_INIT(65536), port = BUF_INIT(256);
	const char *interfaces = config_str(c, "inet_interfaces");
	size_t i = 0;
	int fd;

	if (strncmp(where, "tls:", 4) == 0)
		where += 4;
	if (strncmp(where, "unix:", 5) == 0 || sock_split(where, &host, &port) < 0)
		buf_adds(&at, where);
	else if (host.len && strcmp(host.data, "*") != 0 && strcmp(host.data, "0.0.0.0") != 0)
		buf_addf(&at, strchr(host.data, ':') ? "[%s]:%s" : "%s:%s", host.data, port.data);
	else if (maincf_word(interfaces, &i, &host) == 1 && strcmp(host.data, "all") != 0 && strcmp(host.data, "loopback-only") != 0)
		buf_addf(&at, strchr(host.data, ':') && host.data[0] != '[' ? "[%s]:%s" : "%s:%s", host.data, port.data);
	else
		buf_addf(&at, "%s:%s", strcmp(config_str(c, "inet_protocols"), "ipv6") == 0 ? "[::1]" : "127.0.0.1", port.data);
	fd = sock_connect(at.data, clock_deadline(1), why);
	if (fd >= 0)
		close(fd);
	buf_free(&at);
	buf_free(&host);
	buf_free(&port);
	return fd >= 0;
}

bool
service_settled(const struct service *s)
{
	return s->ready || clock_mono() - s->started >= QUIET;
}

bool
service_ready(const struct service *s, struct config *c, struct buf *why)
{
	if (!service_settled(s)) {
		buf_adds(why, "not ready yet");
		return false;
	}
	for (char **w = s->argv; *w && w[1]; w++) {
		if (strcmp(*w, "-l") == 0 && !accepts(c, *++w, why))
			return false;
	}
	return true;
}

/* Lines of maillog_file by pid since the service was started, onto out. */
static void
from_log(const struct service *s, struct config *c, pid_t pid, struct buf *out)
{
	struct buf text = BUF_INIT(SAID_MAX), mine = BUF_INIT(256), early = BUF_INIT(65536);
	const char *slash = strrchr(s->argv[0], '/');
	int fd = open(config_str(c, "maillog_file"), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *line, *save = NULL, *at;
	ssize_t n = -1;

	/* lines of the log, and those that it wrote before it opened the log: "program: text" */
	buf_addf(&mine, "[%d]: ", (int)pid);
	buf_addf(&early, "%s: ", slash ? slash + 1 : s->argv[0]);
	if (fd >= 0 && buf_reserve(&text, SAID_MAX - 1) == 0)
		n = pread(fd, text.data, SAID_MAX - 1, s->log_at);
	if (n > 0) {
		text.data[n] = '\0';
		for (line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if ((at = strstr(line, mine.data)))
				buf_addf(out, "%s%s", out->len ? "; " : "", at + mine.len);
			else if (strncmp(line, early.data, early.len) == 0)
				buf_addf(out, "%s%s", out->len ? "; " : "", line);
	}
	if (fd >= 0)
		close(fd);
	buf_free(&text);
	buf_free(&mine);
	buf_free(&early);
}

void
service_epitaph(const struct service *s, struct config *c, pid_t pid, int status, struct buf *out)
{
	struct buf said = BUF_INIT(SAID_MAX);
	size_t n;

	if (WIFSIGNALED(status))
		buf_addf(out, "service %s: process %d was ended by signal %d (%s)", s->name, (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		buf_addf(out, "service %s: process %d ended with exit status %d", s->name, (int)pid, WEXITSTATUS(status));
	if (*config_str(c, "maillog_file"))
		from_log(s, c, pid, &said);
	else
		buf_add(&said, s->said.data, s->said.len);
	for (n = said.len; n > 0 && said.data[n - 1] == '\n'; n--)
		;
	buf_truncate(&said, n);
	if (said.len)
		buf_addf(out, ": %s", said.data);
	else if (!*config_str(c, "maillog_file") && WIFEXITED(status))
		buf_addf(out, access("/dev/log", F_OK) == 0 ? "; syslog has the reason" : "; there is no syslog that would have the reason: set maillog_file");
	buf_free(&said);
}

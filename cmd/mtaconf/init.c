/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaconf init: a complete private mail system in one directory, for the user who asks for it: main.cf, queue, tables, mail
 * directory, a self-signed certificate, one user with a password. See mtaconf(8). */
#include "mtaconf.h"

#include "base/mem.h"
#include "base/msg.h"
#include "sys/file.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define LONGEST_SOCKET "/queue/private/auth-master"

/* "name=value" of the caller for a name that other files are made from; else def. */
static char *
chosen(char *const *settings, const char *name, const char *def)
{
	size_t n = strlen(name);

	for (; *settings; settings++)
		if (strncmp(*settings, name, n) == 0 && (*settings)[n] == '=')
			def = *settings + n + 1;
	return mem_strdup(def);
}

/* Who runs the system: the caller; for root mail_owner as given, else "mta", else "nobody". */
static void
choose_owner(struct private_system *p, char *const *settings)
{
	char *asked = chosen(settings, "mail_owner", "");
	const struct passwd *pw;

	if (geteuid() != 0)
		pw = getpwuid(geteuid());
	else if (*asked)
		pw = getpwnam(asked);
	else if (!(pw = getpwnam("mta")))
		pw = getpwnam("nobody");
	if (!pw && *asked && geteuid() == 0)
		msg_die(EX_NOUSER, "mail_owner: there is no user \"%s\"", asked);
	if (!pw && geteuid() == 0)
		msg_die(EX_NOUSER, "there is neither a user \"mta\" nor a user \"nobody\": name one with mail_owner=");
	p->uid = pw ? pw->pw_uid : geteuid();
	p->gid = pw ? pw->pw_gid : getegid();
	p->owner = mem_strdup(pw ? pw->pw_name : "mta");
	free(asked);
}

/* dir/name. */
static char *
path_of(const struct private_system *p, const char *name)
{
	struct buf b = BUF_INIT(65536);

	buf_addf(&b, "%s/%s", p->dir, name);
	return buf_steal(&b);
}

static void
write_file(const struct private_system *p, const char *name, const struct buf *text, mode_t mode)
{
	char *path = path_of(p, name);

	if (file_replace(path, text->data, text->len, mode) < 0)
		msg_die(EX_CANTCREAT, "write %s: %s", path, strerror(errno));
	free(path);
}

/* A directory of mail_owner's. */
static void
make_dir(const struct private_system *p, const char *name, mode_t mode)
{
	char *path = path_of(p, name);

	if ((mkdir(path, mode) < 0 && errno != EEXIST) || (geteuid() == 0 && lchown(path, p->uid, p->gid) < 0))
		msg_die(EX_CANTCREAT, "make directory %s: %s", path, strerror(errno));
	free(path);
}

/* Runs a program with text on its standard input; all that it prints goes to /dev/null unless loud. True: it exited with 0.
 * -1: it is not there. */
static int
run(char *const *argv, const char *input, bool loud)
{
	struct proc p = { .argv = argv, .in = -1, .out = -1, .err = loud ? STDERR_FILENO : -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	int pipes[2] = { -1, -1 }, status = 0;
	pid_t pid;

	if (input && pipe2(pipes, O_CLOEXEC) < 0)
		msg_die(EX_OSERR, "pipe: %s", strerror(errno));
	p.in = pipes[0];
	pid = proc_spawn(&p);
	if (pid < 0 && errno != ENOENT)
		msg_die(EX_OSERR, "run %s: %s", argv[0], strerror(errno));
	if (input) {
		close(pipes[0]);
		if (pid > 0)
			(void)!write(pipes[1], input, strlen(input));
		close(pipes[1]);
	}
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
make_certificate(const struct private_system *p)
{
	char *cert = path_of(p, "cert.pem"), *key = path_of(p, "key.pem");
	struct buf subject = BUF_INIT(4096), names = BUF_INIT(4096);
	int r;

	buf_addf(&subject, "/CN=%s", p->host);
	buf_addf(&names, "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1", p->host);
	r = run((char *[]){ (char *)"openssl", (char *)"req", (char *)"-x509", (char *)"-newkey", (char *)"ec", (char *)"-pkeyopt",
	    (char *)"ec_paramgen_curve:prime256v1", (char *)"-nodes", (char *)"-days", (char *)"3650", (char *)"-subj", subject.data,
	    (char *)"-addext", names.data, (char *)"-keyout", key, (char *)"-out", cert, NULL }, NULL, false);
	if (r < 0)
		msg_die(EX_UNAVAILABLE, "openssl(1) is not there: it makes the certificate");
	if (r == 0)
		msg_die(EX_CANTCREAT, "openssl req failed to make %s", cert);
	if (chmod(key, 0600) < 0)
		msg_die(EX_CANTCREAT, "chmod %s: %s", key, strerror(errno));
	buf_free(&subject);
	buf_free(&names);
	free(cert);
	free(key);
}

/* Tables, mail directory and password of the one user. */
static void
make_user(struct private_system *p)
{
	struct buf b = BUF_INIT(65536);
	int r;

	buf_addf(&b, "# address        mailbox under virtual_mailbox_base; with \"/\" at its end a Maildir\n");
	buf_addf(&b, "user@%s\t%s/user/\npostmaster@%s\t%s/user/\n", p->domain, p->domain, p->domain, p->domain);
	write_file(p, "mailboxes", &b, 0644);
	make_dir(p, "mail", 0700);
	buf_clear(&b);
	buf_addf(&b, "mail/%s", p->domain);
	make_dir(p, b.data, 0700);
	buf_adds(&b, "/user");
	make_dir(p, b.data, 0700);
	for (int i = 0; i < 3; i++) {
		struct buf sub = BUF_INIT(65536);

		buf_addf(&sub, "%s/%s", b.data, (const char *[]){ "tmp", "new", "cur" }[i]);
		make_dir(p, sub.data, 0700);
		buf_free(&sub);
	}
	buf_clear(&b);
	buf_addf(&b, "user@%s", p->domain);
	r = run((char *[]){ (char *)"mtapasswd", (char *)"-C", p->dir, (char *)"-p", (char *)"add", b.data, NULL }, p->password, true);
	if (r == 0)
		msg_die(EX_CANTCREAT, "mtapasswd failed to store the password of %s", b.data);
	if (r < 0)
		msg_warn("mtapasswd is not there: there will be no login");
	buf_clear(&b);
	buf_addf(&b, "%s/users.tdb", p->dir);
	if (geteuid() == 0 && lchown(b.data, p->uid, p->gid) < 0 && errno != ENOENT) /* auth_user is mail_owner here */
		msg_die(EX_CANTCREAT, "give %s to %s: %s", b.data, p->owner, strerror(errno));
	p->login = r == 1;
	buf_free(&b);
}

/* The queue, by the program that knows what belongs there. */
static void
make_queue(const struct private_system *p)
{
	int r = run((char *[]){ (char *)"mta", (char *)"-C", p->dir, (char *)"set-permissions", NULL }, NULL, false);

	if (r <= 0)
		msg_die(EX_UNAVAILABLE, "mta -C %s set-permissions %s", p->dir, r < 0 ? "cannot be run: no such program" : "failed: run it by hand to see why");
}

/* As root the owner must be able to reach dir. */
static void
check_reach(const struct private_system *p)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(proc_become(p->owner, (uid_t)-1, (gid_t)-1) < 0 || access(p->dir, X_OK) == 0 ? 0 : 1);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1)
		msg_warn("warning: user %s, who will run the servers, cannot reach %s: chmod a+x the directories above it", p->owner, p->dir);
}

static void
print_json(const struct private_system *p, const int *port)
{
	static const char *const keys[5] = { "smtp_port", "submission_port", "submissions_port", "pop3_port", "pop3s_port" };

	printf("{\n  \"dir\": \"%s\",\n  \"domain\": \"%s\",\n  \"host\": \"127.0.0.1\",\n", p->dir, p->domain);
	for (int i = 0; i < 5; i++)
		printf("  \"%s\": %d,\n", keys[i], port[i]);
	printf("  \"user\": \"user@%s\",\n  \"password\": \"%s\",\n", p->domain, p->login ? p->password : "");
	printf("  \"maildir\": \"%s/mail/%s/user\",\n  \"certificate\": \"%s/cert.pem\",\n  \"log\": \"%s/log\"\n}\n", p->dir, p->domain, p->dir, p->dir);
}

static void
print_text(const struct private_system *p, const int *port)
{
	printf("A private mail system for %s is in %s\n\n", p->domain, p->dir);
	printf("  start        mta -C %s start\n", p->dir);
	printf("  SMTP         127.0.0.1 port %d\n", port[0]);
	printf("  submission   127.0.0.1 port %d (STARTTLS), %d (TLS)\n", port[1], port[2]);
	printf("  POP3         127.0.0.1 port %d (STLS), %d (TLS)\n", port[3], port[4]);
	printf("  user         user@%s\n", p->domain);
	printf("  password     %s\n", p->login ? p->password : "(none)");
	printf("  mailbox      %s/mail/%s/user/\n", p->dir, p->domain);
	printf("  log          %s/log\n", p->dir);
}

/* What main.cf says now, own settings included. */
static void
read_back(const struct private_system *p, int port[5])
{
	struct buf err = BUF_INIT(65536);
	struct config *c = config_open(p->dir, NULL, &err);

	if (!c)
		msg_die(EX_DATAERR, "%s", err.data);
	for (int i = 0; i < 5; i++)
		port[i] = atoi(config_str(c, port_names[i]));
	config_close(&c);
	buf_free(&err);
}

static void
make_top(struct private_system *p, const char *dir)
{
	char *cf;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		msg_die(EX_CANTCREAT, "make directory %s: %s", dir, strerror(errno));
	p->dir = realpath(dir, NULL);
	if (!p->dir)
		msg_die(EX_CANTCREAT, "directory %s: %s", dir, strerror(errno));
	if (strlen(p->dir) + strlen(LONGEST_SOCKET) >= sizeof ((struct sockaddr_un *)0)->sun_path)
		msg_die(EX_USAGE, "%s: too long a name: the sockets in it could not be named in %zu bytes", p->dir,
		    sizeof ((struct sockaddr_un *)0)->sun_path - 1);
	if (strpbrk(p->dir, " \t\r\n\"\\$,{}"))
		msg_die(EX_USAGE, "%s: blanks, quotes, '$', ',' and braces cannot be in the name", p->dir);
	cf = path_of(p, "main.cf");
	if (access(cf, F_OK) == 0)
		msg_die(EX_CANTCREAT, "%s is there already: nothing was changed", cf);
	free(cf);
}

int
init_write(const char *dir, char *const *settings, bool json)
{
	struct private_system p = { 0 };
	struct buf b = BUF_INIT(1 << 20), err = BUF_INIT(65536);
	int port[5];

	umask(022);
	make_top(&p, dir);
	choose_owner(&p, settings);
	p.domain = chosen(settings, "mydomain", "example.test");
	buf_addf(&b, "mail.%s", p.domain);
	p.host = chosen(settings, "myhostname", b.data);
	if (strchr(p.domain, '/') || strchr(p.domain, '$'))
		msg_die(EX_USAGE, "mydomain=%s is no domain", p.domain);
	if (private_ports(&p, &err) < 0)
		msg_die(EX_UNAVAILABLE, "%s", err.data);
	private_password(&p);
	buf_clear(&b);
	private_main_cf(&p, settings, &b);
	write_file(&p, "main.cf", &b, 0644);
	read_back(&p, port);
	make_certificate(&p);
	make_queue(&p);
	make_user(&p);
	check_reach(&p);
	if (json)
		print_json(&p, port);
	else
		print_text(&p, port);
	buf_free(&b);
	buf_free(&err);
	free(p.dir);
	free(p.owner);
	free(p.domain);
	free(p.host);
	return EX_OK;
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* main.cf, ports and password of a private system: see mtaconf.h. */
#include "mtaconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below the range that the kernel takes ports of outgoing connections from. */
#define PORT_LOW 15000
#define PORT_HIGH 32000
#define TRIES 1000

const char *const port_names[5] = { "smtpd_port", "submission_port", "submissions_port", "pop3_port", "pop3s_port" };

static uint32_t
random_below(uint32_t limit)
{
	uint32_t v = 0;

	while (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v)
		;
	return v % limit;
}

int
private_ports(struct private_system *p, struct buf *err)
{
	int fd[5], tries = 0, n = 0;

	/* each stays bound until all are found, so that they differ */
	while (n < 5 && tries++ < TRIES) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		p->port[n] = PORT_LOW + (int)random_below(PORT_HIGH - PORT_LOW);
		sin.sin_port = htons((uint16_t)p->port[n]);
		fd[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd[n] < 0)
			break;
		if (bind(fd[n], (struct sockaddr *)&sin, sizeof sin) == 0)
			n++;
		else
			close(fd[n]);
	}
	if (n < 5)
		buf_addf(err, "find free ports on 127.0.0.1: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		close(fd[i]);
	return n == 5 ? 0 : -1;
}

void
private_password(struct private_system *p)
{
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

	for (size_t i = 0; i < 16; i++)
		p->password[i] = letters[random_below(sizeof letters - 1)];
	p->password[16] = '\0';
}

struct line { const char *comment, *name, *value; };

/* "name=value" of settings for name; its value, or NULL. */
static const char *
setting_of(char *const *settings, const char *name)
{
	const char *value = NULL;
	size_t n = strlen(name);

	for (; *settings; settings++)
		if (strncmp(*settings, name, n) == 0 && (*settings)[n + strspn(*settings + n, " \t")] == '=')
			value = strchr(*settings, '=') + 1 + strspn(strchr(*settings, '=') + 1, " \t");
	return value;
}

static void
add_line(struct buf *out, const char *comment, const char *name, const char *value)
{
	if (comment)
		buf_addf(out, "%s# %s\n", out->len ? "\n" : "", comment);
	buf_addf(out, "%s =%s%s\n", name, *value ? " " : "", value);
}

/* What the template does not have. */
static void
add_rest(const struct line *lines, size_t n, char *const *settings, struct buf *out)
{
	bool first = true;

	for (; *settings; settings++) {
		size_t k = strcspn(*settings, " \t="), i = 0;

		while (i < n && !(strncmp(lines[i].name, *settings, k) == 0 && !lines[i].name[k]))
			i++;
		for (size_t j = 0; i == n && j < 5; j++)
			if (strncmp(port_names[j], *settings, k) == 0 && !port_names[j][k])
				i = n + 1;
		if (i != n)
			continue;
		buf_addf(out, "%s%.*s = %s\n", first ? "\n# As asked for when this file was written.\n" : "", (int)k, *settings,
		    strchr(*settings, '=') + 1 + strspn(strchr(*settings, '=') + 1, " \t"));
		first = false;
	}
}

void
private_main_cf(const struct private_system *p, char *const *settings, struct buf *out)
{
	const struct line lines[] = {
		{ "A private mail system: see mtaconf(8), init. Start it with: mta -C (this directory) start", "mydomain", p->domain },
		{ NULL, "myhostname", p->host },
		{ NULL, "myorigin", "$mydomain" },
		{ "Everything lives here and runs as one user.", "mail_owner", p->owner },
		{ NULL, "auth_user", "$mail_owner" },
		{ NULL, "queue_directory", "$config_directory/queue" },
		{ NULL, "data_directory", "$config_directory" },
		{ NULL, "maillog_file", "$config_directory/log" },
		{ "This host alone may connect. Without other words nothing leaves it: mail for elsewhere is refused.", "inet_interfaces", "127.0.0.1" },
		{ NULL, "inet_protocols", "ipv4" },
		{ NULL, "mynetworks", "127.0.0.0/8 [::1]/128" },
		{ NULL, "default_transport", "error:5.7.1 this private mail system sends nothing to other hosts" },
		{ "No local users: all users of $mydomain are virtual. Add one: a line in mailboxes, then mtapasswd add.", "mydestination", "" },
		{ NULL, "alias_maps", "" },
		{ NULL, "alias_database", "" },
		{ NULL, "local_recipient_maps", "" },
		{ NULL, "virtual_mailbox_domains", "$mydomain" },
		{ NULL, "virtual_mailbox_maps", "texthash:$config_directory/mailboxes" },
		{ NULL, "virtual_mailbox_base", "$config_directory/mail" },
		{ NULL, "virtual_minimum_uid", "0" },
		{ NULL, "auth_backends", "tdb:$config_directory/users" },
		{ "TLS is offered, and needed for passwords.", "smtpd_tls_security_level", "may" },
		{ NULL, "smtpd_tls_cert_file", "$config_directory/cert.pem" },
		{ NULL, "smtpd_tls_key_file", "$config_directory/key.pem" },
		{ NULL, "smtpd_tls_auth_only", "yes" },
		{ NULL, "smtpd_sasl_auth_enable", "yes" },
	};
	size_t n = sizeof lines / sizeof *lines;
	const char *own;

	for (size_t i = 0; i < n; i++) {
		own = setting_of(settings, lines[i].name);
		add_line(out, lines[i].comment, lines[i].name, own ? own : lines[i].value);
	}
	if (!setting_of(settings, "virtual_uid_maps"))
		buf_addf(out, "virtual_uid_maps = static:%u\n", p->uid);
	if (!setting_of(settings, "virtual_gid_maps"))
		buf_addf(out, "virtual_gid_maps = static:%u\n", p->gid);
	for (size_t i = 0; i < 5; i++) {
		struct buf port = BUF_INIT(32);

		own = setting_of(settings, port_names[i]);
		buf_addf(&port, "%d", p->port[i]);
		add_line(out, i == 0 ? "Ports that were free when this file was written." : NULL, port_names[i], own ? own : port.data);
		buf_free(&port);
	}
	add_rest(lines, n, settings, out);
}

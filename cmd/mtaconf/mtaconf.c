/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* mtaconf - prints, checks and edits main.cf, writes a private configuration; postconf by name. See mtaconf(8). */
#include "mtaconf.h"

#include "base/msg.h"
#include "sys/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage_text[] = "mtaconf [-jV] init dir [name=value ...]";

static void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
	struct buf b = BUF_INIT(65536);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	msg_warn("%s", b.data);
	fprintf(stderr, "usage: %s\n", usage_text);
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	struct config_options o = { 0 };
	bool json = false;
	int letter, r;

	proc_sane_fds();
	msg_init(argv[0]);
	opterr = 0;
	while ((letter = getopt(argc, argv, "+:C:jo:V")) != -1) {
		switch (letter) {
		case 'C':
		case 'o':
			config_option(&o, letter, optarg);
			break;
		case 'j':
			json = true;
			break;
		case 'V':
			printf("%s (mtakit) %s\n", msg_program, VERSION);
			return EX_OK;
		case ':':
			usage("option -%c needs an argument", optopt);
		default:
			usage("there is no option -%c", optopt);
		}
	}
	argv += optind;
	if (!argv[0])
		usage("no command given");
	if (strcmp(argv[0], "init") != 0)
		usage("\"%s\" is no command", argv[0]);
	if (!argv[1])
		usage("init needs a directory");
	for (char **s = argv + 2; *s; s++)
		if (!strchr(*s, '=') || **s == '=')
			usage("\"%s\" is not name=value", *s);
	r = init_write(argv[1], argv + 2, json);
	if (fflush(stdout) != 0 || ferror(stdout))
		msg_die(EX_IOERR, "write standard output: %s", strerror(errno));
	return r;
}

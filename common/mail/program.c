/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Command lines: see program.h. */
#include "mail/program.h"

#include "base/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void
program_usage(const char *text, const char *fmt, ...)
{
	struct buf why = BUF_INIT(65536);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&why, fmt, ap);
	va_end(ap);
	if (why.len > 0)
		msg_warn("%s", why.data);
	buf_free(&why);
	fprintf(stderr, "usage: %s\n", text);
	exit(EX_USAGE);
}

void
program_option(struct config_options *config, int letter, const char *text)
{
	switch (letter) {
	case 'C':
	case 'o':
		config_option(config, letter, optarg);
		break;
	case 'V':
		printf("%.*s (mtakit) %s\n", (int)strcspn(text, " "), text, VERSION);
		exit(EX_OK);
	case ':':
		program_usage(text, "option -%c needs a value", optopt);
	default:
		program_usage(text, "unknown option -%c", optopt);
	}
}

/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The handlers of the command table in session.c. Each sends one reply. */
#ifndef MTASMTP_COMMANDS_H
#define MTASMTP_COMMANDS_H
#include "session.h"

void command_helo(struct session *s, const struct smtp_command *c);
void command_ehlo(struct session *s, const struct smtp_command *c);
void command_starttls(struct session *s, const struct smtp_command *c);
void command_auth(struct session *s, const struct smtp_command *c);
void command_mail(struct session *s, const struct smtp_command *c);
void command_rcpt(struct session *s, const struct smtp_command *c);
void command_data(struct session *s, const struct smtp_command *c);
void command_bdat(struct session *s, const struct smtp_command *c);
void command_rset(struct session *s, const struct smtp_command *c);
void command_noop(struct session *s, const struct smtp_command *c);
void command_vrfy(struct session *s, const struct smtp_command *c);
void command_expn(struct session *s, const struct smtp_command *c);
void command_help(struct session *s, const struct smtp_command *c);
void command_quit(struct session *s, const struct smtp_command *c);
#endif

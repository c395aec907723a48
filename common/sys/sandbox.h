/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What a process that reads from the network gives up for good, so that a bug in it stays its own:
 * capabilities, running programs, system administration, debugging others, odd socket families, memory that is
 * writable and executable at once, and changing files outside the directories named. */
#ifndef SYS_SANDBOX_H
#define SYS_SANDBOX_H

/* writable: directories below which files may be made and changed (as far as their permissions go), NULL-terminated;
 * those that do not exist are passed over; NULL: no limit of that kind. Reading is left to the permissions. Elsewhere
 * than on Linux, or where its kernel lacks a part, nothing or less happens: 0 all that this system has, -1
 * with errno when a part was refused. Errors that a confined process meets are EPERM and EACCES, never death. */
int sandbox_enter(const char *const *writable);
#endif

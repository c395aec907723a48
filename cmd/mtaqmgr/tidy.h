/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* Takes away what nobody needs any more: old files in trash/, what crashes have left in tmp/ and defer/. */
#ifndef TIDY_H
#define TIDY_H
void tidy_open(void);
#endif

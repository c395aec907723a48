/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* What the programs that compile and query tables share. What fails ends the program with a message. */
#ifndef MAIL_MAPPROGRAM_H
#define MAIL_MAPPROGRAM_H
#include "map/compile.h"
#include "map/map.h"

/* Compiles table ([type:]file), with warnings as messages. The source is the file; for an incremental change pairs on
 * standard input, or nothing where a key is removed. */
void mapprogram_compile(struct map_compile *c, const char *table);
/* Opens table for queries; a plain file name means the compiled one. */
struct map *mapprogram_open(const char *table);
/* Prints all pairs, with between in the middle. */
void mapprogram_dump(struct map *m, const char *between);
/* The end of the output: written, or the program ends with EX_IOERR. */
void mapprogram_flush(void);
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/*
 * A part of a measurement that is a process of its own: the program itself again, with `--part` and the name of the part. The two
 * talk in lines, over the standard input and output of the part. A part ends at the latest with who has started it.
 */
typedef struct
{
  GPid  pid;
  FILE *to;
  FILE *from;
} BenchPart;

/* --- In the program --- */

BenchPart *bench_part_new  (const char *name,
                            const char *address,
                            guint       n,
                            const char *kind) G_GNUC_WARN_UNUSED_RESULT;
void       bench_part_say  (BenchPart  *self,
                            const char *text);
char      *bench_part_hear (BenchPart  *self) G_GNUC_WARN_UNUSED_RESULT;
void       bench_part_kill (BenchPart  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchPart, bench_part_kill)

/* --- In the part --- */

typedef struct
{
  const char *name;
  void      (*run)    (const char *address,
                       guint       n,
                       const char *kind);
} BenchPartEntry;

gboolean bench_part_is_asked (int                   argc,
                              char                **argv);
int      bench_part_main     (char                **argv,
                              const BenchPartEntry *entries,
                              guint                 n_entries);
void     bench_part_tell     (const char           *format,
                              ...) G_GNUC_PRINTF (1, 2);
void     bench_part_wait     (void);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A program that links this has its calls of the system counted, as far as they wake somebody up, or wait for that. */
typedef struct
{
  guint64 n_writes; /* of what wakes a main context up */
  guint64 n_reads;  /* of the same */
  guint64 n_polls;
  guint64 n_futexes;
} BenchSyscalls;

BenchSyscalls bench_syscalls_get     (void);
BenchSyscalls bench_syscalls_since   (const BenchSyscalls *before);
guint64       bench_syscalls_sum     (const BenchSyscalls *calls);

/* How many threads wait in a poll. */
gint          bench_syscalls_n_asleep (void);

G_END_DECLS

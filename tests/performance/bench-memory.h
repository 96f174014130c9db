/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bench-dispatcher.h"

G_BEGIN_DECLS

/* The scenarios of bench-memory that do not need a process of their own for each repeat. */

/* bench-memory-rounds.c */
void      bench_memory_allocations  (const char *name,
                                     guint       n);
void      bench_memory_growth       (const char *name,
                                     guint       n);

/* A few keys. */
GVariant *bench_memory_make_payload (void);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bench-setup.h"

G_BEGIN_DECLS

/*
 * Somebody who asks @n times, one after the other, in one context, and somebody who answers, in the same or another one.
 * All the ways of asking are measured in the same way: from one question to the next, which is asked when the answer is there.
 */
typedef struct _BenchAsker BenchAsker;

struct _BenchAsker
{
  TestThread *asking;
  TestThread *answering; /* the same one if there is one context */
  guint64    *trips;     /* ns */
  guint       n_trips;
  guint       n;
  double      last;
  gint        done; /* (atomic) */
  gpointer    data; /* of the way of asking */

  /* Asks once. In the context of who asks. */
  void      (*ask)  (BenchAsker *self);

  /* In the main thread */
  void      (*make) (BenchAsker *self);
  void      (*free) (BenchAsker *self);
};

/* An answer has come. */
void bench_asker_take_answer (BenchAsker *self);

/* @way: has the functions; the rest of it is set for each run */
void bench_asker_measure     (const char       *name,
                              const BenchAsker *way,
                              guint             n_threads,
                              guint             n);

/* bench-tasks-peers.c */
void bench_tasks_gtask       (const char       *name,
                              guint             n_threads);
void bench_tasks_gdbus       (const char       *name,
                              guint             n_threads);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bench-counter.h"
#include "bench-harness.h"
#include "test-thread.h"

G_BEGIN_DECLS

#define BENCH_STEP 100 /* µs between two looks at the counters */
#define BENCH_ROOM (1u << 21)

/* A bus with subscribers that count, in threads of their own. Several subscribers take turns with the threads; without
 * any thread they are in the default context, which the main thread has to iterate. */
typedef struct
{
  AgentBus  *bus;
  GPtrArray *threads;  /* of TestThread */
  GPtrArray *counters; /* of BenchCounter */
  GPtrArray *others;   /* of AgentSubscriber */
  GPtrArray *names;    /* of the counters */
  guint64    wanted;
} BenchSetup;

/* One thread. */
BenchSetup   *bench_setup_new              (guint            capacity,
                                            guint            n_counters,
                                            double           spin);
BenchSetup   *bench_setup_new_with_threads (guint            capacity,
                                            guint            n_counters,
                                            double           spin,
                                            guint            n_threads);
void          bench_setup_free             (BenchSetup      *self);

GMainContext *bench_setup_get_context      (BenchSetup      *self);
BenchCounter *bench_setup_get_counter      (BenchSetup      *self,
                                            guint            i);
const char   *bench_setup_get_name         (BenchSetup      *self,
                                            guint            i);
BenchCounter *bench_setup_add_counter      (BenchSetup      *self,
                                            const char      *name,
                                            guint            capacity,
                                            double           spin);

void          bench_setup_take_counter     (BenchSetup      *self,
                                            BenchCounter    *counter);

/* Takes @subscriber, which it does not count. */
void          bench_setup_add              (BenchSetup      *self,
                                            gpointer         subscriber);

/* Both return when all was there; the second has the default context iterated for it. */
double        bench_setup_wait             (BenchSetup      *self,
                                            guint64          wanted);
double        bench_setup_iterate          (BenchSetup      *self,
                                            guint64          wanted);
guint64       bench_setup_sum              (BenchSetup      *self);
void          bench_setup_reset            (BenchSetup      *self);
void          bench_setup_warm_up          (BenchSetup      *self);
guint64       bench_setup_get_dropped      (BenchSetup      *self);

void          bench_subscribe              (AgentBus        *bus,
                                            gpointer         subscriber);
AgentMessage *bench_data                   (const char      *source,
                                            const char      *target);

G_END_DECLS

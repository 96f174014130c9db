/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

#include "bench-harness.h"
#include "bench-part.h"

G_BEGIN_DECLS

/*
 * The parts of bench-transport: processes that send, receive, ask and answer, with a bus or with what is beneath it alone. All of
 * them speak the same lines, so that they can take turns:
 *
 *   a receiver  says "ready", and at the end how many have come, and within how many seconds from the first to the last one
 *   a sender    says "ready" when it is connected, waits for a line, and sends
 *   one that answers says "ready"
 *   one that asks says "ready", waits for a line, and says the nanoseconds of its trips: the 1st, 50th and 99th per cent
 */

#define BENCH_SIZE 128 /* bytes of a payload */

/* After this time without anything new, a receiver takes the rest as lost. µs */
#define BENCH_SILENCE (3 * G_USEC_PER_SEC)

/* --- bench-transport-payload.c --- */

GVariant *bench_payload_new_opaque (void) G_GNUC_WARN_UNUSED_RESULT;
GVariant *bench_payload_new_fields (guint64       number) G_GNUC_WARN_UNUSED_RESULT;
guint64   bench_payload_read       (GVariant     *fields);
void      bench_tell_trips         (guint64      *trips,
                                    guint         n);

/* --- bench-transport-arrivals.c: what a receiver notes --- */

typedef struct
{
  guint  n;
  guint  n_wanted;
  double first; /* seconds */
  double last;
} BenchArrivals;

/* Returns whether it was the last one. */
gboolean  bench_arrivals_add       (BenchArrivals *self);
void      bench_arrivals_tell      (BenchArrivals *self);

/* --- The parts --- */

/* bench-transport-bus.c. An address of NATS or of D-Bus says which transport is used. */
void      bench_bus_receive_part   (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_bus_send_part      (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_bus_answer_part    (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_bus_ask_part       (const char   *address,
                                    guint         n,
                                    const char   *kind);

/* bench-transport-loop.c */
void      bench_loop_part          (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_watch_part         (const char   *address,
                                    guint         n,
                                    const char   *kind);

/* bench-transport-nats.c */
void      bench_nats_receive_part  (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_nats_send_part     (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_nats_answer_part   (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_nats_ask_part      (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_nats_store_part    (const char   *address,
                                    guint         n,
                                    const char   *kind);

/* bench-transport-gdbus.c */
void      bench_gdbus_receive_part (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_gdbus_send_part    (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_gdbus_answer_part  (const char   *address,
                                    guint         n,
                                    const char   *kind);
void      bench_gdbus_ask_part     (const char   *address,
                                    guint         n,
                                    const char   *kind);

G_END_DECLS

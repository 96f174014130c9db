/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bench-setup.h"

G_BEGIN_DECLS

/* The scenarios of bench-bus, a file for each group. What @n is, the table in bench-bus.c says. */

/* bench-bus-stream.c */
void bench_bus_one_to_one      (const char *name,
                                guint       n);
void bench_bus_one_to_one_send (const char *name,
                                guint       n);
void bench_bus_fan_out         (const char *name,
                                guint       n);
void bench_bus_targeted        (const char *name,
                                guint       n);
void bench_bus_payload         (const char *name,
                                guint       size);

/* bench-bus-load.c */
void bench_bus_overload        (const char *name,
                                guint       n);
void bench_bus_own_context     (const char *name,
                                guint       burst);

/* bench-bus-deferred.c */
void bench_bus_deferred        (const char *name,
                                guint       n);

/* bench-bus-receive.c */
void bench_bus_receive         (const char *name,
                                guint       n);

/* bench-bus-room.c */
void bench_bus_room            (const char *name,
                                guint       n);

/* bench-bus-senders.c */
void bench_bus_four_to_one     (const char *name,
                                guint       n);
void bench_bus_many_to_many    (const char *name,
                                guint       n_senders_and_subscribers);
void bench_bus_seq_order       (const char *name,
                                guint       n);

/* bench-bus-latency.c */
void bench_bus_ping_pong       (const char *name,
                                guint       n);
void bench_bus_ping_pong_ext   (const char *name,
                                guint       n);

/* bench-bus-priority.c */
void bench_bus_priority        (const char *name,
                                guint       n);

/* bench-bus-size.c */
void bench_bus_subscribing     (const char *name,
                                guint       n);
void bench_bus_idle_memory     (const char *name,
                                guint       n);
void bench_bus_idle_child      (guint       n);
void bench_bus_growth          (const char *name,
                                guint       n);

/* bench-bus-topics.c */
void bench_bus_topic           (const char *name,
                                guint       n);
void bench_bus_accepts         (const char *name,
                                guint       n);

/* bench-bus-stale.c */
void bench_bus_stale           (const char *name,
                                guint       n);
void bench_bus_expired         (const char *name,
                                guint       n);

/* bench-bus-wakeups.c */
void bench_bus_wakeups         (const char *name,
                                guint       burst);
void bench_bus_wakeups_held    (const char *name,
                                guint       burst);

G_END_DECLS

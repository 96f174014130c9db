/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bench-setup.h"

G_BEGIN_DECLS

/* A dispatcher, whose context is that of the routers, which count. */
typedef struct
{
  BenchSetup            *base;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  char                 **actors;
  _Atomic gint           ready;
} BenchDispatcher;

BenchDispatcher *bench_dispatcher_new          (guint             n_actors);
BenchDispatcher *bench_dispatcher_new_assigned (guint             n_actors,
                                                guint             n_routers);
void             bench_dispatcher_free         (BenchDispatcher  *self);
BenchCounter    *bench_dispatcher_add_router   (BenchDispatcher  *self,
                                                const char       *name);
void             bench_dispatcher_send         (BenchDispatcher  *self,
                                                AgentMessageType  type,
                                                guint             actor);
guint64          bench_dispatcher_collect      (BenchDispatcher  *self,
                                                guint64           wanted,
                                                double            seconds);

/* The scenarios of bench-dispatcher. What @n is, the table in bench-dispatcher.c says. */

/* bench-dispatcher-load.c */
void bench_dispatcher_assigned        (const char *name,
                                       guint       n_actors);
void bench_dispatcher_pending_cpu     (const char *name,
                                       guint       n);
void bench_dispatcher_idle_wakeups    (const char *name,
                                       guint       n);
void bench_dispatcher_pending_memory  (const char *name,
                                       guint       n);
void bench_dispatcher_pending_child   (guint       n);
void bench_dispatcher_growth          (const char *name,
                                       guint       n_actors);
void bench_dispatcher_growth_parked   (const char *name,
                                       guint       n);

/* bench-dispatcher-fate.c */
void bench_dispatcher_assign_latency  (const char *name,
                                       guint       wait_ms);
void bench_dispatcher_lost_same_actor (const char *name,
                                       guint       n);
void bench_dispatcher_head_of_line    (const char *name,
                                       guint       n);
void bench_dispatcher_router_missing  (const char *name,
                                       guint       n);
void bench_dispatcher_overtake        (const char *name,
                                       guint       n);

G_END_DECLS

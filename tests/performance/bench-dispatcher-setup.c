/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-dispatcher.h"

static gboolean
make_dispatcher (gpointer user_data)
{
  BenchDispatcher *self = user_data;

  self->dispatcher = agent_router_dispatcher_new (self->base->bus, self->routes);
  agent_router_dispatcher_set_capacity (self->dispatcher, BENCH_ROOM);
  atomic_store (&self->ready, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
is_ready (gpointer user_data)
{
  return atomic_load (&((BenchDispatcher *) user_data)->ready);
}

BenchDispatcher *
bench_dispatcher_new (guint n_actors)
{
  BenchDispatcher *self = g_new0 (BenchDispatcher, 1);

  self->base = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
  self->routes = agent_route_table_new ();
  self->actors = g_new0 (char *, n_actors + 1);
  for (guint i = 0; i < n_actors; i++)
    /* As long as a UUID, which actors are called by elsewhere. */
    self->actors[i] = g_strdup_printf ("0c4be9a2-7d1f-4f52-9e1b-%012u", i);

  g_main_context_invoke_full (bench_setup_get_context (self->base), G_PRIORITY_DEFAULT, make_dispatcher, self, NULL);
  bench_wait_until (is_ready, self, BENCH_STEP);
  return self;
}

/* The actors take turns with the routers. */
BenchDispatcher *
bench_dispatcher_new_assigned (guint n_actors,
                               guint n_routers)
{
  BenchDispatcher *self = bench_dispatcher_new (n_actors);

  for (guint i = 0; i < n_routers; i++)
    {
      g_autofree char *name = g_strdup_printf ("router-%u", i);

      bench_dispatcher_add_router (self, name);
    }
  for (guint i = 0; i < n_actors; i++)
    agent_route_table_assign (self->routes, self->actors[i], bench_setup_get_name (self->base, i % n_routers));

  return self;
}

void
bench_dispatcher_free (BenchDispatcher *self)
{
  g_object_unref (self->dispatcher);
  g_object_unref (self->routes);
  bench_setup_free (self->base);
  g_strfreev (self->actors);
  g_free (self);
}

BenchCounter *
bench_dispatcher_add_router (BenchDispatcher *self,
                             const char      *name)
{
  return bench_setup_add_counter (self->base, name, BENCH_ROOM, 0);
}

void
bench_dispatcher_send (BenchDispatcher *self,
                       AgentMessageType type,
                       guint            actor)
{
  g_autoptr (GError) error = NULL;
  AgentMessage *message = agent_message_new_routed (type, "producer", self->actors[actor], NULL);

  if (agent_router_dispatcher_dispatch (self->dispatcher, message, &error) == AGENT_DISPATCH_RESULT_REFUSED)
    g_error ("%s", error->message);
}

/* What comes within @seconds, up to @wanted. */
guint64
bench_dispatcher_collect (BenchDispatcher *self,
                          guint64          wanted,
                          double           seconds)
{
  double end = bench_now () + seconds;

  while (bench_setup_sum (self->base) < wanted && bench_now () < end)
    g_usleep (BENCH_STEP);
  return bench_setup_sum (self->base);
}

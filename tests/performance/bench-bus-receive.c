/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Receiving in a thread without a main loop, beside bus_1to1, where a handler is called. */

#include "config.h"

#include "bench-bus.h"

typedef struct
{
  AgentSubscriber *subscriber;
  guint            n;
} Receiver;

static gpointer
receive_all (gpointer user_data)
{
  Receiver *self = user_data;

  for (guint i = 0; i < self->n; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AgentMessage) message = agent_subscriber_receive (self->subscriber, -1, NULL, &error);

      if (message == NULL)
        g_error ("Nothing was received: %s", error->message);
    }

  return NULL;
}

static double
time_receiving (guint n)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AgentBus) bus = agent_bus_new_with_capacity (n);
  g_autoptr (AgentSubscriber) subscriber = g_object_new (
      AGENT_TYPE_SUBSCRIBER, "name", "receiver", "main-context", context, NULL);
  Receiver receiver = { subscriber, n };
  GThread *thread;
  double   start;
  double   end;

  agent_bus_subscribe (bus, subscriber, NULL);
  thread = g_thread_new ("receiver", receive_all, &receiver);
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    agent_bus_send (bus, bench_data ("producer", "receiver"));
  g_thread_join (thread);
  end = bench_now ();

  agent_bus_stop_async (bus, NULL, NULL, NULL);
  while (g_main_context_iteration (context, FALSE) || g_main_context_iteration (NULL, FALSE))
    ;
  return end - start;
}

void
bench_bus_receive (const char *name,
                   guint       n)
{
  double received[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    received[r] = n / time_receiving (n);

  bench_print_median (name, "received_per_s", received, bench_repeats (), "msg/s");
}

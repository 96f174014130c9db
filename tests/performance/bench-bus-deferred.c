/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Handlers that go on after they return. */

#include "config.h"

#include "bench-bus.h"

#define DEFERRER_TYPE (deferrer_get_type ())
G_DECLARE_FINAL_TYPE (Deferrer, deferrer, BENCH, DEFERRER, AgentSubscriber)

struct _Deferrer
{
  AgentSubscriber parent_instance;
  gboolean        later; /* in an iteration of its own */
  guint64         wanted;
  _Atomic guint64 n;
};

G_DEFINE_FINAL_TYPE (Deferrer, deferrer, AGENT_TYPE_SUBSCRIBER)

static gboolean
complete (gpointer delivery)
{
  agent_delivery_complete (delivery);
  return G_SOURCE_REMOVE;
}

static void
complete_later (AgentSubscriber *subscriber,
                AgentDelivery   *delivery)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, complete, g_object_ref (delivery), g_object_unref);
  g_source_attach (source, agent_subscriber_get_main_context (subscriber));
}

static void
deferrer_message (AgentSubscriber *subscriber,
                  AgentMessage    *message)
{
  Deferrer *self = (Deferrer *) subscriber;
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (subscriber);

  if (self->later)
    complete_later (subscriber, delivery);
  else
    agent_delivery_complete (delivery);
  atomic_fetch_add (&self->n, 1);
}

static void
deferrer_class_init (DeferrerClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = deferrer_message;
}

static void
deferrer_init (Deferrer *self)
{
}

static gboolean
has_deferred_all (gpointer user_data)
{
  Deferrer *self = user_data;

  return atomic_load (&self->n) == self->wanted;
}

static double
time_deferred (guint    n,
               gboolean later)
{
  BenchSetup *setup = bench_setup_new (BENCH_ROOM, 0, 0);
  Deferrer   *deferrer =
      g_object_new (DEFERRER_TYPE, "name", "deferrer", "main-context", bench_setup_get_context (setup), NULL);
  double start;
  double end;

  deferrer->later = later;
  deferrer->wanted = n;
  bench_setup_add (setup, deferrer);
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, bench_data ("producer", "deferrer"));
  end = bench_wait_until (has_deferred_all, deferrer, BENCH_STEP);
  bench_setup_free (setup);

  return end - start;
}

/* The deliveries are completed by the handler itself, and by a source of the same context. */
void
bench_bus_deferred (const char *name,
                    guint       n)
{
  double at_once[BENCH_REPEATS];
  double later[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      at_once[r] = n / time_deferred (n, FALSE);
      later[r] = n / time_deferred (n, TRUE);
    }

  bench_print_median (name, "delivered_per_s_completed_at_once", at_once, bench_repeats (), "msg/s");
  bench_print_median (name, "delivered_per_s_completed_later", later, bench_repeats (), "msg/s");
}

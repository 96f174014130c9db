/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-setup.h"

/* What most scenarios send. */
AgentMessage *
bench_data (const char *source,
            const char *target)
{
  return agent_message_new_task_update (source, target, "t", NULL);
}

void
bench_subscribe (AgentBus *bus,
                 gpointer  subscriber)
{
  g_autoptr (GError) error = NULL;

  if (!agent_bus_subscribe (bus, subscriber, &error))
    g_error ("%s", error->message);
}

/* --- Who is there --- */

static GMainContext *
get_next_context (BenchSetup *self)
{
  TestThread *thread;

  if (self->threads->len == 0)
    return NULL;

  thread = self->threads->pdata[self->counters->len % self->threads->len];
  return thread->context;
}

BenchSetup *
bench_setup_new_with_threads (guint  capacity,
                              guint  n_counters,
                              double spin,
                              guint  n_threads)
{
  BenchSetup *self = g_new0 (BenchSetup, 1);

  self->bus = agent_bus_new_with_capacity (capacity);
  self->threads = test_threads_new (n_threads);
  self->counters = g_ptr_array_new_with_free_func (g_object_unref);
  self->others = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n_counters; i++)
    {
      g_autofree char *name = g_strdup_printf ("agent-%u", i);

      bench_setup_add_counter (self, name, 0, spin);
    }

  return self;
}

BenchSetup *
bench_setup_new (guint  capacity,
                 guint  n_counters,
                 double spin)
{
  return bench_setup_new_with_threads (capacity, n_counters, spin, 1);
}

/* No thread may run a handler when its subscriber goes. */
void
bench_setup_free (BenchSetup *self)
{
  g_object_unref (self->bus);
  g_ptr_array_unref (self->threads);
  g_ptr_array_unref (self->counters);
  g_ptr_array_unref (self->others);
  g_ptr_array_unref (self->names);
  g_free (self);
}

GMainContext *
bench_setup_get_context (BenchSetup *self)
{
  return ((TestThread *) self->threads->pdata[0])->context;
}

BenchCounter *
bench_setup_get_counter (BenchSetup *self,
                         guint       i)
{
  return self->counters->pdata[i];
}

const char *
bench_setup_get_name (BenchSetup *self,
                      guint       i)
{
  return self->names->pdata[i];
}

BenchCounter *
bench_setup_add_counter (BenchSetup *self,
                         const char *name,
                         guint       capacity,
                         double      spin)
{
  BenchCounter *counter = bench_counter_new (name, get_next_context (self), capacity, spin);

  bench_setup_take_counter (self, counter);
  return counter;
}

void
bench_setup_take_counter (BenchSetup   *self,
                          BenchCounter *counter)
{
  g_ptr_array_add (self->counters, counter);
  g_ptr_array_add (self->names, g_strdup (agent_subscriber_get_name (AGENT_SUBSCRIBER (counter))));
  bench_subscribe (self->bus, counter);
}

void
bench_setup_add (BenchSetup *self,
                 gpointer    subscriber)
{
  g_ptr_array_add (self->others, subscriber);
  bench_subscribe (self->bus, subscriber);
}

/* --- What has come --- */

guint64
bench_setup_sum (BenchSetup *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->counters->len; i++)
    sum += bench_counter_get (self->counters->pdata[i]);

  return sum;
}

void
bench_setup_reset (BenchSetup *self)
{
  for (guint i = 0; i < self->counters->len; i++)
    bench_counter_reset (self->counters->pdata[i]);
}

static gboolean
is_complete (gpointer user_data)
{
  BenchSetup *self = user_data;

  return bench_setup_sum (self) == self->wanted;
}

/* To look at many counters takes the time of who counts. */
double
bench_setup_wait (BenchSetup *self,
                  guint64     wanted)
{
  self->wanted = wanted;
  return bench_wait_until (is_complete, self, MAX (BENCH_STEP, self->counters->len / 2));
}

double
bench_setup_iterate (BenchSetup *self,
                     guint64     wanted)
{
  while (bench_setup_sum (self) < wanted)
    g_main_context_iteration (NULL, TRUE);

  return bench_now ();
}

/* A few broadcasts, which are not counted. */
void
bench_setup_warm_up (BenchSetup *self)
{
  guint n = self->counters->len;
  guint n_sends = MAX (10, 10000 / n);

  for (guint i = 0; i < n_sends; i++)
    agent_bus_send (self->bus, bench_data ("producer", NULL));
  bench_setup_wait (self, (guint64) n * n_sends);
  bench_setup_reset (self);
}

guint64
bench_setup_get_dropped (BenchSetup *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->names->len; i++)
    {
      guint64 n = 0;

      agent_bus_get_dropped (self->bus, self->names->pdata[i], &n);
      sum += n;
    }

  return sum;
}

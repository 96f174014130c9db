/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-race.h"

typedef struct
{
  GPtrArray   *messages;
  TestRaceFunc func;
  guint        n_threads;
  gint         n_ready; /* (atomic) */
} Race;

typedef struct
{
  Race      *race;
  guint      index;
  TestForms *seen; /* for each message */
} Racer;

static gpointer
racer_run (gpointer data)
{
  Racer *self = data;
  Race  *race = self->race;

  for (guint i = 0; i < race->messages->len; i++)
    {
      AgentMessage *message = race->messages->pdata[i];

      g_atomic_int_inc (&race->n_ready);
      while ((guint) g_atomic_int_get (&race->n_ready) < (i + 1) * race->n_threads)
        g_thread_yield ();

      self->seen[i] = race->func (message, self->index, i);
      agent_message_unref (_agent_message_copy_unsent (message));
    }

  return NULL;
}

/* Has @func called for each of @messages in all threads at once, and asserts that all of them have seen the same. */
void
test_race_forms (GPtrArray   *messages,
                 guint        n_threads,
                 TestRaceFunc func)
{
  const gsize          size = messages->len * sizeof (TestForms);
  Race                 race = { messages, func, n_threads, 0 };
  g_autofree Racer    *racers = g_new0 (Racer, n_threads);
  g_autofree gpointer *threads = g_new0 (gpointer, n_threads);

  for (guint i = 0; i < n_threads; i++)
    {
      racers[i] = (Racer){ &race, i, g_malloc0 (size) };
      threads[i] = g_thread_new ("racer", racer_run, &racers[i]);
    }
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);

  for (guint i = 1; i < n_threads; i++)
    g_assert_cmpmem (racers[i].seen, size, racers[0].seen, size);
  for (guint i = 0; i < n_threads; i++)
    g_free (racers[i].seen);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long there and back takes. */

#include "config.h"

#include "bench-bus.h"

static double
get_mean (const guint64 *values,
          guint          n)
{
  double sum = 0;

  for (guint i = 0; i < n; i++)
    sum += values[i];

  return sum / n;
}

/* Takes @trips. */
static void
print_round_trips (const char *name,
                   guint64   **trips,
                   guint       n)
{
  double mean[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      mean[r] = get_mean (trips[r], n);
      bench_sort (trips[r], n);
    }

  bench_print_median (name, "rtt_mean", mean, bench_repeats (), "ns");
  bench_print_percentiles (name, "rtt", trips, n, 1, "ns");

  for (guint r = 0; r < bench_repeats (); r++)
    g_free (trips[r]);
}

#define PLAYER_TYPE (player_get_type ())
G_DECLARE_FINAL_TYPE (Player, player, BENCH, PLAYER, AgentSubscriber)

struct _Player
{
  AgentSubscriber parent_instance;
  AgentBus       *bus;
  const char     *name;
  const char     *peer;
  guint64        *trips; /* (nullable) takes the time between its turns */
  guint           n_trips;
  guint           n;
  double          last;
  gint            done; /* (atomic) */
};

G_DEFINE_FINAL_TYPE (Player, player, AGENT_TYPE_SUBSCRIBER)

static void
player_message (AgentSubscriber *subscriber,
                AgentMessage    *message)
{
  Player *self = (Player *) subscriber;

  if (self->trips != NULL)
    {
      double now = bench_now ();

      if (self->last > 0)
        self->trips[self->n++] = (now - self->last) * 1e9;
      self->last = now;
      if (self->n == self->n_trips)
        {
          g_atomic_int_set (&self->done, TRUE);
          return;
        }
    }

  agent_bus_send (self->bus, bench_data (self->name, self->peer));
}

static void
player_class_init (PlayerClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = player_message;
}

static void
player_init (Player *self)
{
}

static Player *
player_new (BenchSetup *setup,
            const char *name,
            const char *peer)
{
  Player *self = g_object_new (PLAYER_TYPE, "name", name, "main-context", bench_setup_get_context (setup), NULL);

  self->bus = setup->bus;
  self->name = name;
  self->peer = peer;
  return self;
}

static gboolean
is_done (gpointer user_data)
{
  return g_atomic_int_get ((gint *) user_data);
}

void
bench_bus_ping_pong (const char *name,
                     guint       n)
{
  guint64 *trips[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
      Player     *ping = player_new (setup, "ping", "pong");
      Player     *pong = player_new (setup, "pong", "ping");

      trips[r] = g_new0 (guint64, n);
      ping->trips = trips[r];
      ping->n_trips = n;
      bench_setup_add (setup, ping);
      bench_setup_add (setup, pong);
      agent_bus_send (setup->bus, bench_data ("main", "ping"));
      bench_wait_until (is_done, &ping->done, 1000);
      bench_setup_free (setup);
    }

  print_round_trips (name, trips, n);
}

typedef struct
{
  GMutex lock;
  GCond  cond;
  guint  n; /* (lock) */
} Waker;

static void
on_wake (AgentSubscriber *subscriber,
         AgentMessage    *message,
         gpointer         user_data)
{
  Waker *self = user_data;

  g_mutex_lock (&self->lock);
  self->n++;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* A thread outside sends, sleeps, and is woken by the handler. */
void
bench_bus_ping_pong_ext (const char *name,
                         guint       n)
{
  guint64 *trips[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup      *setup = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
      AgentSubscriber *pong =
          g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "pong", "main-context", bench_setup_get_context (setup), NULL);
      Waker waker = {
        0,
      };

      g_mutex_init (&waker.lock);
      g_cond_init (&waker.cond);
      g_signal_connect (pong, "message", G_CALLBACK (on_wake), &waker);
      bench_setup_add (setup, pong);

      trips[r] = g_new0 (guint64, n);
      for (guint i = 1; i <= n; i++)
        {
          double start = bench_now ();

          agent_bus_send (setup->bus, bench_data ("main", "pong"));
          g_mutex_lock (&waker.lock);
          while (waker.n < i)
            g_cond_wait (&waker.cond, &waker.lock);
          g_mutex_unlock (&waker.lock);
          trips[r][i - 1] = (bench_now () - start) * 1e9;
        }

      bench_setup_free (setup);
      g_mutex_clear (&waker.lock);
      g_cond_clear (&waker.cond);
    }

  print_round_trips (name, trips, n);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus: how fast, how late, how large. Subscribers run in a thread with a context of its own, senders in the
 * main thread where nothing else is said. Messages are TASK_UPDATEs without payload, made inside the timed loop. */

#include "config.h"

#include <stdatomic.h>

#include "bench-harness.h"

#define STEP 100    /* µs */
#define PADDING 128 /* so that no two counters share a cache line */
#define ROOM (1u << 21)

static AgentMessage *
data (const char *source,
      const char *target)
{
  return agent_message_new_task_update (source, target, "t", NULL);
}

/* --- A subscriber that counts --- */

#define COUNTER_TYPE (counter_get_type ())
G_DECLARE_FINAL_TYPE (Counter, counter, BENCH, COUNTER, AgentSubscriber)

struct _Counter
{
  AgentSubscriber parent_instance;
  double          spin; /* seconds */
  char            before[PADDING];
  _Atomic guint64 n;
  char            after[PADDING];
};

G_DEFINE_FINAL_TYPE (Counter, counter, AGENT_TYPE_SUBSCRIBER)

static void
counter_message (AgentSubscriber *subscriber,
                 AgentMessage    *message)
{
  Counter *self = (Counter *) subscriber;

  if (self->spin > 0)
    bench_spin (self->spin);
  atomic_fetch_add_explicit (&self->n, 1, memory_order_relaxed);
}

static void
counter_class_init (CounterClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = counter_message;
}

static void
counter_init (Counter *self)
{
}

static Counter *
counter_new (const char   *name,
             GMainContext *context,
             double        spin)
{
  Counter *self = g_object_new (COUNTER_TYPE, "name", name, "main-context", context, NULL);

  self->spin = spin;
  return self;
}

/* --- A bus with counters --- */

typedef struct
{
  BenchThread *thread;
  AgentBus    *bus;
  GPtrArray   *counters;
  char       **names;
  guint64      wanted;
} Setup;

static guint64
setup_sum (Setup *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->counters->len; i++)
    sum += atomic_load_explicit (&((Counter *) self->counters->pdata[i])->n, memory_order_relaxed);

  return sum;
}

static gboolean
is_complete (gpointer user_data)
{
  Setup *self = user_data;

  return setup_sum (self) == self->wanted;
}

static double
setup_wait (Setup  *self,
            guint64 wanted)
{
  self->wanted = wanted;
  return bench_wait_until (is_complete, self, MAX (STEP, self->counters->len / 2));
}

static void
subscribe (AgentBus *bus,
           gpointer  subscriber)
{
  g_autoptr (GError) error = NULL;

  if (!agent_bus_subscribe (bus, subscriber, &error))
    g_error ("%s", error->message);
}

static Setup *
setup_new (guint  capacity,
           guint  n,
           double spin)
{
  Setup *self = g_new0 (Setup, 1);

  self->thread = bench_thread_new ();
  self->bus = agent_bus_new_with_capacity (capacity);
  self->counters = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    {
      self->names[i] = g_strdup_printf ("agent-%u", i);
      g_ptr_array_add (self->counters, counter_new (self->names[i], self->thread->context, spin));
      subscribe (self->bus, self->counters->pdata[i]);
    }

  return self;
}

/* A few broadcasts, which are not counted. */
static void
setup_warm_up (Setup *self)
{
  guint n = self->counters->len;
  guint n_sends = MAX (10, 10000 / n);

  for (guint i = 0; i < n_sends; i++)
    agent_bus_send (self->bus, data ("producer", NULL));
  setup_wait (self, (guint64) n * n_sends);
  for (guint i = 0; i < n; i++)
    atomic_store (&((Counter *) self->counters->pdata[i])->n, 0);
}

static guint64
setup_get_dropped (Setup *self)
{
  guint64 sum = 0;

  for (guint i = 0; self->names[i] != NULL; i++)
    {
      guint64 n = 0;

      agent_bus_get_dropped (self->bus, self->names[i], &n);
      sum += n;
    }

  return sum;
}

static void
setup_free (Setup *self)
{
  g_object_unref (self->bus);
  bench_thread_free (self->thread);
  g_ptr_array_unref (self->counters);
  g_strfreev (self->names);
  g_free (self);
}

/* --- One to one --- */

static void
one_to_one (const char *name,
            guint       n)
{
  double rate[BENCH_REPEATS];
  double ns[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = setup_new (ROOM, 1, 0);
      double t0;
      double t1;

      setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n; i++)
        agent_bus_send (setup->bus, data ("producer", "agent-0"));
      t1 = bench_now ();
      rate[r] = n / (setup_wait (setup, n) - t0);
      ns[r] = (t1 - t0) / n * 1e9;
      g_assert_cmpuint (setup_get_dropped (setup), ==, 0);
      setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, BENCH_REPEATS, "msg/s");
  bench_print_median (name, "ns_per_send", ns, BENCH_REPEATS, "ns");
}

static double
time_sends (guint    n,
            gboolean prebuilt)
{
  Setup        *setup = setup_new (ROOM, 1, 0);
  AgentMessage *batch[1000];
  double        spent = 0;

  setup_warm_up (setup);
  for (guint i = 0; i < n; i += G_N_ELEMENTS (batch))
    {
      double start = bench_now ();

      for (guint j = 0; j < G_N_ELEMENTS (batch); j++)
        batch[j] = data ("producer", "agent-0");
      if (prebuilt)
        start = bench_now ();
      for (guint j = 0; j < G_N_ELEMENTS (batch); j++)
        agent_bus_send (setup->bus, batch[j]);
      spent += bench_now () - start;
    }
  setup_wait (setup, n);
  setup_free (setup);

  return spent / n * 1e9;
}

static void
one_to_one_send (const char *name,
                 guint       n)
{
  double whole[BENCH_REPEATS];
  double pure[BENCH_REPEATS];
  double build[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      double start;

      whole[r] = time_sends (n, FALSE);
      pure[r] = time_sends (n, TRUE);
      start = bench_now ();
      for (guint i = 0; i < n; i++)
        agent_message_unref (data ("producer", "agent-0"));
      build[r] = (bench_now () - start) / n * 1e9;
    }

  bench_print_median (name, "ns_per_send", whole, BENCH_REPEATS, "ns");
  bench_print_median (name, "ns_per_send_prebuilt", pure, BENCH_REPEATS, "ns");
  bench_print_median (name, "ns_build_and_drop", build, BENCH_REPEATS, "ns");
}

/* --- Overload --- */

typedef struct
{
  Counter *counter;
  guint64  seen;
  double   since;
} Stillness;

/* What has come once nothing has come for 100 ms. */
static gboolean
is_still (gpointer user_data)
{
  Stillness *self = user_data;
  guint64    n = atomic_load (&self->counter->n);

  if (n != self->seen)
    {
      self->seen = n;
      self->since = bench_now ();
    }

  return bench_now () - self->since > 0.1;
}

static void
overload (const char *name,
          guint       n)
{
  double ns[BENCH_REPEATS];
  double delivered[BENCH_REPEATS];
  double dropped[BENCH_REPEATS];
  double lost[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup    *setup = setup_new (AGENT_BUS_DEFAULT_CAPACITY, 1, 1e-6);
      Stillness still = { setup->counters->pdata[0], G_MAXUINT64, 0 };
      double    t0 = bench_now ();
      double    t1;

      for (guint i = 0; i < n; i++)
        agent_bus_send (setup->bus, data ("producer", "agent-0"));
      t1 = bench_now ();
      bench_wait_until (is_still, &still, 1000);
      ns[r] = (t1 - t0) / n * 1e9;
      delivered[r] = still.seen;
      dropped[r] = setup_get_dropped (setup);
      lost[r] = n - delivered[r] - dropped[r];
      setup_free (setup);
    }

  bench_print (name, "sent", n, "messages");
  bench_print_median (name, "ns_per_send", ns, BENCH_REPEATS, "ns");
  bench_print_median (name, "delivered", delivered, BENCH_REPEATS, "messages");
  bench_print_median (name, "dropped", dropped, BENCH_REPEATS, "messages");
  bench_print_median (name, "lost", lost, BENCH_REPEATS, "messages");
}

/* --- Fan-out --- */

static void
fan_out (const char *name,
         guint       n)
{
  guint   n_sends = 4000000 / n;
  guint64 total = (guint64) n_sends * n;
  double  rate[BENCH_REPEATS];
  double  ns[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = setup_new (n_sends + 1024, n, 0);
      double t0;
      double t1;

      setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n_sends; i++)
        agent_bus_send (setup->bus, data ("producer", NULL));
      t1 = bench_now ();
      rate[r] = total / (setup_wait (setup, total) - t0);
      ns[r] = (t1 - t0) / n_sends * 1e9;
      g_assert_cmpuint (setup_get_dropped (setup), ==, 0);
      setup_free (setup);
    }

  bench_print (name, "deliveries", total, "messages");
  bench_print_median (name, "deliveries_per_s", rate, BENCH_REPEATS, "msg/s");
  bench_print_median (name, "ns_per_send", ns, BENCH_REPEATS, "ns");
}

/* --- Four to one --- */

#define N_SENDERS 4

typedef struct
{
  AgentBus *bus;
  char      source[16];
  guint     n;
  gint     *gate; /* (atomic) */
} Sender;

static gpointer
sender_run (gpointer user_data)
{
  Sender *self = user_data;

  while (!g_atomic_int_get (self->gate))
    g_thread_yield ();
  for (guint i = 0; i < self->n; i++)
    agent_bus_send (self->bus, data (self->source, "agent-0"));

  return NULL;
}

/* Releases all senders together; returns when that was, and when the last one was through. */
static double
run_senders (AgentBus *bus,
             guint     n_each,
             double   *end)
{
  Sender   senders[N_SENDERS];
  GThread *threads[N_SENDERS];
  gint     gate = FALSE;
  double   start;

  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (Sender){ .bus = bus, .n = n_each, .gate = &gate };
      g_snprintf (senders[i].source, sizeof senders[i].source, "producer%u", i);
      threads[i] = g_thread_new ("sender", sender_run, &senders[i]);
    }

  start = bench_now ();
  g_atomic_int_set (&gate, TRUE);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (threads[i]);
  *end = bench_now ();
  return start;
}

static void
four_to_one (const char *name,
             guint       n)
{
  double rate[BENCH_REPEATS];
  double sent[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = setup_new (ROOM, 1, 0);
      double t0;
      double t1;

      setup_warm_up (setup);
      t0 = run_senders (setup->bus, n / N_SENDERS, &t1);
      rate[r] = n / (setup_wait (setup, n) - t0);
      sent[r] = n / (t1 - t0);
      g_assert_cmpuint (setup_get_dropped (setup), ==, 0);
      setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, BENCH_REPEATS, "msg/s");
  bench_print_median (name, "sent_per_s", sent, BENCH_REPEATS, "msg/s");
}

/* --- Targeted --- */

static void
targeted (const char *name,
          guint       n)
{
  const guint n_messages = 1000000;
  double      rate[BENCH_REPEATS];
  double      ns[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = setup_new (ROOM, n, 0);
      double t0;
      double t1;

      setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n_messages; i++)
        agent_bus_send (setup->bus, data ("producer", setup->names[i % n]));
      t1 = bench_now ();
      rate[r] = n_messages / (setup_wait (setup, n_messages) - t0);
      ns[r] = (t1 - t0) / n_messages * 1e9;
      g_assert_cmpuint (setup_get_dropped (setup), ==, 0);
      setup_free (setup);
    }

  bench_print (name, "messages", n_messages, "messages");
  bench_print_median (name, "delivered_per_s", rate, BENCH_REPEATS, "msg/s");
  bench_print_median (name, "ns_per_send", ns, BENCH_REPEATS, "ns");
}

/* --- Ping-pong --- */

static void
print_round_trips (const char *name,
                   guint64   **trips,
                   guint       n)
{
  double mean[BENCH_REPEATS];
  double p50[BENCH_REPEATS];
  double p99[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      double sum = 0;

      for (guint i = 0; i < n; i++)
        sum += trips[r][i];
      mean[r] = sum / n;
      p50[r] = bench_percentile (trips[r], n, 50);
      p99[r] = bench_percentile (trips[r], n, 99);
      g_free (trips[r]);
    }

  bench_print_median (name, "rtt_mean", mean, BENCH_REPEATS, "ns");
  bench_print_median (name, "rtt_p50", p50, BENCH_REPEATS, "ns");
  bench_print_median (name, "rtt_p99", p99, BENCH_REPEATS, "ns");
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

  agent_bus_send (self->bus, data (self->name, self->peer));
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
player_new (Setup      *setup,
            const char *name,
            const char *peer)
{
  Player *self = g_object_new (PLAYER_TYPE, "name", name, "main-context", setup->thread->context, NULL);

  self->bus = setup->bus;
  self->name = name;
  self->peer = peer;
  g_ptr_array_add (setup->counters, self);
  return self;
}

static gboolean
is_done (gpointer user_data)
{
  return g_atomic_int_get ((gint *) user_data);
}

static void
ping_pong (const char *name,
           guint       n)
{
  guint64 *trips[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup  *setup = setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
      Player *ping = player_new (setup, "ping", "pong");
      Player *pong = player_new (setup, "pong", "ping");

      trips[r] = g_new0 (guint64, n);
      ping->trips = trips[r];
      ping->n_trips = n;
      subscribe (setup->bus, ping);
      subscribe (setup->bus, pong);
      agent_bus_send (setup->bus, data ("main", "ping"));
      bench_wait_until (is_done, &ping->done, 1000);
      setup_free (setup);
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
static void
ping_pong_ext (const char *name,
               guint       n)
{
  guint64 *trips[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup           *setup = setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
      AgentSubscriber *pong =
          g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "pong", "main-context", setup->thread->context, NULL);
      Waker waker = {
        0,
      };

      g_mutex_init (&waker.lock);
      g_cond_init (&waker.cond);
      g_signal_connect (pong, "message", G_CALLBACK (on_wake), &waker);
      g_ptr_array_add (setup->counters, pong);
      subscribe (setup->bus, pong);

      trips[r] = g_new0 (guint64, n);
      for (guint i = 1; i <= n; i++)
        {
          double start = bench_now ();

          agent_bus_send (setup->bus, data ("main", "pong"));
          g_mutex_lock (&waker.lock);
          while (waker.n < i)
            g_cond_wait (&waker.cond, &waker.lock);
          g_mutex_unlock (&waker.lock);
          trips[r][i - 1] = (bench_now () - start) * 1e9;
        }

      setup_free (setup);
      g_mutex_clear (&waker.lock);
      g_cond_clear (&waker.cond);
    }

  print_round_trips (name, trips, n);
}

/* --- Priority --- */

#define BUSY_TYPE (busy_get_type ())
G_DECLARE_FINAL_TYPE (Busy, busy, BENCH, BUSY, AgentSubscriber)

struct _Busy
{
  AgentSubscriber parent_instance;
  _Atomic guint64 n_data;
  GMutex          lock;
  GCond           cond;
  double          cancelled_at; /* (lock) */
  guint64         n_before;     /* (lock) */
};

G_DEFINE_FINAL_TYPE (Busy, busy, AGENT_TYPE_SUBSCRIBER)

static void
busy_message (AgentSubscriber *subscriber,
              AgentMessage    *message)
{
  Busy *self = (Busy *) subscriber;

  if (agent_message_get_message_type (message) != AGENT_MESSAGE_TYPE_CANCEL)
    {
      atomic_fetch_add (&self->n_data, 1);
      bench_spin (10e-6);
      return;
    }

  g_mutex_lock (&self->lock);
  self->cancelled_at = bench_now ();
  self->n_before = atomic_load (&self->n_data);
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
busy_class_init (BusyClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = busy_message;
}

static void
busy_init (Busy *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
}

static double
busy_wait (Busy    *self,
           guint64 *n_before)
{
  double at;

  g_mutex_lock (&self->lock);
  while (self->cancelled_at == 0)
    g_cond_wait (&self->cond, &self->lock);
  at = self->cancelled_at;
  *n_before = self->n_before;
  self->cancelled_at = 0;
  g_mutex_unlock (&self->lock);

  return at;
}

static guint64
get_dropped (AgentBus *bus)
{
  guint64 n = 0;

  agent_bus_get_dropped (bus, "sub", &n);
  return n;
}

/* Sends data until one is dropped, then up to 100 more, so that the CANCEL meets the handler at any point. */
static void
fill (AgentBus *bus,
      guint32   more)
{
  guint64 before = get_dropped (bus);

  while (get_dropped (bus) == before)
    agent_bus_send (bus, data ("producer", "sub"));
  for (guint i = 0; i < more; i++)
    agent_bus_send (bus, data ("producer", "sub"));
}

static void
priority (const char *name,
          guint       n)
{
  g_autofree guint64 *ns = g_new0 (guint64, n);
  double              p50[BENCH_REPEATS];
  double              p99[BENCH_REPEATS];
  double              max[BENCH_REPEATS];
  double              ahead[BENCH_REPEATS] = {
                 0,
  };

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);
      Busy  *busy = g_object_new (BUSY_TYPE, "name", "sub", "main-context", setup->thread->context, NULL);
      g_autoptr (GRand) rand = g_rand_new_with_seed (1);

      g_ptr_array_add (setup->counters, busy);
      subscribe (setup->bus, busy);
      for (guint i = 0; i < n; i++)
        {
          AgentMessage *cancel = agent_message_new_cancel ("producer", "sub", NULL);
          guint64       begun;
          guint64       n_before;
          double        start;

          g_usleep (2000);
          fill (setup->bus, g_rand_int_range (rand, 0, 100));
          begun = atomic_load (&busy->n_data);
          start = bench_now ();
          agent_bus_send (setup->bus, cancel);
          ns[i] = (busy_wait (busy, &n_before) - start) * 1e9;
          ahead[r] = MAX (ahead[r], n_before - begun);
        }
      setup_free (setup);

      p50[r] = bench_percentile (ns, n, 50) / 1e3;
      p99[r] = bench_percentile (ns, n, 99) / 1e3;
      max[r] = bench_percentile (ns, n, 100) / 1e3;
    }

  bench_print_median (name, "cancel_p50", p50, BENCH_REPEATS, "us");
  bench_print_median (name, "cancel_p99", p99, BENCH_REPEATS, "us");
  bench_print_median (name, "cancel_max", max, BENCH_REPEATS, "us");
  bench_print_median (name, "data_handlers_begun_before_it_at_most", ahead, BENCH_REPEATS, "handlers");
}

/* --- Subscribing --- */

static void
on_unsubscribed (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (!agent_bus_unsubscribe_finish (AGENT_BUS (object), result, &error))
    g_error ("%s", error->message);
  *(gboolean *) user_data = TRUE;
}

static void
unsubscribe_and_wait (AgentBus   *bus,
                      const char *name)
{
  gboolean done = FALSE;

  agent_bus_unsubscribe_async (bus, name, NULL, on_unsubscribed, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

/* Each unsubscribe is waited for, as each subscribe. */
static void
subscribing (const char *name,
             guint       n)
{
  double sub[BENCH_REPEATS];
  double unsub[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      BenchThread *thread = bench_thread_new ();
      AgentBus    *bus = agent_bus_new ();
      g_autoptr (GPtrArray) subscribers = g_ptr_array_new_with_free_func (g_object_unref);
      double start;

      for (guint i = 0; i < n; i++)
        {
          g_autofree char *own = g_strdup_printf ("agent-%u", i);

          g_ptr_array_add (subscribers, counter_new (own, thread->context, 0));
        }

      start = bench_now ();
      for (guint i = 0; i < n; i++)
        subscribe (bus, subscribers->pdata[i]);
      sub[r] = (bench_now () - start) / n * 1e6;

      start = bench_now ();
      for (guint i = 0; i < n; i++)
        unsubscribe_and_wait (bus, agent_subscriber_get_name (subscribers->pdata[i]));
      unsub[r] = (bench_now () - start) / n * 1e6;

      g_assert_cmpuint (agent_bus_get_n_subscribers (bus), ==, 0);
      g_object_unref (bus);
      bench_thread_free (thread);
    }

  bench_print_median (name, "us_per_subscribe", sub, BENCH_REPEATS, "us");
  bench_print_median (name, "us_per_unsubscribe", unsub, BENCH_REPEATS, "us");
}

/* --- Memory --- */

/* In a process of its own: prints the bytes per subscriber, and the same with the heap trimmed. */
static void
idle_memory_child (guint n)
{
  Setup *setup = setup_new (AGENT_BUS_DEFAULT_CAPACITY, 1, 0);
  g_autoptr (GPtrArray) subscribers = g_ptr_array_new_with_free_func (g_object_unref);
  double r0;
  double r1;
  double r2;

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *own = g_strdup_printf ("idle-%u", i);

      g_ptr_array_add (subscribers, counter_new (own, setup->thread->context, 0));
    }

  /* Everything that exists once. */
  agent_bus_send (setup->bus, data ("producer", NULL));
  setup_wait (setup, 1);
  g_usleep (100000);
  bench_trim ();

  r0 = bench_rss ();
  for (guint i = 0; i < n; i++)
    subscribe (setup->bus, subscribers->pdata[i]);
  g_usleep (300000);
  r1 = bench_rss ();
  bench_trim ();
  r2 = bench_rss ();

  g_print ("%g %g\n", (r1 - r0) / n, (r2 - r0) / n);
  setup_free (setup);
}

static void
idle_memory (const char *name,
             guint       n)
{
  double plain[BENCH_REPEATS];
  double trimmed[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    plain[r] = bench_run_child (name, &trimmed[r]);

  bench_print_median (name, "rss_per_subscriber", plain, BENCH_REPEATS, "bytes");
  bench_print_median (name, "rss_per_subscriber_trimmed", trimmed, BENCH_REPEATS, "bytes");
}

/* --- Order --- */

typedef struct
{
  guint64        *seqs;
  _Atomic guint64 n;
  guint64         wanted;
} SeqLog;

static void
on_seq (AgentSubscriber *subscriber,
        AgentMessage    *message,
        gpointer         user_data)
{
  SeqLog *self = user_data;
  guint64 n = atomic_load_explicit (&self->n, memory_order_relaxed);

  self->seqs[n] = agent_message_get_seq (message);
  atomic_store (&self->n, n + 1);
}

static gboolean
is_logged (gpointer user_data)
{
  SeqLog *self = user_data;

  return atomic_load (&self->n) == self->wanted;
}

static double
count_late (SeqLog *self,
            double *worst)
{
  guint64 top = 0;
  guint   n_late = 0;

  *worst = 0;
  for (guint64 i = 0; i < self->wanted; i++)
    {
      if (self->seqs[i] < top)
        {
          n_late++;
          *worst = MAX (*worst, top - self->seqs[i]);
        }
      top = MAX (top, self->seqs[i]);
    }

  return n_late;
}

static void
seq_order (const char *name,
           guint       n)
{
  double late[BENCH_REPEATS];
  double lag[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup           *setup = setup_new (ROOM, 0, 0);
      AgentSubscriber *sub =
          g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "agent-0", "main-context", setup->thread->context, NULL);
      SeqLog log = { .seqs = g_new (guint64, n), .wanted = n };
      double end;

      g_signal_connect (sub, "message", G_CALLBACK (on_seq), &log);
      g_ptr_array_add (setup->counters, sub);
      subscribe (setup->bus, sub);
      run_senders (setup->bus, n / N_SENDERS, &end);
      bench_wait_until (is_logged, &log, STEP);
      late[r] = count_late (&log, &lag[r]);
      setup_free (setup);
      g_free (log.seqs);
    }

  bench_print (name, "messages", n, "messages");
  bench_print_median (name, "late_messages", late, BENCH_REPEATS, "count");
  bench_print_median (name, "max_seq_behind", lag, BENCH_REPEATS, "seq");
}

static const BenchScenario scenarios[] = {
  { "bus_1to1", one_to_one, 1000000 },
  { "bus_1to1_send", one_to_one_send, 1000000 },
  { "bus_overload", overload, 2000000 },
  { "bus_fanout_1", fan_out, 1 },
  { "bus_fanout_16", fan_out, 16 },
  { "bus_fanout_128", fan_out, 128 },
  { "bus_fanout_1024", fan_out, 1024 },
  { "bus_4to1", four_to_one, 1000000 },
  { "bus_4to1_threads", four_to_one, 1000000 },
  { "bus_targeted_10", targeted, 10 },
  { "bus_targeted_1000", targeted, 1000 },
  { "bus_targeted_10000", targeted, 10000 },
  { "bus_pingpong", ping_pong, 100000 },
  { "bus_pingpong_ext", ping_pong_ext, 20000 },
  { "bus_priority", priority, 500 },
  { "bus_subscribe", subscribing, 10000 },
  { "bus_idle_memory", idle_memory, 10000 },
  { "bus_seq_order", seq_order, 1000000 },
};

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      idle_memory_child (10000);
      return 0;
    }

  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}

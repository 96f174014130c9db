/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is measured. A message is made within the time that is taken, as its user would make it. Time ends when the last
 * receiver has the last message, not when the sender has let go of it.
 */

#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "scenarios.h"

#define CAPACITY 256
#define N_WARM_UP 1000
#define AFFORDABLE G_GINT64_CONSTANT (150000000) /* ns */

/* --- A peer in use --- */

typedef struct
{
  const BenchPeer *peer;
  gpointer         state;
  BenchSetup       setup;
  BenchReceiver   *receivers;
  BenchCrowd       crowd;
} Stage;

static void
stage_open (Stage               *self,
            const BenchScenario *scenario,
            const BenchPeer     *peer,
            guint                capacity)
{
  bench_crowd_init (&self->crowd);
  self->receivers = g_new0 (BenchReceiver, scenario->n_receivers);
  for (guint i = 0; i < scenario->n_receivers; i++)
    self->receivers[i].crowd = &self->crowd;

  self->setup = (BenchSetup){
    .n_receivers = scenario->n_receivers,
    .n_threads = scenario->n_threads,
    .n_senders = scenario->n_senders,
    .capacity = capacity,
    .drop_oldest = (scenario->needs & BENCH_DROP_OLDEST) != 0,
    .payload = scenario->payload,
    .receivers = self->receivers,
  };
  self->peer = peer;
  self->state = peer->open (&self->setup);
}

static void
stage_close (Stage *self)
{
  self->peer->close (self->state);
  for (guint i = 0; i < self->setup.n_receivers; i++)
    {
      BenchReceiver *receiver = &self->receivers[i];

      /* Where nobody can tell what is wanted, it is 0. */
      g_assert_true (receiver->n_wanted == 0 || receiver->n == receiver->n_wanted);
      g_assert_cmpuint (receiver->n_bytes, ==, receiver->n * self->setup.payload);
    }
  g_free (self->receivers);
  bench_crowd_clear (&self->crowd);
}

/* Nothing may be under way. */
static void
stage_expect (Stage *self,
              guint  n_each)
{
  for (guint i = 0; i < self->setup.n_receivers; i++)
    {
      self->receivers[i].n = 0;
      self->receivers[i].n_bytes = 0;
      self->receivers[i].n_wanted = n_each;
    }
  bench_crowd_expect (&self->crowd, self->setup.n_receivers);
}

static void
stage_send (Stage *self,
            guint  sender,
            guint  target)
{
  if (!self->peer->send (self->state, sender, target))
    g_error ("%s refused a message for which there was room", self->peer->name);
}

/* In turn to each receiver, or to all. Returns when the last one arrived. */
static gint64
stage_stream (Stage   *self,
              guint    n,
              gboolean to_all)
{
  guint n_receivers = self->setup.n_receivers;

  stage_expect (self, to_all ? n : n / n_receivers);
  if (to_all)
    {
      for (guint i = 0; i < n; i++)
        stage_send (self, 0, BENCH_ALL);
    }
  else
    {
      for (guint i = 0, target = 0; i < n; i++, target = target + 1 < n_receivers ? target + 1 : 0)
        stage_send (self, 0, target);
    }

  return bench_crowd_wait (&self->crowd);
}

/* --- Throughput --- */

/* A peer that is slow sends fewer, down to a tenth: all of it has to end in reasonable time. */
static guint
get_affordable (const BenchScenario *scenario,
                gint64               warm_up)
{
  gint64 n = N_WARM_UP * AFFORDABLE / MAX (warm_up, 1);

  n = CLAMP (n, scenario->n / 10, scenario->n);
  return n - n % MAX (scenario->n_receivers, scenario->n_senders);
}

static void
stream (const BenchScenario *self,
        const BenchPeer     *peer,
        double              *figures)
{
  gboolean to_all = (self->needs & BENCH_FAN_OUT) != 0;
  Stage    stage;
  gint64   start;
  gint64   time;
  guint    n;

  stage_open (&stage, self, peer, 0);
  start = bench_now ();
  n = get_affordable (self, stage_stream (&stage, N_WARM_UP, to_all) - start);
  start = bench_now ();
  time = stage_stream (&stage, n, to_all) - start;
  figures[0] = (double) n * (to_all ? self->n_receivers : 1) / time * 1e9;
  stage_close (&stage);
}

typedef struct
{
  Stage *stage;
  guint  index;
  guint  n;
  gint  *gate; /* (atomic) */
} Sender;

static gpointer
sender_run (gpointer user_data)
{
  Sender *self = user_data;

  while (!g_atomic_int_get (self->gate))
    g_thread_yield ();
  for (guint i = 0; i < self->n; i++)
    stage_send (self->stage, self->index, 0);

  return NULL;
}

static void
senders (const BenchScenario *self,
         const BenchPeer     *peer,
         double              *figures)
{
  g_autofree Sender   *each = g_new0 (Sender, self->n_senders);
  g_autofree GThread **threads = g_new0 (GThread *, self->n_senders);
  gint                 gate = FALSE;
  Stage                stage;
  gint64               start;
  guint                n;

  stage_open (&stage, self, peer, 0);
  start = bench_now ();
  n = get_affordable (self, stage_stream (&stage, N_WARM_UP, FALSE) - start);
  stage_expect (&stage, n);
  for (guint i = 0; i < self->n_senders; i++)
    {
      each[i] = (Sender){ &stage, i, n / self->n_senders, &gate };
      threads[i] = g_thread_new ("sender", sender_run, &each[i]);
    }

  start = bench_now ();
  g_atomic_int_set (&gate, TRUE);
  figures[0] = (double) n / (bench_crowd_wait (&stage.crowd) - start) * 1e9;
  for (guint i = 0; i < self->n_senders; i++)
    g_thread_join (threads[i]);
  stage_close (&stage);
}

/* --- Latency --- */

#define PACE_EXT 200000 /* ns */
#define PACE_BUSY 10000 /* ns */

/* With one sender and nothing lost, the message that comes n-th is the one that was sent n-th. */
typedef struct
{
  gint64 *sent_at;
  gint64 *times;
} Clocked;

static void
on_clocked (BenchReceiver *receiver)
{
  Clocked *self = receiver->user_data;
  guint64  i = receiver->n - 1;

  self->times[i] = bench_now () - self->sent_at[i];
}

static void
sleep_until (gint64 at)
{
  struct timespec then = { at / 1000000000, at % 1000000000 };

  clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

static void
spin_until (gint64 at)
{
  while (bench_now () < at)
    ;
}

static int
compare_times (const void *a,
               const void *b)
{
  gint64 x = *(const gint64 *) a;
  gint64 y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

/* The median and the 99th percentile in microseconds; sorts in place. */
static void
set_percentiles (gint64 *times,
                 guint   n,
                 double *figures)
{
  qsort (times, n, sizeof *times, compare_times);
  figures[0] = times[n / 2] / 1e3;
  figures[1] = times[n * 99 / 100] / 1e3;
}

/* A sender that is late goes on from there: it does not catch up in a burst. */
static void
clocked (const BenchScenario *self,
         const BenchPeer     *peer,
         double              *figures,
         gint64               pace,
         void (*wait_until) (gint64))
{
  g_autofree gint64 *sent_at = g_new0 (gint64, self->n);
  g_autofree gint64 *times = g_new0 (gint64, self->n);
  Clocked            clock = { sent_at, times };
  Stage              stage;

  stage_open (&stage, self, peer, 0);
  stage_stream (&stage, N_WARM_UP, FALSE);
  stage_expect (&stage, self->n);
  stage.receivers[0].user_data = &clock;
  stage.receivers[0].handle = on_clocked;

  for (guint i = 0; i < self->n; i++)
    {
      wait_until (bench_now () + pace);
      sent_at[i] = bench_now ();
      stage_send (&stage, 0, 0);
    }

  bench_crowd_wait (&stage.crowd);
  stage_close (&stage);
  set_percentiles (times, self->n, figures);
}

static void
latency_ext (const BenchScenario *self,
             const BenchPeer     *peer,
             double              *figures)
{
  clocked (self, peer, figures, PACE_EXT, sleep_until);
}

static void
latency_busy (const BenchScenario *self,
              const BenchPeer     *peer,
              double              *figures)
{
  clocked (self, peer, figures, PACE_BUSY, spin_until);
}

/* --- Ping-pong --- */

typedef struct
{
  Stage  *stage;
  gint64 *times; /* (nullable) the first of the two takes them */
  gint64  last;
} Player;

static void
on_turn (BenchReceiver *receiver)
{
  Player *self = receiver->user_data;
  guint   index = receiver - self->stage->receivers;

  if (self->times != NULL)
    {
      gint64 now = bench_now ();

      if (receiver->n > 1)
        self->times[receiver->n - 2] = now - self->last;
      self->last = now;
    }

  /* The first one keeps the last ball. */
  if (index != 0 || receiver->n < receiver->n_wanted)
    stage_send (self->stage, index, 1 - index);
}

static void
ping_pong (const BenchScenario *self,
           const BenchPeer     *peer,
           double              *figures)
{
  g_autofree gint64 *times = g_new0 (gint64, self->n);
  Stage              stage;
  Player             players[] = { { &stage, times, 0 }, { &stage, NULL, 0 } };

  stage_open (&stage, self, peer, 0);
  stage_expect (&stage, self->n);
  stage.receivers[0].n_wanted++;
  for (guint i = 0; i < G_N_ELEMENTS (players); i++)
    {
      stage.receivers[i].user_data = &players[i];
      stage.receivers[i].handle = on_turn;
    }

  /* Nobody else sends before this one has arrived. */
  stage_send (&stage, 1, 0);
  bench_crowd_wait (&stage.crowd);
  stage_close (&stage);
  set_percentiles (times, self->n, figures);
}

/* --- Overload --- */

typedef struct
{
  GMutex   lock;
  GCond    cond;
  gboolean open; /* (lock) */
} Gate;

static void
on_gate (BenchReceiver *receiver)
{
  Gate *self = receiver->user_data;

  g_mutex_lock (&self->lock);
  while (!self->open)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
gate_open (Gate *self)
{
  g_mutex_lock (&self->lock);
  self->open = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static guint
count_sent (Stage *stage,
            guint  n)
{
  guint n_sent = 0;

  for (guint i = 0; i < n; i++)
    n_sent += stage->peer->send (stage->state, 0, 0);

  return n_sent;
}

/* Where the sender is told what was taken, that much has to come in the end. */
static gboolean
is_told (Stage *stage)
{
  return !(stage->peer->abilities & BENCH_SILENT) && !stage->setup.drop_oldest;
}

/* The receiver holds its first message until all have been sent, so that each one that is timed finds no room. */
static void
overload (const BenchScenario *self,
          const BenchPeer     *peer,
          double              *figures)
{
  Gate   gate = { .open = FALSE };
  Stage  stage;
  gint64 start;
  guint  n_sent;

  g_mutex_init (&gate.lock);
  g_cond_init (&gate.cond);
  stage_open (&stage, self, peer, CAPACITY);
  stage.receivers[0].user_data = &gate;
  stage.receivers[0].handle = on_gate;

  /* Some peers have room for a little more than they were told. */
  n_sent = count_sent (&stage, 4 * CAPACITY);
  start = bench_now ();
  n_sent += count_sent (&stage, self->n);
  figures[0] = (double) (bench_now () - start) / self->n;

  if (is_told (&stage))
    {
      g_assert_cmpuint (n_sent, <=, 4 * CAPACITY);
      stage.receivers[0].n_wanted = n_sent;
      bench_crowd_expect (&stage.crowd, 1);
    }
  gate_open (&gate);
  bench_crowd_wait (&stage.crowd);
  stage_close (&stage);
  g_mutex_clear (&gate.lock);
  g_cond_clear (&gate.cond);
}

/* --- All of them --- */

/* clang-format off */
const BenchScenario bench_scenarios[] = {
  /* name, needs, run, receivers, threads, senders, messages, payload, figures, unit */
  { "stream_1to1", BENCH_STREAM, stream, 1, 1, 1, 200000, 0, { "" }, "msg/s" },
  { "stream_1to1_payload", BENCH_STREAM, stream, 1, 1, 1, 200000, 160, { "" }, "msg/s" },
  { "stream_1to1_640", BENCH_STREAM, stream, 1, 1, 1, 200000, 640, { "" }, "msg/s" },
  { "fanout_16", BENCH_FAN_OUT, stream, 16, 1, 1, 8000, 160, { "" }, "msg/s" },
  { "senders_4to1", BENCH_SENDERS, senders, 1, 1, 4, 200000, 0, { "" }, "msg/s" },
  { "targeted_1000", BENCH_TARGETS, stream, 1000, 1, 1, 200000, 0, { "" }, "msg/s" },
  { "latency_ext", BENCH_STREAM, latency_ext, 1, 1, 1, 1000, 160, { "_p50", "_p99" }, "us" },
  { "latency_busy", BENCH_STREAM, latency_busy, 1, 1, 1, 5000, 160, { "_p50", "_p99" }, "us" },
  { "pingpong", BENCH_ANSWER_WITHIN, ping_pong, 2, 1, 2, 20000, 0, { "_p50", "_p99" }, "us" },
  { "pingpong_threads", BENCH_ANSWER_ACROSS, ping_pong, 2, 2, 2, 5000, 0, { "_p50", "_p99" }, "us" },
  { "overload", BENCH_REFUSE, overload, 1, 1, 1, 200000, 0, { "" }, "ns" },
  { "overload_oldest", BENCH_DROP_OLDEST, overload, 1, 1, 1, 200000, 0, { "" }, "ns" },
};
/* clang-format on */

const guint bench_n_scenarios = G_N_ELEMENTS (bench_scenarios);

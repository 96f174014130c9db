/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Where user code runs, how often a context is woken up, and how much of its time the library takes.
 *
 * The linker puts __wrap functions in the places of those that the library wakes up contexts with: a new source does it too.
 */

#define DELIVERY_SOURCE "[agentbus] delivery"

/* --- Counting --- */

static gint n_armed; /* (atomic) */

void __real_g_main_context_wakeup (GMainContext *context);
void __wrap_g_main_context_wakeup (GMainContext *context);

void
__wrap_g_main_context_wakeup (GMainContext *context)
{
  g_atomic_int_inc (&n_armed);
  __real_g_main_context_wakeup (context);
}

guint __real_g_source_attach (GSource      *source,
                              GMainContext *context);
guint __wrap_g_source_attach (GSource      *source,
                              GMainContext *context);

guint
__wrap_g_source_attach (GSource      *source,
                        GMainContext *context)
{
  g_atomic_int_inc (&n_armed);
  return __real_g_source_attach (source, context);
}

/* How many sources there are in the context: those with this name, or all. */
static guint
count_sources (GMainContext *context,
               const char   *name)
{
  guint n = 0;

  for (guint id = 1; id < 1000; id++)
    {
      GSource *source = g_main_context_find_source_by_id (context, id);

      n += source != NULL && (name == NULL || g_strcmp0 (g_source_get_name (source), name) == 0);
    }

  return n;
}

static TestRecorder *
subscribe_in (AgentBus     *bus,
              GMainContext *context,
              const char   *name,
              TestHandler   handler,
              gpointer      user_data)
{
  TestRecorder *recorder = test_recorder_new_full (
      handler, user_data, "name", name, "main-context", context, "capacity", 10000, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

static GPtrArray *
subscribe_many (AgentBus     *bus,
                GMainContext *context,
                guint         n)
{
  GPtrArray *recorders = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n; i++)
    {
      char name[16];

      g_snprintf (name, sizeof name, "many-%u", i);
      g_ptr_array_add (recorders, subscribe_in (bus, context, name, NULL, NULL));
    }

  return recorders;
}

static guint
count_all (GPtrArray *recorders)
{
  guint n = 0;

  for (guint i = 0; i < recorders->len; i++)
    n += test_recorder_count (recorders->pdata[i]);

  return n;
}

/* --- In whose thread --- */

static gpointer
send_hundred (gpointer bus)
{
  for (guint i = 0; i < 100; i++)
    agent_bus_send (bus, i % 2 == 0 ? test_data ("test", "a", i) : test_cancel ("test", "a"));

  return NULL;
}

static void
note_thread (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  g_assert_true (g_main_context_get_thread_default () ==
                 agent_subscriber_get_main_context (AGENT_SUBSCRIBER (recorder)));
  g_assert_true (recorder->thread == g_thread_self ());
  g_hash_table_add (user_data, g_thread_self ());
}

/* Three threads: one sends, one handles, and the test has the bus. */
static void
test_handlers_in_their_own_thread (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (GHashTable) threads = g_hash_table_new (NULL, NULL);
  g_autoptr (TestRecorder) a = subscribe_in (f->bus, thread->context, "a", note_thread, threads);

  send_hundred (f->bus);
  g_thread_join (g_thread_new ("test-sender", send_hundred, f->bus));
  test_thread_sync (thread);
  test_stop (f);
  g_assert_cmpuint (test_recorder_count (a), >=, 100);
  g_assert_cmpuint (g_hash_table_size (threads), ==, 1);
  g_assert_true (g_hash_table_contains (threads, thread->thread));
}

static void
test_nothing_inside_send (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  g_assert_cmpuint (f->n_dropped_emissions, ==, 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 1);
}

typedef struct
{
  TestThread *thread;
  AgentBus   *bus;
  guint       n[4]; /* by signal */
} SignalCounts;

static void
assert_thread (SignalCounts *self,
               AgentBus     *bus,
               guint         signal)
{
  g_assert_true (self->bus == bus);
  g_assert_true (g_thread_self () == self->thread->thread);
  self->n[signal]++;
}

static void
on_subscribed (AgentBus        *bus,
               AgentSubscriber *subscriber,
               gpointer         user_data)
{
  assert_thread (user_data, bus, 0);
}

static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  assert_thread (user_data, bus, 1);
}

static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  assert_thread (user_data, bus, 2);
}

static void
on_failed (AgentBus        *bus,
           AgentSubscriber *subscriber,
           AgentMessage    *message,
           const GError    *error,
           gpointer         user_data)
{
  assert_thread (user_data, bus, 3);
}

static gboolean
make_bus (gpointer user_data)
{
  SignalCounts *self = user_data;

  self->bus = agent_bus_new ();
  g_signal_connect (self->bus, "subscribed", G_CALLBACK (on_subscribed), self);
  g_signal_connect (self->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), self);
  g_signal_connect (self->bus, "dropped", G_CALLBACK (on_dropped), self);
  g_signal_connect (self->bus, "failed", G_CALLBACK (on_failed), self);
  return G_SOURCE_REMOVE;
}

static void
fail_at_once (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_fail_message (delivery, "No");
}

/* The bus belongs to another thread than the subscriber and whoever sends. */
static void
test_signals_in_the_context_of_the_bus (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  SignalCounts counts = { .thread = thread };

  g_main_context_invoke (thread->context, make_bus, &counts);
  test_thread_sync (thread);
  a = subscribe_in (counts.bus, f->context, "a", fail_at_once, NULL);
  agent_bus_send (counts.bus, test_data ("test", "a", 1));
  agent_bus_send (counts.bus, test_data ("test", "nobody", 2));
  test_drain (f);
  agent_bus_send (counts.bus, test_data ("test", "a", 3));
  agent_bus_unsubscribe (counts.bus, "a");
  test_drain (f);
  test_thread_sync (thread);

  g_assert_cmpuint (counts.n[0], ==, 1);
  g_assert_cmpuint (counts.n[1], ==, 1);
  g_assert_cmpuint (counts.n[2], >=, 2);
  g_assert_cmpuint (counts.n[3], ==, 1);
  g_assert_true (a->thread == g_thread_self ());
  test_assert_dies (counts.bus);
}

typedef struct
{
  AgentBus *bus;
  GThread  *called_in;
} Caller;

static void
note_caller (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Caller *self = user_data;

  g_assert_true (agent_bus_unsubscribe_finish (self->bus, result, NULL));
  self->called_in = g_thread_self ();
}

static gboolean
call_unsubscribe (gpointer user_data)
{
  Caller *self = user_data;

  agent_bus_unsubscribe_async (self->bus, "a", NULL, note_caller, self);
  return G_SOURCE_REMOVE;
}

static void
test_callbacks_in_the_context_of_the_caller (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  Caller caller = { f->bus, NULL };

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_main_context_invoke (thread->context, call_unsubscribe, &caller);
  test_thread_sync (thread);
  g_assert_null (caller.called_in);
  test_drain (f);
  test_thread_sync (thread);
  g_assert_true (caller.called_in == thread->thread);
}

/* --- Never re-entrantly --- */

static void
send_to_peer (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  TestRecorder *peer = user_data;
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (recorder));
  guint n = test_recorder_count (peer);

  if (test_recorder_count (recorder) < 10)
    agent_bus_send (bus,
                    test_data (agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder)),
                               agent_subscriber_get_name (AGENT_SUBSCRIBER (peer)),
                               1));
  g_assert_cmpuint (test_recorder_count (peer), ==, n);
}

static void
test_peers_do_not_nest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", send_to_peer, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", send_to_peer, a);

  a->user_data = b;
  agent_bus_send (f->bus, test_data ("b", "a", 1));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 10);
  g_assert_cmpuint (test_recorder_count (b), ==, 9);
}

typedef struct
{
  TestFixture *fixture;
  guint        n;
  gboolean     in_signal;
} NestedSignal;

static void
drop_one_more (AgentBus        *bus,
               AgentSubscriber *subscriber,
               AgentDropReason  reason,
               guint64          n,
               AgentMessage    *last,
               gpointer         user_data)
{
  NestedSignal *self = user_data;

  g_assert_false (self->in_signal);
  self->in_signal = TRUE;
  if (self->n++ < 3)
    agent_bus_send (bus, test_data ("test", "nobody", 1));
  test_drain (self->fixture);
  self->in_signal = FALSE;
}

static void
test_signals_do_not_nest (TestFixture *f)
{
  NestedSignal nested = { f, 0, FALSE };

  g_signal_connect (f->bus, "dropped", G_CALLBACK (drop_one_more), &nested);
  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  test_drain (f);
  g_assert_cmpuint (nested.n, ==, 4);
}

/* --- Wakeups and sources --- */

static void
test_one_wakeup_per_burst (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, f->context, 10);

  test_clock_freeze ();
  for (guint round = 0; round < 3; round++)
    {
      g_atomic_int_set (&n_armed, 0);
      for (guint i = 0; i < 500; i++)
        agent_bus_send (f->bus, i % 2 == 0 ? test_data ("test", NULL, i) : test_cancel ("test", NULL));
      for (guint i = 0; i < 500; i++)
        agent_bus_send (f->bus, test_data ("test", "many-3", i));
      g_assert_cmpint (g_atomic_int_get (&n_armed), ==, 1);

      test_drain (f);
      g_assert_cmpuint (count_all (recorders), ==, (round + 1) * 5500);
    }
}

/* Another thread is woken up as seldom. It is kept busy, so that it does not drain what has come so far. */
static void
test_one_wakeup_of_a_busy_thread (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a = subscribe_in (f->bus, thread->context, "a", test_gate_handler, &gate);
  b = subscribe_in (f->bus, thread->context, "b", NULL, NULL);
  g_atomic_int_set (&n_armed, 0);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_gate_wait (&gate);
  for (guint i = 0; i < 1000; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  g_assert_cmpint (g_atomic_int_get (&n_armed), ==, 1);

  test_gate_open (&gate);
  test_stop (f);
  test_gate_clear (&gate);
}

static void
test_one_wakeup_per_burst_of_drops (TestFixture *f)
{
  g_atomic_int_set (&n_armed, 0);
  for (guint i = 0; i < 1000; i++)
    agent_bus_send (f->bus, test_data ("test", "nobody", i));
  g_assert_cmpint (g_atomic_int_get (&n_armed), ==, 1);
  test_drain (f);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1000);
}

/* It is one wakeup also when many have something to tell. */
static void
test_one_wakeup_for_all_news (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, f->context, 10);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  agent_bus_send (f->bus, test_data ("test", NULL, 2));
  g_atomic_int_set (&n_armed, 0);
  for (guint i = 0; i < 10; i++)
    {
      agent_bus_unsubscribe (f->bus, agent_subscriber_get_name (recorders->pdata[i]));
      agent_bus_send (f->bus, test_data ("test", "nobody", 1));
    }
  g_assert_cmpint (g_atomic_int_get (&n_armed), ==, 1);
  test_drain (f);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 11);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 10);
}

static void
test_one_source_per_context (TestFixture *f)
{
  g_autoptr (AgentBus) second = agent_bus_new ();
  g_autoptr (AgentBus) third = agent_bus_new ();
  g_autoptr (GMainContext) elsewhere = g_main_context_new ();
  g_autoptr (GPtrArray) of_first = subscribe_many (f->bus, f->context, 50);
  g_autoptr (GPtrArray) of_second = subscribe_many (second, f->context, 50);
  g_autoptr (GPtrArray) of_third = subscribe_many (third, elsewhere, 50);

  g_assert_cmpuint (count_sources (f->context, DELIVERY_SOURCE), ==, 1);
  g_assert_cmpuint (count_sources (elsewhere, DELIVERY_SOURCE), ==, 1);
  g_assert_cmpuint (count_sources (elsewhere, NULL), ==, 1);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (second, test_data ("test", NULL, 2));
  test_drain (f);
  g_assert_cmpuint (count_all (of_first), ==, 50);
  g_assert_cmpuint (count_all (of_second), ==, 50);
}

static void
note_order (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  g_string_append_printf (user_data, "%s%u ", agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder)), test_number (message));
}

static TestRecorder *
subscribe_at (TestFixture *f,
              const char  *name,
              gint         priority,
              GString     *order)
{
  TestRecorder *recorder = test_recorder_new_full (note_order, order, "name", name, "priority", priority, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL));
  return recorder;
}

/* Each priority in use has its own source, and goes before the lower ones. */
static void
test_priorities (TestFixture *f)
{
  g_autoptr (GString) order = g_string_new (NULL);
  g_autoptr (TestRecorder) low = subscribe_at (f, "low", G_PRIORITY_LOW, order);
  g_autoptr (TestRecorder) high = subscribe_at (f, "high", G_PRIORITY_HIGH, order);
  g_autoptr (TestRecorder) usual = subscribe_at (f, "usual", G_PRIORITY_DEFAULT, order);
  g_autoptr (TestRecorder) other = subscribe_at (f, "other", G_PRIORITY_HIGH, order);

  g_assert_cmpuint (count_sources (f->context, DELIVERY_SOURCE), ==, 3);
  for (guint i = 0; i < 2; i++)
    {
      agent_bus_send (f->bus, test_data ("test", "low", i));
      agent_bus_send (f->bus, test_data ("test", "usual", i));
      agent_bus_send (f->bus, test_data ("test", "other", i));
      agent_bus_send (f->bus, test_data ("test", "high", i));
    }
  test_drain (f);
  g_assert_cmpstr (order->str, ==, "other0 other1 high0 high1 usual0 usual1 low0 low1 ");
  g_assert_true (test_unsubscribe (f, "low", NULL));
  g_assert_cmpuint (count_sources (f->context, DELIVERY_SOURCE), ==, 2);
}

/* As seen by poll(): no source is ready, and none wants to be asked again after a while. */
static void
assert_idle (GMainContext *context)
{
  GPollFD fds[4];
  gint    priority;
  gint    timeout;
  gint    n_fds;

  g_assert_true (g_main_context_acquire (context));
  g_assert_false (g_main_context_prepare (context, &priority));
  n_fds = g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_assert_cmpint (timeout, ==, -1);
  g_assert_cmpint (n_fds, ==, 1); /* what wakes the context up */
  g_assert_false (g_main_context_check (context, G_MAXINT, fds, n_fds));
  g_main_context_release (context);
}

static void
test_idle_costs_nothing (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, f->context, 10);
  g_autoptr (AgentBus) other = agent_bus_new ();

  test_drain (f);
  assert_idle (f->context);
  for (guint i = 0; i < 1000; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  agent_bus_send (f->bus, test_data ("test", "nobody", 0));
  test_drain (f);
  assert_idle (f->context);

  agent_bus_send (f->bus, test_cancel ("test", NULL));
  g_assert_true (test_unsubscribe (f, "many-0", NULL));
  test_drain (f);
  assert_idle (f->context);

  test_stop (f);
  assert_idle (f->context);
}

static void
note_gone (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

static gboolean
stay (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Tells when the context is gone: it takes its sources with it. */
static void
watch_context (GMainContext *context,
               gboolean     *is_gone)
{
  GSource *source = g_timeout_source_new_seconds (G_MAXINT / 1000);

  g_source_set_callback (source, stay, is_gone, note_gone);
  g_source_attach (source, context);
  g_source_unref (source);
}

static void
test_no_source_is_left_behind (TestFixture *f)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, context, 3);
  gboolean is_gone = FALSE;

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_unsubscribe (f->bus, "many-0");
  agent_bus_unsubscribe (f->bus, "many-1");
  g_assert_cmpuint (count_sources (context, NULL), ==, 1);
  agent_bus_unsubscribe (f->bus, "many-2");
  g_assert_cmpuint (count_sources (context, NULL), ==, 0);

  g_ptr_array_set_size (recorders, 0);
  agent_bus_send (f->bus, test_data ("test", NULL, 2)); /* forgets who was there at the last send */
  test_drain (f);
  watch_context (context, &is_gone);
  g_main_context_unref (context);
  g_assert_true (is_gone);

  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpuint (count_sources (f->context, NULL), ==, 0);
}

static void
test_no_source_outlives_the_bus (TestFixture *f)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, context, 3);
  gboolean is_gone = FALSE;

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_cancel ("test", NULL));
  agent_bus_unsubscribe (f->bus, "many-0");
  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpuint (count_sources (context, NULL), ==, 0);
  g_assert_cmpuint (count_sources (f->context, NULL), ==, 0);

  g_ptr_array_set_size (recorders, 0);
  watch_context (context, &is_gone);
  g_main_context_unref (context);
  g_assert_true (is_gone);
}

/* A source goes with its last subscriber and comes back with the next one. */
static void
test_source_comes_back (TestFixture *f)
{
  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

      agent_bus_send (f->bus, test_data ("test", "a", i));
      test_drain (f);
      g_assert_cmpuint (test_recorder_count (a), ==, 1);
      g_assert_true (test_unsubscribe (f, "a", NULL));
      g_assert_cmpuint (count_sources (f->context, DELIVERY_SOURCE), ==, 0);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/contexts/" name, func)
  ADD ("handlers-in-their-own-thread", test_handlers_in_their_own_thread);
  ADD ("nothing-inside-send", test_nothing_inside_send);
  ADD ("signals-in-the-context-of-the-bus", test_signals_in_the_context_of_the_bus);
  ADD ("callbacks-in-the-context-of-the-caller", test_callbacks_in_the_context_of_the_caller);
  ADD ("peers-do-not-nest", test_peers_do_not_nest);
  ADD ("signals-do-not-nest", test_signals_do_not_nest);
  ADD ("one-wakeup-per-burst", test_one_wakeup_per_burst);
  ADD ("one-wakeup-of-a-busy-thread", test_one_wakeup_of_a_busy_thread);
  ADD ("one-wakeup-per-burst-of-drops", test_one_wakeup_per_burst_of_drops);
  ADD ("one-wakeup-for-all-news", test_one_wakeup_for_all_news);
  ADD ("one-source-per-context", test_one_source_per_context);
  ADD ("priorities", test_priorities);
  ADD ("idle-costs-nothing", test_idle_costs_nothing);
  ADD ("no-source-is-left-behind", test_no_source_is_left_behind);
  ADD ("no-source-outlives-the-bus", test_no_source_outlives_the_bus);
  ADD ("source-comes-back", test_source_comes_back);
#undef ADD

  return g_test_run ();
}

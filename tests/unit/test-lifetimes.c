/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-cpu-private.h"
#include "test-tools.h"

/*
 * What belongs to the application is let go of where it may do what it likes, and what the library keeps of it is bounded.
 */

/* What a finaliser does: each of these takes locks of the library, and waits for ever if one is held. */
typedef struct
{
  AgentBus              *bus;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  guint                  n_calls;
  gboolean               in_call; /* a send or a dispatch is under way that must not finalise anything */
} Playground;

static void
use_everything (gpointer data)
{
  Playground      *self = data;
  g_autofree char *name = g_strdup_printf ("visitor-%u", self->n_calls);
  g_autoptr (AgentSubscriber) visitor = test_listener_new (name);
  GVariant *statistics;

  g_assert_false (self->in_call);
  self->n_calls++;
  agent_bus_subscribe (self->bus, visitor, NULL);
  agent_bus_send (self->bus, test_data ("finaliser", "nobody", 1));
  agent_bus_send (self->bus, test_data ("finaliser", NULL, 1));
  agent_route_table_assign (self->routes, "actor", name);
  agent_router_dispatcher_dispatch (self->dispatcher, test_data ("finaliser", "actor", 1), NULL);
  agent_route_table_unassign (self->routes, "actor");
  agent_bus_unsubscribe (self->bus, name);
  statistics = agent_bus_get_statistics (self->bus);
  g_variant_unref (statistics);
}

static void
playground_begin (Playground  *self,
                  TestFixture *f,
                  gboolean     total_order)
{
  *self = (Playground){ .bus = g_object_new (AGENT_TYPE_BUS, "total-order", total_order, NULL) };
  self->routes = agent_route_table_new ();
  self->dispatcher = agent_router_dispatcher_new (self->bus, self->routes);
}

static void
playground_end (Playground  *self,
                TestFixture *f)
{
  test_drain (f);
  g_object_unref (self->dispatcher);
  g_object_unref (self->routes);
  g_object_unref (self->bus);
  test_drain (f);
}

/* --- Payloads --- */

static GVariant *
payload_new (Playground *self)
{
  static const char bytes[] = "payload";

  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, bytes, sizeof bytes, TRUE, use_everything, self);
}

static AgentMessage *
message_new (Playground *self,
             const char *target)
{
  return agent_message_new_task_update ("test", target, "1", payload_new (self));
}

static void
check_payloads (TestFixture *f,
                gboolean     total_order)
{
  Playground play;
  g_autoptr (TestRecorder) a = NULL;

  playground_begin (&play, f, total_order);
  a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);
  agent_bus_subscribe (play.bus, AGENT_SUBSCRIBER (a), NULL);

  for (guint i = 0; i < 4; i++)
    {
      agent_bus_send (play.bus, message_new (&play, "a"));
      agent_bus_send (play.bus, message_new (&play, "nobody"));
      agent_bus_send (play.bus, message_new (&play, NULL));
      agent_router_dispatcher_dispatch (play.dispatcher, message_new (&play, "parked"), NULL);
    }
  agent_route_table_assign (play.routes, "parked", "a");
  agent_route_table_remove (play.routes, "parked");
  g_ptr_array_set_size (a->messages, 0);
  test_drain (f);
  g_ptr_array_set_size (a->messages, 0);
  agent_bus_unsubscribe (play.bus, "a");
  test_drain (f);
  g_assert_cmpuint (play.n_calls, ==, 16);

  g_string_truncate (f->log, 0);
  playground_end (&play, f);
  g_string_truncate (f->log, 0);
}

static void
test_payload (TestFixture *f)
{
  check_payloads (f, FALSE);
}

static void
test_payload_in_total_order (TestFixture *f)
{
  check_payloads (f, TRUE);
}

/* --- Subscribers and contexts --- */

static gboolean
never (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* A context whose last source calls use_everything() when it goes. */
static GMainContext *
context_new (Playground *self)
{
  GMainContext *context = g_main_context_new ();
  GSource      *source = g_timeout_source_new_seconds (1000);

  g_source_set_callback (source, never, self, use_everything);
  g_source_attach (source, context);
  g_source_unref (source);
  return context;
}

static void
on_gone (gpointer data,
         GObject *object)
{
  use_everything (data);
}

/* The subscriber and its context go when it leaves, and not in the sends and dispatches of a thread that knew them. */
static void
check_context (TestFixture *f,
               gboolean     total_order)
{
  Playground       play;
  GMainContext    *context;
  AgentSubscriber *a;

  playground_begin (&play, f, total_order);
  context = context_new (&play);
  a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "main-context", context, NULL);
  test_listen (a);
  agent_bus_subscribe (play.bus, a, NULL);
  agent_route_table_assign (play.routes, "actor-of-a", "a");
  agent_bus_send (play.bus, test_data ("test", "a", 1));
  agent_router_dispatcher_dispatch (play.dispatcher, test_data ("test", "actor-of-a", 1), NULL);

  g_object_weak_ref (G_OBJECT (a), on_gone, &play);
  g_object_unref (a);
  agent_bus_unsubscribe (play.bus, "a");
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_unref (context);
  g_assert_cmpuint (play.n_calls, ==, 2);

  play.in_call = TRUE;
  agent_bus_send (play.bus, test_data ("test", "a", 1));
  agent_router_dispatcher_dispatch (play.dispatcher, test_data ("test", "actor-of-a", 1), NULL);
  play.in_call = FALSE;
  playground_end (&play, f);
}

static void
test_subscriber_and_context (TestFixture *f)
{
  check_context (f, FALSE);
}

static void
test_subscriber_and_context_in_total_order (TestFixture *f)
{
  check_context (f, TRUE);
}

typedef struct
{
  Playground play;
  guint      step; /* (atomic) */
  gint       go;   /* (atomic) */
} Sleeper;

/* Sends once, and then keeps what a thread keeps. */
static gpointer
send_once (gpointer data)
{
  Sleeper *self = data;

  agent_bus_send (self->play.bus, test_data ("thread", NULL, 1));
  g_atomic_int_inc (&self->step);
  while (!g_atomic_int_get (&self->go))
    g_thread_yield ();
  return NULL;
}

static void
test_thread_that_sleeps (TestFixture *f)
{
  Sleeper          self = { .step = 0 };
  GMainContext    *context;
  GThread         *thread;
  AgentSubscriber *a;

  playground_begin (&self.play, f, FALSE);
  context = context_new (&self.play);
  a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "main-context", context, NULL);
  test_listen (a);
  agent_bus_subscribe (self.play.bus, a, NULL);
  g_object_unref (a);
  thread = g_thread_new ("sleeper", send_once, &self);
  while (g_atomic_int_get (&self.step) == 0)
    g_thread_yield ();

  agent_bus_unsubscribe (self.play.bus, "a");
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_unref (context);
  g_assert_cmpuint (self.play.n_calls, ==, 1);

  g_atomic_int_set (&self.go, TRUE);
  g_thread_join (thread);
  playground_end (&self.play, f);
}

/* --- A bus whose context sleeps --- */

static void
count_gone (gpointer data,
            GObject *object)
{
  (*(guint *) data)--;
}

/* A subscriber in @context that leaves with one message queued. */
static void
come_and_leave (AgentBus     *bus,
                GMainContext *context,
                guint        *n_alive)
{
  AgentSubscriber *s = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "s", "main-context", context, NULL);

  test_listen (s);
  (*n_alive)++;
  g_object_weak_ref (G_OBJECT (s), count_gone, n_alive);
  agent_bus_subscribe (bus, s, NULL);
  g_object_unref (s);
  agent_bus_send (bus, test_data ("test", "s", 1));
  agent_bus_unsubscribe (bus, "s");
  while (g_main_context_iteration (context, FALSE))
    ;
}

static AgentBus *
bus_new_in (GMainContext *context)
{
  AgentBus *bus;

  g_main_context_push_thread_default (context);
  bus = agent_bus_new ();
  g_main_context_pop_thread_default (context);
  return bus;
}

static void
test_nobody_listens_to_a_sleeping_bus (TestFixture *f)
{
  g_autoptr (GMainContext) sleeping = g_main_context_new ();
  g_autoptr (AgentBus) bus = bus_new_in (sleeping);
  guint n_alive = 0;

  for (guint i = 0; i < 100; i++)
    {
      come_and_leave (bus, f->context, &n_alive);
      g_assert_cmpuint (n_alive, ==, 0);
    }
  g_assert_cmpuint (test_ledger (bus).dropped[AGENT_DROP_REASON_DISCARDED], ==, 100);
}

typedef struct
{
  guint64 n_dropped;
  guint   n_named;
  guint   n_unsubscribed;
} Heard;

static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  Heard *heard = user_data;

  heard->n_dropped += n;
  heard->n_named += subscriber != NULL;
}

static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  ((Heard *) user_data)->n_unsubscribed++;
}

/* What is kept is bounded, no drop is told twice or forgotten, and the rest of the news is said to be missing. */
static void
test_sleeping_bus_is_bounded (TestFixture *f)
{
  g_autoptr (GMainContext) sleeping = g_main_context_new ();
  g_autoptr (AgentBus) bus = bus_new_in (sleeping);
  Heard heard = { 0 };
  guint n_alive = 0;

  g_signal_connect (bus, "dropped", G_CALLBACK (on_dropped), &heard);
  g_signal_connect (bus, "unsubscribed", G_CALLBACK (on_unsubscribed), &heard);
  test_clock_freeze ();
  for (guint i = 0; i < 20000; i++)
    {
      if (i == 500)
        test_clock_advance (11 * G_USEC_PER_SEC);
      come_and_leave (bus, f->context, &n_alive);
    }
  g_assert_cmpuint (n_alive, ==, 1000);

  while (g_main_context_iteration (sleeping, FALSE))
    ;
  g_assert_cmpuint (n_alive, ==, 0);
  g_assert_cmpuint (heard.n_dropped, ==, 20000);
  g_assert_cmpuint (heard.n_named, ==, 1000);
  g_assert_cmpuint (heard.n_unsubscribed, <=, 10000);
  g_assert_cmpuint (heard.n_unsubscribed, >=, 4000);
  test_expect_log (f, "signals were not kept while the context was not iterated");
}

/* A busy context that comes round misses nothing, however much has come meanwhile. */
static void
test_busy_bus_misses_nothing (TestFixture *f)
{
  g_autoptr (GMainContext) busy = g_main_context_new ();
  g_autoptr (AgentBus) bus = bus_new_in (busy);
  Heard heard = { 0 };
  guint n_alive = 0;

  g_signal_connect (bus, "dropped", G_CALLBACK (on_dropped), &heard);
  g_signal_connect (bus, "unsubscribed", G_CALLBACK (on_unsubscribed), &heard);
  test_clock_freeze ();
  for (guint i = 0; i < 12000; i++)
    come_and_leave (bus, f->context, &n_alive);
  while (g_main_context_iteration (busy, FALSE))
    ;
  g_assert_cmpuint (heard.n_named, ==, 12000);
  g_assert_cmpuint (heard.n_unsubscribed, ==, 12000);
}

/* --- Deadlines --- */

static void
defer (TestRecorder *recorder,
       AgentMessage *message,
       gpointer      user_data)
{
  *(AgentDelivery **) user_data = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

/* From a thread whose context dies with it. */
static gpointer
unsubscribe_and_end (gpointer bus)
{
  GMainContext *context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  agent_bus_unsubscribe (bus, "a");
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return NULL;
}

/* A thread that is not there any more has asked "a" to leave, which holds a delivery. */
static void
check_deadline_outlives (TestFixture *f,
                         guint        timeout,
                         GThreadFunc  func)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer, &delivery);

  agent_bus_set_shutdown_timeout (f->bus, timeout);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_thread_join (g_thread_new ("leaver", func, f->bus));
  while (f->log->len == 0)
    g_main_context_iteration (f->context, TRUE);
  test_expect_log (f, "'a' did not leave");

  agent_delivery_complete (delivery);
  g_clear_object (&delivery);
}

static void
test_deadline_outlives_its_thread (TestFixture *f)
{
  check_deadline_outlives (f, 1, unsubscribe_and_end);
}

static void
on_unsubscribed_cancelled (GObject      *bus,
                           GAsyncResult *result,
                           gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_unsubscribe_finish (AGENT_BUS (bus), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *(gboolean *) user_data = TRUE;
}

/* Waits, waits no more, and goes with its context. */
static gpointer
cancel_and_end (gpointer bus)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gboolean done = FALSE;

  g_main_context_push_thread_default (context);
  agent_bus_unsubscribe_async (bus, "a", cancellable, on_unsubscribed_cancelled, &done);
  g_cancellable_cancel (cancellable);
  while (!done)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return NULL;
}

static void
test_deadline_outlives_who_cancelled (TestFixture *f)
{
  check_deadline_outlives (f, 50, cancel_and_end);
}

/* What a subscriber's finaliser lets go of may be the bus, which is still at work then. */
static void
drop_bus (gpointer data,
          GObject *object)
{
  g_clear_object ((AgentBus **) data);
}

static void
test_bus_goes_with_its_subscriber (TestFixture *f)
{
  AgentBus        *bus = agent_bus_new ();
  AgentSubscriber *a = test_listener_new ("a");

  agent_bus_subscribe (bus, a, NULL);
  g_object_weak_ref (G_OBJECT (a), drop_bus, &bus);
  g_object_unref (a);
  agent_bus_unsubscribe (bus, "a");
  g_assert_null (bus);
}

/* A subscriber, and whether a thread goes on asking for its bus. */
typedef struct
{
  AgentSubscriber *subscriber;
  gint             goes_on; /* (atomic) */
} Asker;

static gpointer
ask_for_bus (gpointer data)
{
  Asker *asker = data;

  while (g_atomic_int_get (&asker->goes_on))
    {
      g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (asker->subscriber);
    }

  return NULL;
}

/* While a bus refuses a subscriber, another thread may ask the subscriber for its bus. */
static void
test_ask_for_bus_while_refused (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = test_listener_new ("a");
  g_autoptr (AgentSubscriber) other = test_listener_new ("a");
  Asker    asker = { other, TRUE };
  GThread *thread = g_thread_new ("asker", ask_for_bus, &asker);

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  for (guint i = 0; i < 20000; i++)
    g_assert_false (agent_bus_subscribe (f->bus, other, NULL));

  g_atomic_int_set (&asker.goes_on, FALSE);
  g_thread_join (thread);
}

#define N_BUSES 5000

/* One thread iterates the context of a bus, which may be about to tell of drops, and another one drops the bus. */
typedef struct
{
  GMainContext *contexts[N_BUSES];
  gint          n_ready;   /* (atomic) how many buses have drops to tell of */
  gint          n_dropped; /* (atomic) how many of these are dropped */
} DropRace;

static gpointer
iterate_while_dropped (gpointer data)
{
  DropRace *race = data;

  for (gint i = 0; i < N_BUSES; i++)
    {
      while (g_atomic_int_get (&race->n_ready) <= i)
        ;
      while (g_atomic_int_get (&race->n_dropped) <= i)
        g_main_context_iteration (race->contexts[i], FALSE);
    }

  return NULL;
}

/* Returns a bus of @context with subscribers that have no room for a second message. */
static AgentBus *
new_full_bus (GMainContext *context)
{
  static const char *const names[] = { "a", "b", "c" };
  AgentBus                *bus;

  g_main_context_push_thread_default (context);
  bus = agent_bus_new_with_capacity (1);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgentSubscriber) subscriber = test_listener_new (names[i]);

      g_assert_true (agent_bus_subscribe (bus, subscriber, NULL));
    }
  g_main_context_pop_thread_default (context);

  return bus;
}

static void
test_bus_goes_while_drops_are_told (TestFixture *f)
{
  g_autofree DropRace *race = g_new0 (DropRace, 1);
  GThread             *thread = g_thread_new ("iterates", iterate_while_dropped, race);

  for (guint i = 0; i < N_BUSES; i++)
    {
      AgentBus *bus;

      race->contexts[i] = g_main_context_new ();
      bus = new_full_bus (race->contexts[i]);
      agent_bus_send (bus, test_data ("test", NULL, 1));
      agent_bus_send (bus, test_data ("test", NULL, 2));
      g_atomic_int_inc (&race->n_ready);
      for (guint n = i % 32 * 8; n > 0; n--)
        agent_cpu_relax ();
      g_object_unref (bus);
      g_atomic_int_inc (&race->n_dropped);
    }

  g_thread_join (thread);
  for (guint i = 0; i < N_BUSES; i++)
    g_main_context_unref (race->contexts[i]);

  /* Some of the full channels were told of. */
  g_string_truncate (f->log, 0);
}

#define ADD(name, func) test_add ("/agentbus/lifetimes/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("payload", test_payload);
  ADD ("payload-in-total-order", test_payload_in_total_order);
  ADD ("subscriber-and-context", test_subscriber_and_context);
  ADD ("subscriber-and-context-in-total-order", test_subscriber_and_context_in_total_order);
  ADD ("thread-that-sleeps", test_thread_that_sleeps);
  ADD ("nobody-listens-to-a-sleeping-bus", test_nobody_listens_to_a_sleeping_bus);
  ADD ("sleeping-bus-is-bounded", test_sleeping_bus_is_bounded);
  ADD ("busy-bus-misses-nothing", test_busy_bus_misses_nothing);
  ADD ("deadline-outlives-its-thread", test_deadline_outlives_its_thread);

  ADD ("deadline-outlives-who-cancelled", test_deadline_outlives_who_cancelled);
  ADD ("bus-goes-with-its-subscriber", test_bus_goes_with_its_subscriber);
  ADD ("bus-goes-while-drops-are-told", test_bus_goes_while_drops_are_told);
  ADD ("ask-for-bus-while-refused", test_ask_for_bus_while_refused);

  return g_test_run ();
}

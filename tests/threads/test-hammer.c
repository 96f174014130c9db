/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "hammer.h"

/*
 * Many threads at once, at random. While they run, every subscriber checks the order of each sender, that it gets one
 * message at a time, in its own context, and nothing after it has left. When they are through, the ledger has
 * to say what the tests counted themselves, and no message and no subscriber may be left.
 */

#define N_NAMES 8

static const char *names[N_NAMES] = { "a", "b", "c", "d", "e", "f", "g", "h" };

static AgentBus *
take_bus (TestFixture *f)
{
  return g_steal_pointer (&f->bus);
}

/* Mostly data, and to everybody now and then. */
static Kind
choose_kind (Worker *worker)
{
  static const Kind kinds[] = {
    KIND_DATA,
    KIND_DATA,
    KIND_DATA,
    KIND_DATA,
    KIND_DATA,
    KIND_DATA,
    KIND_RELIABLE,
    KIND_EXPIRING,
    KIND_SYSTEM,
    KIND_SYSTEM,
    KIND_CANCEL,
    KIND_TASK_CANCEL,
  };

  return kinds[worker_choose (worker, G_N_ELEMENTS (kinds))];
}

static const char *
choose_target (Worker *worker)
{
  return worker_chance (worker, 30) ? NULL : names[worker_choose (worker, N_NAMES)];
}

/* As many messages as @data says. */
static void
send_at_random (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    sender_send (&worker->sender, choose_kind (worker), choose_target (worker));
}

static void
start_workers (Hammer    *hammer,
               guint      n,
               WorkerFunc func,
               gpointer   data)
{
  for (guint i = 0; i < n; i++)
    hammer_start_worker (hammer, func, data);
}

/* --- Fan-out under churn --- */

#define N_OWN 4

/* Every other one drops the oldest; every fourth has the capacity of the bus. */
static Probe *
make_probe (Worker *worker,
            guint   i)
{
  const char   *name = names[(worker->index * N_OWN + i) % N_NAMES];
  AgentOverflow overflow = i % 2 ? AGENT_OVERFLOW_DROP_OLDEST : AGENT_OVERFLOW_DROP_NEWEST;
  ProbeFlags    flags = PROBE_SENDS | PROBE_LEAVES | (i % 3 ? PROBE_DEFERS : 0) | (i % 2 ? PROBE_ITERATES : 0);

  return probe_new (worker->hammer, name, worker_choose (worker, 3), i % 4 * 3, overflow, flags);
}

/* Two of these share each name, so they also get into each other's way. */
static void
churn (Worker *worker)
{
  Probe *probes[N_OWN];

  for (guint i = 0; i < N_OWN; i++)
    probes[i] = make_probe (worker, i);

  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    {
      Probe      *probe = probes[worker_choose (worker, N_OWN)];
      const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (probe));

      if (worker_chance (worker, 70))
        probe_subscribe (probe);
      else
        agent_bus_unsubscribe (worker->bus, name);
    }

  for (guint i = 0; i < N_OWN; i++)
    g_object_unref (probes[i]);
}

/* Names that nobody else has: so what has left is known to have left. */
static void
come_and_go (Worker *worker)
{
  g_autofree char *name = g_strdup_printf ("own-%u", worker->index);
  g_autoptr (Probe) probe = probe_new (worker->hammer, name, worker->index, 4, AGENT_OVERFLOW_DROP_OLDEST, PROBE_DEFERS | PROBE_ITERATES);

  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    {
      probe_subscribe (probe);
      sender_send (&worker->sender, KIND_SYSTEM, name);
      sender_send (&worker->sender, KIND_DATA, name);
      sender_send (&worker->sender, KIND_RELIABLE, NULL);
      probe_unsubscribe (probe, worker->context);
    }
}

/* No handler runs between the end of a stop and the next start. */
static void
stop_and_start (Worker *worker)
{
  Hammer *hammer = worker->hammer;

  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    {
      guint64 n_handled;

      for (guint j = worker_choose (worker, 200); j > 0; j--)
        sender_send (&worker->sender, KIND_DATA, choose_target (worker));

      hammer_stop (hammer, worker->context);
      n_handled = hammer->n_handled;
      g_assert_false (agent_bus_is_running (worker->bus));
      g_assert_cmpuint (agent_bus_get_n_subscribers (worker->bus), ==, 0);
      g_assert_cmpuint (sender_send (&worker->sender, KIND_SYSTEM, NULL), ==, 0);
      g_assert_cmpuint (sender_send (&worker->sender, KIND_RELIABLE, "a"), ==, 0);
      g_assert_cmpuint (hammer->n_handled, ==, n_handled);
      hammer_start (hammer, worker->context);
    }
}

static void
test_fan_out_under_churn (TestFixture *f)
{
  Hammer hammer;

  hammer_begin (&hammer, f, 3, 2, take_bus (f));
  start_workers (&hammer, 4, churn, GUINT_TO_POINTER (20000));
  start_workers (&hammer, 2, come_and_go, GUINT_TO_POINTER (8000));
  start_workers (&hammer, 4, send_at_random, GUINT_TO_POINTER (60000));
  start_workers (&hammer, 1, stop_and_start, GUINT_TO_POINTER (300));
  hammer_run_workers (&hammer);

  hammer_stop (&hammer, f->context);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);
  g_assert_cmpuint (hammer.n_handled, >, 0);
  hammer_end (&hammer);
}

/* --- One subscriber, eight senders --- */

static void
send_to_a (Worker *worker)
{
  static const Kind kinds[] = { KIND_DATA, KIND_RELIABLE, KIND_SYSTEM, KIND_CANCEL, KIND_TASK_CANCEL };

  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    sender_send (&worker->sender, kinds[worker_choose (worker, G_N_ELEMENTS (kinds))], "a");
}

/* With room for all, all of them come. */
static void
test_eight_senders (TestFixture *f)
{
  Hammer hammer;
  Probe *probe;

  hammer_begin (&hammer, f, 1, 0, take_bus (f));
  probe = probe_new (&hammer, "a", 0, G_MAXUINT, AGENT_OVERFLOW_DROP_NEWEST, 0);
  g_assert_true (probe_subscribe (probe));
  start_workers (&hammer, 8, send_to_a, GUINT_TO_POINTER (80000));
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);

  g_assert_cmpuint (hammer.n_accepted, ==, 8 * hammer_rounds (80000));
  g_assert_cmpuint (hammer_check_ledger (&hammer).delivered, ==, hammer.n_accepted);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpuint (probe->n_got[probe->sender.id + 1 + i], ==, hammer_rounds (80000));

  g_object_unref (probe);
  hammer_end (&hammer);
}

/* Without room, what has to come does, and the rest is counted: each message once. */
static void
test_eight_senders_no_room (TestFixture *f)
{
  Hammer     hammer;
  Probe     *probe;
  TestLedger ledger;

  hammer_begin (&hammer, f, 1, 2, take_bus (f));
  probe = probe_new (&hammer, "a", 0, 2, AGENT_OVERFLOW_DROP_NEWEST, PROBE_DEFERS);
  g_assert_true (probe_subscribe (probe));
  start_workers (&hammer, 8, send_to_a, GUINT_TO_POINTER (18000));
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);

  ledger = hammer_check_ledger (&hammer);
  g_assert_cmpuint (ledger.offered, ==, hammer.n_sent);
  g_assert_cmpuint (ledger.delivered, ==, hammer.n_accepted);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_FULL], ==, hammer.n_sent - hammer.n_accepted);

  g_object_unref (probe);
  hammer_end (&hammer);
}

/* --- Stop while sending --- */

#define N_STOPPED 6

static void
unsubscribe_at_random (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    agent_bus_unsubscribe (worker->bus, names[worker_choose (worker, N_STOPPED)]);
}

static void
subscribe_all (Probe **probes)
{
  for (guint i = 0; i < N_STOPPED; i++)
    probe_subscribe (probes[i]);
}

/* A stop has to wait for the unsubscriptions that others began, and must not count what they discard twice,
 * nor not at all. */
static void
stop_at_random (Worker *worker)
{
  Probe **probes = worker->data;

  for (guint i = hammer_rounds (2500); i > 0; i--)
    {
      guint64 n_handled;

      subscribe_all (probes);
      for (guint j = worker_choose (worker, 40); j > 0; j--)
        sender_send (&worker->sender, choose_kind (worker), choose_target (worker));

      hammer_stop (worker->hammer, worker->context);
      n_handled = worker->hammer->n_handled;
      for (guint j = 0; j < N_STOPPED; j++)
        {
          g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (probes[j])), ==, 0);
          g_assert_false (g_atomic_int_get (&probes[j]->in_hand));
        }
      g_assert_cmpuint (worker->hammer->n_handled, ==, n_handled);
      hammer_start (worker->hammer, worker->context);
    }
}

static void
test_stop_while_sending (TestFixture *f)
{
  Hammer hammer;
  Probe *probes[N_STOPPED];

  hammer_begin (&hammer, f, 2, 1, take_bus (f));
  for (guint i = 0; i < N_STOPPED; i++)
    probes[i] = probe_new (&hammer, names[i], i, 16, i % 2, i % 3 ? PROBE_ITERATES : PROBE_DEFERS);

  start_workers (&hammer, 1, stop_at_random, probes);
  start_workers (&hammer, 3, send_at_random, GUINT_TO_POINTER (100000));
  start_workers (&hammer, 1, unsubscribe_at_random, GUINT_TO_POINTER (300000));
  hammer_run_workers (&hammer);

  hammer_stop (&hammer, f->context);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);

  for (guint i = 0; i < N_STOPPED; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

/* --- Leave while full --- */

static void
flood_a (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    sender_send (&worker->sender, KIND_DATA, "a");
}

static void
subscribe_and_leave (Worker *worker)
{
  Probe *probe = worker->data;

  for (guint i = hammer_rounds (20000); i > 0; i--)
    {
      g_assert_true (probe_subscribe (probe));
      g_assert_true (probe_unsubscribe (probe, worker->context));
    }
}

/* A message that is refused at the very moment when its subscriber leaves counts, once, here or there. */
static void
leave_while_full (TestFixture  *f,
                  AgentOverflow overflow)
{
  Hammer hammer;
  Probe *probe;

  hammer_begin (&hammer, f, 1, 0, agent_bus_new ());
  probe = probe_new (&hammer, "a", 0, 1, overflow, 0);
  start_workers (&hammer, 2, flood_a, GUINT_TO_POINTER (300000));
  start_workers (&hammer, 1, subscribe_and_leave, probe);
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);
  g_assert_cmpuint (hammer_check_ledger (&hammer).offered, ==, hammer.n_sent);

  g_object_unref (probe);
  hammer_end (&hammer);
}

static void
test_leave_while_full (TestFixture *f)
{
  leave_while_full (f, AGENT_OVERFLOW_DROP_NEWEST);
  leave_while_full (f, AGENT_OVERFLOW_DROP_OLDEST);
}

/* --- The last reference --- */

#define N_DROPPED 4

/* Lets go of the bus while others still send, or as the last one. */
static void
send_and_drop (Worker *worker)
{
  static const Kind kinds[] = { KIND_DATA, KIND_DATA, KIND_DATA, KIND_RELIABLE, KIND_SYSTEM, KIND_CANCEL };

  for (guint i = worker_choose (worker, 300); i > 0; i--)
    {
      Kind kind = kinds[worker_choose (worker, G_N_ELEMENTS (kinds))];

      sender_send (&worker->sender, kind, names[worker_choose (worker, N_DROPPED)]);
    }
  g_clear_object (&worker->bus);
}

/* Each message was handled or dropped, and at most the handler that had just begun ran on. */
static void
check_dropped_bus (Hammer *hammer,
                   Probe **probes)
{
  guint64 n_over = 0;
  guint64 n_handled = hammer->n_handled;

  for (guint i = 0; i < N_DROPPED; i++)
    {
      AgentSubscriber *subscriber = AGENT_SUBSCRIBER (probes[i]);
      AgentBus        *bus = agent_subscriber_dup_bus (subscriber);

      g_assert_null (bus);
      g_assert_cmpuint (agent_subscriber_get_n_queued (subscriber), ==, 0);
      g_assert_cmpuint (agent_subscriber_get_n_delivered (subscriber), ==, probes[i]->n_handled);
      g_assert_cmpint (g_atomic_int_get (&probes[i]->n_late), <=, 1);
      n_over += agent_subscriber_get_n_delivered (subscriber) + agent_subscriber_get_n_dropped (subscriber);
    }

  g_assert_cmpuint (n_over, ==, hammer->n_sent);
  hammer_sync (hammer);
  g_assert_cmpuint (hammer->n_handled, ==, n_handled);
}

static void
drop_once (TestFixture *f)
{
  Hammer hammer;
  Probe *probes[N_DROPPED];

  hammer_begin (&hammer, f, 2, 1, agent_bus_new_with_capacity (3));
  for (guint i = 0; i < N_DROPPED; i++)
    {
      probes[i] = probe_new (&hammer, names[i], i, 0, i % 2, i % 3 ? 0 : PROBE_DEFERS | PROBE_IS_SLOW);
      g_assert_true (probe_subscribe (probes[i]));
    }

  start_workers (&hammer, 3, send_and_drop, NULL);
  g_clear_object (&hammer.bus);
  hammer_run_workers (&hammer);
  do
    hammer_sync (&hammer);
  while (hammer.n_deferred != hammer.n_completed || !g_atomic_int_get (&hammer.bus_is_gone));
  hammer_sync (&hammer);
  check_dropped_bus (&hammer, probes);

  for (guint i = 0; i < N_DROPPED; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

static void
test_drop_of_the_bus (TestFixture *f)
{
  for (guint i = hammer_rounds (800); i > 0; i--)
    drop_once (f);
}

/* --- Deferred deliveries --- */

#define N_DEFERRING 5

/* What is told to one thread is so for it at once: who has left may come again, and who has come is reached. */
static void
leave_and_return (Worker *worker)
{
  Probe **probes = worker->data;

  for (guint i = hammer_rounds (4000); i > 0; i--)
    {
      Probe      *probe = probes[worker_choose (worker, N_DEFERRING)];
      const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (probe));

      g_assert_true (probe_unsubscribe (probe, worker->context));
      g_assert_cmpuint (sender_send (&worker->sender, KIND_SYSTEM, name), ==, 0);
      g_assert_true (probe_subscribe (probe));
      g_assert_cmpuint (sender_send (&worker->sender, KIND_SYSTEM, name), ==, 1);
    }
}

static void
send_to_deferring (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    sender_send (&worker->sender, choose_kind (worker), names[worker_choose (worker, N_DEFERRING)]);
}

/* A delivery is completed while its handler still runs, later, and while its subscriber leaves: one message
 * at a time it stays, and whoever leaves waits for it. */
static void
test_defer_and_complete (TestFixture *f)
{
  Hammer hammer;
  Probe *probes[N_DEFERRING];

  hammer_begin (&hammer, f, 2, 3, take_bus (f));
  for (guint i = 0; i < N_DEFERRING; i++)
    {
      probes[i] = probe_new (&hammer, names[i], i, 8, i % 2, PROBE_DEFERS);
      g_assert_true (probe_subscribe (probes[i]));
    }

  start_workers (&hammer, 3, send_to_deferring, GUINT_TO_POINTER (120000));
  start_workers (&hammer, 1, leave_and_return, probes);
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);
  g_assert_cmpuint (hammer_check_ledger (&hammer).offered, ==, hammer.n_sent);
  g_assert_cmpuint (hammer.n_deferred, >, 0);

  for (guint i = 0; i < N_DEFERRING; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

/* --- Evictions --- */

#define N_EVICTING 3

static void
send_to_evicting (Worker *worker)
{
  static const Kind kinds[] = { KIND_DATA, KIND_DATA, KIND_DATA, KIND_DATA, KIND_DATA, KIND_SYSTEM, KIND_RELIABLE };

  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    {
      Kind kind = kinds[worker_choose (worker, G_N_ELEMENTS (kinds))];

      sender_send (&worker->sender, kind, names[worker_choose (worker, N_EVICTING)]);
    }
}

/* Senders take back what the receiver is about to take. */
static void
test_eviction (TestFixture *f)
{
  Hammer     hammer;
  Probe     *probes[N_EVICTING];
  TestLedger ledger;

  hammer_begin (&hammer, f, N_EVICTING, 0, take_bus (f));
  for (guint i = 0; i < N_EVICTING; i++)
    {
      probes[i] = probe_new (&hammer, names[i], i, 1 + i, AGENT_OVERFLOW_DROP_OLDEST, 0);
      g_assert_true (probe_subscribe (probes[i]));
    }

  start_workers (&hammer, 4, send_to_evicting, GUINT_TO_POINTER (150000));
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);

  ledger = hammer_check_ledger (&hammer);
  g_assert_cmpuint (ledger.offered, ==, hammer.n_sent);
  g_assert_cmpuint (ledger.delivered + ledger.dropped[AGENT_DROP_REASON_FULL], ==, hammer.n_sent);

  for (guint i = 0; i < N_EVICTING; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

static void
send_newest (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    g_assert_cmpuint (sender_send (&worker->sender, KIND_DATA, "a"), ==, 1);
}

/* Where only the newest counts, the newest is never the one that is dropped: whatever the receiver does at that
 * moment, there is an older one to drop, or room. */
static void
test_newest_is_kept (TestFixture *f)
{
  Hammer hammer;
  Probe *probe;

  hammer_begin (&hammer, f, 1, 0, take_bus (f));
  probe = probe_new (&hammer, "a", 0, 1, AGENT_OVERFLOW_DROP_OLDEST, 0);
  g_assert_true (probe_subscribe (probe));
  start_workers (&hammer, 2, send_newest, GUINT_TO_POINTER (300000));
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);

  g_object_unref (probe);
  hammer_end (&hammer);
}

/* --- Cancels --- */

/* Requests with the numbers from 1 on: every seventh is not cancelled, and the even ones are completed where their
 * cancellable is tripped. */
typedef struct
{
  Hammer      *hammer;
  GAsyncQueue *begun;      /* numbers of messages whose handlers run */
  GAsyncQueue *deliveries; /* of AgentDelivery (owned): theirs */
  guint        n_requests;
  gint         n_tripped; /* (atomic) */
} Cancelling;

static gboolean
is_to_be_cancelled (guint number)
{
  return number % 7 != 0;
}

static gboolean
is_completed_when_tripped (guint number)
{
  return is_to_be_cancelled (number) && number % 2 == 0;
}

static void
send_counted (Hammer       *hammer,
              AgentMessage *message)
{
  guint n_accepted = agent_bus_send (hammer->bus, message);

  atomic_fetch_add (&hammer->n_sent, 1);
  atomic_fetch_add (&hammer->n_accepted, n_accepted);
}

static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  AgentDelivery *delivery = user_data;
  Cancelling    *self = g_object_get_data (G_OBJECT (delivery), "cancelling");

  g_assert_true (agent_delivery_is_cancelled (delivery));
  g_assert_true (g_main_context_is_owner (hammer_get_context (self->hammer, 0)));
  g_atomic_int_inc (&self->n_tripped);
  agent_delivery_complete (delivery);
}

/* The cancel may come before, between or after any two steps of this. */
static void
defer_until_cancelled (TestRecorder *recorder,
                       AgentMessage *message,
                       gpointer      user_data)
{
  Cancelling    *self = user_data;
  AgentDelivery *delivery;
  guint          number;

  atomic_fetch_add (&self->hammer->n_handled, 1);
  if (agent_message_get_channel (message) == AGENT_CHANNEL_DATA)
    {
      number = test_number (message);
      g_async_queue_push (self->begun, GUINT_TO_POINTER (number));
      for (guint i = number % 5; i > 0; i--)
        g_thread_yield ();

      delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
      g_object_set_data (G_OBJECT (delivery), "cancelling", self);
      if (is_completed_when_tripped (number))
        g_cancellable_connect (agent_delivery_get_cancellable (delivery), G_CALLBACK (on_cancelled), delivery, NULL);
      g_async_queue_push (self->deliveries, delivery);
    }
  g_ptr_array_set_size (recorder->messages, 0);
}

/* A delivery knows that it is cancelled as soon as the cancel is sent. */
static void
cancel_requests (Worker *worker)
{
  Cancelling *self = worker->data;
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 1; i <= self->n_requests; i++)
    {
      guint          number = GPOINTER_TO_UINT (g_async_queue_pop (self->begun));
      AgentDelivery *delivery;
      char           id[16];

      g_snprintf (id, sizeof id, "%u", number);
      g_assert_cmpuint (number, ==, i);
      if (is_to_be_cancelled (number))
        send_counted (self->hammer, agent_message_new_task_cancel (worker->sender.name, "a", id, NULL));
      else
        sender_send (&worker->sender, KIND_TASK_CANCEL, "a");

      delivery = g_async_queue_pop (self->deliveries);
      g_ptr_array_add (deliveries, delivery);
      g_assert_cmpuint (test_number (agent_delivery_get_message (delivery)), ==, number);
      g_assert_cmpint (agent_delivery_is_cancelled (delivery), ==, is_to_be_cancelled (number));
      if (!is_completed_when_tripped (number))
        agent_delivery_complete (delivery);
    }

  /* The last one may still be waiting for its callback. */
  hammer_sync_threads (worker->hammer);
}

static void
send_requests (Worker *worker)
{
  Cancelling *self = worker->data;

  for (guint i = 1; i <= self->n_requests; i++)
    send_counted (self->hammer, test_data (worker->sender.name, "a", i));
}

/* Cancels for tasks that nobody has in hand. */
static void
cancel_others (Worker *worker)
{
  Cancelling *self = worker->data;

  for (guint i = 1; i <= self->n_requests; i++)
    sender_send (&worker->sender, KIND_TASK_CANCEL, "a");
}

static guint
count_numbers (guint n,
               gboolean (*func) (guint number))
{
  guint count = 0;

  for (guint i = 1; i <= n; i++)
    count += func (i);

  return count;
}

static void
test_cancel_and_defer (TestFixture *f)
{
  Hammer        hammer;
  Cancelling    self = { .hammer = &hammer, .n_requests = hammer_rounds (20000) };
  TestRecorder *recorder;

  hammer_begin (&hammer, f, 1, 0, take_bus (f));
  self.begun = g_async_queue_new ();
  self.deliveries = g_async_queue_new ();
  recorder = test_recorder_new_full (defer_until_cancelled,
                                     &self,
                                     "name",
                                     "a",
                                     "main-context",
                                     hammer_get_context (&hammer, 0),
                                     "capacity",
                                     G_MAXUINT,
                                     NULL);
  g_assert_true (agent_bus_subscribe (hammer.bus, AGENT_SUBSCRIBER (recorder), NULL));

  hammer_start_worker (&hammer, cancel_requests, &self);
  hammer_start_worker (&hammer, send_requests, &self);
  hammer_start_worker (&hammer, cancel_others, &self);
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);

  g_assert_cmpint (self.n_tripped, ==, count_numbers (self.n_requests, is_completed_when_tripped));
  g_assert_cmpuint (hammer_check_ledger (&hammer).delivered, ==, hammer.n_sent);
  g_assert_cmpuint (hammer.n_sent, ==, 3 * self.n_requests);

  g_object_unref (recorder);
  g_async_queue_unref (self.begun);
  g_async_queue_unref (self.deliveries);
  hammer_end (&hammer);
}

/* --- Statistics --- */

/* A count that goes down was wrong before, or is now. */
static void
check_rises (const TestLedger *before,
             const TestLedger *ledger)
{
  g_assert_cmpuint (ledger->sent, >=, before->sent);
  g_assert_cmpuint (ledger->offered, >=, before->offered);
  g_assert_cmpuint (ledger->delivered, >=, before->delivered);
  g_assert_cmpuint (ledger->failed, >=, before->failed);
  for (guint i = 0; i < G_N_ELEMENTS (ledger->dropped); i++)
    g_assert_cmpuint (ledger->dropped[i], >=, before->dropped[i]);

  /* Also as a whole: a difference that went below zero is huge. */
  g_assert_cmpuint (ledger->queued, <, G_MAXINT);
}

static void
read_statistics (Worker *worker)
{
  TestLedger before = {
    0,
  };

  while (g_atomic_int_get (&worker->hammer->n_running) > 2)
    {
      guint64    n_sent = worker->hammer->n_sent;
      guint64    n_handled = worker->hammer->n_handled;
      TestLedger ledger = test_ledger (worker->bus);

      test_assert_balanced (worker->bus);
      check_rises (&before, &ledger);
      g_assert_cmpuint (ledger.sent, >=, n_sent);
      g_assert_cmpuint (ledger.delivered, >=, n_handled);
      before = ledger;
    }
}

static void
read_subscriber (AgentSubscriber *subscriber,
                 guint64          before[2])
{
  guint64 n_delivered = agent_subscriber_get_n_delivered (subscriber);
  guint64 n_dropped = agent_subscriber_get_n_dropped (subscriber);

  g_assert_cmpuint (n_delivered, >=, before[0]);
  g_assert_cmpuint (n_dropped, >=, before[1]);
  g_assert_cmpuint (agent_subscriber_get_n_queued (subscriber), <, G_MAXINT);
  before[0] = n_delivered;
  before[1] = n_dropped;
}

static void
read_subscribers (Worker *worker)
{
  Probe **probes = worker->data;
  guint64 before[N_STOPPED][2] = {
    0,
  };

  while (g_atomic_int_get (&worker->hammer->n_running) > 2)
    {
      for (guint i = 0; i < N_STOPPED; i++)
        read_subscriber (AGENT_SUBSCRIBER (probes[i]), before[i]);
    }
}

static void
subscribe_at_random (Worker *worker)
{
  Probe **probes = worker->data;

  for (guint i = hammer_rounds (30000); i > 0; i--)
    {
      guint which = worker_choose (worker, N_STOPPED);

      if (!probe_subscribe (probes[which]))
        agent_bus_unsubscribe (worker->bus, names[which]);
    }
}

static void
test_statistics (TestFixture *f)
{
  Hammer hammer;
  Probe *probes[N_STOPPED];

  hammer_begin (&hammer, f, 2, 1, take_bus (f));
  for (guint i = 0; i < N_STOPPED; i++)
    probes[i] = probe_new (&hammer, names[i], i, 20, i % 2, i % 2 ? 0 : PROBE_DEFERS);

  start_workers (&hammer, 2, send_at_random, GUINT_TO_POINTER (120000));
  start_workers (&hammer, 1, subscribe_at_random, probes);
  start_workers (&hammer, 1, read_statistics, NULL);
  start_workers (&hammer, 1, read_subscribers, probes);
  hammer_run_workers (&hammer);

  hammer_stop (&hammer, f->context);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);

  for (guint i = 0; i < N_STOPPED; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

#define IN_BETWEEN G_MAXUINT64

typedef struct
{
  Probe          *probe;
  _Atomic guint64 n_offered; /* what the ledger has to say, or IN_BETWEEN */
} Leaving;

/* What is discarded when a subscriber leaves is never missing, not for a moment. */
static void
leave_with_messages (Worker *worker)
{
  Leaving *self = worker->data;

  for (guint i = hammer_rounds (5000); i > 0; i--)
    {
      self->n_offered = IN_BETWEEN;
      g_assert_true (probe_subscribe (self->probe));
      for (guint j = 0; j < 50; j++)
        sender_send (&worker->sender, j % 10 ? KIND_DATA : KIND_SYSTEM, "a");
      self->n_offered = worker->hammer->n_sent;
      g_assert_true (probe_unsubscribe (self->probe, worker->context));
    }
}

static void
read_exactly (Worker *worker)
{
  Leaving *self = worker->data;

  while (g_atomic_int_get (&worker->hammer->n_running) > 2)
    {
      guint64    n_offered = self->n_offered;
      TestLedger ledger = test_ledger (worker->bus);

      if (n_offered != IN_BETWEEN && n_offered == self->n_offered)
        g_assert_cmpuint (ledger.offered, ==, n_offered);
    }
}

static void
test_statistics_of_leaving (TestFixture *f)
{
  Hammer  hammer;
  Leaving self = {
    0,
  };

  hammer_begin (&hammer, f, 1, 1, take_bus (f));
  self.probe = probe_new (&hammer, "a", 0, 40, AGENT_OVERFLOW_DROP_OLDEST, PROBE_DEFERS);
  start_workers (&hammer, 1, leave_with_messages, &self);
  start_workers (&hammer, 2, read_exactly, &self);
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);

  g_object_unref (self.probe);
  hammer_end (&hammer);
}

/* --- Time-outs --- */

/* A subscriber that is given no time: whatever it was doing, no handler begins any more but the one that had. */
static void
leave_without_time (Worker *worker)
{
  Probe *probe = worker->data;

  for (guint i = hammer_rounds (10000); i > 0; i--)
    {
      g_autoptr (GError) error = NULL;

      g_atomic_int_set (&probe->n_late, 0);
      while (!probe_subscribe (probe))
        g_thread_yield ();
      for (guint j = worker_choose (worker, 20); j > 0; j--)
        sender_send (&worker->sender, j % 4 ? KIND_DATA : KIND_SYSTEM, "a");

      if (!probe_try_unsubscribe (probe, worker->context, &error))
        g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
      g_atomic_int_set (&probe->over, TRUE);
      g_assert_cmpuint (sender_send (&worker->sender, KIND_SYSTEM, "a"), ==, 0);
      hammer_sync_threads (worker->hammer);
      g_assert_cmpint (g_atomic_int_get (&probe->n_late), <=, 1);

      /* The delivery of this subscription may outlive it, but is not to be taken for one of the next. */
      while (g_atomic_int_get (&probe->in_hand))
        g_thread_yield ();
    }
}

static void
test_time_outs (TestFixture *f)
{
  Hammer hammer;
  Probe *probe;

  hammer_begin (&hammer, f, 1, 1, take_bus (f));
  hammer.may_time_out = TRUE;
  agent_bus_set_shutdown_timeout (hammer.bus, 0);
  probe = probe_new (&hammer, "a", 0, 8, AGENT_OVERFLOW_DROP_NEWEST, PROBE_DEFERS | PROBE_IS_SLOW);
  start_workers (&hammer, 1, leave_without_time, probe);
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);

  g_object_unref (probe);
  hammer_end (&hammer);
}

/* --- Total order --- */

#define N_ORDERED 4

static void
send_to_all (Worker *worker)
{
  for (guint i = hammer_rounds (GPOINTER_TO_UINT (worker->data)); i > 0; i--)
    sender_send (&worker->sender, worker_chance (worker, 80) ? KIND_DATA : KIND_SYSTEM, NULL);
}

/* All of them see all messages, in the order of their sequence numbers. */
static void
test_total_order (TestFixture *f)
{
  Hammer      hammer;
  Probe      *probes[N_ORDERED];
  const guint n = hammer_rounds (40000);

  hammer_begin (&hammer, f, 2, 0, g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, "capacity", G_MAXUINT, NULL));
  for (guint i = 0; i < N_ORDERED; i++)
    {
      probes[i] = probe_new (&hammer, names[i], i, 0, AGENT_OVERFLOW_DROP_NEWEST, PROBE_IN_SEQ);
      g_assert_true (probe_subscribe (probes[i]));
    }
  start_workers (&hammer, 4, send_to_all, GUINT_TO_POINTER (40000));
  hammer_run_workers (&hammer);
  hammer_settle (&hammer);

  g_assert_cmpuint (hammer_check_ledger (&hammer).delivered, ==, 4 * n * N_ORDERED);
  g_assert_cmpuint (hammer.n_accepted, ==, 4 * n * N_ORDERED);
  for (guint i = 0; i < N_ORDERED; i++)
    g_object_unref (probes[i]);
  hammer_end (&hammer);
}

/* Types are made ready before there are threads. */
static void
make_types (void)
{
  const GType types[] = { TYPE_PROBE, TEST_TYPE_RECORDER };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    g_type_class_unref (g_type_class_ref (types[i]));
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);
  make_types ();

  test_add ("/agentbus/hammer/fan-out-under-churn", test_fan_out_under_churn);
  test_add ("/agentbus/hammer/eight-senders", test_eight_senders);
  test_add ("/agentbus/hammer/eight-senders-no-room", test_eight_senders_no_room);
  test_add ("/agentbus/hammer/stop-while-sending", test_stop_while_sending);
  test_add ("/agentbus/hammer/leave-while-full", test_leave_while_full);
  test_add ("/agentbus/hammer/drop-of-the-bus", test_drop_of_the_bus);
  test_add ("/agentbus/hammer/defer-and-complete", test_defer_and_complete);
  test_add ("/agentbus/hammer/eviction", test_eviction);
  test_add ("/agentbus/hammer/newest-is-kept", test_newest_is_kept);
  test_add ("/agentbus/hammer/cancel-and-defer", test_cancel_and_defer);
  test_add ("/agentbus/hammer/statistics", test_statistics);
  test_add ("/agentbus/hammer/statistics-of-leaving", test_statistics_of_leaving);
  test_add ("/agentbus/hammer/time-outs", test_time_outs);
  test_add ("/agentbus/hammer/total-order", test_total_order);

  return g_test_run ();
}

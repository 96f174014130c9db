/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "hammer.h"

/*
 * Threads that send in all three ways, to subscribers that come and go while their limits change. What waits is cancelled by
 * the thread that sends it or by another one, or its time to live or its epoch is over. The probes check that nobody
 * overtakes: a sender's messages come in the order of its calls, however it sends them.
 */

#define N_NAMES 4

static const char *names[N_NAMES] = { "a", "b", "c", "d" };

/* What the workers of one run share. */
typedef struct
{
  GAsyncQueue       *cancellables; /* what another thread has to cancel */
  AgentConversation *conversation; /* which goes on now and then */
  gint               n_senders;    /* (atomic) workers that still send */
  GHashTable        *slow;         /* of names: who has not recovered; in the bus's context */
} Press;

/* A message that may have to wait. */
typedef struct
{
  Worker       *worker;
  AgentMessage *message;
  GCancellable *cancellable; /* (nullable) */
  GPtrArray    *waits;       /* the worker's own */
} Wait;

static void
press_init (Press *self)
{
  self->cancellables = g_async_queue_new_full (g_object_unref);
  self->conversation = agent_conversation_new (NULL);
  self->n_senders = 0;
  self->slow = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
press_clear (Press *self)
{
  g_async_queue_unref (self->cancellables);
  g_object_unref (self->conversation);
  g_hash_table_unref (self->slow);
}

static gboolean
press_goes_on (Press *self)
{
  return g_atomic_int_get (&self->n_senders) > 0;
}

/* --- Sending --- */

/* It was not sent, so it may be changed and sent. */
static void
assert_unsent (AgentMessage *message)
{
  g_assert_cmpuint (agent_message_get_seq (message), ==, 0);
  agent_message_set_ttl (message, 0);
}

static void
count_sent (Worker *worker)
{
  atomic_fetch_add (&worker->hammer->n_sent, 1);
  atomic_fetch_add (&worker->hammer->n_accepted, 1);
}

static void
assert_refusal (GError *error)
{
  g_assert_true (g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND) ||
                 g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED) ||
                 g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE) ||
                 g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL));
}

/* TRUE: it was sent. */
static gboolean
try_send (Worker       *worker,
          AgentMessage *message)
{
  g_autoptr (GError) error = NULL;

  if (agent_bus_try_send (worker->bus, message, &error))
    {
      count_sent (worker);
      return TRUE;
    }

  assert_refusal (error);
  assert_unsent (message);
  return FALSE;
}

static void
on_sent (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  Wait *self = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_main_context_is_owner (self->worker->context));
  g_ptr_array_remove_fast (self->waits, self);
  if (agent_bus_send_finish (AGENT_BUS (source), result, &error))
    {
      count_sent (self->worker);
    }
  else
    {
      g_assert_false (g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL));
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
          !g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT))
        assert_refusal (error);
      assert_unsent (self->message);
    }

  agent_message_unref (self->message);
  g_clear_object (&self->cancellable);
  g_free (self);
}

/* Takes @message. */
static void
send_later (Worker       *worker,
            AgentMessage *message,
            GPtrArray    *waits)
{
  Press *press = worker->data;
  Wait  *wait = g_new0 (Wait, 1);

  wait->worker = worker;
  wait->message = message;
  wait->waits = waits;
  if (worker_chance (worker, 60))
    wait->cancellable = g_cancellable_new ();
  g_ptr_array_add (waits, wait);

  if (wait->cancellable != NULL && worker_chance (worker, 50))
    g_async_queue_push (press->cancellables, g_object_ref (wait->cancellable));
  agent_bus_send_async (worker->bus, message, wait->cancellable, on_sent, wait);
}

static void
cancel_one (Worker    *worker,
            GPtrArray *waits)
{
  Wait *wait = waits->len > 0 ? waits->pdata[worker_choose (worker, waits->len)] : NULL;

  if (wait != NULL && wait->cancellable != NULL)
    g_cancellable_cancel (wait->cancellable);
}

/* No reliable ones: these go in although others wait. */
static void
send_one (Worker    *worker,
          GPtrArray *waits)
{
  Press        *press = worker->data;
  Kind          kind = worker_chance (worker, 20) ? KIND_EXPIRING : KIND_DATA;
  const char   *target = names[worker_choose (worker, N_NAMES)];
  AgentMessage *message;

  if (worker_chance (worker, 25))
    {
      sender_send (&worker->sender, worker_chance (worker, 20) ? KIND_SYSTEM : kind, target);
      return;
    }

  message = sender_make (&worker->sender, kind, target);
  if (worker_chance (worker, 30))
    agent_message_set_conversation (message, press->conversation);
  if (worker_chance (worker, 40) && try_send (worker, message))
    agent_message_unref (message);
  else
    send_later (worker, message, waits);
}

/* What still waits in the end is cancelled: nobody may be there to make room. */
static void
end_waits (Worker    *worker,
           GPtrArray *waits)
{
  while (waits->len > 0)
    {
      for (guint i = 0; i < waits->len; i++)
        {
          Wait *wait = waits->pdata[i];

          if (wait->cancellable != NULL)
            g_cancellable_cancel (wait->cancellable);
        }
      g_main_context_iteration (worker->context, TRUE);
    }
}

static void
send_in_all_ways (Worker *worker)
{
  g_autoptr (GPtrArray) waits = g_ptr_array_new ();
  Press *press = worker->data;

  for (guint i = hammer_rounds (1500); i > 0; i--)
    {
      send_one (worker, waits);
      if (worker_chance (worker, 20))
        cancel_one (worker, waits);
      if (waits->len > 32 || worker_chance (worker, 30))
        g_main_context_iteration (worker->context, waits->len > 64);
    }
  end_waits (worker, waits);
  g_atomic_int_add (&press->n_senders, -1);
}

static void
cancel_for_others (Worker *worker)
{
  Press *press = worker->data;

  while (press_goes_on (press))
    {
      g_autoptr (GCancellable) cancellable = g_async_queue_timeout_pop (press->cancellables, 1000);

      if (cancellable != NULL)
        g_cancellable_cancel (cancellable);
    }
}

/* --- Subscribers that change --- */

static void
change_limits (Worker          *worker,
               AgentSubscriber *subscriber)
{
  static const guint capacities[] = { 1, 2, 4, 5, 16, 0 };

  switch (worker_choose (worker, 4))
    {
    case 0:
    case 1:
      agent_subscriber_set_capacity (subscriber, capacities[worker_choose (worker, G_N_ELEMENTS (capacities))]);
      break;
    case 2:
      agent_subscriber_set_max_bytes (subscriber, worker_chance (worker, 50) ? 0 : 8 * worker_choose (worker, 8));
      break;
    default:
      agent_subscriber_set_max_age (subscriber, worker_chance (worker, 70) ? 0 : 1);
      break;
    }
}

static void
change_one (Worker *worker,
            Probe  *probe)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (probe);
  Press           *press = worker->data;

  if (worker_chance (worker, 10))
    agent_conversation_advance (press->conversation);
  if (worker_chance (worker, 70))
    change_limits (worker, subscriber);
  else if (worker_chance (worker, 50))
    agent_subscriber_set_paused (subscriber, worker_chance (worker, 30));
  else if (worker_chance (worker, 30))
    agent_bus_unsubscribe (worker->bus, agent_subscriber_get_name (subscriber));
  else
    probe_subscribe (probe);
}

static Probe *
make_probe (Worker *worker,
            guint   i)
{
  AgentOverflow overflow = i % 4 == 3 ? AGENT_OVERFLOW_DROP_OLDEST : AGENT_OVERFLOW_DROP_NEWEST;
  ProbeFlags    flags = (i % 2 ? PROBE_DEFERS : PROBE_IS_SLOW) | PROBE_LEAVES;

  if (agent_bus_get_total_order (worker->bus))
    flags |= PROBE_IN_SEQ;
  return probe_new (worker->hammer, names[i], i, 4, overflow, flags);
}

static void
change_subscribers (Worker *worker)
{
  Press *press = worker->data;
  Probe *probes[N_NAMES];

  for (guint i = 0; i < N_NAMES; i++)
    {
      probes[i] = make_probe (worker, i);
      probe_subscribe (probes[i]);
    }

  while (press_goes_on (press))
    {
      change_one (worker, probes[worker_choose (worker, N_NAMES)]);
      g_thread_yield ();
    }

  for (guint i = 0; i < N_NAMES; i++)
    {
      agent_subscriber_set_paused (AGENT_SUBSCRIBER (probes[i]), FALSE);
      g_object_unref (probes[i]);
    }
}

/* Who waits then is told that the bus is stopped. */
static void
stop_and_start (Worker *worker)
{
  Press *press = worker->data;

  while (press_goes_on (press))
    {
      hammer_stop (worker->hammer, worker->context);
      hammer_start (worker->hammer, worker->context);
      for (guint i = worker_choose (worker, 2000); i > 0; i--)
        g_thread_yield ();
    }
}

/* --- The run --- */

static void
on_slow (AgentBus        *bus,
         AgentSubscriber *subscriber,
         guint64          n_queued,
         Press           *press)
{
  g_hash_table_add (press->slow, g_strdup (agent_subscriber_get_name (subscriber)));
}

static void
on_recovered (AgentBus        *bus,
              AgentSubscriber *subscriber,
              guint64          n_dropped,
              Press           *press)
{
  g_hash_table_remove (press->slow, agent_subscriber_get_name (subscriber));
}

/* Who comes back is not slow, whatever it was before. */
static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 Press      *press)
{
  g_hash_table_remove (press->slow, name);
}

static void
start_senders (Hammer *hammer,
               Press  *press,
               guint   n)
{
  g_atomic_int_set (&press->n_senders, n);
  for (guint i = 0; i < n; i++)
    hammer_start_worker (hammer, send_in_all_ways, press);
}

/* @stopper: (nullable) */
static void
run_storm (TestFixture *f,
           gboolean     total_order,
           WorkerFunc   stopper)
{
  Hammer hammer;
  Press  press;

  if (total_order)
    {
      g_object_unref (f->bus);
      f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
    }
  hammer_begin (&hammer, f, 2, 1, g_steal_pointer (&f->bus));
  press_init (&press);
  g_signal_connect (hammer.bus, "slow", G_CALLBACK (on_slow), &press);
  g_signal_connect (hammer.bus, "recovered", G_CALLBACK (on_recovered), &press);
  g_signal_connect (hammer.bus, "unsubscribed", G_CALLBACK (on_unsubscribed), &press);
  start_senders (&hammer, &press, 3);
  hammer_start_worker (&hammer, change_subscribers, &press);
  hammer_start_worker (&hammer, cancel_for_others, &press);
  if (stopper != NULL)
    hammer_start_worker (&hammer, stopper, &press);
  hammer_run_workers (&hammer);

  hammer_settle (&hammer);
  hammer_check_ledger (&hammer);
  g_assert_cmpuint (g_hash_table_size (press.slow), ==, 0);
  hammer_stop (&hammer, f->context);
  hammer_end (&hammer);
  press_clear (&press);
}

static void
test_storm (TestFixture *f)
{
  run_storm (f, FALSE, NULL);
}

static void
test_storm_in_order (TestFixture *f)
{
  run_storm (f, TRUE, NULL);
}

static void
test_stops (TestFixture *f)
{
  run_storm (f, FALSE, stop_and_start);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/agentbus/press-hammer/storm", test_storm);
  test_add ("/agentbus/press-hammer/storm-in-order", test_storm_in_order);
  test_add ("/agentbus/press-hammer/stops", test_stops);

  return g_test_run ();
}

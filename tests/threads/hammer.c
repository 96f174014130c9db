/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "hammer.h"

/* --- Who sends --- */

void
sender_init (Sender     *self,
             Hammer     *hammer,
             const char *name)
{
  self->hammer = hammer;
  self->bus = hammer->bus;
  self->id = g_atomic_int_add (&hammer->n_senders, 1);
  self->number = 0;
  self->name = g_strdup (name);
  g_assert_cmpuint (self->id, <, HAMMER_MAX_SENDERS);
}

void
sender_clear (Sender *self)
{
  g_clear_pointer (&self->name, g_free);
}

static void
on_payload_freed (gpointer data)
{
  Hammer *hammer = data;

  atomic_fetch_add (&hammer->n_freed, 1);
}

/* No message may be lost or freed twice: the payload tells when its message is gone. */
static GVariant *
make_payload (Hammer *hammer)
{
  static const guint64 value = 42;

  atomic_fetch_add (&hammer->n_made, 1);
  return g_variant_new_from_data (G_VARIANT_TYPE_UINT64, &value, sizeof value, TRUE, on_payload_freed, hammer);
}

/* One of three messages has its id as its payload too, as text. */
static gboolean
has_text (guint number)
{
  return number % 3 == 0;
}

static AgentMessage *
make_update (Sender     *self,
             const char *target,
             const char *id)
{
  g_autofree char *text = g_strdup_printf ("[\"%s\"]", id);
  AgentMessage    *message;

  if (!has_text (self->number))
    return agent_message_new_task_update (self->name, target, id, make_payload (self->hammer));

  message = agent_message_new_task_update (self->name, target, id, NULL);
  g_assert_true (agent_message_set_payload_json (message, text, NULL));
  return message;
}

AgentMessage *
sender_make (Sender     *self,
             Kind        kind,
             const char *target)
{
  AgentMessage *message;
  char          id[32];

  g_snprintf (id, sizeof id, "%u.%u", self->id, ++self->number);
  switch (kind)
    {
    case KIND_SYSTEM:
      return agent_message_new_task_update_urgent (self->name, target, id, make_payload (self->hammer));
    case KIND_CANCEL:
      return agent_message_new_cancel (self->name, target, id);
    case KIND_TASK_CANCEL:
      return agent_message_new_task_cancel (self->name, target, id, NULL);
    case KIND_DATA:
    case KIND_RELIABLE:
    case KIND_EXPIRING:
    default:
      message = make_update (self, target, id);
      agent_message_set_reliable (message, kind == KIND_RELIABLE);
      agent_message_set_ttl (message, kind == KIND_EXPIRING ? 1 : 0);
      return message;
    }
}

guint
sender_send (Sender     *self,
             Kind        kind,
             const char *target)
{
  guint n_accepted = agent_bus_send (self->bus, sender_make (self, kind, target));

  atomic_fetch_add (&self->hammer->n_sent, 1);
  atomic_fetch_add (&self->hammer->n_accepted, n_accepted);
  return n_accepted;
}

/* --- The probe --- */

/* A message in the hand of another thread. */
typedef struct
{
  Probe         *probe;
  AgentDelivery *delivery;
  gboolean       fail;
} Deferred;

G_DEFINE_FINAL_TYPE (Probe, probe, AGENT_TYPE_SUBSCRIBER)

static void
read_id (AgentMessage *message,
         guint        *sender,
         guint        *number)
{
  const char *id = agent_message_get_task_id (message);
  char       *end;

  if (id == NULL)
    id = agent_message_get_reason (message);
  *sender = g_ascii_strtoull (id, &end, 10);
  g_assert_cmpint (*end, ==, '.');
  *number = g_ascii_strtoull (end + 1, NULL, 10);
  g_assert_cmpuint (*sender, <, HAMMER_MAX_SENDERS);
}

static void
check_order (Probe        *self,
             AgentMessage *message,
             guint         sender,
             guint         number)
{
  AgentChannel channel = agent_message_get_channel (message);
  guint64      seq = agent_message_get_seq (message);

  g_assert_cmpuint (number, >, self->last[sender][channel]);
  self->last[sender][channel] = number;
  self->n_got[sender]++;

  g_assert_cmpuint (seq, >, 0);
  if (self->flags & PROBE_IN_SEQ)
    g_assert_cmpuint (seq, >, self->last_seq[channel]);
  self->last_seq[channel] = seq;
}

static void
check_place (Probe        *self,
             AgentMessage *message)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);

  g_assert_true (g_main_context_is_owner (agent_subscriber_get_main_context (subscriber)));
  g_assert_cmpstr (agent_message_get_source (message), !=, agent_subscriber_get_name (subscriber));
  g_assert_true (agent_message_get_target (message) == NULL ||
                 g_str_equal (agent_message_get_target (message), agent_subscriber_get_name (subscriber)));

  /* A handler that had begun when the time was up may show itself only now. */
  g_assert_false (g_atomic_int_get (&self->over) && !self->hammer->may_time_out);
  if (g_atomic_int_get (&self->over) || g_atomic_int_get (&self->hammer->bus_is_gone))
    g_atomic_int_inc (&self->n_late);
}

static void
defer (Probe   *self,
       gboolean fail)
{
  Deferred *deferred = g_new0 (Deferred, 1);

  deferred->probe = g_object_ref (self);
  deferred->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (self));
  deferred->fail = fail;
  g_assert_nonnull (deferred->delivery);
  atomic_fetch_add (&self->hammer->n_deferred, 1);
  g_async_queue_push (self->hammer->deferred, deferred);
}

/* From here on the subscriber may get the next message. */
static void
complete (Deferred *deferred)
{
  Hammer *hammer = deferred->probe->hammer;

  if (deferred->fail)
    atomic_fetch_add (&hammer->n_failed, 1);
  g_atomic_int_set (&deferred->probe->in_hand, FALSE);

  if (deferred->fail)
    agent_delivery_fail_message (deferred->delivery, "on purpose");
  else
    agent_delivery_complete (deferred->delivery);

  g_object_unref (deferred->delivery);
  g_object_unref (deferred->probe);
  g_free (deferred);
  atomic_fetch_add (&hammer->n_completed, 1);
}

/* What comes of a message depends on its number, so that it is the same for the same seed. */
static void
act (Probe        *self,
     AgentMessage *message,
     guint         number)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  gboolean         from_worker = g_str_has_prefix (agent_message_get_source (message), "worker");

  for (guint i = self->flags & PROBE_IS_SLOW ? number % 4 : 0; i > 0; i--)
    g_thread_yield ();

  if ((self->flags & PROBE_SENDS) && number % 7 == 0 && from_worker)
    sender_send (&self->sender, number % 2 ? KIND_DATA : KIND_SYSTEM, NULL);
  if ((self->flags & PROBE_LEAVES) && number % 97 == 0)
    agent_bus_unsubscribe (self->sender.bus, agent_subscriber_get_name (subscriber));

  if ((self->flags & PROBE_ITERATES) && number % 31 == 0)
    g_main_context_iteration (agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self)), FALSE);
  if ((self->flags & PROBE_DEFERS) && number % 3 == 0)
    defer (self, number % 5 == 0);
  else
    g_atomic_int_set (&self->in_hand, FALSE);
}

/* Probes in several threads ask for both forms of one payload, and all get the same. */
static void
check_payload (AgentMessage *message,
               guint         number)
{
  GVariant        *payload = agent_message_get_payload (message);
  const char      *json = agent_message_get_payload_json (message);
  g_autofree char *meant = agent_payload_to_json (payload);

  g_assert_cmpstr (json, ==, meant);
  g_assert_cmpint (agent_message_has_payload_json (message), ==, has_text (number));
  g_assert_true (agent_message_get_payload (message) == payload);
  g_assert_true (agent_message_get_payload_json (message) == json);
}

static void
probe_message (AgentSubscriber *subscriber,
               AgentMessage    *message)
{
  Probe *self = TEST_PROBE (subscriber);
  guint  sender;
  guint  number;

  check_place (self, message);
  g_assert_true (g_atomic_int_compare_and_exchange (&self->in_hand, FALSE, TRUE));

  read_id (message, &sender, &number);
  check_order (self, message, sender, number);
  if (number % 4 <= 1 && agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_TASK_UPDATE)
    check_payload (message, number);
  atomic_fetch_add (&self->n_handled, 1);
  atomic_fetch_add (&self->hammer->n_handled, 1);

  act (self, message, number);
}

static void
probe_finalize (GObject *object)
{
  Probe *self = TEST_PROBE (object);

  g_assert_false (g_atomic_int_get (&self->in_hand));
  g_atomic_int_add (&self->hammer->n_probes, -1);
  sender_clear (&self->sender);

  G_OBJECT_CLASS (probe_parent_class)->finalize (object);
}

static void
probe_class_init (ProbeClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = probe_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = probe_message;
}

static void
probe_init (Probe *self)
{
}

Probe *
probe_new (Hammer       *hammer,
           const char   *name,
           guint         thread,
           guint         capacity,
           AgentOverflow overflow,
           ProbeFlags    flags)
{
  Probe *self = g_object_new (TYPE_PROBE,
                              "name",
                              name,
                              "main-context",
                              hammer_get_context (hammer, thread),
                              "capacity",
                              capacity,
                              "overflow",
                              overflow,
                              NULL);

  self->hammer = hammer;
  self->flags = flags;
  sender_init (&self->sender, hammer, name);
  g_atomic_int_inc (&hammer->n_probes);
  return self;
}

/* FALSE: it is still on its way out, or the bus is stopped. */
gboolean
probe_subscribe (Probe *self)
{
  g_autoptr (GError) error = NULL;

  g_atomic_int_set (&self->over, FALSE);
  if (agent_bus_subscribe (self->sender.bus, AGENT_SUBSCRIBER (self), &error))
    return TRUE;

  g_assert_true (g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS) ||
                 g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED));
  return FALSE;
}

static void
on_done (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  GAsyncResult **place = user_data;

  *place = g_object_ref (result);
}

static GAsyncResult *
await (GMainContext  *context,
       GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (context, TRUE);
  return *result;
}

/* Waits in @context, the calling thread's own. */
gboolean
probe_try_unsubscribe (Probe        *self,
                       GMainContext *context,
                       GError      **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  AgentBus   *bus = self->sender.bus;
  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (self));

  agent_bus_unsubscribe_async (bus, name, NULL, on_done, &result);
  if (!agent_bus_unsubscribe_finish (bus, await (context, &result), error))
    return FALSE;

  g_assert_false (g_atomic_int_get (&self->in_hand));
  g_atomic_int_set (&self->over, TRUE);
  return TRUE;
}

/* FALSE: it was not subscribed. */
gboolean
probe_unsubscribe (Probe        *self,
                   GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  if (probe_try_unsubscribe (self, context, &error))
    return TRUE;

  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  return FALSE;
}

/* --- The run --- */

guint
hammer_rounds (guint n)
{
  const char *soak = g_getenv ("AGENTBUS_SOAK");
  double      factor = soak != NULL ? g_ascii_strtod (soak, NULL) : 1.0;

  g_assert_cmpfloat (factor, >, 0.0);
  return MAX (1, n * factor);
}

static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  Hammer *self = user_data;

  g_assert_true (g_main_context_is_owner (self->fixture->context));
  self->dropped[reason] += n;
  if (reason != AGENT_DROP_REASON_FULL)
    return;

  g_assert_nonnull (subscriber);
  g_assert_cmpint (agent_message_get_channel (last), ==, AGENT_CHANNEL_DATA);
  g_assert_false (agent_message_is_reliable (last));
  if (agent_subscriber_get_overflow (subscriber) == AGENT_OVERFLOW_DROP_OLDEST)
    self->dropped_oldest += n;
}

static void
on_failed (AgentBus        *bus,
           AgentSubscriber *subscriber,
           AgentMessage    *message,
           const GError    *error,
           gpointer         user_data)
{
  Hammer *self = user_data;

  g_assert_true (g_main_context_is_owner (self->fixture->context));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "on purpose");
  self->failed++;
}

static void
on_bus_gone (gpointer data,
             GObject *where_the_bus_was)
{
  Hammer *self = data;

  g_atomic_int_set (&self->bus_is_gone, TRUE);
}

/* The library logs full channels, and who is late; on any thread. */
static void
on_log (const char    *domain,
        GLogLevelFlags level,
        const char    *message,
        gpointer       user_data)
{
  Hammer *self = user_data;

  g_assert_true (strstr (message, "is full") != NULL || strstr (message, "A bus was dropped") != NULL || strstr (message, "System channel of") != NULL ||
                 (self->may_time_out && strstr (message, "did not leave") != NULL));
}

static gpointer
complete_in_thread (gpointer data)
{
  Hammer *self = data;

  for (Deferred *deferred; (deferred = g_async_queue_pop (self->deferred))->probe != NULL;)
    complete (deferred);

  return NULL;
}

/* Takes @bus, which the fixture's context has to be the context of. */
void
hammer_begin (Hammer      *self,
              TestFixture *fixture,
              guint        n_threads,
              guint        n_completers,
              AgentBus    *bus)
{
  memset (self, 0, sizeof *self);
  self->fixture = fixture;
  self->bus = bus;
  self->threads = g_ptr_array_new_with_free_func ((GDestroyNotify) test_thread_free);
  self->workers = g_ptr_array_new ();
  self->completers = g_ptr_array_new ();
  self->deferred = g_async_queue_new ();

  /* Nobody is late but by the machine's fault. */
  agent_bus_set_shutdown_timeout (bus, 250 * 1000);
  g_signal_connect (bus, "dropped", G_CALLBACK (on_dropped), self);
  g_signal_connect (bus, "failed", G_CALLBACK (on_failed), self);
  g_object_weak_ref (G_OBJECT (bus), on_bus_gone, self);
  self->log_handler = g_log_set_handler ("AgentBus", G_LOG_LEVEL_WARNING, on_log, self);

  for (guint i = 0; i < n_threads; i++)
    g_ptr_array_add (self->threads, test_thread_new ());
  for (guint i = 0; i < n_completers; i++)
    g_ptr_array_add (self->completers, g_thread_new ("completer", complete_in_thread, self));
}

GMainContext *
hammer_get_context (Hammer *self,
                    guint   thread)
{
  TestThread *test_thread = self->threads->pdata[thread % self->threads->len];

  return test_thread->context;
}

static void
end_completers (Hammer *self)
{
  Deferred *last = g_new0 (Deferred, self->completers->len + 1);

  for (guint i = 0; i < self->completers->len; i++)
    g_async_queue_push (self->deferred, &last[i]);
  for (guint i = 0; i < self->completers->len; i++)
    g_thread_join (self->completers->pdata[i]);

  g_free (last);
  g_ptr_array_unref (self->completers);
}

/* Nothing is left: not the bus, no subscriber, no message. */
void
hammer_end (Hammer *self)
{
  g_clear_object (&self->bus);
  test_drain (self->fixture);
  g_assert_true (g_atomic_int_get (&self->bus_is_gone));

  end_completers (self);
  g_ptr_array_unref (self->threads);
  g_ptr_array_unref (self->workers);
  g_async_queue_unref (self->deferred);

  g_assert_cmpint (g_atomic_int_get (&self->n_probes), ==, 0);
  g_assert_cmpuint (self->n_made, ==, self->n_freed);
  g_log_remove_handler ("AgentBus", self->log_handler);
}

static gpointer
worker_run (gpointer data)
{
  Worker *self = data;
  Hammer *hammer = self->hammer;

  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);
  self->func (self);
  g_clear_object (&self->bus);
  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);

  g_atomic_int_add (&hammer->n_running, -1);
  g_main_context_wakeup (hammer->fixture->context);
  return NULL;
}

Worker *
hammer_start_worker (Hammer    *self,
                     WorkerFunc func,
                     gpointer   data)
{
  Worker *worker = g_new0 (Worker, 1);
  char    name[16];

  worker->hammer = self;
  worker->func = func;
  worker->data = data;
  worker->index = self->workers->len;
  worker->rand = g_rand_new_with_seed (g_test_rand_int ());
  worker->bus = g_object_ref (self->bus);
  g_snprintf (name, sizeof name, "worker-%u", worker->index);
  sender_init (&worker->sender, self, name);
  g_ptr_array_add (self->workers, worker);
  g_atomic_int_inc (&self->n_running);

  worker->thread = g_thread_new ("worker", worker_run, worker);
  return worker;
}

/* The bus's context goes round until all of them are through. */
void
hammer_run_workers (Hammer *self)
{
  while (g_atomic_int_get (&self->n_running) > 0)
    g_main_context_iteration (self->fixture->context, TRUE);

  for (guint i = 0; i < self->workers->len; i++)
    {
      Worker *worker = self->workers->pdata[i];

      g_thread_join (worker->thread);
      sender_clear (&worker->sender);
      g_rand_free (worker->rand);
      g_free (worker);
    }
  g_ptr_array_set_size (self->workers, 0);
}

/* The probes' contexts do what is ready there. From any thread. */
void
hammer_sync_threads (Hammer *self)
{
  for (guint i = 0; i < self->threads->len; i++)
    test_thread_sync (self->threads->pdata[i]);
}

/* So does the bus's. */
void
hammer_sync (Hammer *self)
{
  hammer_sync_threads (self);
  test_drain (self->fixture);
}

static guint64
get_progress (Hammer *self)
{
  return self->n_handled + self->n_completed + test_ledger (self->bus).dropped[AGENT_DROP_REASON_EXPIRED];
}

/* Until nothing is queued and nobody is busy. What is queued when all contexts have rested is forgotten there for
 * good. */
void
hammer_settle (Hammer *self)
{
  guint64 before = 0;
  guint   n_rests = 0;

  do
    {
      hammer_sync (self);
      if (self->n_deferred != self->n_completed || get_progress (self) != before)
        n_rests = 0;
      before = get_progress (self);
      g_assert_cmpuint (n_rests, <, 100);
      n_rests++;
    }
  while (self->n_deferred != self->n_completed || test_ledger (self->bus).queued > 0);

  hammer_sync (self);
}

/* Waits in @context, the calling thread's own. */
void
hammer_stop (Hammer       *self,
             GMainContext *context)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (self->bus, NULL, on_done, &result);
  agent_bus_stop_finish (self->bus, await (context, &result), &error);
  g_assert_no_error (error);
}

void
hammer_start (Hammer       *self,
              GMainContext *context)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (self->bus, NULL, on_done, &result);
  agent_bus_start_finish (self->bus, await (context, &result), &error);
  g_assert_no_error (error);
}

/* At rest, the ledger, the signals and our own counts say the same. */
TestLedger
hammer_check_ledger (Hammer *self)
{
  TestLedger ledger = test_ledger (self->bus);
  guint64    n_refused;
  guint64    n_over;

  test_assert_balanced (self->bus);
  g_assert_cmpuint (ledger.sent, ==, self->n_sent);
  g_assert_cmpuint (ledger.delivered, ==, self->n_handled);
  g_assert_cmpuint (ledger.failed, ==, self->n_failed);
  g_assert_cmpuint (ledger.failed, ==, self->failed);
  g_assert_cmpuint (ledger.queued, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (ledger.dropped); i++)
    g_assert_cmpuint (ledger.dropped[i], ==, self->dropped[i]);

  /* What was accepted was handled, or has gone another way that the ledger knows; only an oldest message that gave
   * way is told with the same word as a newest one that was refused. */
  n_over = ledger.delivered + ledger.dropped[AGENT_DROP_REASON_DISCARDED] + ledger.dropped[AGENT_DROP_REASON_EXPIRED] +
           ledger.dropped[AGENT_DROP_REASON_STALE];
  g_assert_cmpuint (self->n_accepted, >=, n_over);
  g_assert_cmpuint (self->n_accepted, <=, n_over + self->dropped_oldest);
  n_refused = ledger.dropped[AGENT_DROP_REASON_NO_TARGET] + ledger.dropped[AGENT_DROP_REASON_CLOSED];
  g_assert_cmpuint (ledger.offered, >=, self->n_accepted + n_refused);
  g_assert_cmpuint (ledger.offered, >=, ledger.sent);

  return ledger;
}

/* --- Chance --- */

guint
worker_choose (Worker *self,
               guint   n)
{
  return g_rand_int_range (self->rand, 0, n);
}

gboolean
worker_chance (Worker *self,
               guint   percent)
{
  return worker_choose (self, 100) < percent;
}

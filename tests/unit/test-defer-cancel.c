/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-sender-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-tools.h"

/* A CANCEL or TASK_CANCEL for the message in hand does not wait for its turn. */

static void
keep_all (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  g_ptr_array_add (user_data, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static AgentMessage *
test_task_cancel (const char *target,
                  const char *task_id)
{
  return agent_message_new_task_cancel ("test", target, task_id, NULL);
}

/* --- Cancellation --- */

static void
test_cancel_trips_before_its_turn (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  GCancellable *cancellable = agent_delivery_get_cancellable (delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (cancellable));

  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 end cancel 2");
}

static void
test_cancel_by_broadcast (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_cancel ("test", NULL));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
}

static void
test_cancel_of_another_subscriber (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  agent_bus_send (f->bus, test_cancel ("test", "b"));
  agent_bus_send (f->bus, test_cancel ("a", NULL));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
}

static void
test_task_cancel_with_the_task_id_only (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  GCancellable *cancellable = agent_delivery_get_cancellable (delivery);

  agent_bus_send (f->bus, test_task_cancel ("a", "2"));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (cancellable));

  agent_bus_send (f->bus, test_task_cancel ("a", "1"));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 1");
}

/* A message without a task has none that could be cancelled. */
static void
test_task_cancel_for_no_task (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  agent_bus_send (f->bus, test_task_cancel ("a", "1"));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

static void
note_thread (GCancellable *cancellable,
             gpointer      user_data)
{
  g_assert_null (g_atomic_pointer_get ((GThread **) user_data));
  g_atomic_pointer_set ((GThread **) user_data, g_thread_self ());
}

/* What is connected to the cancellable runs in the subscriber's context, whoever sent the CANCEL, and once. */
static void
test_cancelled_is_emitted_in_the_context (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestThread) thread = test_thread_new ();
  GThread *cancelled_in = NULL;
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (test_keep_first, &delivery, "name", "a", "main-context", thread->context, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_thread_sync (thread);
  g_signal_connect (agent_delivery_get_cancellable (delivery),
                    "cancelled",
                    G_CALLBACK (note_thread),
                    &cancelled_in);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_thread_sync (thread);
  g_assert_true (g_atomic_pointer_get (&cancelled_in) == thread->thread);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);

  agent_delivery_complete (delivery);
  test_stop (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 3);
}

static void
complete_on_cancel (GCancellable *cancellable,
                    gpointer      user_data)
{
  agent_delivery_complete (user_data);
}

static void
test_complete_in_cancelled (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  g_signal_connect (agent_delivery_get_cancellable (delivery),
                    "cancelled",
                    G_CALLBACK (complete_on_cancel),
                    delivery);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel 2");
  test_assert_balanced (f->bus);
}

typedef struct
{
  TestFixture  *fixture;
  AgentMessage *to_send; /* (owned) (nullable) sent by the handler, and then it defers */
  gboolean      is_cancelled;
  gboolean      is_tripped;
} CancelWhileRunning;

static void
send_and_defer (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  CancelWhileRunning *self = user_data;
  g_autoptr (AgentDelivery) delivery = NULL;

  if (self->to_send == NULL)
    return;

  agent_bus_send (self->fixture->bus, g_steal_pointer (&self->to_send));
  delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  self->is_cancelled = agent_delivery_is_cancelled (delivery);
  self->is_tripped = g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery));
  agent_delivery_complete (delivery);
}

/* A cancellation that came after the handler had begun, and before it deferred, is not lost. */
static void
test_cancel_before_the_handler_defers (TestFixture *f)
{
  CancelWhileRunning state = { f, test_cancel ("test", "a"), FALSE, FALSE };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", send_and_defer, &state);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_true (state.is_cancelled);
  g_assert_true (state.is_tripped);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel");
}

static void
test_task_cancel_before_the_handler_defers (TestFixture *f)
{
  CancelWhileRunning state = { f, test_task_cancel ("a", "1"), FALSE, FALSE };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", send_and_defer, &state);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_true (state.is_cancelled && state.is_tripped);

  state = (CancelWhileRunning){ f, test_task_cancel ("a", "3"), FALSE, FALSE };
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_false (state.is_cancelled || state.is_tripped);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 1 2 3");
}

typedef struct
{
  TestFixture   *fixture;
  AgentDelivery *delivery;
} CancelledOnce;

/* The handler of 1 is cancelled and does not care; the one of 2 defers. */
static void
ignore_first_cancel (TestRecorder *recorder,
                     AgentMessage *message,
                     gpointer      user_data)
{
  CancelledOnce *self = user_data;

  if (g_strcmp0 (agent_message_get_task_id (message), "1") == 0)
    agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
  if (g_strcmp0 (agent_message_get_task_id (message), "2") == 0)
    self->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static void
test_cancel_does_not_reach_the_next (TestFixture *f)
{
  CancelledOnce state = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", ignore_first_cancel, &state);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel 2");
  g_assert_false (agent_delivery_is_cancelled (state.delivery));
  agent_delivery_complete (state.delivery);
  test_assert_dies (state.delivery);
}

/* Defers, and is cancelled before it returns. */
static void
defer_and_send (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  CancelledOnce *self = user_data;

  if (self->delivery != NULL)
    return;

  self->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
  g_assert_true (agent_delivery_is_cancelled (self->delivery));
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (self->delivery)));
}

/* The subscriber is set aside when its handler returns, for it has a message in hand. Its cancellable is tripped still. */
static void
test_cancel_before_the_handler_returns (TestFixture *f)
{
  CancelledOnce state = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_and_send, &state);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (state.delivery)));
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_delivery_complete (state.delivery);
  test_assert_dies (state.delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel");
}

/* A CANCEL that waits in the queue is for what was sent before it, and not for what comes after. */
static void
test_cancel_reaches_what_waits_before_it (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);

  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  for (guint i = 0; i < 4; i++)
    {
      test_drain (f);
      g_assert_cmpuint (deliveries->len, ==, i + 1);
      g_assert_cmpint (agent_delivery_is_cancelled (deliveries->pdata[i]), ==, i < 2);
      agent_delivery_complete (deliveries->pdata[i]);
    }
}

static void
test_cancel_does_not_cancel_itself (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  for (guint i = 0; i < 2; i++)
    {
      test_drain (f);
      g_assert_cmpuint (deliveries->len, ==, i + 1);
      g_assert_false (agent_delivery_is_cancelled (deliveries->pdata[i]));
      agent_delivery_complete (deliveries->pdata[i]);
    }
}

static void
keep_data (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  AgentDelivery **delivery = user_data;

  if (agent_message_get_channel (message) == AGENT_CHANNEL_DATA)
    *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

/* Whoever sent the CANCEL may only get round to looking for what is in hand when it has been handled long since. */
static void
test_late_cancel_does_not_reach_the_next (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_data, &delivery);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentSender  *sender = _agent_sender_get ();
  AgentOffer    offer = { .wake = FALSE };
  AgentMessage *cancel;

  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  cancel = _agent_bus_accept (f->bus, test_cancel ("test", "a"), 0, sender);
  g_assert_cmpint (_agent_bus_offer (f->bus, mailbox, &cancel, TRUE, &offer, sender), ==, AGENT_OFFER_ACCEPTED);
  g_assert_false (offer.wake);

  test_drain (f);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "end cancel 1");

  _agent_mailbox_end_offer (mailbox, AGENT_CHANNEL_SYSTEM, &offer);
  _agent_mailbox_unref (mailbox);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

static void
test_cancel_after_complete (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_delivery_complete (delivery);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel");
}

/* Completed between the CANCEL and its effect: the cancellable stays as it was, the message comes. */
static void
test_complete_before_cancel_trips (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel");
}

typedef struct
{
  TestGate at_work;
  gboolean gave_up;
} BusyHandler;

/* Keeps its context busy until it is told to give up. */
static void
work_until_cancelled (TestRecorder *recorder,
                      AgentMessage *message,
                      gpointer      user_data)
{
  BusyHandler *self = user_data;
  g_autoptr (AgentDelivery) delivery = NULL;

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_CANCEL)
    return;

  delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  test_gate_pass (&self->at_work);
  while (!agent_delivery_is_cancelled (delivery))
    g_thread_yield ();
  self->gave_up = !g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery));
  agent_delivery_complete (delivery);
}

static void
test_is_cancelled_while_the_context_is_busy (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  BusyHandler busy = {
    0,
  };
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (work_until_cancelled, &busy, "name", "a", "main-context", thread->context, NULL);

  test_gate_init (&busy.at_work);
  test_gate_open (&busy.at_work);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_gate_wait (&busy.at_work);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_thread_sync (thread);
  g_assert_true (busy.gave_up);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel");
  test_stop (f);
  test_gate_clear (&busy.at_work);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/defer-cancel/" name, func)
  ADD ("cancel-trips-before-its-turn", test_cancel_trips_before_its_turn);
  ADD ("cancel-by-broadcast", test_cancel_by_broadcast);
  ADD ("cancel-of-another-subscriber", test_cancel_of_another_subscriber);
  ADD ("task-cancel-with-the-task-id-only", test_task_cancel_with_the_task_id_only);
  ADD ("task-cancel-for-no-task", test_task_cancel_for_no_task);
  ADD ("cancelled-is-emitted-in-the-context", test_cancelled_is_emitted_in_the_context);
  ADD ("complete-in-cancelled", test_complete_in_cancelled);
  ADD ("cancel-before-the-handler-defers", test_cancel_before_the_handler_defers);
  ADD ("task-cancel-before-the-handler-defers", test_task_cancel_before_the_handler_defers);
  ADD ("cancel-before-the-handler-returns", test_cancel_before_the_handler_returns);
  ADD ("cancel-does-not-reach-the-next", test_cancel_does_not_reach_the_next);
  ADD ("cancel-reaches-what-waits-before-it", test_cancel_reaches_what_waits_before_it);
  ADD ("cancel-does-not-cancel-itself", test_cancel_does_not_cancel_itself);
  ADD ("late-cancel-does-not-reach-the-next", test_late_cancel_does_not_reach_the_next);
  ADD ("cancel-after-complete", test_cancel_after_complete);
  ADD ("complete-before-cancel-trips", test_complete_before_cancel_trips);
  ADD ("is-cancelled-while-the-context-is-busy", test_is_cancelled_while_the_context_is_busy);
#undef ADD

  return g_test_run ();
}

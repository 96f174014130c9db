/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-schedule-private.h"
#include "test-support.h"

/*
 * The schedule of a mailbox by itself: in which batch it is served, when it is set aside, and how its life ends. There is no
 * source, no lock and no main loop: the test is the one thread that there is.
 */

typedef struct
{
  AgentReadyList    list;
  AgentChannelQueue queues[AGENT_N_CHANNELS];
  AgentSchedule     schedule;
} Fixture;

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_channel_queue_init (&self->queues[channel], G_MAXUINT, 0);
  _agent_schedule_init (&self->schedule, self->queues);
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
  g_assert_null (self->schedule.hands);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      AgentMessage *message;

      while ((message = _agent_channel_queue_pop (&self->queues[channel])) != NULL)
        agent_message_unref (message);
      _agent_channel_queue_clear (&self->queues[channel]);
    }
}

/* --- What a source and a mailbox do --- */

static void
schedule_add (Fixture     *self,
              AgentChannel channel)
{
  _agent_schedule_add (&self->schedule, &self->list, channel);
}

static void
assert_begins (Fixture     *self,
               AgentChannel expected)
{
  AgentChannel channel;

  g_assert_true (_agent_schedule_begin_batch (&self->list, &channel) == &self->schedule);
  g_assert_cmpint (channel, ==, expected);
}

static void
assert_rests (Fixture *self)
{
  AgentChannel channel;

  g_assert_null (_agent_schedule_begin_batch (&self->list, &channel));
}

static AgentRelease
end_batch (Fixture     *self,
           AgentChannel channel,
           gboolean     more)
{
  return _agent_schedule_end_batch (&self->schedule, &self->list, channel, more);
}

static void
serve_one_batch (Fixture     *self,
                 AgentChannel channel)
{
  assert_begins (self, channel);
  g_assert_cmpint (end_batch (self, channel, FALSE), ==, AGENT_RELEASE_NOT_YET);
}

/* Within a batch: the handler defers its message. */
static void
schedule_defer (Fixture *self)
{
  g_autoptr (AgentMessage) message = agent_message_new_activate ("ui", "worker", NULL);
  AgentHand *hand = _agent_hand_new (message);

  _agent_schedule_defer (&self->schedule, hand);
  _agent_hand_unref (hand);
}

static void
schedule_resume (Fixture *self)
{
  AgentHand *hand = self->schedule.hands;

  _agent_schedule_resume (&self->schedule, &self->list, hand);
  _agent_hand_unref (hand);
}

static AgentRelease
close_and_return (Fixture *self)
{
  _agent_schedule_begin_return (&self->schedule);
  _agent_schedule_close (&self->schedule, &self->list, FALSE);
  return _agent_schedule_end_return (&self->schedule, &self->list);
}

static AgentRelease
abandon_and_return (Fixture *self)
{
  _agent_schedule_begin_return (&self->schedule);
  _agent_schedule_abandon (&self->schedule, &self->list);
  return _agent_schedule_end_return (&self->schedule, &self->list);
}

static void
push_system (Fixture *self)
{
  _agent_channel_queue_lock (&self->queues[AGENT_CHANNEL_SYSTEM]);
  _agent_channel_queue_push_locked (
      &self->queues[AGENT_CHANNEL_SYSTEM], agent_message_new_activate ("ui", "worker", NULL), 0, FALSE);
  _agent_channel_queue_unlock (&self->queues[AGENT_CHANNEL_SYSTEM]);
}

static void
pop_system (Fixture *self)
{
  agent_message_unref (_agent_channel_queue_pop (&self->queues[AGENT_CHANNEL_SYSTEM]));
}

/* --- Batches --- */

static void
test_batches (Fixture      *self,
              gconstpointer data)
{
  assert_rests (self);
  schedule_add (self, AGENT_CHANNEL_DATA);
  schedule_add (self, AGENT_CHANNEL_SYSTEM);

  serve_one_batch (self, AGENT_CHANNEL_SYSTEM);
  assert_begins (self, AGENT_CHANNEL_DATA);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, TRUE), ==, AGENT_RELEASE_NOT_YET);
  serve_one_batch (self, AGENT_CHANNEL_DATA);
  assert_rests (self);
}

static void
test_incoming (Fixture      *self,
               gconstpointer data)
{
  _agent_ready_list_push_incoming (&self->list, &self->schedule.incoming);
  serve_one_batch (self, AGENT_CHANNEL_DATA);
  assert_rests (self);
}

/* --- Busy --- */

static void
test_deferred (Fixture      *self,
               gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  schedule_defer (self);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, TRUE), ==, AGENT_RELEASE_NOT_YET);

  /* What was there and what comes now waits outside the list. */
  g_assert_true (_agent_schedule_is_busy (&self->schedule));
  _agent_ready_list_push_incoming (&self->list, &self->schedule.incoming);
  assert_rests (self);

  schedule_resume (self);
  g_assert_false (_agent_schedule_is_busy (&self->schedule));
  serve_one_batch (self, AGENT_CHANNEL_SYSTEM);
  serve_one_batch (self, AGENT_CHANNEL_DATA);
  assert_rests (self);
}

/* The delivery is completed before the handler has returned. */
static void
test_deferred_for_a_moment (Fixture      *self,
                            gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  schedule_defer (self);
  schedule_resume (self);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, TRUE), ==, AGENT_RELEASE_NOT_YET);

  serve_one_batch (self, AGENT_CHANNEL_DATA);
  assert_rests (self);
}

static void
test_nested (Fixture      *self,
             gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  assert_begins (self, AGENT_CHANNEL_SYSTEM);
  schedule_add (self, AGENT_CHANNEL_DATA);
  _agent_schedule_nest (&self->schedule, &self->list);
  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  assert_rests (self);

  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_SYSTEM, FALSE), ==, AGENT_RELEASE_NOT_YET);
  serve_one_batch (self, AGENT_CHANNEL_SYSTEM);
  serve_one_batch (self, AGENT_CHANNEL_DATA);
  assert_rests (self);
}

/* Nested and deferred at once: it is busy until both are over. */
static void
test_nested_and_deferred (Fixture      *self,
                          gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  schedule_defer (self);
  _agent_schedule_nest (&self->schedule, &self->list);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, TRUE), ==, AGENT_RELEASE_NOT_YET);
  assert_rests (self);

  schedule_resume (self);
  serve_one_batch (self, AGENT_CHANNEL_DATA);
}

/* A busy mailbox comes into the list only to have its cancellable cancelled. */
static void
test_cancelled (Fixture      *self,
                gconstpointer data)
{
  g_autoptr (AgentMessage) cancel = agent_message_new_cancel ("ui", "worker", NULL);
  AgentHand *cancelled;

  _agent_schedule_cancel (&self->schedule, &self->list, cancel);
  assert_rests (self);

  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  schedule_defer (self);
  end_batch (self, AGENT_CHANNEL_DATA, FALSE);
  g_assert_null (_agent_schedule_take_cancel (&self->schedule));

  _agent_schedule_cancel (&self->schedule, &self->list, cancel);
  g_assert_true (_agent_hand_is_cancelled (self->schedule.hands));
  assert_begins (self, AGENT_CHANNEL_SYSTEM);
  cancelled = _agent_schedule_take_cancel (&self->schedule);
  g_assert_true (cancelled == self->schedule.hands);
  _agent_hand_unref (cancelled);
  g_assert_null (_agent_schedule_take_cancel (&self->schedule));
  end_batch (self, AGENT_CHANNEL_SYSTEM, FALSE);
  assert_rests (self);

  schedule_resume (self);
}

/* --- What is handled --- */

static void
test_handled (Fixture      *self,
              gconstpointer data)
{
  AgentMessage *message = agent_message_new_activate ("ui", "worker", NULL);

  agent_message_set_reliable (message, TRUE);
  _agent_channel_queue_lock (&self->queues[AGENT_CHANNEL_SYSTEM]);
  _agent_channel_queue_push_locked (&self->queues[AGENT_CHANNEL_SYSTEM], message, 0, FALSE);
  _agent_channel_queue_unlock (&self->queues[AGENT_CHANNEL_SYSTEM]);

  g_assert_false (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_SYSTEM, 1));
  g_assert_true (_agent_schedule_take_watched (&self->schedule));
  g_assert_false (_agent_schedule_take_watched (&self->schedule));

  /* Taken out is not handled: the handler is still running, and then the delivery is deferred. */
  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  assert_begins (self, AGENT_CHANNEL_SYSTEM);
  pop_system (self);
  g_assert_false (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_SYSTEM, 1));
  schedule_defer (self);
  end_batch (self, AGENT_CHANNEL_SYSTEM, FALSE);
  g_assert_false (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_SYSTEM, 1));

  schedule_resume (self);
  g_assert_true (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_SYSTEM, 1));
}

/* As long as messages are on their way back, those that were handed over after them do not count as handled. */
static void
test_handled_while_returning (Fixture      *self,
                              gconstpointer data)
{
  _agent_schedule_begin_return (&self->schedule);
  _agent_schedule_abandon (&self->schedule, &self->list);
  g_assert_false (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_DATA, 1));

  _agent_schedule_end_return (&self->schedule, &self->list);
  g_assert_true (_agent_schedule_has_handled (&self->schedule, AGENT_CHANNEL_DATA, 1));
}

static void
test_ask_again (Fixture      *self,
                gconstpointer data)
{
  g_assert_true (_agent_schedule_ask_again (&self->schedule, &self->list));
  assert_begins (self, AGENT_CHANNEL_DATA);
  g_assert_true (_agent_schedule_is_watched (&self->schedule));
  schedule_defer (self);
  end_batch (self, AGENT_CHANNEL_DATA, FALSE);
  g_assert_false (_agent_schedule_ask_again (&self->schedule, &self->list));

  schedule_resume (self);
  abandon_and_return (self);
  g_assert_false (_agent_schedule_ask_again (&self->schedule, &self->list));
}

/* --- The end --- */

static void
test_close (Fixture      *self,
            gconstpointer data)
{
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_FINISHED);
  g_assert_cmpint (self->schedule.phase, ==, AGENT_PHASE_RELEASED);

  /* Once, whatever else happens. */
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  g_assert_cmpint (abandon_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  _agent_schedule_leave (&self->schedule);
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  g_assert_cmpint (self->schedule.phase, ==, AGENT_PHASE_LEFT);
}

/* What the system channel holds is delivered first. Data that was added is not. */
static void
test_close_delivers_system (Fixture      *self,
                            gconstpointer data)
{
  push_system (self);
  schedule_add (self, AGENT_CHANNEL_DATA);
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_NOT_YET);

  assert_begins (self, AGENT_CHANNEL_SYSTEM);
  pop_system (self);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_SYSTEM, FALSE), ==, AGENT_RELEASE_FINISHED);
  assert_rests (self);
}

/* Nothing gets a finished mailbox into the list. */
static void
test_finished_stays_out (Fixture      *self,
                         gconstpointer data)
{
  _agent_ready_list_push_incoming (&self->list, &self->schedule.incoming);
  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  g_assert_cmpint (abandon_and_return (self), ==, AGENT_RELEASE_ABANDONED);

  schedule_add (self, AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_push_incoming (&self->list, &self->schedule.incoming);
  assert_rests (self);
}

static void
test_close_waits_for_the_handler (Fixture      *self,
                                  gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  schedule_defer (self);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, FALSE), ==, AGENT_RELEASE_NOT_YET);

  /* When the delivery is completed, the mailbox comes into the list once more, and finishes then. */
  schedule_resume (self);
  assert_begins (self, AGENT_CHANNEL_SYSTEM);
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_SYSTEM, FALSE), ==, AGENT_RELEASE_FINISHED);
}

/* An abandoned mailbox does not wait for a deferred delivery, but for a handler that is running. */
static void
test_abandon (Fixture      *self,
              gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  assert_begins (self, AGENT_CHANNEL_DATA);
  schedule_defer (self);
  g_assert_cmpint (abandon_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  g_assert_false (_agent_schedule_abandon (&self->schedule, &self->list));
  g_assert_cmpint (end_batch (self, AGENT_CHANNEL_DATA, TRUE), ==, AGENT_RELEASE_ABANDONED);
  assert_rests (self);

  schedule_resume (self);
}

/* Whoever gives messages back keeps the mailbox. */
static void
test_return_waits (Fixture      *self,
                   gconstpointer data)
{
  _agent_schedule_begin_return (&self->schedule);
  g_assert_cmpint (close_and_return (self), ==, AGENT_RELEASE_NOT_YET);
  g_assert_cmpint (_agent_schedule_end_return (&self->schedule, &self->list), ==, AGENT_RELEASE_FINISHED);
}

/* While one thread serves the mailbox, no other one takes messages out. */
static void
test_receive_beside_a_batch (Fixture      *self,
                             gconstpointer data)
{
  schedule_add (self, AGENT_CHANNEL_DATA);
  g_assert_true (_agent_schedule_can_receive (&self->schedule, FALSE));
  assert_begins (self, AGENT_CHANNEL_DATA);
  g_assert_false (_agent_schedule_can_receive (&self->schedule, FALSE));
  g_assert_true (_agent_schedule_can_receive (&self->schedule, TRUE));
  end_batch (self, AGENT_CHANNEL_DATA, FALSE);
  g_assert_true (_agent_schedule_can_receive (&self->schedule, FALSE));
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(path, function) \
  g_test_add ("/agentbus/schedule/" path, Fixture, NULL, set_up, function, tear_down)

  ADD ("batches", test_batches);
  ADD ("incoming", test_incoming);
  ADD ("deferred", test_deferred);
  ADD ("deferred-for-a-moment", test_deferred_for_a_moment);
  ADD ("nested", test_nested);
  ADD ("nested-and-deferred", test_nested_and_deferred);
  ADD ("cancelled", test_cancelled);
  ADD ("handled", test_handled);
  ADD ("handled-while-returning", test_handled_while_returning);
  ADD ("ask-again", test_ask_again);
  ADD ("close", test_close);
  ADD ("close-delivers-system", test_close_delivers_system);
  ADD ("finished-stays-out", test_finished_stays_out);
  ADD ("close-waits-for-the-handler", test_close_waits_for_the_handler);
  ADD ("abandon", test_abandon);
  ADD ("return-waits", test_return_waits);
  ADD ("receive-beside-a-batch", test_receive_beside_a_batch);

#undef ADD

  return g_test_run ();
}

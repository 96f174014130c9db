/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-container-private.h"
#include "mailbox/agent-schedule-private.h"

void
_agent_schedule_init (AgentSchedule     *self,
                      AgentChannelQueue *queues)
{
  _agent_ready_item_init (&self->ready);
  self->queues = queues;
}

static AgentSchedule *
schedule_of_ready (AgentReadyItem *item)
{
  return AGENT_CONTAINER_OF (item, AgentSchedule, ready);
}

static AgentSchedule *
schedule_of_incoming (AgentIncomingItem *item)
{
  return AGENT_CONTAINER_OF (item, AgentSchedule, incoming);
}

/* --- Getting served --- */

static void
schedule_make_ready (AgentSchedule  *self,
                     AgentReadyList *list,
                     AgentChannel    channel)
{
  if (self->phase < AGENT_PHASE_FINISHED)
    _agent_ready_list_add (list, &self->ready, channel);
}

/* Whether the mailbox is busy, or has data that nobody listens for. */
gboolean
_agent_schedule_has_to_wait (AgentSchedule *self,
                             AgentChannel   channel)
{
  return _agent_schedule_is_busy (self) || (channel == AGENT_CHANNEL_DATA && self->ready.is_unheard && !self->receiving);
}

/* There are messages in @channel. */
void
_agent_schedule_add (AgentSchedule  *self,
                     AgentReadyList *list,
                     AgentChannel    channel)
{
  if (_agent_schedule_has_to_wait (self, channel))
    self->aside[channel] = TRUE;
  else
    schedule_make_ready (self, list, channel);
}

/* Moves the mailboxes that got data from the stack into the list. */
void
_agent_schedule_sort_incoming (AgentReadyList *list)
{
  AgentIncomingItem *item = _agent_ready_list_take_incoming (list);

  while (item != NULL)
    {
      AgentSchedule *self = schedule_of_incoming (item);

      item = _agent_ready_list_leave_incoming (item);
      _agent_schedule_add (self, list, AGENT_CHANNEL_DATA);
    }
}

static void
schedule_set_aside (AgentSchedule  *self,
                    AgentReadyList *list,
                    AgentChannel    channel)
{
  self->aside[channel] |= self->ready.is_ready[channel];
  _agent_ready_list_remove (list, &self->ready, channel);
}

static void
schedule_bring_back (AgentSchedule  *self,
                     AgentReadyList *list,
                     AgentChannel    channel)
{
  if (self->aside[channel])
    schedule_make_ready (self, list, channel);
  self->aside[channel] = FALSE;
}

/* Most mailboxes never wait for anything but messages. */
static inline gboolean
schedule_has_anything_to_sort (AgentSchedule *self)
{
  return self->aside[AGENT_CHANNEL_SYSTEM] || self->aside[AGENT_CHANNEL_DATA] || self->ready.is_unheard ||
         self->has_cancel || _agent_schedule_is_busy (self);
}

static void
schedule_sort_out_both (AgentSchedule  *self,
                        AgentReadyList *list)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (_agent_schedule_has_to_wait (self, channel))
        schedule_set_aside (self, list, channel);
      else
        schedule_bring_back (self, list, channel);
    }

  /* A busy mailbox is served only to trip a hand. */
  if (self->has_cancel)
    schedule_make_ready (self, list, AGENT_CHANNEL_SYSTEM);
}

/* What the mailbox has to wait for has changed. */
static inline void
schedule_sort_out (AgentSchedule  *self,
                   AgentReadyList *list)
{
  if (G_UNLIKELY (schedule_has_anything_to_sort (self)))
    schedule_sort_out_both (self, list);
}

/* Precondition: no handler is running and no delivery is deferred. */
static void
schedule_note_handled (AgentSchedule *self)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    self->n_handled[channel] = atomic_load (&self->queues[channel].n_kept_out);
}

static gboolean
schedule_has_messages (AgentSchedule *self,
                       AgentChannel   channel)
{
  AgentChannelQueue *queue = &self->queues[channel];
  guint64            length;

  _agent_channel_queue_lock (queue);
  length = _agent_channel_queue_get_length_locked (queue);
  _agent_channel_queue_unlock (queue);

  return length > 0;
}

static void
schedule_finish (AgentSchedule  *self,
                 AgentReadyList *list,
                 AgentPhase      phase)
{
  self->phase = phase;
  atomic_store (&self->is_finished, TRUE);
  _agent_schedule_sort_incoming (list);
  _agent_ready_list_set_unheard (list, &self->ready, FALSE);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_ready_list_remove (list, &self->ready, channel);
}

/* A closing mailbox finishes when the messages that are left in it are delivered. Those that a thread gives back may return to
 * it, if nobody takes them. */
static void
schedule_go_on_closing (AgentSchedule  *self,
                        AgentReadyList *list)
{
  if (self->phase != AGENT_PHASE_CLOSING || self->serving || self->held || self->n_returning > 0)
    return;

  if (schedule_has_messages (self, AGENT_CHANNEL_SYSTEM))
    _agent_schedule_add (self, list, AGENT_CHANNEL_SYSTEM);
  else if (schedule_has_messages (self, AGENT_CHANNEL_DATA))
    _agent_schedule_add (self, list, AGENT_CHANNEL_DATA);
  else
    schedule_finish (self, list, AGENT_PHASE_FINISHED);
}

/* Brings the life of the mailbox as far to its end as possible. A thread that gives messages back needs the mailbox until
 * the last of them is back. */
static AgentRelease
schedule_settle (AgentSchedule  *self,
                 AgentReadyList *list)
{
  AgentPhase phase;

  if (G_LIKELY (self->phase == AGENT_PHASE_OPEN))
    return AGENT_RELEASE_NOT_YET;

  schedule_go_on_closing (self, list);
  phase = self->phase;
  if ((phase != AGENT_PHASE_FINISHED && phase != AGENT_PHASE_ABANDONED) || self->serving || self->n_returning > 0)
    return AGENT_RELEASE_NOT_YET;

  self->phase = AGENT_PHASE_RELEASED;
  return phase == AGENT_PHASE_ABANDONED ? AGENT_RELEASE_ABANDONED : AGENT_RELEASE_FINISHED;
}

/* The next mailbox to serve: (nullable).
 *
 * @channel: (out): the channel to serve */
AgentSchedule *
_agent_schedule_begin_batch (AgentReadyList *list,
                             AgentChannel   *channel)
{
  AgentReadyItem *item;
  AgentSchedule  *self;

  _agent_schedule_sort_incoming (list);
  item = _agent_ready_list_take (list, channel);
  if (item == NULL)
    return NULL;

  self = schedule_of_ready (item);
  self->serving = TRUE;
  return self;
}

/* A batch of @channel has been handled. @more: there may be more messages in it. */
AgentRelease
_agent_schedule_end_batch (AgentSchedule  *self,
                           AgentReadyList *list,
                           AgentChannel    channel,
                           gboolean        more)
{
  self->serving = FALSE;
  self->nesting = FALSE;
  self->held = g_atomic_pointer_get (&self->hands) != NULL;

  if (!self->held)
    schedule_note_handled (self);
  schedule_sort_out (self, list);
  if (more)
    _agent_schedule_add (self, list, channel);

  return schedule_settle (self, list);
}

/* The handler iterates the main context. Until it returns, the mailbox is set aside, so that the handler is not called
 * again. */
void
_agent_schedule_nest (AgentSchedule  *self,
                      AgentReadyList *list)
{
  if (self->nesting)
    return;

  self->nesting = TRUE;
  schedule_sort_out (self, list);
}

/* --- Deferred deliveries --- */

/* The handler that is running defers its message, or somebody has received one to complete it later. */
void
_agent_schedule_defer (AgentSchedule *self,
                       AgentHand     *hand)
{
  hand->next = self->hands;
  g_atomic_pointer_set (&self->hands, _agent_hand_ref (hand));
}

/* The delivery of @hand, one of those that are not completed, is given up. Its cancellable is to be cancelled in the
 * subscriber's context, because the application may have connected to it. */
void
_agent_schedule_cancel_hand (AgentSchedule  *self,
                             AgentReadyList *list,
                             AgentHand      *hand)
{
  _agent_hand_request_cancel (hand);
  hand->has_cancel = TRUE;
  self->has_cancel = TRUE;
  schedule_make_ready (self, list, AGENT_CHANNEL_SYSTEM);
}

/* @cancel has been sent: the deliveries that it is for are cancelled. */
void
_agent_schedule_cancel (AgentSchedule  *self,
                        AgentReadyList *list,
                        AgentMessage   *cancel)
{
  for (AgentHand *hand = self->hands; hand != NULL; hand = hand->next)
    {
      if (_agent_hand_matches (hand, cancel))
        _agent_schedule_cancel_hand (self, list, hand);
    }
}

static AgentHand *
schedule_find_cancel (AgentSchedule *self)
{
  AgentHand *hand = self->hands;

  while (hand != NULL && !hand->has_cancel)
    hand = hand->next;

  return hand;
}

/* A hand that the caller has to trip in the subscriber's context, after unlocking: (transfer full) (nullable). If there are
 * several, the mailbox is served again for the next one. */
AgentHand *
_agent_schedule_take_cancel (AgentSchedule *self)
{
  AgentHand *hand;

  if (!self->has_cancel)
    return NULL;

  hand = schedule_find_cancel (self);
  hand->has_cancel = FALSE;
  self->has_cancel = schedule_find_cancel (self) != NULL;
  return _agent_hand_ref (hand);
}

static void
schedule_remove_hand (AgentSchedule *self,
                      AgentHand     *hand)
{
  AgentHand **place = &self->hands;

  while (*place != hand)
    place = &(*place)->next;
  g_atomic_pointer_set (place, hand->next);
  self->has_cancel = schedule_find_cancel (self) != NULL;
}

/* The delivery of @hand is completed. The caller unrefs @hand after unlocking. While the mailbox is served, the end of the
 * batch does the rest. */
void
_agent_schedule_resume (AgentSchedule  *self,
                        AgentReadyList *list,
                        AgentHand      *hand)
{
  schedule_remove_hand (self, hand);
  if (!self->held || self->hands != NULL)
    return;

  self->held = FALSE;
  if (!self->serving)
    schedule_note_handled (self);
  schedule_sort_out (self, list);
  if (!self->nesting && self->phase == AGENT_PHASE_CLOSING)
    schedule_make_ready (self, list, AGENT_CHANNEL_SYSTEM);
}

/* --- Receiving --- */

void
_agent_schedule_set_receiving (AgentSchedule  *self,
                               AgentReadyList *list,
                               gboolean        receiving)
{
  if (self->receiving == receiving)
    return;

  self->receiving = receiving;
  schedule_sort_out (self, list);
}

/* @reason: an AGENT_PAUSE_ flag
 *
 * A mailbox that closes is not paused any more. */
void
_agent_schedule_set_paused (AgentSchedule  *self,
                            AgentReadyList *list,
                            gint            reason,
                            gboolean        paused)
{
  if (self->phase != AGENT_PHASE_OPEN)
    return;

  if (paused)
    atomic_fetch_or (&self->paused, reason);
  else
    atomic_fetch_and (&self->paused, ~reason);
  schedule_sort_out (self, list);
}

/* Whether a message may be taken outside of a batch. While the mailbox is served, only the thread that serves may do so: a
 * handler that receives. */
gboolean
_agent_schedule_can_receive (AgentSchedule *self,
                             gboolean       owns_context)
{
  return self->phase < AGENT_PHASE_FINISHED && !self->receiving && !_agent_schedule_is_inactive (self) &&
         (owns_context || !self->serving);
}

/* A message was taken outside of a batch. */
AgentRelease
_agent_schedule_end_receive (AgentSchedule  *self,
                             AgentReadyList *list)
{
  if (!self->serving && self->hands == NULL)
    schedule_note_handled (self);

  return schedule_settle (self, list);
}

/* --- Listening --- */

/* @unheard: whether nobody listens, so that data waits */
void
_agent_schedule_set_unheard (AgentSchedule  *self,
                             AgentReadyList *list,
                             gboolean        unheard)
{
  if (self->phase >= AGENT_PHASE_FINISHED)
    return;

  if (unheard)
    schedule_set_aside (self, list, AGENT_CHANNEL_DATA);
  _agent_ready_list_set_unheard (list, &self->ready, unheard);
  schedule_sort_out (self, list);
}

/* A mailbox that nobody has listened to, another one each time: (nullable). */
AgentSchedule *
_agent_schedule_next_unheard (AgentReadyList *list)
{
  AgentReadyItem *item = _agent_ready_list_next_unheard (list);

  return item != NULL ? schedule_of_ready (item) : NULL;
}

/* --- Ending --- */

/* Precondition: both channels are closed. What is left in them is still delivered. The mailbox is not released before
 * end_return().
 *
 * @only_received: nobody listens, and what is left waits for somebody who receives it. Otherwise a pause is over. */
void
_agent_schedule_close (AgentSchedule  *self,
                       AgentReadyList *list,
                       gboolean        only_received)
{
  if (self->phase == AGENT_PHASE_OPEN)
    self->phase = AGENT_PHASE_CLOSING;

  atomic_store (&self->paused, only_received ? AGENT_PAUSE_WANTED : 0);
  schedule_sort_out (self, list);
  if (schedule_has_messages (self, AGENT_CHANNEL_DATA))
    return;

  self->aside[AGENT_CHANNEL_DATA] = FALSE;
  _agent_ready_list_remove (list, &self->ready, AGENT_CHANNEL_DATA);
}

/* Precondition: both channels are closed and empty. The mailbox is not released before end_return(). TRUE, once: the
 * mailbox had not finished. */
gboolean
_agent_schedule_abandon (AgentSchedule  *self,
                         AgentReadyList *list)
{
  if (self->phase >= AGENT_PHASE_FINISHED)
    return FALSE;

  schedule_finish (self, list, AGENT_PHASE_ABANDONED);
  return TRUE;
}

/* From now on until end_return(), messages of the channels may be on their way back to the watches that handed them over.
 * Until the last one is back, no message counts as handled, and the mailbox is not released. */
void
_agent_schedule_begin_return (AgentSchedule *self)
{
  self->n_returning++;
}

AgentRelease
_agent_schedule_end_return (AgentSchedule  *self,
                            AgentReadyList *list)
{
  self->n_returning--;
  return schedule_settle (self, list);
}

/* The subscriber is released. */
void
_agent_schedule_leave (AgentSchedule *self)
{
  self->phase = AGENT_PHASE_LEFT;
}

/* --- Watching --- */

/* Whether no message of @channel will be handled any more. A closing mailbox handles no data but what is left in its channel
 * and in hand. */
static gboolean
schedule_is_over_for (AgentSchedule *self,
                      AgentChannel   channel)
{
  if (self->phase >= AGENT_PHASE_FINISHED)
    return TRUE;

  return channel == AGENT_CHANNEL_DATA && self->phase == AGENT_PHASE_CLOSING && !self->serving && !self->held &&
         !schedule_has_messages (self, channel);
}

/* Whether the message at @position, and so each one before it, is handled, or never will be. If not, the watches are told when
 * it may be. */
gboolean
_agent_schedule_has_handled (AgentSchedule *self,
                             AgentChannel   channel,
                             guint64        position)
{
  gboolean handled = self->n_returning == 0 &&
                     (position <= self->n_handled[channel] || schedule_is_over_for (self, channel));

  if (!handled)
    _agent_schedule_watch (self, AGENT_WATCH_PROGRESS);
  return handled;
}

/* Has the watches told from the subscriber's context. FALSE: that may take until a deferred delivery is completed, or until
 * a handler returns that iterates the context. Sets AGENT_WATCH_PROGRESS only: no message waits for room, so other messages
 * go on coming in. */
gboolean
_agent_schedule_ask_again (AgentSchedule  *self,
                           AgentReadyList *list)
{
  if (_agent_schedule_is_busy (self) || self->phase >= AGENT_PHASE_FINISHED)
    return FALSE;

  _agent_schedule_watch (self, AGENT_WATCH_PROGRESS);
  schedule_make_ready (self, list, AGENT_CHANNEL_DATA);
  return TRUE;
}

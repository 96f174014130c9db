/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-take-private.h"

/*
 * How a thread that does not iterate the main context receives: it takes the next message out of the channels itself.
 *
 * The source's lock is held meanwhile. A thread that serves the mailbox says so under the same lock, so only one thread at a
 * time takes messages out.
 */

/* Whether nothing is queued, without pop(), which would clear the token: then the next message would wake the context up.
 *
 * While a message gives way to a newer one, the queue may look empty. So this function waits for the sender that does so. */
static gboolean
receive_now_is_empty (AgentMailbox *self,
                      AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];

  if (!_agent_channel_queue_is_empty (queue))
    return FALSE;
  if (channel == AGENT_CHANNEL_SYSTEM || self->overflow != AGENT_OVERFLOW_DROP_OLDEST)
    return TRUE;

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_unlock (queue);
  return _agent_channel_queue_is_empty (queue);
}

/* (transfer full) (nullable) */
static AgentMessage *
receive_now_pop_locked (AgentMailbox *self)
{
  AgentMessage *message = NULL;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS && message == NULL; channel++)
    if (!receive_now_is_empty (self, channel))
      message = _agent_mailbox_pop (self, channel);

  return message;
}

/* Takes @expired, with no lock held. The mailbox is not released meanwhile: receive_now_take() has seen to that. */
static void
receive_now_drop (AgentMailbox   *self,
                  AgentMessage   *expired,
                  AgentDropReason reason)
{
  AgentReadyList *list;
  AgentRelease    release;

  _agent_mailbox_drop_spent (self, expired, reason);

  list = _agent_delivery_source_lock (self->source);
  release = _agent_schedule_end_return (&self->schedule, list);
  _agent_delivery_source_unlock (self->source);
  _agent_mailbox_go_on (self, release);
}

/* What becomes of a message that was taken out. */
typedef enum
{
  FATE_GIVEN, /* it is delivered */
  FATE_SPENT, /* it is too old, stale or cancelled, and the caller has to drop it */
  FATE_ASKED, /* the caller has to ask the rules */
} Fate;

/* @reason: (out): why the message is spent, in that case */
static Fate
receive_now_judge_locked (AgentMailbox    *self,
                          AgentMessage    *message,
                          AgentDropReason *reason)
{
  if (_agent_mailbox_is_spent (self, message, reason))
    {
      _agent_mailbox_note_spent (self, message, *reason);
      return FATE_SPENT;
    }
  if (_agent_mailbox_intercepts (self))
    return FATE_ASKED;

  _agent_mailbox_count_delivered (self, message);
  return FATE_GIVEN;
}

/* The next message: (transfer full) (nullable). If it is not given, the mailbox is not released before end_return().
 *
 * @fate: (out)
 * @reason: (out): why, if it is spent */
static AgentMessage *
receive_now_take (AgentMailbox    *self,
                  gboolean         owns_context,
                  Fate            *fate,
                  AgentDropReason *reason)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  AgentMessage   *message = NULL;
  AgentRelease    release = AGENT_RELEASE_NOT_YET;

  *fate = FATE_GIVEN;
  _agent_mailbox_mark (self, AGENT_MARK_PULLED);
  if (_agent_schedule_can_receive (&self->schedule, owns_context))
    message = receive_now_pop_locked (self);
  if (message != NULL)
    {
      *fate = receive_now_judge_locked (self, message, reason);
      if (*fate != FATE_GIVEN)
        _agent_schedule_begin_return (&self->schedule);
      release = _agent_schedule_end_receive (&self->schedule, list);
    }
  _agent_delivery_source_unlock (self->source);

  if (message != NULL)
    _agent_mailbox_go_on (self, release);
  return message;
}

/* The rules have let @message pass, or have taken it. */
static void
receive_now_count (AgentMailbox *self,
                   AgentMessage *message)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  AgentRelease    release;

  _agent_mailbox_count_delivered (self, message);
  release = _agent_schedule_end_return (&self->schedule, list);
  _agent_delivery_source_unlock (self->source);
  _agent_mailbox_go_on (self, release);
}

/* Asks the rules, in the thread that owns the subscriber's context. FALSE: nobody receives @message, which is taken. */
static gboolean
receive_now_ask (AgentMailbox *self,
                 AgentMessage *message)
{
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (self);
  AgentIntercept answer = self->pair->rules->intercept (subscriber, message);

  if (answer == AGENT_INTERCEPT_DROP)
    {
      _agent_mailbox_note_spent (self, message, AGENT_INTERCEPT_DROP_REASON);
      receive_now_drop (self, message, AGENT_INTERCEPT_DROP_REASON);
      return FALSE;
    }

  receive_now_count (self, message);
  if (answer == AGENT_INTERCEPT_TAKEN)
    agent_message_unref (message);
  return answer == AGENT_INTERCEPT_PASS;
}

/* Whether somebody receives @message, which is taken if nobody does. */
static gboolean
receive_now_settle (AgentMailbox   *self,
                    AgentMessage   *message,
                    Fate            fate,
                    AgentDropReason reason)
{
  if (fate == FATE_GIVEN)
    return TRUE;
  if (fate == FATE_ASKED)
    return receive_now_ask (self, message);

  receive_now_drop (self, message, reason);
  return FALSE;
}

/* The next message: (transfer full) (nullable). In any thread. NULL: there is none, or others wait for it already, or another
 * thread may be handling one, or the rules have to be asked, which only the owner of the context may do.
 *
 * @owns_context: whether this thread owns the subscriber's context. It may receive in a handler, too. */
AgentMessage *
_agent_mailbox_receive_now (AgentMailbox *self,
                            gboolean      owns_context)
{
  AgentDropReason reason = AGENT_DROP_REASON_EXPIRED;
  AgentMessage   *message;
  Fate            fate;

  if (_agent_mailbox_intercepts (self) && !owns_context)
    return NULL;

  while ((message = receive_now_take (self, owns_context, &fate, &reason)) != NULL &&
         !receive_now_settle (self, message, fate, reason))
    continue;

  return message;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "mailbox/agent-mailbox-private.h"

/* What a mailbox that is in a group gives to another one when it closes. */

/* How many messages are added while the lock is held once. */
#define MAX_ADOPTED 256

static guint
group_push_some_locked (AgentMailbox *self,
                        GPtrArray    *messages,
                        guint         first)
{
  guint end = MIN (messages->len, first + MAX_ADOPTED);

  for (guint i = first; i < end; i++)
    {
      if (G_LIKELY (_agent_mailbox_is_open_for (self, messages->pdata[i])))
        _agent_mailbox_add_grouped_locked (self, messages->pdata[i]);
      else
        _agent_mailbox_hold_back_older_locked (self, messages->pdata[i]);
    }

  return end;
}

/* Takes what goes to the inbox out of @messages. */
static void
group_divert (AgentMailbox *self,
              GPtrArray    *messages)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];
      AgentChannel  channel = _agent_message_get_way (message);
      AgentOffer    offer;

      if (_agent_mailbox_divert (self, message) != NULL &&
          _agent_mailbox_offer (self, message, AGENT_OFFER_DIRECT, NULL, &offer) == AGENT_OFFER_ACCEPTED)
        _agent_mailbox_end_offer (self, channel, &offer);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
}

/* Adds data that another mailbox had, in its order and whether there is room or not. Takes the messages that it adds out of
 * @messages: none is left, unless the mailbox is closed, also if only to the group. */
void
_agent_mailbox_adopt (AgentMailbox *self,
                      GPtrArray    *messages)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  guint              n_adopted = 0;
  gboolean           closed = FALSE;

  if (self->pair != NULL)
    group_divert (self, messages);
  for (guint i = 0; i < messages->len; i++)
    _agent_mailbox_note_delay (self, messages->pdata[i]);

  while (n_adopted < messages->len && !closed)
    {
      gboolean wake = FALSE;
      guint    found = 0;

      _agent_channel_queue_lock (queue);
      closed = queue->closed || atomic_load (&self->grouping) == AGENT_GROUPING_CLOSED;
      if (!closed)
        {
          n_adopted = group_push_some_locked (self, messages, n_adopted);
          wake = _agent_channel_queue_claim_token_locked (queue, _agent_clock_now ());
          if (_agent_channel_queue_has_to_look_locked (queue, 0))
            found = _agent_channel_queue_look_locked (queue, 0);
        }
      _agent_channel_queue_unlock (queue);

      if (wake)
        _agent_delivery_source_add_data (self->source, &self->schedule);
      if ((found & AGENT_LOOK_SLOW) != 0)
        _agent_mailbox_note_slow (self, AGENT_CHANNEL_DATA);
    }

  if (n_adopted > 0)
    g_ptr_array_remove_range (messages, 0, n_adopted);
}

/* --- The leaver --- */

/* Whether @message, which was sent to the group, stays in its place although the mailbox closes: it is reliable, and there is
 * nobody else to handle it. An AgentStayFunc. */
gboolean
_agent_mailbox_keeps_grouped_locked (gpointer      mailbox,
                                     AgentMessage *message)
{
  AgentMailbox *self = mailbox;

  return message->grouped && message->origin == 0 && !self->owner->funcs->has_heir (self->owner, self, message);
}

/* Moves the messages that were sent to the group from @messages to @moved, in their order, and counts them as moved. */
void
_agent_mailbox_pick_grouped_locked (AgentMailbox *self,
                                    GPtrArray    *messages,
                                    GPtrArray    *moved)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (message->grouped)
        g_ptr_array_add (moved, message);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
  _agent_mailbox_extras_get (&self->extras)->n_moved += moved->len;
}

/* Nobody else may get @messages after all, since others have left meanwhile. The reliable ones go back into the channel, if
 * @keep, and all others are the caller's to discard. They do not count as moved any more.
 *
 * If another thread has emptied the channel meanwhile, because the time is over, nobody comes for them there any more. */
void
_agent_mailbox_take_back_locked (AgentMailbox *self,
                                 GPtrArray    *messages,
                                 gboolean      keep)
{
  gboolean back = keep && !self->queues[AGENT_CHANNEL_DATA].emptied;
  guint    n_left = 0;

  _agent_mailbox_extras_get (&self->extras)->n_moved -= messages->len;
  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (back && message->reliable)
        _agent_mailbox_add_grouped_locked (self, message);
      else
        messages->pdata[n_left++] = message;
    }

  messages->len = n_left;
}

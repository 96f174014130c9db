/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-group-send-private.h"

/* How a message is passed on: its new target takes it, or it stays with the one who has it in hand. Nothing is dropped. */

static gboolean
forward_refuse (AgentBusError code,
                const char   *why,
                AgentMessage *message,
                GError      **error)
{
  g_set_error (error,
               AGENT_BUS_ERROR,
               (gint) code,
               "The message '%s' cannot be passed on to '%s': %s",
               agent_message_get_name (message),
               agent_message_get_target (message),
               why);
  return FALSE;
}

/* The message has got a number, but was not sent after all. */
static void
forward_take_back_number (AgentBus *self)
{
  g_mutex_lock (&self->order_lock);
  self->n_restamped++;
  g_mutex_unlock (&self->order_lock);
}

/* Takes @message if it returns TRUE. */
static gboolean
forward_offer (AgentBus     *self,
               AgentMailbox *mailbox,
               AgentMessage *message,
               GError      **error)
{
  AgentSender     *sender = _agent_sender_get ();
  AgentChannel     channel = agent_message_get_channel (message);
  AgentMessage    *offered = _agent_bus_accept (self, agent_message_ref (message), 0, sender);
  AgentOffer       offer = { .wake = FALSE };
  AgentOfferResult result = _agent_bus_offer (self, mailbox, &offered, FALSE, &offer, sender);

  if (result == AGENT_OFFER_ACCEPTED)
    {
      _agent_mailbox_end_offer (mailbox, channel, &offer);
      agent_message_unref (message);
      _agent_sender_collect (sender);
      return TRUE;
    }

  agent_message_unref (offered);
  forward_take_back_number (self);
  return result == AGENT_OFFER_FULL
             ? forward_refuse (AGENT_BUS_ERROR_FULL, "it has no room", message, error)
             : forward_refuse (AGENT_BUS_ERROR_NOT_FOUND, "it is leaving", message, error);
}

/* If nobody takes it, the loss is counted. */
static gboolean
forward_by_send (AgentBus     *self,
                 AgentMessage *message,
                 GError      **error)
{
  if (agent_bus_send (self, agent_message_ref (message)) == 0)
    return forward_refuse (AGENT_BUS_ERROR_NOT_FOUND, "it is leaving", message, error);

  agent_message_unref (message);
  return TRUE;
}

/* A reliable message always finds room, and a new one does where older ones give way. */
static gboolean
forward_to_mailbox (AgentBus     *self,
                    AgentMailbox *mailbox,
                    AgentMessage *message,
                    GError      **error)
{
  if (!agent_message_is_reliable (message) && mailbox->overflow != AGENT_OVERFLOW_DROP_OLDEST)
    return forward_offer (self, mailbox, message, error);

  return forward_by_send (self, message, error);
}

static gboolean
forward_to_group (AgentBus     *self,
                  AgentMessage *message,
                  GError      **error)
{
  AgentMailbox *member = _agent_groups_choose (
      _agent_directory_get_groups (self->directory), agent_message_get_target (message), agent_message_get_source (message));
  gboolean done;

  if (member == NULL)
    return forward_refuse (AGENT_BUS_ERROR_NOT_FOUND, "there is no such subscriber", message, error);

  message->grouped = !_agent_group_is_for_all (message);
  if (message->grouped)
    done = forward_to_mailbox (self, member, message, error);
  else
    done = forward_by_send (self, message, error);
  _agent_mailbox_unref (member);
  return done;
}

/* @message: not sent yet, with a target; taken if this returns TRUE */
gboolean
_agent_bus_forward (AgentBus     *self,
                    AgentMessage *message,
                    GError      **error)
{
  const char   *target = agent_message_get_target (message);
  AgentMailbox *mailbox;
  gboolean      done;

  if (!_agent_directory_is_open (self->directory))
    return forward_refuse (AGENT_BUS_ERROR_CLOSED, "the bus is stopped", message, error);
  if (g_str_equal (target, agent_message_get_source (message)))
    return forward_refuse (AGENT_BUS_ERROR_NOT_FOUND, "it is the source", message, error);

  mailbox = _agent_directory_lookup (self->directory, target);
  if (mailbox == NULL)
    return forward_to_group (self, message, error);

  done = forward_to_mailbox (self, mailbox, message, error);
  _agent_mailbox_unref (mailbox);
  return done;
}

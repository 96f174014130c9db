/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-bus-report-private.h"
#include "bus/agent-directory-private.h"
#include "bus/agent-sender-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "message/agent-message-private.h"

/* A message that was sent before stays what it was: a copy goes. Takes @message. */
static AgentMessage *
take_unsent (AgentMessage *message)
{
  AgentMessage *copy;

  /* Who has the only reference needs no locked instruction. */
  if (g_atomic_int_get (&message->ref_count) == 1 && !message->sent)
    {
      message->sent = TRUE;
      return message;
    }
  if (g_atomic_int_compare_and_exchange (&message->sent, FALSE, TRUE))
    return message;

  copy = _agent_message_copy_unsent (message);
  copy->sent = TRUE;
  agent_message_unref (message);
  return copy;
}

static void
stamp (AgentBus     *self,
       AgentMessage *message,
       AgentSender  *sender)
{
  /* Relaxed: each number is given out once and rises for each sender, as all changes of one variable have one order. */
  message->seq = atomic_fetch_add_explicit (&self->last_seq, 1, memory_order_relaxed) + 1;
  message->sent_at = _agent_clock_stamp (&sender->clock);
}

static guint
send_to_one (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  const char   *target = _agent_message_string (message, message->target);
  AgentMailbox *mailbox = NULL;

  if (!_agent_string_equal (target, _agent_message_string (message, message->source)))
    mailbox = _agent_snapshot_lookup (snapshot, target, message->hash);
  if (mailbox != NULL)
    return _agent_mailbox_push (mailbox, message, sender);

  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_NO_TARGET, message, NULL, sender);
  return 0;
}

/* One reference for each addressee is added at once. */
static guint
send_to_all (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  const char    *source = _agent_message_string (message, message->source);
  AgentMailbox  *own = _agent_snapshot_lookup (snapshot, source, message->hash);
  guint          n_mailboxes;
  AgentMailbox **mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  guint          n_addressed = n_mailboxes - (own != NULL);
  guint          n_accepted = 0;

  if (n_addressed == 0)
    {
      _agent_bus_report_drop (self->report, AGENT_DROP_REASON_NO_TARGET, message, NULL, sender);
      return 0;
    }

  _agent_message_add_refs (message, n_addressed - 1);
  for (guint i = 0; i < n_mailboxes; i++)
    {
      if (mailboxes[i] != own)
        n_accepted += _agent_mailbox_push (mailboxes[i], message, sender);
    }

  return n_accepted;
}

static guint
refuse (AgentBus     *self,
        AgentMessage *message,
        AgentSender  *sender)
{
  atomic_fetch_add (&self->n_unstamped, 1);
  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_CLOSED, message, NULL, sender);
  return 0;
}

static guint
send_unsent (AgentBus     *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  AgentSnapshot *snapshot = _agent_sender_get_snapshot (sender, self->directory);

  stamp (self, message, sender);
  if (message->target != 0)
    return send_to_one (self, snapshot, message, sender);
  return send_to_all (self, snapshot, message, sender);
}

static guint
send_in_order (AgentBus     *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  guint n_accepted;

  g_mutex_lock (&self->order_lock);
  n_accepted = send_unsent (self, message, sender);
  g_mutex_unlock (&self->order_lock);

  return n_accepted;
}

/**
 * agent_bus_send:
 * @self: a bus
 * @message: (transfer full): a message
 *
 * Sends a message to its target, or to all subscribers if it has none, but never to its source.
 *
 * Never waits for a subscriber, and may be called from any thread. The message is stamped with a sequence number and
 * the time; it must not be changed any more. A message that was sent before is sent as a copy.
 *
 * What a subscriber did not accept was dropped: [signal@AgentBus.Bus::dropped] says why.
 *
 * Returns: how many subscribers accepted it
 *
 * Since: 0.1
 */
guint
agent_bus_send (AgentBus     *self,
                AgentMessage *message)
{
  AgentSender *sender;
  guint        n_accepted;

  g_return_val_if_fail (AGENT_IS_BUS (self), 0);
  g_return_val_if_fail (message != NULL, 0);

  sender = _agent_sender_get ();
  message = take_unsent (message);

  if (!_agent_directory_is_open (self->directory))
    n_accepted = refuse (self, message, sender);
  else if (self->total_order)
    n_accepted = send_in_order (self, message, sender);
  else
    n_accepted = send_unsent (self, message, sender);

  _agent_sender_collect (sender);
  return n_accepted;
}

/* --- For who hands messages over itself --- */

/* Stamps a message that may have to wait for its mailbox. Takes @message; from here on it is immutable: (transfer
 * full). */
AgentMessage *
_agent_bus_accept (AgentBus     *self,
                   AgentMessage *message,
                   guint         origin,
                   AgentSender  *sender)
{
  message = take_unsent (message);
  message->origin = origin;

  if (self->total_order)
    g_mutex_lock (&self->order_lock);
  stamp (self, message, sender);
  if (self->total_order)
    g_mutex_unlock (&self->order_lock);

  return message;
}

/* With the order lock, which is what orders the relaxed accesses here.
 *
 * What others were sent meanwhile has a higher number: so a copy goes, with the highest. When it was accepted, it takes
 * the place of @message. */
static AgentOfferResult
offer_in_order (AgentBus      *self,
                AgentMailbox  *mailbox,
                AgentMessage **message,
                gboolean       in_turn,
                AgentOffer    *offer,
                AgentSender   *sender)
{
  guint64          last_seq = atomic_load_explicit (&self->last_seq, memory_order_relaxed);
  AgentMessage    *copy;
  AgentOfferResult result;

  if ((*message)->seq == last_seq)
    return _agent_mailbox_offer (mailbox, *message, in_turn, offer);

  copy = _agent_message_copy_unsent (*message);
  copy->sent = TRUE;
  copy->origin = (*message)->origin;
  copy->sent_at = (*message)->sent_at;
  copy->seq = last_seq + 1;

  result = _agent_mailbox_offer (mailbox, copy, in_turn, offer);
  if (result != AGENT_OFFER_ACCEPTED)
    {
      agent_message_unref (copy);
      return result;
    }

  atomic_store_explicit (&self->last_seq, last_seq + 1, memory_order_relaxed);
  self->n_restamped++;
  _agent_sender_let_go (sender, *message);
  *message = copy;
  return result;
}

/* Offers an accepted message to a mailbox; if that accepts it, it has taken the reference. */
AgentOfferResult
_agent_bus_offer (AgentBus      *self,
                  AgentMailbox  *mailbox,
                  AgentMessage **message,
                  gboolean       in_turn,
                  AgentOffer    *offer,
                  AgentSender   *sender)
{
  AgentOfferResult result;

  if (!self->total_order)
    return _agent_mailbox_offer (mailbox, *message, in_turn, offer);

  g_mutex_lock (&self->order_lock);
  result = offer_in_order (self, mailbox, message, in_turn, offer, sender);
  g_mutex_unlock (&self->order_lock);

  return result;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-debug-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-show-private.h"
#include "bus/agent-group-send-private.h"

/* Takes @message, which came to no subscriber. */
static void
send_drop (AgentBus       *self,
           AgentDropReason reason,
           AgentMessage   *message,
           AgentSender    *sender)
{
  sender->drop_reason = reason;
  _agent_sender_note_loss (sender, &self->owner->base, message, NULL, reason);
  _agent_bus_report_drop (self->report, reason, message, sender);
}

static guint
send_to_one (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  const char   *target = _agent_message_string (message, message->target);
  gboolean      to_itself = _agent_string_equal (target, _agent_message_string (message, message->source));
  AgentMailbox *mailbox = NULL;
  guint         n_accepted;

  if (!to_itself)
    mailbox = _agent_snapshot_lookup (snapshot, target, message->hash);
  if (mailbox != NULL)
    return _agent_mailbox_push (mailbox, message, sender);
  if (!to_itself &&
      _agent_group_send (_agent_directory_get_groups (self->directory), message, sender, &n_accepted))
    return n_accepted;

  send_drop (self, AGENT_DROP_REASON_NO_TARGET, message, sender);
  return 0;
}

/* Pushes @message to all of @mailboxes but @own. */
static guint
send_to_list (AgentMailbox **mailboxes,
              guint          n_mailboxes,
              AgentMailbox  *own,
              AgentMessage  *message,
              AgentSender   *sender)
{
  guint n_accepted = 0;

  for (guint i = 0; i < n_mailboxes; i++)
    {
      if (mailboxes[i] != own)
        n_accepted += _agent_mailbox_push (mailboxes[i], message, sender);
    }

  return n_accepted;
}

static gboolean
send_is_other (AgentMailbox *mailbox,
               gconstpointer own)
{
  return mailbox != own;
}

/* The mailboxes that take all broadcasts like @message. @interests: (nullable) */
static AgentMailbox **
send_get_open (AgentInterestIndex *interests,
               AgentMessage       *message,
               guint              *n_open)
{
  *n_open = 0;
  if (interests == NULL || message->topic != NULL)
    return NULL;

  return _agent_interest_index_get_open (interests, n_open);
}

/* Sends a broadcast that has a topic, or where some subscribers take only some of them.
 *
 * @interests: (nullable)
 * @own: (nullable): the mailbox of the source */
static guint
send_to_takers (AgentBus           *self,
                AgentInterestIndex *interests,
                AgentMailbox       *own,
                AgentMessage       *message,
                AgentSender        *sender)
{
  g_auto (AgentAudience) audience;
  AgentMailbox **open;
  guint          n_open;
  guint          n_addressed;

  _agent_audience_init (&audience);
  if (interests != NULL)
    _agent_interest_index_find (interests, message, &audience);
  _agent_audience_filter (&audience, send_is_other, own);
  open = send_get_open (interests, message, &n_open);
  n_addressed = audience.n + n_open - (n_open > 0 && own != NULL && _agent_interest_index_is_open (interests, own));

  if (n_addressed == 0)
    {
      send_drop (self, AGENT_DROP_REASON_NO_TARGET, message, sender);
      return 0;
    }

  _agent_message_add_refs (message, n_addressed - 1);
  return send_to_list (open, n_open, own, message, sender) +
         send_to_list (audience.mailboxes, audience.n, own, message, sender);
}

/* Finds the mailboxes that take @message, which tells which agents are there, but not that of its source. */
static void
send_find_watchers (AgentSnapshot *snapshot,
                    AgentMessage  *message,
                    AgentAudience *audience)
{
  const char         *source = _agent_message_string (message, message->source);
  AgentMailbox       *own = _agent_snapshot_lookup (snapshot, source, message->hash);
  AgentInterestIndex *interests = _agent_snapshot_get_interests (snapshot);
  AgentMailboxTrie   *takers;
  guint               n_takers;

  if (interests != NULL)
    _agent_interest_index_find (interests, message, audience);
  takers = _agent_snapshot_get_takers (snapshot, &n_takers);
  _agent_audience_add (audience, takers, n_takers);
  _agent_audience_filter (audience, send_is_other, own);
}

static guint
send_to_audience (AgentAudience *audience,
                  AgentMessage  *message,
                  AgentSender   *sender)
{
  _agent_message_add_refs (message, audience->n - 1);
  return send_to_list (audience->mailboxes, audience->n, NULL, message, sender);
}

static guint
send_to_watchers (AgentBus      *self,
                  AgentSnapshot *snapshot,
                  AgentMessage  *message,
                  AgentSender   *sender)
{
  g_auto (AgentAudience) audience;

  _agent_audience_init (&audience);
  send_find_watchers (snapshot, message, &audience);
  if (audience.n > 0)
    return send_to_audience (&audience, message, sender);

  send_drop (self, AGENT_DROP_REASON_NO_TARGET, message, sender);
  return 0;
}

static gboolean
send_is_for_watchers (AgentSnapshot *snapshot,
                      AgentMessage  *message)
{
  return G_UNLIKELY (_agent_snapshot_has_agents (snapshot)) && _agent_message_is_presence (message);
}

/* Adds the references of all addressees in one step. */
static guint
send_to_all (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  const char         *source = _agent_message_string (message, message->source);
  AgentMailbox       *own = _agent_snapshot_lookup (snapshot, source, message->hash);
  AgentInterestIndex *interests = _agent_snapshot_get_interests (snapshot);
  AgentMailbox      **mailboxes;
  guint               n_mailboxes;
  guint               n_addressed;

  if (send_is_for_watchers (snapshot, message))
    return send_to_watchers (self, snapshot, message, sender);
  if (G_UNLIKELY (interests != NULL || message->topic != NULL))
    return send_to_takers (self, interests, own, message, sender);

  mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  n_addressed = n_mailboxes - (own != NULL);
  if (n_addressed == 0)
    {
      send_drop (self, AGENT_DROP_REASON_NO_TARGET, message, sender);
      return 0;
    }

  _agent_message_add_refs (message, n_addressed - 1);
  return send_to_list (mailboxes, n_mailboxes, own, message, sender);
}

static guint
send_refuse (AgentBus     *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  atomic_fetch_add (&self->n_unstamped, 1);
  if (_agent_bus_is_monitored (self))
    _agent_bus_show (self, message, 0, AGENT_DROP_REASON_CLOSED, sender);
  send_drop (self, AGENT_DROP_REASON_CLOSED, message, sender);
  return 0;
}

/* Finds those to whom @message may go, in time that depends on the number of subscribers. */
static void
send_find_audience (AgentSnapshot *snapshot,
                    AgentMessage  *message,
                    AgentAudience *audience)
{
  AgentInterestIndex *interests = _agent_snapshot_get_interests (snapshot);
  gboolean            choose = message->target == 0 && (interests != NULL || message->topic != NULL);
  AgentMailbox      **mailboxes;
  guint               n_mailboxes;

  if (send_is_for_watchers (snapshot, message))
    {
      send_find_watchers (snapshot, message, audience);
      return;
    }

  if (choose && interests != NULL)
    _agent_interest_index_find (interests, message, audience);
  if (choose)
    mailboxes = send_get_open (interests, message, &n_mailboxes);
  else
    mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  _agent_audience_add_list (audience, mailboxes, n_mailboxes);
}

/* Prints that @message is sent, and to whom it goes. */
static void
send_trace (AgentSnapshot *snapshot,
            AgentMessage  *message)
{
  const char   *target = agent_message_get_target (message);
  AgentAudience audience;

  _agent_audience_init (&audience);
  send_find_audience (snapshot, message, &audience);
  _agent_message_trace (message, "is sent", NULL);
  for (guint i = 0; i < audience.n; i++)
    {
      const char *name = _agent_mailbox_get_name (audience.mailboxes[i]);

      if ((target == NULL || g_str_equal (target, name)) && !g_str_equal (agent_message_get_source (message), name))
        _agent_message_trace (message, "goes to", name);
    }
  _agent_audience_clear (&audience);
}

static guint
send_unsent (AgentBus     *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  AgentSnapshot *snapshot = _agent_directory_get_snapshot (self->directory, sender);

  _agent_bus_stamp (self, message, sender);
  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    send_trace (snapshot, message);

  if (message->target != 0)
    return send_to_one (self, snapshot, message, sender);
  return send_to_all (self, snapshot, message, sender);
}

/* What becomes of the message is known when it is pushed, and the receivers may have freed it by then. */
static guint
send_and_show (AgentBus     *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  guint n_accepted;

  agent_message_ref (message);
  n_accepted = send_unsent (self, message, sender);
  _agent_bus_show_pushed (self, message, n_accepted, sender);

  return n_accepted;
}

static inline guint
send_watched (AgentBus     *self,
              AgentMessage *message,
              AgentSender  *sender)
{
  if (_agent_bus_is_monitored (self))
    return send_and_show (self, message, sender);

  return send_unsent (self, message, sender);
}

static guint
send_in_order (AgentBus     *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  guint n_accepted;

  g_mutex_lock (&self->order_lock);
  n_accepted = send_watched (self, message, sender);
  g_mutex_unlock (&self->order_lock);

  return n_accepted;
}

/* Sends a message that is retained. Meanwhile no subscriber gets a new pattern: each of them either has its pattern already, or
 * finds the message here. */
static guint
send_retained (AgentBus     *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  AgentRetained *retained = self->owner->retained;
  AgentMessage  *old = NULL;
  guint          n_accepted;

  _agent_retained_lock (retained);
  if (_agent_directory_is_open (self->directory))
    {
      agent_message_ref (message);
      n_accepted = self->total_order ? send_in_order (self, message, sender) : send_watched (self, message, sender);
      old = _agent_retained_keep_locked (retained, message);
    }
  else
    {
      n_accepted = send_refuse (self, message, sender);
    }
  _agent_retained_unlock (retained);

  _agent_sender_unref_later (sender, old);
  return n_accepted;
}

/* Inline, since a call more is seen in the time of a send. Takes @message. */
static G_ALWAYS_INLINE inline guint
send_uncollected (AgentBus     *self,
                  AgentMessage *message,
                  AgentSender  *sender)
{
  message = _agent_message_take_unsent (message);

  if (!_agent_directory_is_open (self->directory))
    return send_refuse (self, message, sender);
  if (G_UNLIKELY (message->retained && message->topic != NULL && message->target == 0))
    return send_retained (self, message, sender);
  if (self->total_order)
    return send_in_order (self, message, sender);

  return send_watched (self, message, sender);
}

/* Sends @message as agent_bus_send() does, and leaves what is to be freed and told to the caller, who calls
 * _agent_sender_collect() with no lock held. Nothing of the application runs here. Takes @message. */
guint
_agent_bus_send_uncollected (AgentBus     *self,
                             AgentMessage *message,
                             AgentSender  *sender)
{
  return send_uncollected (self, message, sender);
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
  n_accepted = send_uncollected (self, message, sender);
  _agent_sender_collect (sender);

  return n_accepted;
}

/* --- For agents --- */

static guint
send_announcement_to (AgentBus      *self,
                      AgentAudience *audience,
                      AgentMessage  *message,
                      AgentSender   *sender)
{
  gboolean monitored = _agent_bus_is_monitored (self);
  guint    n_accepted;

  _agent_bus_stamp (self, message, sender);
  if (monitored)
    agent_message_ref (message);
  n_accepted = send_to_audience (audience, message, sender);
  if (monitored)
    _agent_bus_show_pushed (self, message, n_accepted, sender);

  return n_accepted;
}

/* Takes @message. */
static guint
send_announcement (AgentBus     *self,
                   AgentMessage *message,
                   AgentSender  *sender)
{
  AgentSnapshot *snapshot = _agent_directory_get_snapshot (self->directory, sender);
  g_auto (AgentAudience) audience;

  _agent_audience_init (&audience);
  send_find_watchers (snapshot, message, &audience);
  if (audience.n == 0)
    {
      _agent_sender_unref_later (sender, message);
      return 0;
    }

  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    send_trace (snapshot, message);
  return send_announcement_to (self, &audience, message, sender);
}

/* Sends what is said of agents on the bus, an AGENT_READY or AGENT_REGISTRY, to those who take that. If there are none, nothing
 * is sent, and so nothing is lost. Takes @message. Returns how many have accepted it. */
guint
_agent_bus_announce_message (AgentBus     *self,
                             AgentMessage *message,
                             AgentSender  *sender)
{
  guint n_accepted;

  message->sent = TRUE;
  message->announced = TRUE;
  if (self->total_order)
    g_mutex_lock (&self->order_lock);
  n_accepted = send_announcement (self, message, sender);
  if (self->total_order)
    g_mutex_unlock (&self->order_lock);

  return n_accepted;
}

/* Sends what an agent on the bus says of itself. */
guint
_agent_bus_announce (AgentBus    *self,
                     AgentInfo   *info,
                     AgentSender *sender)
{
  return _agent_bus_announce_message (self, agent_message_new_agent_ready (info), sender);
}

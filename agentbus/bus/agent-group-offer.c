/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-show-private.h"
#include "bus/agent-group-offer-private.h"
#include "bus/agent-group-send-private.h"

/* A member that closes is not in the group any more, so it is not chosen twice. Takes @offered.
 *
 * @unsent: as in conclude_offer() */
static gboolean
group_offer_one (AgentBus     *bus,
                 AgentMessage *offered,
                 AgentSender  *sender,
                 AgentUnsent  *unsent,
                 GError      **error)
{
  AgentGroups     *groups = _agent_directory_get_groups (bus->directory);
  const char      *target = _agent_message_string (offered, offered->target);
  AgentOfferResult result = AGENT_OFFER_CLOSED;
  AgentMailbox    *member;
  gboolean         sent;

  offered->grouped = TRUE;
  while ((member = _agent_groups_choose (groups, target, _agent_message_string (offered, offered->source))) != NULL)
    {
      result = _agent_bus_offer_now (bus, member, offered, sender);
      if (result != AGENT_OFFER_CLOSED)
        break;
      _agent_mailbox_unref (member);
    }

  if (member == NULL)
    {
      _agent_bus_set_no_target (target, error);
      _agent_bus_cancel_offer (offered);
      return FALSE;
    }

  sent = _agent_bus_conclude_offer (member, offered, result, unsent, error);
  _agent_mailbox_unref (member);
  return sent;
}

/* Offers to one after the other until one accepts: takes @offered then. Those that are closed are taken out of @members, and so
 * is the one that has accepted, which is moved to their end.
 *
 * With the order lock held, if there is one. */
static AgentOfferResult
group_offer_first (AgentBus     *bus,
                   GPtrArray    *members,
                   AgentMessage *offered,
                   AgentSender  *sender,
                   AgentOffer   *offer)
{
  for (guint i = 0; i < members->len;)
    {
      AgentMailbox    *member = members->pdata[i];
      guint            found = 0;
      AgentOfferResult result;

      do
        result = _agent_mailbox_offer (member, offered, AGENT_OFFER_DIRECT, &bus->last_seq, offer);
      while (result == AGENT_OFFER_FULL && _agent_mailbox_make_room (member, offered, &found, sender));

      if (result == AGENT_OFFER_FULL)
        {
          i++;
          continue;
        }

      g_ptr_array_remove_index (members, i);
      if (result == AGENT_OFFER_ACCEPTED)
        {
          offer->found |= found;
          g_ptr_array_add (members, member);
          return AGENT_OFFER_ACCEPTED;
        }
    }

  return members->len > 0 ? AGENT_OFFER_FULL : AGENT_OFFER_CLOSED;
}

/* The last of @members has accepted the message. */
static void
group_push_to_others (AgentBus     *bus,
                      GPtrArray    *members,
                      AgentMessage *offered,
                      AgentSender  *sender)
{
  guint n_accepted = 1;

  for (guint i = 0; i + 1 < members->len; i++)
    n_accepted += _agent_mailbox_push (members->pdata[i], agent_message_ref (offered), sender);
  if (_agent_bus_is_monitored (bus))
    _agent_bus_show (bus, offered, n_accepted, 0, sender);
}

/* When one has accepted the message, it is sent, and the others get it as with any send. */
static AgentOfferResult
group_offer_members (AgentBus     *bus,
                     GPtrArray    *members,
                     AgentMessage *offered,
                     AgentSender  *sender)
{
  AgentChannel     channel = offered->channel;
  AgentOfferResult result;
  AgentOffer       offer;

  agent_message_ref (offered);
  if (bus->total_order)
    g_mutex_lock (&bus->order_lock);
  result = group_offer_first (bus, members, offered, sender, &offer);
  if (result == AGENT_OFFER_ACCEPTED)
    group_push_to_others (bus, members, offered, sender);
  if (bus->total_order)
    g_mutex_unlock (&bus->order_lock);

  if (result == AGENT_OFFER_ACCEPTED)
    _agent_mailbox_end_offer (members->pdata[members->len - 1], channel, &offer);
  agent_message_unref (offered);
  return result;
}

/* (transfer container): of AgentMailbox, which @trie keeps: all members but the source of @offered */
static GPtrArray *
group_list_addressees (AgentMailboxTrie *trie,
                       guint             n_members,
                       AgentMessage     *offered)
{
  g_autofree AgentMailbox **members = g_new (AgentMailbox *, n_members);
  GPtrArray                *addressees = g_ptr_array_new ();
  const char               *source = _agent_message_string (offered, offered->source);

  _agent_mailbox_trie_list (trie, members);
  for (guint i = 0; i < n_members; i++)
    {
      if (!_agent_string_equal (_agent_mailbox_get_name (members[i]), source))
        g_ptr_array_add (addressees, members[i]);
    }

  return addressees;
}

/* Takes @offered. */
static gboolean
group_offer_all (AgentBus     *bus,
                 AgentMessage *offered,
                 AgentSender  *sender,
                 GError      **error)
{
  const char       *target = _agent_message_string (offered, offered->target);
  guint             n_members;
  AgentMailboxTrie *trie = _agent_groups_ref_members (_agent_directory_get_groups (bus->directory), target, &n_members);
  g_autoptr (GPtrArray) members = group_list_addressees (trie, n_members, offered);
  AgentOfferResult result = group_offer_members (bus, members, offered, sender);

  _agent_mailbox_trie_unref (trie);
  if (result == AGENT_OFFER_ACCEPTED)
    return TRUE;

  if (result == AGENT_OFFER_FULL)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL, "The data channels of all members of '%s' are full", target);
  else
    _agent_bus_set_no_target (target, error);
  _agent_bus_cancel_offer (offered);
  return FALSE;
}

/* Offers a message to the group that is its target, to one member or to all, as _agent_group_send() does. Takes @offered, which
 * begin_offer() has returned. Returns whether it was sent. What goes to all is sent when one of them has accepted it, and never
 * waits.
 *
 * @unsent: as in conclude_offer() */
gboolean
_agent_group_offer (AgentBus     *bus,
                    AgentMessage *offered,
                    AgentSender  *sender,
                    AgentUnsent  *unsent,
                    GError      **error)
{
  if (_agent_group_is_for_all (offered))
    return group_offer_all (bus, offered, sender, error);

  return group_offer_one (bus, offered, sender, unsent, error);
}

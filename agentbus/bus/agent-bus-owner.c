/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-owner-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-group-send-private.h"
#include "bus/agent-subscriber-private.h"

static void
owner_has_drops (AgentMailboxOwner *owner,
                 AgentMailbox      *mailbox)
{
  _agent_bus_report_mailbox (((AgentBusOwner *) owner)->report, mailbox);
}

static void
owner_flow_changed (AgentMailboxOwner *owner,
                    AgentMailbox      *mailbox)
{
  _agent_bus_report_flow (((AgentBusOwner *) owner)->report, mailbox);
}

static gboolean
owner_refused (AgentMailboxOwner *owner,
               AgentMailbox      *mailbox,
               AgentMessage      *message,
               AgentSender       *sender)
{
  AgentBusOwner *self = (AgentBusOwner *) owner;
  guint          n_accepted;

  /* The member that was chosen has left the group since then. */
  if (message->grouped &&
      _agent_group_send_one (_agent_directory_get_groups (self->directory), message, sender, &n_accepted))
    return n_accepted > 0;

  _agent_sender_note_loss (sender, owner, message, _agent_mailbox_get_name (mailbox), AGENT_DROP_REASON_CLOSED);
  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_CLOSED, message, sender);
  return FALSE;
}

static gboolean
owner_has_heir (AgentMailboxOwner *owner,
                AgentMailbox      *mailbox,
                AgentMessage      *message)
{
  return _agent_groups_has_other (_agent_directory_get_groups (((AgentBusOwner *) owner)->directory),
                                  _agent_mailbox_get_group (mailbox),
                                  agent_message_get_source (message));
}

static void
owner_move (AgentMailboxOwner *owner,
            AgentMailbox      *mailbox,
            GPtrArray         *messages)
{
  AgentBusOwner *self = (AgentBusOwner *) owner;
  g_autoptr (AgentBus) bus = _agent_bus_report_dup_bus (self->report);

  _agent_group_move (_agent_directory_get_groups (self->directory),
                     _agent_mailbox_get_group (mailbox),
                     bus != NULL && bus->total_order ? bus : NULL,
                     messages);
}

static void
owner_lost (AgentMailboxOwner *owner,
            AgentMessage      *message,
            const char        *name,
            const GError      *error)
{
  g_autoptr (AgentBus) bus = _agent_bus_report_dup_bus (((AgentBusOwner *) owner)->report);

  if (bus != NULL)
    _agent_bus_send_loss (bus, message, name, error);
}

static gpointer
owner_new_delivery (AgentMailbox *mailbox,
                    gpointer      subscriber,
                    AgentHand    *hand)
{
  return _agent_delivery_new (mailbox, subscriber, hand);
}

static void
owner_failed (AgentMailboxOwner *owner,
              AgentMailbox      *mailbox,
              gpointer           subscriber,
              AgentMessage      *message,
              const GError      *error)
{
  AgentBusOwner *self = (AgentBusOwner *) owner;

  _agent_directory_count_failed (self->directory, mailbox);
  _agent_bus_report_failed (self->report, subscriber, message, error);
}

static gpointer
owner_left (AgentMailboxOwner *owner,
            AgentMailbox      *mailbox)
{
  AgentBusOwner *self = (AgentBusOwner *) owner;
  gpointer       subscriber = _agent_bus_report_departed (self->report, mailbox);

  _agent_mailbox_watches_tell (&owner->watches, mailbox, AGENT_MAILBOX_LEFT);
  _agent_subscription_detach (_agent_subscriber_get_subscription (subscriber));
  _agent_directory_forget (self->directory, mailbox);
  _agent_bus_report_unsubscribed (self->report, _agent_mailbox_get_name (mailbox));

  return subscriber;
}

static gpointer
owner_dup_bus (AgentMailboxOwner *owner)
{
  return _agent_bus_report_dup_bus (((AgentBusOwner *) owner)->report);
}

static gpointer
owner_get_directory (AgentMailboxOwner *owner)
{
  return ((AgentBusOwner *) owner)->directory;
}

static void
owner_free (AgentMailboxOwner *owner)
{
  AgentBusOwner *self = (AgentBusOwner *) owner;

  _agent_bus_report_free (self->report);
  _agent_directory_free (self->directory);
  _agent_retained_free (self->retained);
  g_free (self);
}

static const AgentMailboxOwnerFuncs owner_funcs = {
  .has_drops = owner_has_drops,
  .flow_changed = owner_flow_changed,
  .refused = owner_refused,
  .has_heir = owner_has_heir,
  .move = owner_move,
  .lost = owner_lost,
  .new_delivery = owner_new_delivery,
  .failed = owner_failed,
  .left = owner_left,
  .dup_bus = owner_dup_bus,
  .get_directory = owner_get_directory,
  .free = owner_free,
};

/* Takes @directory and @report. */
AgentBusOwner *
_agent_bus_owner_new (AgentDirectory *directory,
                      AgentBusReport *report)
{
  AgentBusOwner *self = g_new0 (AgentBusOwner, 1);

  _agent_mailbox_owner_init (&self->base, &owner_funcs);
  self->directory = directory;
  self->report = report;
  self->retained = _agent_retained_new ();

  return self;
}

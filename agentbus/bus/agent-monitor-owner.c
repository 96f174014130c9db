/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-monitor-owner-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-subscriber-private.h"

typedef struct
{
  AgentMailboxOwner base;      /* first */
  AgentBusOwner    *bus_owner; /* (owned) */
} AgentMonitorOwner;

/* Nobody is told of what monitors lose, but they themselves. The mailbox keeps the last message that was dropped for each
 * reason until the monitor has left. */
static void
monitor_owner_has_drops (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox)
{
}

static void
monitor_owner_flow_changed (AgentMailboxOwner *owner,
                            AgentMailbox      *mailbox)
{
  AgentFlowNews news;

  _agent_flow_take (&_agent_mailbox_extras_get (&mailbox->extras)->flow, &news);
}

/* A sender has come to a monitor that was removed meanwhile. */
static gboolean
monitor_owner_refused (AgentMailboxOwner *owner,
                       AgentMailbox      *mailbox,
                       AgentMessage      *message,
                       AgentSender       *sender)
{
  _agent_sender_unref_later (sender, message);
  return FALSE;
}

/* The loss of a copy concerns nobody. */
static void
monitor_owner_lost (AgentMailboxOwner *owner,
                    AgentMessage      *message,
                    const char        *name,
                    const GError      *error)
{
}

static gpointer
monitor_owner_new_delivery (AgentMailbox *mailbox,
                            gpointer      subscriber,
                            AgentHand    *hand)
{
  return _agent_delivery_new (mailbox, subscriber, hand);
}

static void
monitor_owner_failed (AgentMailboxOwner *owner,
                      AgentMailbox      *mailbox,
                      gpointer           subscriber,
                      AgentMessage      *message,
                      const GError      *error)
{
  AgentMonitorOwner *self = (AgentMonitorOwner *) owner;

  _agent_bus_report_failed (self->bus_owner->report, subscriber, message, error);
}

static gpointer
monitor_owner_left (AgentMailboxOwner *owner,
                    AgentMailbox      *mailbox)
{
  gboolean has_drops;
  gpointer subscriber = _agent_drop_box_close (&mailbox->drops, &has_drops);

  _agent_drop_box_forget (&mailbox->drops);
  _agent_subscription_detach (_agent_subscriber_get_subscription (subscriber));
  return subscriber;
}

static gpointer
monitor_owner_dup_bus (AgentMailboxOwner *owner)
{
  return _agent_bus_report_dup_bus (((AgentMonitorOwner *) owner)->bus_owner->report);
}

static gpointer
monitor_owner_get_directory (AgentMailboxOwner *owner)
{
  return NULL;
}

static void
monitor_owner_free (AgentMailboxOwner *owner)
{
  AgentMonitorOwner *self = (AgentMonitorOwner *) owner;

  _agent_mailbox_owner_unref (&self->bus_owner->base);
  g_free (self);
}

static const AgentMailboxOwnerFuncs monitor_owner_funcs = {
  .has_drops = monitor_owner_has_drops,
  .flow_changed = monitor_owner_flow_changed,
  .refused = monitor_owner_refused,
  .lost = monitor_owner_lost,
  .new_delivery = monitor_owner_new_delivery,
  .failed = monitor_owner_failed,
  .left = monitor_owner_left,
  .dup_bus = monitor_owner_dup_bus,
  .get_directory = monitor_owner_get_directory,
  .free = monitor_owner_free,
};

/* (transfer full) */
AgentMailboxOwner *
_agent_monitor_owner_new (AgentBusOwner *bus_owner)
{
  AgentMonitorOwner *self = g_new0 (AgentMonitorOwner, 1);

  _agent_mailbox_owner_init (&self->base, &monitor_owner_funcs);
  self->bus_owner = (AgentBusOwner *) _agent_mailbox_owner_ref (&bus_owner->base);

  return &self->base;
}

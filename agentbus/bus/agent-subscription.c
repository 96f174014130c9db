/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-subscription-private.h"

void
_agent_subscription_init (AgentSubscription *self)
{
  g_mutex_init (&self->lock);
}

void
_agent_subscription_clear (AgentSubscription *self)
{
  g_clear_pointer (&self->mailbox, _agent_mailbox_unref);
  g_mutex_clear (&self->lock);
}

/* @mailbox is the one of the next subscription. Fails if the subscription before is not over yet. */
gboolean
_agent_subscription_claim (AgentSubscription *self,
                           AgentMailbox      *mailbox,
                           GError           **error)
{
  AgentMailbox *old = NULL;
  AgentLedger   ledger;
  gboolean      claimed;

  g_mutex_lock (&self->lock);
  claimed = !self->claimed;
  if (claimed)
    {
      self->claimed = TRUE;
      old = self->mailbox;
      self->mailbox = _agent_mailbox_ref (mailbox);
      if (old != NULL)
        {
          _agent_mailbox_get_ledger (old, &ledger);
          _agent_ledger_add (&self->earlier, &ledger);
        }
    }
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, _agent_mailbox_unref);
  if (!claimed)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_EXISTS,
                 "Subscriber '%s' is on a bus, or has not left it yet",
                 _agent_mailbox_get_name (mailbox));
  return claimed;
}

/* The subscription has not begun after all, and its mailbox is forgotten. */
void
_agent_subscription_unclaim (AgentSubscription *self)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = g_steal_pointer (&self->mailbox);
  self->claimed = FALSE;
  g_mutex_unlock (&self->lock);

  _agent_mailbox_unref (mailbox);
}

/* The subscription is over; its figures stay. */
void
_agent_subscription_detach (AgentSubscription *self)
{
  g_mutex_lock (&self->lock);
  self->claimed = FALSE;
  g_mutex_unlock (&self->lock);
}

/* The mailbox of the current subscription: (transfer full) (nullable). */
AgentMailbox *
_agent_subscription_ref_mailbox (AgentSubscription *self)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = self->claimed ? _agent_mailbox_ref (self->mailbox) : NULL;
  g_mutex_unlock (&self->lock);

  return mailbox;
}

/* The mailbox of the current or the last subscription: (transfer full) (nullable). */
AgentMailbox *
_agent_subscription_ref_last_mailbox (AgentSubscription *self)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = self->mailbox != NULL ? _agent_mailbox_ref (self->mailbox) : NULL;
  g_mutex_unlock (&self->lock);

  return mailbox;
}

gboolean
_agent_subscription_is_paused (AgentSubscription *self)
{
  return g_atomic_int_get (&self->paused);
}

/* Returns whether the value has changed. */
gboolean
_agent_subscription_change_paused (AgentSubscription *self,
                                   gboolean           paused)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = g_atomic_int_get (&self->paused) != paused;
  g_atomic_int_set (&self->paused, paused);
  if (changed && self->claimed)
    _agent_mailbox_set_paused (self->mailbox, paused);
  g_mutex_unlock (&self->lock);

  return changed;
}

/* The sum over all subscriptions. */
void
_agent_subscription_get_ledger (AgentSubscription *self,
                                AgentLedger       *ledger)
{
  AgentLedger current = {
    0,
  };

  g_mutex_lock (&self->lock);
  if (self->mailbox != NULL)
    _agent_mailbox_get_ledger (self->mailbox, &current);
  *ledger = self->earlier;
  _agent_ledger_add (ledger, &current);
  g_mutex_unlock (&self->lock);
}

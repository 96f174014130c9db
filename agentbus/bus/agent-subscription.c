/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

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
  g_clear_pointer (&self->earlier, g_free);
  g_mutex_clear (&self->lock);
}

/* --- The course of a subscription --- */

/* As they apply. */
static AgentLimits
subscription_get_limits_locked (AgentSubscription *self)
{
  AgentLimits limits = self->limits;

  if (limits.capacity == 0)
    limits.capacity = self->default_capacity;
  return limits;
}

/* Fills in what the next mailbox takes over.
 *
 * @default_capacity: the capacity of the bus, for a subscriber that has none of its own */
void
_agent_subscription_prepare (AgentSubscription    *self,
                             guint                 default_capacity,
                             AgentMailboxSettings *settings)
{
  g_mutex_lock (&self->lock);
  self->default_capacity = default_capacity;
  settings->limits = subscription_get_limits_locked (self);
  settings->paused = g_atomic_int_get (&self->paused);
  g_mutex_unlock (&self->lock);
}

static void
subscription_use_locked (AgentSubscription *self,
                         AgentMailbox      *mailbox)
{
  AgentLimits limits = subscription_get_limits_locked (self);

  self->claimed = TRUE;
  self->mailbox = _agent_mailbox_ref (mailbox);

  /* They may have changed since the mailbox was made. */
  _agent_mailbox_set_limits (mailbox, &limits);
  _agent_mailbox_set_paused (mailbox, AGENT_PAUSE_WANTED, g_atomic_int_get (&self->paused));
}

/* A subscription with @mailbox begins. FALSE: the one before is not over yet. */
gboolean
_agent_subscription_claim (AgentSubscription *self,
                           AgentMailbox      *mailbox)
{
  AgentMailbox *old = NULL;
  AgentLedger   ledger;
  gboolean      claimed;

  g_mutex_lock (&self->lock);
  claimed = !self->claimed;
  if (claimed)
    {
      old = self->mailbox;
      subscription_use_locked (self, mailbox);
    }
  if (old != NULL)
    {
      _agent_mailbox_get_ledger (old, &ledger);
      if (self->earlier == NULL)
        self->earlier = g_new0 (AgentLedger, 1);
      _agent_ledger_add (self->earlier, &ledger);
    }
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, _agent_mailbox_unref);
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

/* --- The mailbox --- */

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

/* The same, or that of the last subscription if there is none. */
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
_agent_subscription_set_paused (AgentSubscription *self,
                                gboolean           paused)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = g_atomic_int_get (&self->paused) != paused;
  g_atomic_int_set (&self->paused, paused);
  if (changed && self->claimed)
    _agent_mailbox_set_paused (self->mailbox, AGENT_PAUSE_WANTED, paused);
  g_mutex_unlock (&self->lock);

  return changed;
}

/* --- Limits --- */

/* These are AgentLimitsChangeFuncs. */
gboolean
_agent_limits_set_capacity (AgentLimits *self,
                            guint64      value)
{
  gboolean changed = self->capacity != value;

  self->capacity = (guint) value;
  return changed;
}

gboolean
_agent_limits_set_max_bytes (AgentLimits *self,
                             guint64      value)
{
  gboolean changed = self->max_bytes != value;

  self->max_bytes = value;
  return changed;
}

gboolean
_agent_limits_set_max_age (AgentLimits *self,
                           guint64      value)
{
  gboolean changed = self->max_age != value;

  self->max_age = (guint) value;
  return changed;
}

/* As they were set. */
AgentLimits
_agent_subscription_get_limits (AgentSubscription *self)
{
  AgentLimits limits;

  g_mutex_lock (&self->lock);
  limits = self->limits;
  g_mutex_unlock (&self->lock);

  return limits;
}

/* Returns whether @value differs from the limit before. */
gboolean
_agent_subscription_change_limits (AgentSubscription    *self,
                                   AgentLimitsChangeFunc change,
                                   guint64               value)
{
  AgentMailbox *mailbox = NULL;
  gboolean      changed;

  g_mutex_lock (&self->lock);
  changed = change (&self->limits, value);
  if (changed && self->claimed)
    {
      AgentLimits limits = subscription_get_limits_locked (self);

      mailbox = _agent_mailbox_ref (self->mailbox);
      _agent_mailbox_set_limits (mailbox, &limits);
    }
  g_mutex_unlock (&self->lock);

  /* There may be room now. */
  if (mailbox != NULL)
    {
      _agent_mailbox_tell_progress (mailbox);
      _agent_mailbox_unref (mailbox);
    }

  return changed;
}

/* --- Figures --- */

/* The sum of all subscriptions. */
void
_agent_subscription_get_ledger (AgentSubscription *self,
                                AgentLedger       *ledger)
{
  memset (ledger, 0, sizeof *ledger);
  g_mutex_lock (&self->lock);
  if (self->mailbox != NULL)
    _agent_mailbox_get_ledger (self->mailbox, ledger);
  if (self->earlier != NULL)
    _agent_ledger_add (ledger, self->earlier);
  g_mutex_unlock (&self->lock);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-subscription-private.h"

/* (transfer none) (nullable): NULL for the mailbox of a monitor, which sees everything */
static AgentDirectory *
interest_get_directory (AgentMailbox *mailbox)
{
  return mailbox->owner->funcs->get_directory (mailbox->owner);
}

static void
interest_tell_accepts (AgentSubscriptionInterest *self,
                       AgentMailbox              *mailbox)
{
  AgentDirectory *directory = interest_get_directory (mailbox);

  if (directory != NULL)
    _agent_directory_set_accepts (directory, mailbox, (const char *const *) self->interest->accepts);
}

/* Called with the lock held. */
static void
interest_tell_patterns (AgentSubscriptionInterest *self,
                        AgentBus                  *bus,
                        AgentMailbox              *mailbox,
                        const char *const         *patterns,
                        AgentSender               *sender)
{
  _agent_bus_add_patterns (bus, mailbox, patterns, (const char *const *) self->interest->accepts, sender);
}

static void
interest_free (AgentSubscriptionInterest *self)
{
  _agent_interest_free (self->interest);
  g_clear_pointer (&self->info, agent_info_unref);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
_agent_subscription_clear_interest (AgentSubscription *self)
{
  g_clear_pointer (&self->interest, interest_free);
}

/* (transfer none) (nullable): NULL before the first use */
static AgentSubscriptionInterest *
interest_peek (AgentSubscription *self)
{
  return g_atomic_pointer_get (&self->interest);
}

/* If two threads make it at the same time, the one that comes second throws its own away. */
static AgentSubscriptionInterest *
interest_get (AgentSubscription *self)
{
  AgentSubscriptionInterest *own = interest_peek (self);

  if (own != NULL)
    return own;

  own = g_new0 (AgentSubscriptionInterest, 1);
  g_mutex_init (&own->lock);
  own->interest = _agent_interest_new ();
  if (g_atomic_pointer_compare_and_exchange (&self->interest, NULL, own))
    return own;

  interest_free (own);
  return interest_peek (self);
}

/* Called after claim(), before @mailbox is on the bus. A change that comes later finds the mailbox itself. */
void
_agent_subscription_bring_accepts (AgentSubscription *self,
                                   AgentMailbox      *mailbox)
{
  AgentSubscriptionInterest *own = interest_peek (self);

  if (own == NULL)
    return;

  g_mutex_lock (&own->lock);
  if (own->interest->accepts != NULL)
    interest_tell_accepts (own, mailbox);
  g_mutex_unlock (&own->lock);
}

/* Returns whether the names have changed. */
gboolean
_agent_subscription_change_accepts (AgentSubscription *self,
                                    const char *const *accepts)
{
  AgentSubscriptionInterest *own;
  AgentMailbox              *mailbox = NULL;
  gboolean                   changed;

  if (accepts == NULL && interest_peek (self) == NULL)
    return FALSE;

  own = interest_get (self);
  g_mutex_lock (&own->lock);
  changed = _agent_interest_set_accepts (own->interest, accepts);
  if (changed)
    mailbox = _agent_subscription_ref_mailbox (self);
  if (mailbox != NULL)
    interest_tell_accepts (own, mailbox);
  g_mutex_unlock (&own->lock);

  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  return changed;
}

/* (transfer full) (nullable) */
GStrv
_agent_subscription_dup_accepts (AgentSubscription *self)
{
  AgentSubscriptionInterest *own = interest_peek (self);
  GStrv                      accepts;

  if (own == NULL)
    return NULL;

  g_mutex_lock (&own->lock);
  accepts = g_strdupv (own->interest->accepts);
  g_mutex_unlock (&own->lock);

  return accepts;
}

/* Called when @mailbox is on @bus. A pattern that is added at the same time may be brought twice, which does no harm. */
void
_agent_subscription_bring_patterns (AgentSubscription *self,
                                    AgentBus          *bus,
                                    AgentMailbox      *mailbox)
{
  AgentSubscriptionInterest *own = interest_peek (self);
  AgentSender               *sender;
  g_auto (GStrv) patterns = NULL;

  if (own == NULL)
    return;

  sender = _agent_sender_get ();
  g_mutex_lock (&own->lock);
  patterns = _agent_interest_list_patterns (own->interest);
  if (*patterns != NULL)
    interest_tell_patterns (own, bus, mailbox, (const char *const *) patterns, sender);
  g_mutex_unlock (&own->lock);
  _agent_sender_collect (sender);
}

/* Precondition: @pattern is valid. */
void
_agent_subscription_add_pattern (AgentSubscription *self,
                                 const char        *pattern)
{
  AgentSubscriptionInterest *own = interest_get (self);
  AgentSender               *sender = _agent_sender_get ();
  AgentMailbox              *mailbox = NULL;
  AgentBus                  *bus = NULL;

  g_mutex_lock (&own->lock);
  if (_agent_interest_add_pattern (own->interest, pattern))
    mailbox = _agent_subscription_ref_mailbox (self);
  if (mailbox != NULL)
    bus = _agent_mailbox_dup_bus (mailbox);
  if (bus != NULL)
    interest_tell_patterns (own, bus, mailbox, (const char *const[]){ pattern, NULL }, sender);
  g_mutex_unlock (&own->lock);

  /* The bus may end with the last reference, and messages too: this runs code of the application. */
  _agent_sender_collect (sender);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  g_clear_object (&bus);
}

/* Returns whether it was there. */
gboolean
_agent_subscription_remove_pattern (AgentSubscription *self,
                                    const char        *pattern)
{
  AgentSubscriptionInterest *own = interest_peek (self);
  AgentMailbox              *mailbox = NULL;
  AgentDirectory            *directory = NULL;
  gboolean                   removed;

  if (own == NULL)
    return FALSE;

  g_mutex_lock (&own->lock);
  removed = _agent_interest_remove_pattern (own->interest, pattern);
  if (removed)
    mailbox = _agent_subscription_ref_mailbox (self);
  if (mailbox != NULL)
    directory = interest_get_directory (mailbox);
  if (directory != NULL)
    _agent_directory_remove_pattern (directory, mailbox, pattern);
  g_mutex_unlock (&own->lock);

  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  return removed;
}

/* (transfer full) */
GStrv
_agent_subscription_list_patterns (AgentSubscription *self)
{
  AgentSubscriptionInterest *own = interest_peek (self);
  GStrv                      patterns;

  if (own == NULL)
    return g_new0 (char *, 1);

  g_mutex_lock (&own->lock);
  patterns = _agent_interest_list_patterns (own->interest);
  g_mutex_unlock (&own->lock);

  return patterns;
}

/* --- What it says of itself --- */

/* Tells @bus what the subscriber says of itself now, if the bus does not know that yet. Called with the lock held, so that two
 * threads cannot tell it in the wrong order. */
static void
interest_tell_info (AgentSubscriptionInterest *self,
                    AgentBus                  *bus,
                    AgentMailbox              *mailbox,
                    AgentSender               *sender)
{
  if (_agent_directory_set_info (bus->directory, mailbox, self->info) && self->info != NULL)
    _agent_bus_announce (bus, self->info, sender);
}

/* @info: (nullable) */
void
_agent_subscription_change_info (AgentSubscription *self,
                                 AgentInfo         *info)
{
  AgentSubscriptionInterest *own = interest_get (self);
  AgentSender               *sender = _agent_sender_get ();
  g_autoptr (AgentInfo) old = NULL;
  AgentMailbox *mailbox;
  AgentBus     *bus = NULL;

  g_mutex_lock (&own->lock);
  old = own->info;
  own->info = info != NULL ? agent_info_ref (info) : NULL;
  mailbox = _agent_subscription_ref_mailbox (self);
  if (mailbox != NULL)
    bus = _agent_mailbox_dup_bus (mailbox);
  if (bus != NULL)
    interest_tell_info (own, bus, mailbox, sender);
  g_mutex_unlock (&own->lock);

  /* The bus may end with the last reference, and messages too: this runs code of the application. */
  _agent_sender_collect (sender);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  g_clear_object (&bus);
}

/* (transfer full) (nullable) */
AgentInfo *
_agent_subscription_dup_info (AgentSubscription *self)
{
  AgentSubscriptionInterest *own = interest_peek (self);
  AgentInfo                 *info;

  if (own == NULL)
    return NULL;

  g_mutex_lock (&own->lock);
  info = own->info != NULL ? agent_info_ref (own->info) : NULL;
  g_mutex_unlock (&own->lock);

  return info;
}

/* Adds @mailbox to @bus as that of an agent. */
static gboolean
interest_join (AgentSubscriptionInterest *self,
               AgentBus                  *bus,
               AgentMailbox              *mailbox,
               GError                   **error)
{
  AgentSender *sender = _agent_sender_get ();
  gboolean     added;

  g_mutex_lock (&self->lock);
  added = _agent_directory_add (bus->directory, mailbox, self->info, error);
  if (added && self->info != NULL)
    _agent_bus_announce (bus, self->info, sender);
  g_mutex_unlock (&self->lock);

  _agent_sender_collect (sender);
  return added;
}

/* What the subscriber has begun to say of itself while it was added. */
static void
interest_catch_up (AgentSubscriptionInterest *self,
                   AgentBus                  *bus,
                   AgentMailbox              *mailbox)
{
  AgentSender *sender = _agent_sender_get ();

  g_mutex_lock (&self->lock);
  interest_tell_info (self, bus, mailbox, sender);
  g_mutex_unlock (&self->lock);

  _agent_sender_collect (sender);
}

/* Adds @mailbox to @bus, and announces the subscriber if it is an agent. */
gboolean
_agent_subscription_join (AgentSubscription *self,
                          AgentBus          *bus,
                          AgentMailbox      *mailbox,
                          GError           **error)
{
  AgentSubscriptionInterest *own = interest_peek (self);

  if (own != NULL)
    return interest_join (own, bus, mailbox, error);
  if (!_agent_directory_add (bus->directory, mailbox, NULL, error))
    return FALSE;

  own = interest_peek (self);
  if (own != NULL)
    interest_catch_up (own, bus, mailbox);
  return TRUE;
}

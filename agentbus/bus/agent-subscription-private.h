/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-types.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * What connects a subscriber with the bus that it is on: the mailbox of its subscription, and what a mailbox takes over from it
 * and may change. It also keeps the figures of the subscriptions before.
 *
 * All functions but init() and clear() may be called in any thread.
 */

/* Which broadcasts the subscriber takes, and what it says of itself. It is made at first use; the mailbox of each subscription gets a copy.
 *
 * The lock is held from a change until the bus knows of it, so that two threads cannot tell the bus of their changes in the
 * wrong order. No other lock of the library is held when it is taken. */
typedef struct
{
  GMutex         lock;
  AgentInterest *interest; /* (lock) (owned) */
  AgentInfo     *info;     /* (lock) (owned) (nullable) what the subscriber says of itself, if it is an agent */
} AgentSubscriptionInterest;

typedef struct
{
  GMutex        lock;
  gint          paused;           /* (atomic) changed with the lock held */
  AgentLimits   limits;           /* (lock) as they were set: the capacity may be 0 */
  guint         default_capacity; /* (lock) of the bus */
  gboolean      claimed;          /* (lock) whether the subscriber is on a bus, or is still leaving one: there is a @mailbox */
  AgentMailbox *mailbox;          /* (lock) (nullable) the mailbox of the current or the last subscription */
  AgentLedger  *earlier;          /* (lock) (owned) (nullable) the sum of the ledgers of the subscriptions before that */

  AgentSubscriptionInterest *interest; /* (atomic) (owned) (nullable) */
} AgentSubscription;

/* Changes one limit. Returns whether @value differs from the limit before. */
typedef gboolean (*AgentLimitsChangeFunc) (AgentLimits *limits,
                                           guint64      value);

gboolean      _agent_limits_set_capacity        (AgentLimits          *self,
                                                 guint64               value);
gboolean      _agent_limits_set_max_bytes       (AgentLimits          *self,
                                                 guint64               value);
gboolean      _agent_limits_set_max_age         (AgentLimits          *self,
                                                 guint64               value);

void          _agent_subscription_init          (AgentSubscription    *self);
void          _agent_subscription_clear         (AgentSubscription    *self);

/* The course of a subscription */
void          _agent_subscription_prepare       (AgentSubscription    *self,
                                                 guint                 default_capacity,
                                                 AgentMailboxSettings *settings);
gboolean      _agent_subscription_claim         (AgentSubscription    *self,
                                                 AgentMailbox         *mailbox);
void          _agent_subscription_unclaim       (AgentSubscription    *self);
void          _agent_subscription_detach        (AgentSubscription    *self);

AgentMailbox *_agent_subscription_ref_mailbox   (AgentSubscription    *self);
AgentMailbox *_agent_subscription_ref_last_mailbox
                                                (AgentSubscription    *self);
gboolean      _agent_subscription_is_paused     (AgentSubscription    *self);
gboolean      _agent_subscription_set_paused    (AgentSubscription    *self,
                                                 gboolean              paused);
AgentLimits   _agent_subscription_get_limits    (AgentSubscription    *self);
gboolean      _agent_subscription_change_limits (AgentSubscription    *self,
                                                 AgentLimitsChangeFunc change,
                                                 guint64               value);
void          _agent_subscription_get_ledger    (AgentSubscription    *self,
                                                 AgentLedger          *ledger);

/* Which broadcasts it takes */
gboolean      _agent_subscription_change_accepts   (AgentSubscription  *self,
                                                    const char * const *accepts);
GStrv         _agent_subscription_dup_accepts      (AgentSubscription  *self);
void          _agent_subscription_bring_accepts    (AgentSubscription  *self,
                                                    AgentMailbox       *mailbox);
void          _agent_subscription_add_pattern      (AgentSubscription  *self,
                                                    const char         *pattern);
gboolean      _agent_subscription_remove_pattern   (AgentSubscription  *self,
                                                    const char         *pattern);
GStrv         _agent_subscription_list_patterns    (AgentSubscription  *self);
void          _agent_subscription_bring_patterns   (AgentSubscription  *self,
                                                    AgentBus           *bus,
                                                    AgentMailbox       *mailbox);
void          _agent_subscription_clear_interest   (AgentSubscription  *self);

/* What it says of itself */
void          _agent_subscription_change_info      (AgentSubscription  *self,
                                                    AgentInfo          *info);
AgentInfo    *_agent_subscription_dup_info         (AgentSubscription  *self);
gboolean      _agent_subscription_join             (AgentSubscription  *self,
                                                    AgentBus           *bus,
                                                    AgentMailbox       *mailbox,
                                                    GError            **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-budget-private.h"
#include "mailbox/agent-ready-list-private.h"
#include "mailbox/agent-schedule-private.h"

G_BEGIN_DECLS

/*
 * The one GSource of a GMainContext that serves the mailboxes of all subscribers there.
 *
 * It has the ready list of that context and the lock that guards it. The source is armed (its ready time is 0) when the first
 * mailbox gets ready, and disarmed when the last one has no more messages. So a burst costs one wakeup, and no messages cost
 * none.
 *
 * When a dispatch has spent its budget and there is more to do, the source yields to the application's other sources: see
 * AgentYieldingSource.
 *
 * A handler may iterate its context. Its own mailbox is set aside from then on until the handler returns, and so is never
 * entered a second time. The other mailboxes of the context go on.
 */
typedef struct _AgentDeliverySource AgentDeliverySource;

/* What the source calls once for each batch of messages, with no lock held and in its context. */
typedef struct
{
  /* Handles a batch of messages. TRUE: there may be more. */
  gboolean (*serve)         (AgentSchedule *mailbox,
                             AgentChannel   channel,
                             AgentBudget   *budget);

  /* From now on nothing is delivered. @abandoned: whether the mailbox was abandoned before it had finished */
  void     (*release)       (AgentSchedule *mailbox,
                             gboolean       abandoned);

  /* Takes a reference to the mailbox, and drops it. keep() is called with the lock held. */
  void     (*keep)          (AgentSchedule *mailbox);
  void     (*drop)          (AgentSchedule *mailbox);

  /* Messages were handled, and the mailbox is watched. */
  void     (*tell_progress) (AgentSchedule *mailbox);

  /* Whether the handler would get a message. */
  gboolean (*is_heard)      (AgentSchedule *mailbox);
} AgentDeliveryFuncs;

AgentDeliverySource *_agent_delivery_source_get        (GMainContext             *context,
                                                        gint                      priority,
                                                        const AgentDeliveryFuncs *funcs);
void                 _agent_delivery_source_put        (AgentDeliverySource      *self);
AgentDeliverySource *_agent_delivery_source_ref        (AgentDeliverySource      *self);
void                 _agent_delivery_source_unref      (AgentDeliverySource      *self);

/* Any thread */
AgentReadyList      *_agent_delivery_source_lock       (AgentDeliverySource      *self);
void                 _agent_delivery_source_unlock     (AgentDeliverySource      *self);
void                 _agent_delivery_source_add_data   (AgentDeliverySource      *self,
                                                        AgentSchedule            *mailbox);
void                 _agent_delivery_source_set_unheard
                                                       (AgentDeliverySource      *self,
                                                        AgentSchedule            *mailbox);
gboolean             _agent_delivery_source_has_system (AgentDeliverySource      *self);

G_END_DECLS

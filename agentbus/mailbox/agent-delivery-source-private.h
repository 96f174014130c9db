/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-enums.h"
#include "bus/agent-bus-types-private.h"
#include "message/agent-message.h"

G_BEGIN_DECLS

/*
 * The one GSource of a GMainContext that serves all mailboxes of all subscribers there.
 *
 * Two ready lists hold the mailboxes that have messages, one list per channel; the one of the system channels
 * goes first. The source is armed (ready time 0) when the first mailbox gets ready and disarmed when the
 * last one is drained: a burst costs one wakeup, and no rest costs any.
 *
 * When a dispatch has spent its budget and there is more to do, the source yields to the application: see
 * AgentYieldingSource.
 *
 * A handler may iterate its context. Its own mailbox is set aside from then on until it returns: it is never entered again,
 * and its messages cause no iteration. The other mailboxes of the context go on.
 */

AgentDeliverySource *_agent_delivery_source_get        (GMainContext        *context);
void                 _agent_delivery_source_put        (AgentDeliverySource *self);
AgentDeliverySource *_agent_delivery_source_ref        (AgentDeliverySource *self);
void                 _agent_delivery_source_unref      (AgentDeliverySource *self);

void                 _agent_delivery_source_add_data   (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
void                 _agent_delivery_source_add_system (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox,
                                                        gboolean             claimed,
                                                        AgentMessage        *cancel);
gboolean             _agent_delivery_source_ask_again  (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
gboolean             _agent_delivery_source_has_system (AgentDeliverySource *self);
void                 _agent_delivery_source_close      (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
gboolean             _agent_delivery_source_abandon    (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox,
                                                        AgentMessage       **in_hand);
gboolean             _agent_delivery_source_add_ending (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox,
                                                        AgentEnding         *ending);
gboolean             _agent_delivery_source_is_attached
                                                       (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
gboolean             _agent_delivery_source_has_handled
                                                       (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox,
                                                        AgentChannel         channel,
                                                        guint64              position);
void                 _agent_delivery_source_begin_return
                                                       (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
gboolean             _agent_delivery_source_end_return (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
GSList              *_agent_delivery_source_leave
                                                       (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);
void                 _agent_delivery_source_defer      (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox,
                                                        AgentDelivery       *delivery);
void                 _agent_delivery_source_resume     (AgentDeliverySource *self,
                                                        AgentMailbox        *mailbox);

G_END_DECLS

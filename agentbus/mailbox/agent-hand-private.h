/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-channel-queue-private.h"

G_BEGIN_DECLS

/* In place of a cancellable: the first one that somebody asks for is cancelled from the start. */
#define AGENT_HAND_TRIPPED GINT_TO_POINTER (1)

/*
 * A message in the hand of a handler that goes on with it after it has returned, or of somebody who has received it: a
 * delivery that is not completed yet.
 *
 * The mailbox has the hand until the delivery is completed, and the application's AgentDelivery has the same one. A message
 * that is handled before its handler returns never gets a hand.
 *
 * All functions may be called in any thread, if nothing else is said.
 */
typedef struct _AgentHand AgentHand;

struct _AgentHand
{
  AgentHand      *next;        /* (owned) (nullable) the next hand of the same mailbox: for its AgentSchedule */
  gboolean        has_cancel;  /* it has to be tripped: for the AgentSchedule */
  gatomicrefcount ref_count;
  gint            cancelled;   /* (atomic) a cancellation has been sent, or the message has become stale */
  gint            lost;        /* (atomic) the loss of the message has been taken, see take_loss() */
  AgentMessage   *message;     /* (owned) */
  gpointer        epoch_watch; /* (owned) (nullable) what tells that the message is stale: for agent-mailbox-defer.c */
  gpointer        cancellable; /* (owned) (nullable) (atomic) a GCancellable, or AGENT_HAND_TRIPPED; NULL until somebody asks for it,
                                * which few handlers do */
};

AgentHand    *_agent_hand_new               (AgentMessage      *message);
AgentHand    *_agent_hand_ref               (AgentHand         *self);
void          _agent_hand_unref             (AgentHand         *self);
void          _agent_hand_request_cancel    (AgentHand         *self);
gboolean      _agent_hand_is_cancelled      (AgentHand         *self);
gboolean      _agent_hand_matches           (AgentHand         *self,
                                             AgentMessage      *cancel);
GCancellable *_agent_hand_get_cancellable   (AgentHand         *self);
AgentMessage *_agent_hand_take_loss         (AgentHand         *self);

/* Only in the subscriber's context, with no lock held, since the application connects to the cancellable */
void          _agent_hand_trip              (AgentHand         *self);

/* Only for the receiver of @queue */
gboolean      _agent_hand_has_queued_cancel (AgentHand         *self,
                                             AgentChannelQueue *queue);

G_END_DECLS

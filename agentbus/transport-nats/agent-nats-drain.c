/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-drain-private.h"

/* Returns FALSE if there is none. */
static gboolean
drain_take (natsSubscription *subscription,
            natsMsg         **message,
            guint            *n_unheard)
{
  natsStatus status = natsSubscription_NextMsg (message, subscription, 0);

  /* What is behind this in the queue still comes. */
  if (status == NATS_NO_RESPONDERS)
    (*n_unheard)++;

  return status == NATS_OK || status == NATS_NO_RESPONDERS || status == NATS_SLOW_CONSUMER;
}

/* Returns how many messages have told that nobody has heard what this node has asked. nats.c does not give them out.
 *
 * To ask for a message when there is none is slow: nats.c prepares the text of an error. */
guint
_agent_nats_drain (natsSubscription  *subscription,
                   AgentNatsDrainFunc func,
                   gpointer           data)
{
  guint   n_unheard = 0;
  guint64 n = 0;

  while (natsSubscription_QueuedMsgs (subscription, &n) == NATS_OK && n > 0)
    {
      natsMsg *message = NULL;

      for (; n > 0; n--, message = NULL)
        {
          if (!drain_take (subscription, &message, &n_unheard))
            return n_unheard;
          if (message != NULL)
            func (data, message);
        }
    }

  return n_unheard;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-drain-private.h"

/* To ask for a message when there is none is slow: nats.c prepares the text of an error. */
void
_agent_nats_drain (natsSubscription  *subscription,
                   AgentNatsDrainFunc func,
                   gpointer           data)
{
  guint64 n = 0;

  while (natsSubscription_QueuedMsgs (subscription, &n) == NATS_OK && n > 0)
    {
      for (; n > 0; n--)
        {
          natsMsg   *message = NULL;
          natsStatus status = natsSubscription_NextMsg (&message, subscription, 0);

          /* This is said once. What is in the queue still comes. */
          if (status == NATS_SLOW_CONSUMER)
            status = natsSubscription_NextMsg (&message, subscription, 0);
          if (status != NATS_OK)
            return;
          func (data, message);
        }
    }
}

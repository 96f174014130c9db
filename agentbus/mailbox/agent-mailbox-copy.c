/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* Pushes the copy of a message for monitors. Copies of system messages are bounded too, and keep their place among those of
 * data: so all of them go into the data channel. Takes @copy in any case.
 *
 * @now: the message may have been sent long ago */
void
_agent_mailbox_push_copy (AgentMailbox *self,
                          AgentMessage *copy,
                          gint64        now,
                          AgentSender  *sender)
{
  guint            found = 0;
  AgentOfferResult result;
  AgentOffer       offer;

  do
    result = _agent_mailbox_offer (self, copy, AGENT_OFFER_DIRECT, NULL, &offer);
  while (result == AGENT_OFFER_FULL && _agent_mailbox_make_room (self, copy, &found, sender));

  if (result != AGENT_OFFER_ACCEPTED)
    {
      _agent_mailbox_lose (self, copy, result == AGENT_OFFER_FULL, now, sender);
      return;
    }

  offer.found |= found;
  _agent_mailbox_end_offer (self, AGENT_CHANNEL_DATA, &offer);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-private.h"

/* The source of such a message if no other name can be it: a message is never delivered to its own source. */
#define BUS_NAME "agentbus"

static const char *
loss_choose_source (AgentMessage *message,
                    const char   *name)
{
  const char *source = agent_message_get_source (message);
  const char *target = agent_message_get_target (message);

  if (target != NULL && !g_str_equal (target, source))
    return target;
  if (name != NULL && !g_str_equal (name, source))
    return name;
  return BUS_NAME;
}

static gboolean
loss_has_subscriber (AgentBus   *bus,
                     const char *name)
{
  AgentMailbox *mailbox = _agent_directory_lookup (bus->directory, name);

  if (mailbox == NULL)
    return FALSE;

  _agent_mailbox_unref (mailbox);
  return TRUE;
}

void
_agent_bus_send_loss (AgentBus     *bus,
                      AgentMessage *message,
                      const char   *name,
                      const GError *error)
{
  if (!_agent_message_wants_loss (message) || !_agent_directory_is_open (bus->directory) ||
      !loss_has_subscriber (bus, agent_message_get_source (message)))
    return;

  agent_bus_send (bus, _agent_message_new_loss (message, loss_choose_source (message, name), error));
}

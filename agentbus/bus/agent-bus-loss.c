/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-bus-report-private.h"
#include "bus/agent-directory-private.h"
#include "message/agent-message-private.h"

/* Whom such news is from when there is nobody else: a message is never delivered to its own source. */
#define BUS_NAME "agentbus"

static const char *
choose_source (AgentMessage *message,
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
has_subscriber (AgentBus   *bus,
                const char *name)
{
  AgentMailbox *mailbox = _agent_directory_lookup (bus->directory, name);

  if (mailbox == NULL)
    return FALSE;

  _agent_mailbox_unref (mailbox);
  return TRUE;
}

/* (transfer full) @name: (nullable): the subscriber that lost it. */
char *
_agent_bus_dup_drop_text (AgentMessage   *message,
                          const char     *name,
                          AgentDropReason reason)
{
  const char *target = agent_message_get_target (message);

  return g_strdup_printf ("The message '%s' to '%s' was dropped: %s",
                          agent_message_get_name (message),
                          target != NULL ? target : (name != NULL ? name : "all"),
                          agent_drop_reason_to_string (reason));
}

/* @name: (nullable): the subscriber that lost it. */
void
_agent_bus_send_loss (AgentBus     *bus,
                      AgentMessage *message,
                      const char   *name,
                      const char   *text)
{
  if (!_agent_message_wants_loss (message) || !agent_bus_is_running (bus) ||
      !has_subscriber (bus, agent_message_get_source (message)))
    return;

  agent_bus_send (bus, _agent_message_new_loss (message, choose_source (message, name), text));
}

void
_agent_bus_report_failure (AgentBusReport *report,
                           AgentMessage   *message,
                           const char     *name,
                           const char     *text)
{
  g_autoptr (AgentBus) bus = _agent_bus_report_dup_bus (report);

  if (bus != NULL)
    _agent_bus_send_loss (bus, message, name, text);
}

void
_agent_bus_report_loss (AgentBusReport *report,
                        AgentMessage   *message,
                        const char     *name,
                        AgentDropReason reason)
{
  g_autofree char *text = NULL;

  /* Most messages do not ask for it. */
  if (!_agent_message_wants_loss (message))
    return;

  text = _agent_bus_dup_drop_text (message, name, reason);
  _agent_bus_report_failure (report, message, name, text);
}

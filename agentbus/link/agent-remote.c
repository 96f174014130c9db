/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-remote-private.h"

#include "bus/agent-bus-private.h"
#include "mailbox/agent-mailbox-private.h"

G_DEFINE_FINAL_TYPE (AgentRemote, _agent_remote, AGENT_TYPE_SUBSCRIBER)

/* After it has left, what it has in hand is dropped by its mailbox. */
static void
remote_message (AgentSubscriber *subscriber,
                AgentMessage    *message)
{
  AgentRemote *self = AGENT_REMOTE (subscriber);

  if (self->node != NULL)
    self->func (self->node, self, message);
}

static void
_agent_remote_class_init (AgentRemoteClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = remote_message;
}

static void
_agent_remote_init (AgentRemote *self)
{
}

/* It takes no broadcasts at first: (transfer full).
 *
 * @group: (nullable) */
AgentRemote *
_agent_remote_new (AgentNode      *node,
                   AgentRemoteFunc func,
                   const char     *name,
                   const char     *group,
                   GMainContext   *context)
{
  static const char *const no_names[] = { NULL };
  AgentRemote             *self = g_object_new (
      AGENT_TYPE_REMOTE, "name", name, "group", group, "main-context", context, "accepts", no_names, NULL);

  self->node = node;
  self->func = func;
  return self;
}

/* It has come to the bus: its figures are those of another process.
 *
 * @mark: one more mark, or 0 */
void
_agent_remote_mark (AgentRemote *self,
                    guint        mark)
{
  AgentMailbox *mailbox = _agent_subscription_ref_mailbox (
      _agent_subscriber_get_subscription (AGENT_SUBSCRIBER (self)));

  if (mailbox == NULL)
    return;

  _agent_mailbox_mark (mailbox, AGENT_MARK_REMOTE);
  if (mark != 0)
    _agent_mailbox_mark (mailbox, mark);
  _agent_mailbox_unref (mailbox);
}

/* What waits for it is dropped and told, control as well, which a subscriber that leaves would still handle: there is nobody who
 * gets it. Its name is free. */
void
_agent_remote_leave (AgentRemote *self,
                     AgentBus    *bus)
{
  AgentMailbox *mailbox = _agent_subscription_ref_mailbox (
      _agent_subscriber_get_subscription (AGENT_SUBSCRIBER (self)));

  self->node = NULL;
  if (mailbox == NULL)
    return;

  _agent_mailbox_mark (mailbox, AGENT_MARK_GONE);
  _agent_bus_end_subscription (bus, mailbox, AGENT_LEAVE_FLAGS_NONE, agent_bus_get_shutdown_timeout (bus), NULL, NULL);
  /* A bus that is stopped may have closed it before, with what waits. */
  _agent_mailbox_close (mailbox, FALSE);
  _agent_mailbox_unref (mailbox);
}

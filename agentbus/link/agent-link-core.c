/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-link-core-private.h"

#include "base/agent-clock-private.h"
#include "bus/agent-bus-loss-private.h"
#include "bus/agent-delivery.h"

#include <stdarg.h>

/* How many refusals are told in a second. */
#define MAX_REFUSALS 100

/* --- What goes wrong --- */

/* A peer says how much is refused, so only some of it is told in each second. All of it is counted. */
static gboolean
core_may_tell_refusal (AgentLinkCore *self)
{
  gint64 now = _agent_clock_now ();

  if (now - self->refused_since > G_USEC_PER_SEC)
    {
      self->refused_since = now;
      self->n_refused = 0;
    }

  return self->n_refused++ < MAX_REFUSALS;
}

/* @figures: (nullable) */
void
_agent_link_core_refuse (AgentLinkCore    *self,
                         const char       *node,
                         AgentNodeFigures *figures,
                         const char       *format,
                         ...)
{
  g_autofree char *text = NULL;
  va_list          args;

  if (figures != NULL)
    _agent_node_figures_count (figures, AGENT_FIGURE_REFUSED, 1);
  if (!core_may_tell_refusal (self))
    return;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  agent_transport_refused (self->transport, node, text);
}

/* Messages between this node and another one are lost. */
void
_agent_link_core_lose (AgentLinkCore *self,
                       const char    *node,
                       AgentTraffic   traffic,
                       guint64        n,
                       const char    *where)
{
  const AgentTransportNews news = {
    .kind = AGENT_TRANSPORT_NEWS_LOST, .traffic = traffic, .n = n, .node = node, .text = where
  };

  _agent_transport_tell (self->transport, &news);
}

/* A message that a subscriber of the link has handled gets to nobody. */
void
_agent_link_core_lose_message (AgentLinkCore *self,
                               const char    *node,
                               AgentTraffic   traffic,
                               AgentMessage  *message,
                               AgentBusError  code,
                               const char    *why)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->bus);
  g_autoptr (GError) error = g_error_new (AGENT_BUS_ERROR,
                                          (gint) code,
                                          "The message '%s' was not sent to node '%s': %s",
                                          agent_message_get_name (message),
                                          node,
                                          why);

  _agent_link_core_lose (self, node, traffic, 1, why);
  if (bus != NULL)
    _agent_bus_send_loss (bus, message, agent_message_get_target (message), error);
}

/* Sends @message to somebody here. Takes @message. */
void
_agent_link_core_send (gpointer      core,
                       AgentMessage *message)
{
  AgentLinkCore *self = core;
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->bus);

  message->remote = TRUE;
  if (bus != NULL)
    agent_bus_send (bus, message);
  else
    agent_message_unref (message);
}

/* --- What waits --- */

/* The message that @remote handles now waits until there is room. */
void
_agent_link_core_wait (AgentLinkCore *self,
                       AgentRemote   *remote,
                       AgentTraffic   traffic)
{
  AgentWaitingMessage *waiting = g_new (AgentWaitingMessage, 1);

  waiting->remote = g_object_ref (remote);
  waiting->traffic = traffic;
  waiting->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (remote));
  g_queue_push_tail (&self->waiting, waiting);
}

/* The message does not wait any more: the next one of its subscriber may come. */
void
_agent_link_core_end_waiting (AgentWaitingMessage *waiting)
{
  agent_delivery_complete (waiting->delivery);
  g_object_unref (waiting->delivery);
  g_object_unref (waiting->remote);
  g_free (waiting);
}

/* What waits is not sent, because its node is gone, or only the subscriber there: then the other ones still wait.
 *
 * @remote: (nullable): NULL for all of the node */
void
_agent_link_core_drop_waiting (AgentLinkCore     *self,
                               const AgentNode   *node,
                               const char        *id,
                               const AgentRemote *remote)
{
  const char          *why = remote != NULL ? "the subscriber there has left" : "its node is gone";
  GQueue               waiting = self->waiting;
  AgentWaitingMessage *next;

  g_queue_init (&self->waiting);
  while ((next = g_queue_pop_head (&waiting)) != NULL)
    {
      if (next->remote->node != node || (remote != NULL && next->remote != remote))
        {
          g_queue_push_tail (&self->waiting, next);
          continue;
        }
      _agent_link_core_lose_message (
          self, id, next->traffic, agent_delivery_get_message (next->delivery), AGENT_BUS_ERROR_CLOSED, why);
      _agent_link_core_end_waiting (next);
    }
}

/* Somebody has left. The name may be claimed, when what goes on now is done. */
void
_agent_link_core_free_name (AgentLinkCore *self)
{
  self->has_free_names = TRUE;
}

/* The timer of the link fires at @time, or before if that is due earlier. */
void
_agent_link_core_call_at (AgentLinkCore *self,
                          gint64         time)
{
  if (self->timer_at != -1 && self->timer_at <= time)
    return;

  self->timer_at = time;
  _agent_timer_source_set_time (self->timer, time);
}

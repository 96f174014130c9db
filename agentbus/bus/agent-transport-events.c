/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"

#include "base/agent-signal-queue-private.h"

/* What the application is told of a transport: the signals, and how they get to its context. */

enum
{
  APPEARED,
  VANISHED,
  LOST,
  REFUSED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static gpointer
events_copy_news (const AgentTransportNews *news)
{
  AgentTransportNews *copy = g_memdup2 (news, sizeof *news);

  copy->node = g_strdup (news->node);
  copy->text = g_strdup (news->text);
  return copy;
}

static void
events_free_news (gpointer event)
{
  AgentTransportNews *news = event;

  g_free ((char *) news->node);
  g_free ((char *) news->text);
  g_free (news);
}

static void
events_emit (GObject *object,
             gpointer event)
{
  const AgentTransportNews *news = event;

  switch (news->kind)
    {
    case AGENT_TRANSPORT_NEWS_STATE:
      g_object_notify (object, "state");
      break;
    case AGENT_TRANSPORT_NEWS_APPEARED:
      g_signal_emit (object, signals[APPEARED], 0, news->node);
      break;
    case AGENT_TRANSPORT_NEWS_VANISHED:
      g_signal_emit (object, signals[VANISHED], 0, news->node, news->text);
      break;
    case AGENT_TRANSPORT_NEWS_LOST:
      g_signal_emit (object, signals[LOST], 0, news->node, news->traffic, news->n, news->text);
      break;
    case AGENT_TRANSPORT_NEWS_REFUSED:
      g_signal_emit (object, signals[REFUSED], 0, news->node, news->text);
      break;
    }
}

gpointer
_agent_transport_new_signals (AgentTransport *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  return _agent_signal_queue_new (G_OBJECT (self), context, "[agentbus] transport", events_emit, events_free_news);
}

void
_agent_transport_close_signals (gpointer queue)
{
  _agent_signal_queue_close (queue);
}

void
_agent_transport_free_signals (gpointer queue)
{
  _agent_signal_queue_unref (queue);
}

void
_agent_transport_add_news (gpointer                  queue,
                           const AgentTransportNews *news)
{
  _agent_signal_queue_add (queue, events_copy_news (news));
}

static void
events_install_of_nodes (GType type)
{
  /**
   * AgentTransport::appeared:
   * @self: the transport
   * @node: the id of the node
   *
   * Emitted when another node of the bus is there: its names follow.
   *
   * Since: 0.2
   */
  signals[APPEARED] =
      g_signal_new ("appeared", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * AgentTransport::vanished:
   * @self: the transport
   * @node: the id of the node
   * @reason: why, for people
   *
   * Emitted when another node is not there any more. Its names are gone, and requests that it had are answered.
   *
   * Since: 0.2
   */
  signals[VANISHED] = g_signal_new (
      "vanished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void
events_install_of_losses (GType type)
{
  /**
   * AgentTransport::lost:
   * @self: the transport
   * @node: the id of the other node
   * @traffic: what the messages belong to
   * @n: how many messages
   * @where: where they got lost, for people
   *
   * Emitted when messages got lost between two nodes. Messages that a bus drops are told by
   * [signal@AgentBus.Bus::dropped] of that bus.
   *
   * Since: 0.2
   */
  signals[LOST] = g_signal_new ("lost",
                                type,
                                G_SIGNAL_RUN_LAST,
                                0,
                                NULL,
                                NULL,
                                NULL,
                                G_TYPE_NONE,
                                4,
                                G_TYPE_STRING,
                                AGENT_TYPE_TRAFFIC,
                                G_TYPE_UINT64,
                                G_TYPE_STRING);

  /**
   * AgentTransport::refused:
   * @self: the transport
   * @node: (nullable): the id of the node that has sent it, or %NULL if the engine has refused what this node has sent
   * @text: what was refused, and why, for people
   *
   * Emitted when something was refused: a packet that makes no sense, a source that is not of the node that has sent it,
   * what [method@AgentBus.Transport.allow] does not allow, or what the engine does not permit. Also when another process has
   * the id of this node: then @node is that id.
   *
   * Since: 0.2
   */
  signals[REFUSED] = g_signal_new (
      "refused", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

void
_agent_transport_install_signals (AgentTransportClass *klass)
{
  events_install_of_nodes (G_TYPE_FROM_CLASS (klass));
  events_install_of_losses (G_TYPE_FROM_CLASS (klass));
}

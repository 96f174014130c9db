/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"

/* How the functions of an engine are called. */

static void
engine_on_opened (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  AgentTransport *self = AGENT_TRANSPORT (object);
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      agent_transport_set_state (self, AGENT_TRANSPORT_STATE_CONNECTED);
      g_task_return_boolean (task, TRUE);
      return;
    }

  agent_transport_set_state (self, AGENT_TRANSPORT_STATE_CLOSED);
  g_task_return_error (task, error);
}

/* In the thread that becomes that of the transport. */
void
_agent_transport_open_async (AgentTransport     *self,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) attempt = g_task_new (self, cancellable, engine_on_opened, task);

  g_task_set_source_tag (task, _agent_transport_open_async);
  /* Once the attempt has gone well, the transport is open. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_check_cancellable (attempt, FALSE);
  agent_transport_set_state (self, AGENT_TRANSPORT_STATE_CONNECTING);
  AGENT_TRANSPORT_GET_CLASS (self)->open (self, attempt);
}

gboolean
_agent_transport_open_finish (AgentTransport *self,
                              GAsyncResult   *result,
                              GError        **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
engine_on_closed (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  AgentTransport *self = AGENT_TRANSPORT (object);
  g_autoptr (GTask) task = user_data;
  GError  *error = NULL;
  gboolean clean = g_task_propagate_boolean (G_TASK (result), &error);

  agent_transport_set_state (self, AGENT_TRANSPORT_STATE_CLOSED);
  if (clean)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
_agent_transport_close_async (AgentTransport     *self,
                              GCancellable       *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer            user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) closing = g_task_new (self, cancellable, engine_on_closed, task);

  /* The transport is closed in any case, so a late cancellation is no error of the close. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_check_cancellable (closing, FALSE);
  g_task_set_source_tag (task, _agent_transport_close_async);
  agent_transport_set_state (self, AGENT_TRANSPORT_STATE_CLOSING);
  AGENT_TRANSPORT_GET_CLASS (self)->close (self, closing);
}

gboolean
_agent_transport_close_finish (AgentTransport *self,
                               GAsyncResult   *result,
                               GError        **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

gsize
_agent_transport_get_max_packet (AgentTransport *self)
{
  return AGENT_TRANSPORT_GET_CLASS (self)->get_max_packet (self);
}

gboolean
_agent_transport_send_data (AgentTransport *self,
                            const char     *node,
                            GBytes         *packet,
                            GError        **error)
{
  return AGENT_TRANSPORT_GET_CLASS (self)->send_data (self, node, packet, error);
}

void
_agent_transport_send_control (AgentTransport *self,
                               const char     *node,
                               guint64         session,
                               guint64         number,
                               GBytes         *packet)
{
  AGENT_TRANSPORT_GET_CLASS (self)->send_control (self, node, session, number, packet);
}

/* @node: (nullable): NULL for all */
void
_agent_transport_send_presence (AgentTransport *self,
                                const char     *node,
                                GBytes         *packet)
{
  AGENT_TRANSPORT_GET_CLASS (self)->send_presence (self, node, packet);
}

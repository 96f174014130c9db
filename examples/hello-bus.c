/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client asks a worker for a sum. */
#include <agentbus/agentbus.h>

static void
on_request (AgentSubscriber *worker, AgentMessage *message, AgentBus *bus)
{
  const char *source = agent_message_get_source (message), *id = agent_message_get_task_id (message);
  GVariant   *sum;
  gint32      a, b, c;

  g_variant_get (agent_message_get_payload (message), "(iii)", &a, &b, &c);
  sum = g_variant_new_int32 (a + b + c);
  agent_bus_send (bus, agent_message_new_task_response ("worker", source, id, AGENT_TASK_STATUS_COMPLETED, sum));
}

static void
on_response (AgentSubscriber *client, AgentMessage *message, GMainLoop *loop)
{
  g_print ("The sum is %d\n", g_variant_get_int32 (agent_message_get_payload (message)));
  g_main_loop_quit (loop);
}

static void
on_stopped (GObject *bus, GAsyncResult *result, gpointer loop)
{
  agent_bus_stop_finish (AGENT_BUS (bus), result, NULL);
  g_main_loop_quit (loop);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (AgentBus) bus = agent_bus_new ();
  g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker"), client = agent_subscriber_new ("client");
  GVariant *numbers = g_variant_new ("(iii)", 1, 2, 3);

  g_signal_connect (worker, "message::task-request", G_CALLBACK (on_request), bus);
  g_signal_connect (client, "message::task-response", G_CALLBACK (on_response), loop);
  if (!agent_bus_subscribe (bus, worker, NULL) || !agent_bus_subscribe (bus, client, NULL))
    return 1;
  agent_bus_send (bus, agent_message_new_task_request ("client", "worker", "1", "sum", numbers));
  g_main_loop_run (loop);

  agent_bus_stop_async (bus, NULL, on_stopped, loop);
  g_main_loop_run (loop);
  return 0;
}

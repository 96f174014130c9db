/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#ifdef HAVE_NATS
#include <agentbus/agent-nats-transport.h>
#endif

#include "bench-transport-node.h"

static AgentTransport *
node_make_transport (const char *address,
                     const char *id)
{
#ifdef HAVE_NATS
  const char *const urls[] = { address, NULL };

  if (g_str_has_prefix (address, "nats:"))
    return g_object_new (AGENT_TYPE_NATS_TRANSPORT, "urls", urls, "node-id", id, NULL);
#endif

  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "address", address, "node-id", id, NULL);
}

static void
node_keep_result (GObject      *source,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* A bus whose transport is open: (transfer full). */
AgentBus *
bench_node_open (const char *address,
                 const char *id)
{
  g_autoptr (AgentTransport) transport = node_make_transport (address, id);
  AgentBus *bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (bus, NULL, node_keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (!agent_bus_start_finish (bus, result, &error))
    g_error ("%s", error->message);
  return bus;
}

/* @func: (nullable): a handler of AgentSubscriber::message */
void
bench_node_add (AgentBus  *bus,
                const char *name,
                guint      capacity,
                GCallback  func,
                gpointer   data)
{
  AgentSubscriber *subscriber = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", name, "capacity", capacity, NULL);
  g_autoptr (GError) error = NULL;

  if (func != NULL)
    g_signal_connect (subscriber, "message", func, data);
  if (!agent_bus_subscribe (bus, subscriber, &error))
    g_error ("%s", error->message);
}

static void
node_on_found (AgentBus   *bus,
               const char *name,
               gpointer    user_data)
{
  *(gboolean *) user_data = TRUE;
}

/* Waits until @name is known here. */
void
bench_node_find (AgentBus   *bus,
                 const char *name)
{
  gboolean found = FALSE;
  guint    id = agent_bus_watch_name (bus, name, node_on_found, NULL, &found, NULL);

  while (!found)
    g_main_context_iteration (NULL, TRUE);
  agent_bus_unwatch_name (bus, id);
}

/* Until the process is killed. */
void
bench_node_run (void)
{
  while (TRUE)
    g_main_context_iteration (NULL, TRUE);
}

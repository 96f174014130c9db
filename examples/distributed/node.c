/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "node.h"

#include <glib-unix.h>
#include <stdio.h>
#ifdef WITH_NATS
#include <agentbus/agent-nats-transport.h>
#endif

/* The subscriber that is told how it went. */
#define CONDUCTOR "conductor"

struct _Node
{
  AgentBus   *bus;
  AgentActor *clerk;
  gboolean    ended; /* by a signal */
};

/* The user of a NATS server is named like the node, and may speak only as that. */
static AgentTransport *
new_nats_transport (const char *id,
                    const char *url,
                    GError    **error)
{
#ifdef WITH_NATS
  const char *const urls[] = { url, NULL };
  const char       *password = g_getenv ("AGENTBUS_PASSWORD");

  return g_object_new (AGENT_TYPE_NATS_TRANSPORT,
                       "node-id",
                       id,
                       "urls",
                       urls,
                       "user",
                       password != NULL ? id : NULL,
                       "password",
                       password,
                       NULL);
#else
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "No connection to %s: built without libnats", url);
  return NULL;
#endif
}

/* What is no URL of a NATS server is the address of a D-Bus message bus. */
static AgentTransport *
new_transport (const char *id,
               const char *address,
               GError    **error)
{
  if (g_str_has_prefix (address, "nats://") || g_str_has_prefix (address, "tls://"))
    return new_nats_transport (id, address, error);

  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "node-id", id, "address", address, NULL);
}

static void
on_figures_requested (AgentActor *clerk,
                      AgentJob   *job,
                      AgentBus   *bus)
{
  g_autoptr (GVariant) figures = agent_bus_get_statistics (bus);

  agent_job_complete (job, figures);
}

static void
on_result (GObject      *object,
           GAsyncResult *result,
           gpointer      place)
{
  *(GAsyncResult **) place = g_object_ref (result);
}

/* (transfer full) */
static GAsyncResult *
wait_for_result (GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);

  return *place;
}

static gboolean
start (Node    *self,
       GError **error)
{
  GAsyncResult *place = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_start_async (self->bus, NULL, on_result, &place);
  result = wait_for_result (&place);

  return agent_bus_start_finish (self->bus, result, error) &&
         agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (self->clerk), error);
}

static void
stop (Node *self)
{
  GAsyncResult *place = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (self->bus, NULL, on_result, &place);
  result = wait_for_result (&place);
  if (!agent_bus_stop_finish (self->bus, result, &error))
    g_warning ("%s", error->message);
}

/* Waits until the node is connected. From now on, each line that is printed is written at once, for who reads it from a pipe.
 * (nullable) */
Node *
node_open (const char *id,
           const char *address,
           GError    **error)
{
  g_autoptr (AgentTransport) transport = new_transport (id, address, error);
  g_autofree char *clerk = g_strconcat ("clerk-", id, NULL);
  g_autoptr (Node) self = NULL;

  if (transport == NULL)
    return NULL;

  setvbuf (stdout, NULL, _IOLBF, 0);
  self = g_new0 (Node, 1);
  self->bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, NULL);
  self->clerk = agent_actor_new (clerk);
  g_signal_connect (self->clerk, "task-request::figures", G_CALLBACK (on_figures_requested), self->bus);

  return start (self, error) ? g_steal_pointer (&self) : NULL;
}

/* Hosts actors on the bus of the node. */
AgentRunner *
node_new_runner (Node *self)
{
  return g_object_new (AGENT_TYPE_RUNNER, "bus", self->bus, NULL);
}

static gboolean
on_signal (gpointer data)
{
  Node *self = data;

  self->ended = TRUE;

  return G_SOURCE_CONTINUE;
}

/* Tells the conductor how it went, and then only answers what the clerk is asked, until the program is to end. Returns
 * @status. */
int
node_serve (Node *self,
            int   status)
{
  const char *clerk = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->clerk));
  guint       terminate = g_unix_signal_add (SIGTERM, on_signal, self);
  guint       interrupt = g_unix_signal_add (SIGINT, on_signal, self);

  agent_bus_send (
      self->bus,
      agent_message_new_custom ("done", AGENT_CHANNEL_SYSTEM, clerk, CONDUCTOR, g_variant_new_int32 (status)));
  while (!self->ended)
    g_main_context_iteration (NULL, TRUE);

  g_source_remove (terminate);
  g_source_remove (interrupt);

  return status;
}

/* Has all leave, and says farewell to the other nodes. */
void
node_close (Node *self)
{
  stop (self);
  g_object_unref (self->clerk);
  g_object_unref (self->bus);
  g_free (self);
}

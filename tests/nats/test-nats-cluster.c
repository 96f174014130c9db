/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-server.h"
#include "test-support.h"
#include "test-tools.h"

#include <nats/nats.h>
#include <string.h>

#include "transport-nats/agent-nats-transport.h"

/*
 * A cluster of three servers, the first of which is killed with -9. The nodes are connected to it, and go over to another one:
 * nothing of the control between them is lost, twice, or out of order.
 *
 * If it is the leader of the stream, control stops while the others agree on a new one, which takes about ten seconds. So that is
 * done only if AGENTBUS_SOAK says how often. The killed server is started again before the next one.
 */

#define N_SERVERS 3
/* Messages in a millisecond, how many may be on their way, and how many must come after a kill. */
#define BURST 2
#define WINDOW 2000
#define N_AFTER 1000
/* In seconds. */
#define PATIENCE 60

typedef struct
{
  TestNatsServer *servers[N_SERVERS];
  const char     *urls[N_SERVERS + 1];
  AgentBus       *sender;
  AgentBus       *receiver;
  guint32         n_sent;
  guint32         n_received;
  gint64          last_received;
  gint64          longest_wait; /* µs */
  gint64          deadline;
  GSource        *tick;
  GSource        *timer;
  guint           first; /* the server that nodes connect to */
} Cluster;

static gboolean
cluster_on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
cluster_turn (Cluster *self)
{
  g_main_context_iteration (NULL, TRUE);
  if (g_get_monotonic_time () > self->deadline)
    g_error ("It takes too long");
}

static void
cluster_be_patient (Cluster *self)
{
  self->deadline = g_get_monotonic_time () + PATIENCE * G_TIME_SPAN_SECOND;
}

static gboolean
cluster_try_start (Cluster  *self,
                   AgentBus *bus)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (bus, NULL, test_keep_result, &result);
  while (result == NULL)
    cluster_turn (self);
  if (agent_bus_start_finish (bus, result, &error))
    return TRUE;

  g_test_message ("%s", error->message);
  return FALSE;
}

/* Before the servers have a leader, it fails. */
static AgentBus *
cluster_open (Cluster    *self,
              const char *node_id)
{
  g_autoptr (AgentTransport) transport = g_object_new (AGENT_TYPE_NATS_TRANSPORT,
                                                       "urls",
                                                       self->urls,
                                                       "node-id",
                                                       node_id,
                                                       "stream-replicas",
                                                       N_SERVERS,
                                                       "heartbeat-interval",
                                                       1000,
                                                       NULL);
  AgentBus *bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, "capacity", 100000, NULL);

  while (!cluster_try_start (self, bus))
    ;
  return bus;
}

static void
cluster_close (Cluster  *self,
               AgentBus *bus)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (bus, NULL, test_keep_result, &result);
  while (result == NULL)
    cluster_turn (self);
  agent_bus_stop_finish (bus, result, &error);
  g_assert_no_error (error);
  g_object_unref (bus);
}

/* --- The leader --- */

/* Returns the index of the server that leads the stream. While they agree, nobody may. */
static guint
cluster_find_leader (Cluster *self)
{
  natsConnection *connection = NULL;
  natsOptions    *options = NULL;
  const char     *name = NULL;

  g_assert_cmpint (natsOptions_Create (&options), ==, NATS_OK);
  g_assert_cmpint (natsOptions_SetServers (options, self->urls, N_SERVERS), ==, NATS_OK);
  g_assert_cmpint (natsConnection_Connect (&connection, options), ==, NATS_OK);
  while (name == NULL)
    {
      natsMsg *reply = NULL;

      if (natsConnection_RequestString (&reply, connection, "$JS.API.STREAM.INFO.AB_default", "", 500) == NATS_OK)
        name = g_strstr_len (natsMsg_GetData (reply), natsMsg_GetDataLength (reply), "\"leader\":\"");
      name = name != NULL ? g_intern_string ((char[]){ name[strlen ("\"leader\":\"")], '\0' }) : NULL;
      natsMsg_Destroy (reply);
      cluster_turn (self);
    }
  natsConnection_Destroy (connection);
  natsOptions_Destroy (options);
  return (guint) (*name - 'a');
}

/* The leader comes first, so nodes that open connect to it. */
static void
cluster_put_first (Cluster *self,
                   guint    first)
{
  for (guint i = 0; i < N_SERVERS; i++)
    self->urls[i] = self->servers[(first + i) % N_SERVERS]->url;
}

/* --- Control --- */

static gboolean
cluster_send_some (gpointer data)
{
  Cluster *self = data;

  for (guint i = 0; i < BURST && self->n_sent - self->n_received < WINDOW; i++)
    agent_bus_send (self->sender,
                    agent_message_new_custom (
                        "step", AGENT_CHANNEL_SYSTEM, "source", "target", g_variant_new_uint32 (self->n_sent++)));
  return G_SOURCE_CONTINUE;
}

static void
cluster_on_message (AgentSubscriber *subscriber,
                    AgentMessage    *message,
                    gpointer         data)
{
  Cluster *self = data;
  gint64   now = g_get_monotonic_time ();

  g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (message)), ==, self->n_received);
  if (self->n_received++ > 0)
    self->longest_wait = MAX (self->longest_wait, now - self->last_received);
  self->last_received = now;
}

static void
cluster_connect (Cluster *self)
{
  g_autoptr (AgentSubscriber) target = agent_subscriber_new ("target");
  g_autoptr (AgentSubscriber) known = NULL;

  g_signal_connect (target, "message", G_CALLBACK (cluster_on_message), self);
  g_assert_true (agent_bus_subscribe (self->receiver, target, NULL));
  while ((known = agent_bus_lookup (self->sender, "target")) == NULL)
    cluster_turn (self);
}

static void
cluster_kill (Cluster *self,
              guint    number)
{
  const guint32   before = self->n_received;
  guint32         until;
  AgentTransport *transport = agent_bus_get_transport (self->sender);

  cluster_be_patient (self);
  while (self->n_received < before + N_AFTER)
    cluster_turn (self);

  test_nats_server_kill (self->servers[number]);
  until = self->n_sent + N_AFTER;
  while (self->n_received < until)
    cluster_turn (self);
  g_assert_cmpint (agent_transport_get_state (transport), ==, AGENT_TRANSPORT_STATE_CONNECTED);
  g_test_message ("Server %u killed, longest wait %.1f s", number, self->longest_wait / 1e6);

  test_nats_server_start (self->servers[number]);
}

/* --- The tests --- */

/* @from_leader: how far the server that the nodes connect to is from the leader of the stream */
static void
cluster_begin (Cluster *self,
               guint    from_leader)
{
  cluster_be_patient (self);
  self->tick = g_timeout_source_new (10);
  g_source_set_callback (self->tick, cluster_on_tick, NULL, NULL);
  g_source_attach (self->tick, NULL);
  test_nats_server_new_cluster (self->servers, N_SERVERS);
  cluster_put_first (self, 0);
  cluster_close (self, cluster_open (self, "first"));
  self->first = (cluster_find_leader (self) + from_leader) % N_SERVERS;
  cluster_put_first (self, self->first);

  self->sender = cluster_open (self, "sender");
  self->receiver = cluster_open (self, "receiver");
  cluster_connect (self);
  self->timer = g_timeout_source_new (1);
  g_source_set_callback (self->timer, cluster_send_some, self, NULL);
  g_source_attach (self->timer, NULL);
}

static void
cluster_end (Cluster *self)
{
  g_source_destroy (self->timer);
  g_source_unref (self->timer);
  cluster_be_patient (self);
  while (self->n_received < self->n_sent)
    cluster_turn (self);
  cluster_close (self, self->sender);
  cluster_close (self, self->receiver);
  g_assert_cmpuint (self->n_received, ==, self->n_sent);
  g_test_message ("%u messages", self->n_received);
  for (guint i = 0; i < N_SERVERS; i++)
    test_nats_server_free (self->servers[i]);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
}

static void
test_killed_follower (void)
{
  Cluster self = { 0 };

  cluster_begin (&self, 1);
  cluster_kill (&self, self.first);
  cluster_end (&self);
}

static void
test_killed_leaders (void)
{
  Cluster self = { 0 };
  gdouble n = g_ascii_strtod (g_getenv ("AGENTBUS_SOAK"), NULL);

  cluster_begin (&self, 0);
  for (gdouble i = 0; i < n; i++)
    cluster_kill (&self, cluster_find_leader (&self));
  cluster_end (&self);
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats-cluster/killed-follower", test_killed_follower);
  if (g_getenv ("AGENTBUS_SOAK") != NULL)
    test_add_func ("/agentbus/nats-cluster/killed-leaders", test_killed_leaders);
  return g_test_run ();
}

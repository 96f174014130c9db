/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-dbus.h"
#include "test-world.h"

/* Nodes that are connected over D-Bus without a message bus: the one in this process listens, and others connect to it. */

static gpointer
peers_start (void)
{
  return test_dup_address ();
}

static void
peers_stop (gpointer engine)
{
  g_free (engine);
}

static AgentTransport *
peers_make_as (AgentDBusRole role,
               const char   *address,
               const char   *node,
               guint         heartbeat)
{
  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT,
                       "address",
                       address,
                       "role",
                       role,
                       "node-id",
                       node,
                       "bus-name",
                       "test",
                       "heartbeat-interval",
                       heartbeat,
                       NULL);
}

static AgentTransport *
peers_make (gpointer    engine,
            const char *node,
            guint       heartbeat)
{
  return peers_make_as (AGENT_DBUS_ROLE_SERVER, engine, node, heartbeat);
}

static char *
peers_dup_address (gpointer engine)
{
  return g_strdup (engine);
}

static AgentTransport *
peers_make_at (const char *address,
               const char *node,
               guint       heartbeat)
{
  return peers_make_as (AGENT_DBUS_ROLE_CLIENT, address, node, heartbeat);
}

const TestEngine test_engine_peers = {
  .name = "peers",
  .start = peers_start,
  .stop = peers_stop,
  .make = peers_make,
  .dup_address = peers_dup_address,
  .make_at = peers_make_at,
};

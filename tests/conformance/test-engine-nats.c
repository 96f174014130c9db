/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <agentbus/transport-nats/agent-nats-transport.h>
#include <signal.h>

#include "../nats/nats-server.h"
#include "test-world.h"

/* Nodes at a nats-server that the case has for itself. */

static const char *
nats_get_problem (void)
{
  g_autofree char *program = test_nats_find ();

  return program != NULL ? NULL : "there is no nats-server";
}

static gpointer
nats_start (void)
{
  TestNatsServer *server = test_nats_server_new (NULL);

  if (server->pid == 0)
    test_nats_server_start (server);
  return server;
}

static void
nats_stop (gpointer engine)
{
  test_nats_server_free (engine);
}

static char *
nats_dup_address (gpointer engine)
{
  const TestNatsServer *server = engine;

  return g_strdup (server->url);
}

static AgentTransport *
nats_make_at (const char *address,
              const char *node,
              guint       heartbeat)
{
  const char *const urls[] = { address, NULL };

  return g_object_new (AGENT_TYPE_NATS_TRANSPORT,
                       "urls",
                       urls,
                       "node-id",
                       node,
                       "bus-name",
                       "test",
                       "heartbeat-interval",
                       heartbeat,
                       NULL);
}

static AgentTransport *
nats_make (gpointer    engine,
           const char *node,
           guint       heartbeat)
{
  const TestNatsServer *server = engine;

  return nats_make_at (server->url, node, heartbeat);
}

static void
nats_kill (gpointer engine)
{
  test_nats_server_kill (engine);
}

static void
nats_restart (gpointer engine)
{
  test_nats_server_start (engine);
}

static void
nats_freeze (gpointer engine,
             gboolean frozen)
{
  test_nats_server_signal (engine, frozen ? SIGSTOP : SIGCONT);
}

const TestEngine test_engine_nats = {
  .name = "nats",
  .get_problem = nats_get_problem,
  .start = nats_start,
  .stop = nats_stop,
  .make = nats_make,
  .dup_address = nats_dup_address,
  .make_at = nats_make_at,
  .kill = nats_kill,
  .restart = nats_restart,
  .freeze = nats_freeze,
};

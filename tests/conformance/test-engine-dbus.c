/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-daemon.h"
#include "test-world.h"

/* Nodes on a message bus of D-Bus that the case has for itself. */

static const char *
dbus_get_problem (void)
{
  return test_daemon_is_there () ? NULL : "there is no dbus-daemon";
}

static gpointer
dbus_start (void)
{
  return test_daemon_new ();
}

static void
dbus_stop (gpointer engine)
{
  test_daemon_free (engine);
}

static char *
dbus_dup_address (gpointer engine)
{
  const TestDaemon *daemon = engine;

  return g_strdup (daemon->address);
}

static AgentTransport *
dbus_make_at (const char *address,
              const char *node,
              guint       heartbeat)
{
  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT,
                       "address",
                       address,
                       "node-id",
                       node,
                       "bus-name",
                       "test",
                       "heartbeat-interval",
                       heartbeat,
                       NULL);
}

static AgentTransport *
dbus_make (gpointer    engine,
           const char *node,
           guint       heartbeat)
{
  const TestDaemon *daemon = engine;

  return dbus_make_at (daemon->address, node, heartbeat);
}

static void
dbus_kill (gpointer engine)
{
  test_daemon_kill (engine);
}

static void
dbus_restart (gpointer engine)
{
  test_daemon_start (engine);
}

static void
dbus_freeze (gpointer engine,
             gboolean frozen)
{
  TestDaemon *daemon = engine;

  if (frozen)
    test_process_stop (daemon->process);
  else
    test_process_cont (daemon->process);
}

const TestEngine test_engine_dbus = {
  .name = "dbus",
  .get_problem = dbus_get_problem,
  .start = dbus_start,
  .stop = dbus_stop,
  .make = dbus_make,
  .dup_address = dbus_dup_address,
  .make_at = dbus_make_at,
  .kill = dbus_kill,
  .restart = dbus_restart,
  .freeze = dbus_freeze,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-hub.h"
#include "test-world.h"

/* The engines that need no server. */

const TestEngine test_engine_one = { .name = "one" };

static gpointer
hub_start (void)
{
  return test_hub_new (1);
}

static void
hub_stop (gpointer engine)
{
  test_hub_free (engine);
}

static AgentTransport *
hub_make (gpointer    engine,
          const char *node,
          guint       heartbeat)
{
  /* What the hub carries is not late, so its nodes may be quick. */
  return test_hub_add (engine, node);
}

const TestEngine test_engine_hub = {
  .name = "hub",
  .start = hub_start,
  .stop = hub_stop,
  .make = hub_make,
};

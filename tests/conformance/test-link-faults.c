/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <sys/mman.h>

#include "message/agent-envelope-private.h"
#include "test-actors.h"
#include "test-hub.h"
#include "test-world.h"

/*
 * What goes wrong between two nodes, one thing at a time: an engine that takes nothing, packets that get lost, a node that cannot
 * be reached or does not run, and one that says what is not so.
 */

/* More control than may be on its way to one node. */
#define BULK_SIZE (64 * 1024)
#define N_BULK 200

typedef struct
{
  TestWorld    *world;
  TestHub      *hub;
  TestRecorder *x; /* at node "a" */
  TestRecorder *t; /* at node "b" */
} Pair;

static Pair
pair_new (TestFixture *f,
          guint        capacity)
{
  Pair self = { .world = test_world_new_full (f, &test_engine_hub, 2, capacity) };

  self.hub = self.world->of_engine;
  self.x = test_world_add (self.world, 0, "x");
  self.t = test_recorder_new_full (NULL, NULL, "name", "t", "capacity", 100000, NULL);
  test_world_join (self.world, 1, self.t);
  return self;
}

static void
pair_free (Pair *self)
{
  test_world_free (self->world);
  g_object_unref (self->x);
  g_object_unref (self->t);
}

static void
pair_send (Pair        *self,
           AgentChannel channel,
           guint        from,
           guint        to)
{
  for (guint i = from; i < to; i++)
    test_world_send (self->world, 0, test_world_message (channel, "x", "t", i));
}

static void
pair_set_faults (Pair            *self,
                 const TestFaults faults)
{
  for (AgentTraffic traffic = AGENT_TRAFFIC_DATA; traffic <= AGENT_TRAFFIC_CONTROL; traffic++)
    test_hub_set_faults (self->hub, traffic, &faults);
}

/* Node "a" has @n more heartbeats. */
static void
pair_wait_beats (Pair *self,
                 guint n)
{
  guint before = test_hub_count_sent (self->hub, "a", AGENT_TRAFFIC_PRESENCE);

  test_world_wait (self->world, test_hub_count_sent (self->hub, "a", AGENT_TRAFFIC_PRESENCE) >= before + 2 * n);
}

/* What "t" has got are the numbers from 0 on. */
static void
pair_assert_all (Pair *self,
                 guint n)
{
  test_world_wait (self->world, test_recorder_count (self->t) >= n);
  g_assert_cmpuint (test_recorder_count (self->t), ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (test_world_number (self->t->messages->pdata[i]), ==, i);
}

/* --- An engine that takes nothing --- */

/* The other node learns by heartbeats how much was sent. What waits for the engine is not sent. */
static void
test_blocked (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  test_hub_block (pair.hub, "a", TRUE);
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 5);
  pair_wait_beats (&pair, 6);
  pair_send (&pair, AGENT_CHANNEL_DATA, 5, 10);
  pair_wait_beats (&pair, 6);
  test_hub_block (pair.hub, "a", FALSE);
  pair_assert_all (&pair, 10);
  g_assert_cmpuint (test_world_figure (pair.world, 1, "data-lost"), ==, 0);
  pair_free (&pair);
}

/* The mailbox here is bounded, drops as every mailbox does, and says that it is full to who asks. */
static void
test_full (TestFixture *f)
{
  Pair pair = pair_new (f, 10);
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) refused = test_world_message (AGENT_CHANNEL_DATA, "x", "t", 0);
  guint64 n;

  test_hub_block (pair.hub, "a", TRUE);
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 100);
  test_world_wait (pair.world, !agent_bus_try_send (pair.world->nodes[0].bus, refused, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL);
  test_hub_block (pair.hub, "a", FALSE);
  test_world_wait (pair.world,
                   agent_bus_get_dropped (pair.world->nodes[0].bus, "t", &n) &&
                       test_recorder_count (pair.t) + n >= 100 &&
                       test_ledger_of (pair.world->nodes[0].bus, "t").queued == 0);
  test_drain (f);
  if (f->log->len > 0)
    test_expect_log (f, "Data channel of 't' is full");
  pair_free (&pair);
}

/* send_async() waits for room, and goes on when there is some. */
static void
test_send_async (TestFixture *f)
{
  Pair          pair = pair_new (f, 4);
  GAsyncResult *results[30] = { NULL };
  AgentBus     *bus = pair.world->nodes[0].bus;
  guint         n_done = 0;

  test_hub_block (pair.hub, "a", TRUE);
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 1);
  pair_wait_beats (&pair, 1);
  for (guint i = 0; i < 30; i++)
    {
      g_autoptr (AgentMessage) message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", i + 1);

      agent_bus_send_async (bus, message, NULL, test_keep_result, &results[i]);
    }
  pair_wait_beats (&pair, 2);
  for (guint i = 0; i < 30; i++)
    n_done += results[i] != NULL;
  g_assert_cmpuint (n_done, <, 15);

  test_hub_block (pair.hub, "a", FALSE);
  pair_assert_all (&pair, 31);
  for (guint i = 0; i < 30; i++)
    {
      test_wait_result (f, &results[i]);
      g_assert_true (agent_bus_send_finish (bus, results[i], NULL));
      g_object_unref (results[i]);
    }
  pair_free (&pair);
}

/* A subscriber there leaves: what waits for it here is told to be lost. */
static void
test_leaver (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  test_hub_block (pair.hub, "a", TRUE);
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 1);
  pair_wait_beats (&pair, 1);
  pair_send (&pair, AGENT_CHANNEL_DATA, 1, 2);
  pair_wait_beats (&pair, 1);
  agent_bus_unsubscribe (pair.world->nodes[1].bus, "t");
  test_world_wait (pair.world, pair.world->nodes[0].lost[AGENT_TRAFFIC_DATA] == 1);
  test_hub_block (pair.hub, "a", FALSE);
  test_world_wait (pair.world, pair.world->nodes[1].dropped[AGENT_DROP_REASON_NO_TARGET] == 1);
  pair_free (&pair);
}

/* --- Packets that get lost --- */

/* The last packet of all is missed, too, although none comes after it. */
static void
test_lost_tail (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  pair_set_faults (&pair, (TestFaults){ .lose = 1000 });
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 5);
  test_world_wait (pair.world, test_world_figure (pair.world, 1, "data-lost") == 5);
  test_world_wait (pair.world, pair.world->nodes[1].lost[AGENT_TRAFFIC_DATA] == 5);
  pair_set_faults (&pair, (TestFaults){ .lose = 0 });
  pair_send (&pair, AGENT_CHANNEL_DATA, 0, 5);
  pair_assert_all (&pair, 5);
  g_assert_cmpuint (test_world_figure (pair.world, 1, "data-lost"), ==, 5);
  pair_free (&pair);
}

static void
test_lost_control (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  pair_set_faults (&pair, (TestFaults){ .lose = 500, .duplicate = 300, .reorder = 300 });
  for (guint i = 0; i < 200; i++)
    {
      pair_send (&pair, AGENT_CHANNEL_SYSTEM, i, i + 1);
      test_iterate (f);
    }
  pair_assert_all (&pair, 200);
  pair_free (&pair);
}

/* --- A node that cannot be reached, or does not run --- */

/* It is away for a time that is too short to be missed: nothing is lost. */
static void
test_cut (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  for (guint i = 0; i < 5; i++)
    {
      test_hub_cut (pair.hub, "a", TRUE);
      pair_send (&pair, AGENT_CHANNEL_SYSTEM, 10 * i, 10 * i + 10);
      test_iterate (f);
      test_hub_cut (pair.hub, "a", FALSE);
      test_world_wait (pair.world, test_recorder_count (pair.t) >= 10 * i);
    }
  if (strstr (pair.world->nodes[1].events->str, "-a") == NULL)
    pair_assert_all (&pair, 50);
  pair_free (&pair);
}

/* Node "b" has been gone for "a", and is there again with what is new. */
static void
pair_wait_new_session (Pair *self)
{
  test_world_wait (self->world, g_str_has_suffix (self->world->nodes[0].events->str, "-b+b"));
  test_world_wait_name (self->world, "x");
  test_world_wait_name (self->world, "t");
  pair_send (self, AGENT_CHANNEL_SYSTEM, 0, 10);
  test_world_wait (self->world, test_recorder_count (self->t) == 10);
}

/* One that is away for longer is given up, and comes back as another session. */
static void
test_long_cut (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  test_hub_cut (pair.hub, "a", TRUE);
  test_world_wait (pair.world, strstr (pair.world->nodes[1].events->str, "-a") != NULL);
  test_world_wait (pair.world, !test_world_has_name (pair.world, 1, "x"));
  test_hub_cut (pair.hub, "a", FALSE);
  pair_wait_new_session (&pair);
  pair_free (&pair);
}

static void
test_frozen (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  test_hub_freeze (pair.hub, "b", TRUE);
  test_world_wait (pair.world, strstr (pair.world->nodes[0].events->str, "-b") != NULL);
  test_world_wait (pair.world, !test_world_has_name (pair.world, 0, "t"));
  test_hub_freeze (pair.hub, "b", FALSE);
  pair_wait_new_session (&pair);
  pair_free (&pair);
}

/* Node "b" has ended, and "a" has more control for it than may be on its way: the rest waits in the mailbox. */
static void
pair_overload_dead (Pair *self)
{
  g_autofree char *zeroes = g_malloc0 (BULK_SIZE);

  test_hub_kill (self->hub, "b");
  for (guint i = 0; i < N_BULK; i++)
    {
      GVariant *payload = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeroes, BULK_SIZE, 1);

      test_world_send (self->world, 0, agent_message_new_custom ("bulk", AGENT_CHANNEL_SYSTEM, "x", "t", payload));
    }
}

/* Each message is told once: it was on its way, or it waited. */
static void
pair_assert_bulk_told (Pair *self)
{
  const TestWorldNode *node = &self->world->nodes[0];
  const guint64       *n_dropped = &node->dropped[AGENT_DROP_REASON_DISCARDED];

  test_world_wait (self->world, node->lost[AGENT_TRAFFIC_CONTROL] + *n_dropped >= N_BULK);
  g_assert_cmpuint (node->lost[AGENT_TRAFFIC_CONTROL] + *n_dropped, ==, N_BULK);
  g_assert_cmpuint (*n_dropped, >, 0);
}

/* Control that waits for a node that is gone is dropped. */
static void
test_dead (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  pair_overload_dead (&pair);
  test_world_wait (pair.world, g_str_has_suffix (pair.world->nodes[0].events->str, "-b"));
  pair_assert_bulk_told (&pair);
  pair_free (&pair);
}

/* The same while the bus here is stopped, which waits for nothing that is over. */
static void
test_dead_at_stop (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);

  pair_overload_dead (&pair);
  test_world_stop (pair.world, 0, AGENT_LEAVE_FLAGS_NONE);
  pair_assert_bulk_told (&pair);
  pair_free (&pair);
}

/* The application drops the bus, where nobody else is, while the link still runs. */
static void
test_dropped_alone (TestFixture *f)
{
  for (guint i = 0; i < 200; i++)
    {
      TestWorld *world = test_world_new (f, &test_engine_hub, 1);

      test_world_drop (world, 0);
      test_world_wait (world, test_hub_count_ports (world->of_engine) == 0);
      test_world_free (world);
    }
}

/* It is stopped while it is started, and cannot be: both operations end. */
static void
test_stopped_at_start (TestFixture *f)
{
  TestHub *hub = test_hub_new (1);

  test_hub_refuse (hub, TRUE);
  for (guint i = 0; i < 2000; i++)
    {
      AgentTransport *transport = test_hub_add (hub, "a");
      AgentBus       *bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, NULL);
      g_autoptr (GAsyncResult) started = NULL;
      g_autoptr (GAsyncResult) stopped = NULL;

      agent_bus_start_async (bus, NULL, test_keep_result, &started);
      for (volatile guint j = 0; j < i % 500 * 40; j++)
        continue;
      agent_bus_stop_async (bus, NULL, test_keep_result, &stopped);
      test_wait_result (f, &started);
      test_wait_result (f, &stopped);
      g_assert_false (agent_bus_start_finish (bus, started, NULL));
      agent_bus_stop_finish (bus, stopped, NULL);
      g_object_unref (bus);
      g_object_unref (transport);
      g_clear_object (&started);
      g_clear_object (&stopped);
    }
  while (test_hub_count_ports (hub) > 0)
    g_thread_yield ();
  test_drain (f);
  test_hub_free (hub);
}

/* --- What cannot be sent --- */

/* A request that no engine carries fails as one that is not valid: to send it again later is of no use. */
static void
test_too_long (TestFixture *f)
{
  const gsize size = AGENT_ENVELOPE_SIZE_MAX;
  gpointer    pages = mmap (NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Pair        pair;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) payload = NULL;
  g_autoptr (AgentActor) boss = NULL;
  g_autoptr (AgentTask) task = NULL;

  if (pages == MAP_FAILED)
    {
      g_test_skip ("There is no room for a long payload");
      return;
    }

  pair = pair_new (f, 1000);
  bytes = g_bytes_new_static (pages, size);
  payload = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
  boss = agent_actor_new ("boss");
  test_world_join (pair.world, 0, boss);
  task = agent_actor_request (boss, "t", NULL, payload);
  test_world_wait (pair.world, agent_task_has_finished (task));
  g_assert_error (agent_task_get_error (task), AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  pair_free (&pair);
  munmap (pages, size);
}

/* --- What a node may do --- */

/* A node speaks for its own subscribers only. */
static void
test_forged (TestFixture *f)
{
  Pair pair = pair_new (f, 1000);
  g_autoptr (TestRecorder) other = test_world_add (pair.world, 1, "other");

  test_world_send (pair.world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "other", "t", 0));
  test_world_send (pair.world, 0, test_world_message (AGENT_CHANNEL_DATA, "other", "t", 0));
  test_world_send (pair.world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "nobody", "t", 0));
  test_world_wait (pair.world, test_recorder_count (pair.t) == 1);
  g_assert_cmpstr (agent_message_get_source (pair.t->messages->pdata[0]), ==, "nobody");
  test_world_wait (pair.world, test_world_figure (pair.world, 1, "refused") == 2);
  test_world_wait (pair.world, strstr (pair.world->nodes[1].refused->str, "is not from 'other'") != NULL);
  pair_free (&pair);
}

static void
test_allow (TestFixture *f)
{
  Pair                     pair = pair_new (f, 1000);
  static const char *const names[] = { "x*", NULL };
  static const char *const messages[] = { "number", NULL };
  g_autoptr (TestRecorder) other = test_recorder_new ("other", NULL, NULL);

  agent_transport_allow (pair.world->nodes[1].transport, "a", names, messages);
  g_assert_true (agent_bus_subscribe (pair.world->nodes[0].bus, AGENT_SUBSCRIBER (other), NULL));
  test_world_wait (pair.world, strstr (pair.world->nodes[1].refused->str, "'other'") != NULL);
  g_assert_false (test_world_has_name (pair.world, 1, "other"));

  test_world_send (pair.world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "other", "t", 7));
  test_world_send (pair.world, 0, agent_message_new_cancel ("x", "t", NULL));
  pair_send (&pair, AGENT_CHANNEL_SYSTEM, 0, 1);
  pair_assert_all (&pair, 1);
  test_world_wait (pair.world, strstr (pair.world->nodes[1].refused->str, "from 'other'") != NULL);
  test_world_wait (pair.world, strstr (pair.world->nodes[1].refused->str, "'cancel' from 'x'") != NULL);
  test_world_wait (pair.world, test_world_figure (pair.world, 1, "refused") == 3);
  pair_free (&pair);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-faults/blocked", test_blocked);
  test_add ("/agentbus/link-faults/full", test_full);
  test_add ("/agentbus/link-faults/send-async", test_send_async);
  test_add ("/agentbus/link-faults/leaver", test_leaver);
  test_add ("/agentbus/link-faults/lost-tail", test_lost_tail);
  test_add ("/agentbus/link-faults/lost-control", test_lost_control);
  test_add ("/agentbus/link-faults/cut", test_cut);
  test_add ("/agentbus/link-faults/long-cut", test_long_cut);
  test_add ("/agentbus/link-faults/frozen", test_frozen);
  test_add ("/agentbus/link-faults/dead", test_dead);
  test_add ("/agentbus/link-faults/dead-at-stop", test_dead_at_stop);
  test_add ("/agentbus/link-faults/dropped-alone", test_dropped_alone);
  test_add ("/agentbus/link-faults/stopped-at-start", test_stopped_at_start);
  test_add ("/agentbus/link-faults/too-long", test_too_long);
  test_add ("/agentbus/link-faults/forged", test_forged);
  test_add ("/agentbus/link-faults/allow", test_allow);

  return g_test_run ();
}

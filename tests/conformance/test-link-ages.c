/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-stranger.h"

/*
 * A message with a time to live gets older on its way, and wherever it waits at the node that it has come to.
 */

static TestStranger *
ages_begin (TestFixture *f)
{
  test_clock_run ();
  return test_stranger_new (f);
}

static void
ages_end (TestStranger *self)
{
  test_stranger_free (self);
  test_clock_release ();
}

/* Two messages for "x": the first one has a second to live, and the second one a minute. */
static void
ages_send (TestStranger *self,
           AgentTraffic  traffic)
{
  AgentPacketWriter writer = { 0 };

  for (guint i = 0; i < 2; i++)
    {
      AgentMessage *message = test_world_message (
          traffic == AGENT_TRAFFIC_DATA ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM, "s", "x", i);

      agent_message_set_ttl (message, i == 0 ? 1000 : 60000);
      test_stranger_add_message (&writer, message);
    }
  test_stranger_send (self, traffic, &writer);
}

/* The first one is lost, and the second one has lost so many seconds of its time. */
static void
ages_assert (TestStranger *self,
             AgentTraffic  traffic,
             guint         seconds)
{
  AgentMessage *message;

  test_world_wait (self->world, test_recorder_count (self->x) >= 1);
  message = self->x->messages->pdata[0];
  g_assert_cmpuint (test_world_number (message), ==, 1);
  test_world_wait (self->world, self->world->nodes[0].lost[traffic] == 1);
  g_assert_cmpuint (agent_message_get_ttl (message), <=, 60000 - 1000 * seconds);
}

static void
ages_send_name (TestStranger *self,
                const char   *name)
{
  AgentPacketWriter writer = { 0 };

  test_stranger_add_name (&writer, name);
  test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
}

/* Data that has come before the news of its source. */
static void
test_early (TestFixture *f)
{
  TestStranger *self = ages_begin (f);

  self->after = self->next_control + 1;
  self->age = 500;
  ages_send (self, AGENT_TRAFFIC_DATA);
  test_stranger_sync (self);
  test_clock_advance (2 * G_TIME_SPAN_SECOND);
  self->age = 0;
  ages_send_name (self, "late");
  ages_assert (self, AGENT_TRAFFIC_DATA, 2);
  g_assert_cmpuint (agent_message_get_ttl (self->x->messages->pdata[0]), <=, 60000 - 2500);
  ages_end (self);
}

/* Control that has come before another packet of control. */
static void
test_held (TestFixture *f)
{
  TestStranger *self = ages_begin (f);

  self->next_control++;
  ages_send (self, AGENT_TRAFFIC_CONTROL);
  test_stranger_sync (self);
  test_clock_advance (2 * G_TIME_SPAN_SECOND);
  self->next_control -= 3;
  ages_send_name (self, "late");
  ages_assert (self, AGENT_TRAFFIC_CONTROL, 2);
  ages_end (self);
}

static void
ages_add_topic (TestStranger *self,
                TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), "lamp.*", &error));
  g_assert_no_error (error);
}

/* A retained message, which has three seconds to live and was on its way for one. */
static void
test_retained (TestFixture *f)
{
  TestStranger     *self = ages_begin (f);
  AgentPacketWriter writer = { 0 };
  AgentMessage     *message = test_world_message (AGENT_CHANNEL_DATA, "s", NULL, 7);
  g_autoptr (TestRecorder) y = test_world_add (self->world, 0, "y");
  g_autoptr (TestRecorder) z = test_world_add (self->world, 0, "z");

  agent_message_set_topic (message, "lamp.1");
  agent_message_set_retained (message, TRUE);
  agent_message_set_ttl (message, 3000);
  test_stranger_add_message (&writer, message);
  self->age = 1000;
  test_stranger_send (self, AGENT_TRAFFIC_DATA, &writer);
  test_stranger_sync (self);
  test_clock_advance (G_TIME_SPAN_SECOND);
  ages_add_topic (self, y);
  test_world_wait (self->world, test_recorder_count (y) == 1);
  test_clock_advance (G_TIME_SPAN_SECOND);
  ages_add_topic (self, z);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (z), ==, 0);
  ages_end (self);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-ages/early", test_early);
  test_add ("/agentbus/link-ages/held", test_held);
  test_add ("/agentbus/link-ages/retained", test_retained);

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-link-private.h"
#include "test-actors.h"
#include "test-hub.h"
#include "test-stranger.h"

/*
 * What a node keeps for another one has a bound, also if the other one is lazy or tells too much.
 */

static void
stranger_is_sent (TestStranger *self,
                  guint         number)
{
  test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "s", number));
}

/* It takes control and never says so. Each message comes after news of a name, so that no two of them are one run. */
static void
lazy_take (TestStranger *self,
           guint         n)
{
  AgentBus *bus = self->world->nodes[0].bus;
  guint     before = self->n_messages;

  for (guint i = 0; i < n; i++)
    {
      if (i % 2 == 0)
        g_object_unref (test_world_add (self->world, 0, "t"));
      else
        agent_bus_unsubscribe (bus, "t");
      stranger_is_sent (self, i);
      test_world_wait (self->world, self->n_messages == before + i + 1);
    }
}

static void
test_lazy (TestFixture *f)
{
  TestStranger *self = test_stranger_new (f);
  guint         n_questions;

  lazy_take (self, AGENT_UNCONFIRMED_MAX_RUNS);
  for (guint i = 0; i < 5; i++)
    stranger_is_sent (self, i);
  n_questions = self->n_questions;
  test_world_wait (self->world, self->n_questions >= n_questions + 3);
  g_assert_cmpuint (self->n_messages, ==, AGENT_UNCONFIRMED_MAX_RUNS);

  test_stranger_confirm (self);
  test_world_wait (self->world, self->n_messages == AGENT_UNCONFIRMED_MAX_RUNS + 5);
  test_stranger_say (self, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "done"));
  test_world_wait (self->world, self->world->nodes[0].lost[AGENT_TRAFFIC_CONTROL] == 5);
  test_stranger_free (self);
}

/* It is asked what it has got before messages have to wait, and again when they do. */
static void
test_asked (TestFixture *f)
{
  TestStranger *self;

  /* No time goes by, so there is no heartbeat. */
  test_clock_freeze ();
  self = test_stranger_new (f);
  lazy_take (self, AGENT_UNCONFIRMED_MAX_RUNS / 2);
  test_world_wait (self->world, self->n_questions == 1);
  lazy_take (self, AGENT_UNCONFIRMED_MAX_RUNS / 2);
  test_world_wait (self->world, self->n_questions == 2);
  test_stranger_free (self);
  test_clock_release ();
}

/* Eight digits, valid until the next call. */
static const char *
test_number_text (guint number)
{
  static char text[9];

  g_snprintf (text, sizeof text, "%08u", number);
  return text;
}

/* Names of so many characters. */
static void
tell_long_names (TestStranger *self,
                 guint         n,
                 gsize         length)
{
  g_autofree char *name = g_strnfill (length, 'n');

  for (guint i = 0; i < n; i++)
    {
      AgentPacketWriter writer = { 0 };

      memcpy (name, test_number_text (i), 8);
      test_stranger_add_name (&writer, name);
      test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
    }
}

static void
tell_interest (TestStranger     *self,
               AgentInterestKind kind,
               gboolean          taken,
               guint             n)
{
  AgentPacketWriter writer = { 0 };

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *text = g_strdup_printf ("n%u", i);

      _agent_packet_writer_add (&writer, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) kind, taken, text));
    }
  test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
}

static guint64
get_refused (TestStranger *self)
{
  return test_world_figure (self->world, 0, "refused");
}

/* It has names that are longer than all that is kept of a node. When it takes some back, there is room again. */
static void
test_long_names (TestFixture *f)
{
  const gsize      length = 900 * 1000;
  const guint      n = AGENT_NODE_MAX_TOLD / length;
  TestStranger    *self = test_stranger_new (f);
  g_autofree char *name = g_strnfill (length, 'n');

  tell_long_names (self, n + 10, length);
  test_world_wait (self->world, get_refused (self) == 10);
  g_assert_true (g_strrstr (self->world->nodes[0].refused->str, "tells more of itself") != NULL);
  tell_long_names (self, n, length);
  test_stranger_sync (self);
  g_assert_cmpuint (get_refused (self), ==, 11);

  for (guint i = 0; i < n; i++)
    {
      AgentPacketWriter writer = { 0 };

      memcpy (name, test_number_text (i), 8);
      _agent_packet_writer_add (&writer, AGENT_RECORD_GONE, g_variant_new ("(s)", name));
      test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
    }
  test_world_wait (self->world, !test_world_has_name (self->world, 0, name));
  tell_long_names (self, n, length);
  test_world_wait (self->world, test_world_has_name (self->world, 0, name) || get_refused (self) > 11);
  g_assert_cmpuint (get_refused (self), ==, 11);
  test_stranger_free (self);
}

/* It takes very many broadcasts, and takes them back, some of them by their name and some by a pattern. */
static void
test_interests (TestFixture *f)
{
  TestStranger *self = test_stranger_new (f);

  for (guint i = 1; i <= 2; i++)
    {
      tell_interest (self, AGENT_INTEREST_NAME, TRUE, AGENT_NODE_MAX_INTERESTS / 2);
      tell_interest (self, AGENT_INTEREST_PATTERN, TRUE, AGENT_NODE_MAX_INTERESTS / 2 + 10);
      test_world_wait (self->world, get_refused (self) >= 10 * i);
      g_assert_cmpuint (get_refused (self), ==, 10 * i);
      tell_interest (self, AGENT_INTEREST_NAME, FALSE, AGENT_NODE_MAX_INTERESTS);
      tell_interest (self, AGENT_INTEREST_PATTERN, FALSE, AGENT_NODE_MAX_INTERESTS);
    }
  test_stranger_free (self);
}

static void
add_interest (AgentPacketWriter *writer,
              AgentInterestKind  kind,
              gboolean           taken,
              const char        *text)
{
  _agent_packet_writer_add (writer, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) kind, taken, text));
}

static void
send_on_topic (TestStranger *self,
               const char   *topic)
{
  AgentMessage *message = test_world_message (AGENT_CHANNEL_SYSTEM, "y", NULL, 1);

  agent_message_set_topic (message, topic);
  test_world_send (self->world, 0, message);
}

/* It changes its mind within a packet, so often that this would take very long if each change cost as much as all its names. */
static void
test_fickle (TestFixture *f)
{
  TestStranger     *self = test_stranger_new (f);
  AgentPacketWriter writer = { 0 };
  g_autoptr (TestRecorder) y = test_recorder_new ("y", NULL, NULL);

  test_world_join (self->world, 0, y);
  tell_interest (self, AGENT_INTEREST_NAME, TRUE, AGENT_NODE_MAX_INTERESTS - 10);
  for (guint i = 0; i < 20000; i++)
    {
      add_interest (&writer, AGENT_INTEREST_NAME, i % 2 == 0, "number");
      add_interest (&writer, AGENT_INTEREST_PATTERN, i % 2 == 0, "a.*");
    }
  add_interest (&writer, AGENT_INTEREST_PATTERN, TRUE, "not a pattern.");
  add_interest (&writer, AGENT_INTEREST_PATTERN, TRUE, "b.*");
  add_interest (&writer, AGENT_INTEREST_NAME, TRUE, "number");
  test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
  test_world_wait (self->world, get_refused (self) == 1);
  test_stranger_sync (self);

  /* Of all this, it takes "number" on topics of b. */
  send_on_topic (self, "a.1");
  send_on_topic (self, "b.1");
  test_world_wait (self->world, self->n_messages == 1);
  test_stranger_sync (self);
  g_assert_cmpuint (self->n_messages, ==, 1);
  test_stranger_free (self);
}

static void
answer_with_broadcast (TestRecorder *recorder,
                       AgentMessage *message,
                       gpointer      user_data)
{
  TestStranger *self = user_data;

  test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "y", NULL, 1));
}

/* It takes a broadcast, and has somebody send it at once. Much comes behind that in the same packet. */
static void
test_interest_first (TestFixture *f)
{
  TestStranger     *self = test_stranger_new (f);
  AgentPacketWriter writer = { 0 };
  g_autoptr (TestRecorder) y = test_recorder_new ("y", answer_with_broadcast, self);

  test_world_join (self->world, 0, y);
  _agent_packet_writer_add (
      &writer, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) AGENT_INTEREST_NAME, TRUE, "number"));
  test_stranger_add_message (&writer, test_world_message (AGENT_CHANNEL_SYSTEM, "s", "y", 0));
  for (guint i = 0; i < 5000; i++)
    test_stranger_add_name (&writer, test_number_text (i));
  test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
  test_world_wait (self->world, self->n_messages == 1);
  test_stranger_free (self);
}

/* It has very many names. */
static void
test_names (TestFixture *f)
{
  TestStranger *self;

  if (!g_test_thorough ())
    {
      g_test_skip ("takes long");
      return;
    }

  self = test_stranger_new (f);
  tell_long_names (self, AGENT_NODE_MAX_NAMES + 10, 8);
  test_world_wait (self->world, get_refused (self) >= 11);
  g_assert_cmpuint (get_refused (self), ==, 11);
  test_stranger_free (self);
}

static gboolean
has_vanished (TestStranger *self)
{
  return g_str_has_suffix (self->world->nodes[0].events->str, "-stranger");
}

/* It takes nothing, and is told of ever more names: it is given up. */
static void
test_told (TestFixture *f)
{
  const gsize      length = 900 * 1000;
  TestStranger    *self = test_stranger_new (f);
  TestHub         *hub = self->world->of_engine;
  g_autofree char *name = g_strnfill (length, 'n');

  test_hub_hold (hub, "a", TRUE);
  for (guint i = 0; i <= 2 * AGENT_NODE_MAX_TOLD / length && !has_vanished (self); i++)
    {
      guint n = test_hub_count_sent (hub, "a", AGENT_TRAFFIC_CONTROL);

      memcpy (name, test_number_text (i), 8);
      g_object_unref (test_world_add (self->world, 0, name));
      test_world_wait (self->world, test_hub_count_sent (hub, "a", AGENT_TRAFFIC_CONTROL) > n || has_vanished (self));
      agent_bus_unsubscribe (self->world->nodes[0].bus, name);
    }
  test_world_wait (self->world, has_vanished (self));
  test_stranger_free (self);
}

/* Very many nodes say that they are there. */
static void
test_nodes (TestFixture *f)
{
  TestStranger *self = test_stranger_new (f);
  TestHub      *hub = self->world->of_engine;

  for (guint i = 0; i < AGENT_LINK_MAX_NODES; i++)
    {
      const AgentPacketHead head = { .from_session = 1 };
      AgentPacketWriter     writer = { 0 };
      g_autoptr (GBytes) packet = NULL;

      g_assert_cmpuint (self->world->nodes[0].refused->len, ==, 0);
      _agent_packet_writer_add (&writer, AGENT_RECORD_HELLO, g_variant_new ("(u)", 3600000));
      packet = _agent_packet_writer_finish (&writer, &head);
      test_hub_inject (hub, "a", test_number_text (i), packet);
    }
  test_world_wait (self->world, self->world->nodes[0].refused->len > 0);
  g_assert_cmpstr (self->world->nodes[0].refused->str, ==, "00004095: There are more nodes than are known at a time\n");
  test_stranger_free (self);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-bounds/lazy", test_lazy);
  test_add ("/agentbus/link-bounds/asked", test_asked);
  test_add ("/agentbus/link-bounds/long-names", test_long_names);
  test_add ("/agentbus/link-bounds/interests", test_interests);
  test_add ("/agentbus/link-bounds/fickle", test_fickle);
  test_add ("/agentbus/link-bounds/interest-first", test_interest_first);
  test_add ("/agentbus/link-bounds/names", test_names);
  test_add ("/agentbus/link-bounds/told", test_told);
  test_add ("/agentbus/link-bounds/nodes", test_nodes);

  return g_test_run ();
}

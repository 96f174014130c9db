/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "bus/agent-transport-private.h"
#include "link/agent-packet-private.h"
#include "message/agent-envelope-private.h"
#include "test-actors.h"
#include "test-hub.h"
#include "test-sink.h"
#include "test-world.h"

/*
 * A node that does not keep the rules: it sends packets that are damaged, packets of no sense, and packets that are right in form and
 * wrong in what they say, all from a seed. The node that gets them goes on, and takes no more memory for them than it has bounds.
 *
 * AGENTBUS_PACKETS says how many packets are sent, and AGENTBUS_SEED with which seed.
 */

/* It begins another session after so many packets, since it is given up now and then. */
#define N_PER_SESSION 200

/* How much the process may grow, in bytes: what is bounded for one node, twice, and what an allocator and a sanitizer add. */
#define MAX_GROWTH (512 * 1024 * 1024)

typedef struct
{
  TestFixture    *f;
  TestWorld      *world;
  TestRecorder   *x; /* at node "a", which gets the packets */
  TestRecorder   *t; /* at node "b", which is honest */
  AgentTransport *transport;
  GRand          *rand;
  guint64         session;
  guint64         peer_session; /* 0 until it is known */
  guint64         numbers[3];   /* of the next packet, by AgentTraffic */
} Villain;

/* --- What the node hears --- */

static void
villain_on_received (gpointer     data,
                     const char  *node,
                     AgentTraffic traffic,
                     GBytes      *packet)
{
  Villain          *self = data;
  AgentPacketReader reader;
  AgentPacketHead   head;

  if (!g_str_equal (node, "a") || !_agent_packet_reader_init (&reader, packet, &head, NULL))
    return;
  if (head.to_session == self->session && head.from_session != 0)
    self->peer_session = head.from_session;
  else if (head.to_session > self->session)
    self->session = head.to_session + 1;
}

static const AgentTransportSink villain_sink = { .received = villain_on_received, TEST_SINK_IGNORE };

/* --- What it sends --- */

static void
villain_send (Villain     *self,
              AgentTraffic traffic,
              GBytes      *packet)
{
  switch (traffic)
    {
    case AGENT_TRAFFIC_DATA:
      _agent_transport_send_data (self->transport, "a", packet, NULL);
      break;
    case AGENT_TRAFFIC_CONTROL:
      _agent_transport_send_control (self->transport, "a", self->session, self->numbers[traffic], packet);
      break;
    case AGENT_TRAFFIC_PRESENCE:
    default:
      _agent_transport_send_presence (self->transport, "a", packet);
    }
}

/* The packet of @writer, of the session: (transfer full) */
static GBytes *
villain_finish (Villain           *self,
                AgentTraffic       traffic,
                AgentPacketWriter *writer)
{
  AgentPacketHead head = { .from_session = self->session,
                           .to_session = self->peer_session,
                           .number = traffic == AGENT_TRAFFIC_PRESENCE ? 0 : self->numbers[traffic],
                           .after = traffic == AGENT_TRAFFIC_DATA ? 1 : 0 };

  self->numbers[traffic] += writer->n_records;
  return _agent_packet_writer_finish (writer, &head);
}

static void
villain_say_hello (Villain *self)
{
  AgentPacketWriter writer = { 0 };
  g_autoptr (GBytes) packet = NULL;

  _agent_packet_writer_add (&writer, AGENT_RECORD_HELLO, g_variant_new ("(u)", 3600000));
  packet = villain_finish (self, AGENT_TRAFFIC_PRESENCE, &writer);
  villain_send (self, AGENT_TRAFFIC_PRESENCE, packet);
}

/* What it has said before is forgotten, also numbers above which there is none. */
static void
villain_say_goodbye (Villain *self)
{
  AgentPacketWriter writer = { 0 };
  AgentPacketHead   head = { .from_session = 0 };
  g_autoptr (GBytes) packet = NULL;

  _agent_packet_writer_add (&writer, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "anew"));
  packet = _agent_packet_writer_finish (&writer, &head);
  villain_send (self, AGENT_TRAFFIC_PRESENCE, packet);
}

static void
villain_begin (Villain *self)
{
  villain_say_goodbye (self);
  self->session = MAX (self->session + 1, (guint64) g_get_real_time ());
  if (self->session >= G_MAXINT64 / 2)
    self->session = (guint64) g_get_real_time ();
  self->peer_session = 0;
  self->numbers[AGENT_TRAFFIC_DATA] = self->numbers[AGENT_TRAFFIC_CONTROL] = 1;
  while (self->peer_session == 0)
    {
      villain_say_hello (self);
      test_world_turn (self->world);
    }
  villain_say_hello (self);
}

static const char *
villain_choose_name (Villain *self)
{
  static const char *const names[] = { "x", "t", "evil", "evil2", ":node-b", "", "g", "\xff\xfe" };

  return names[g_rand_int_range (self->rand, 0, G_N_ELEMENTS (names))];
}

static const char *
villain_choose_id (Villain *self)
{
  static const char *const ids[] = { "1", "2", "00000000-0000-0000-0000-000000000001", "none" };

  return ids[g_rand_int_range (self->rand, 0, G_N_ELEMENTS (ids))];
}

/* (transfer full) */
static AgentMessage *
villain_make_message (Villain *self)
{
  const char *id = villain_choose_id (self);

  switch (g_rand_int_range (self->rand, 0, 7))
    {
    case 0:
      return agent_message_new_task_request ("evil", "x", id, "name", g_variant_new_uint32 (1));
    case 1:
      return agent_message_new_task_response ("evil", "x", id, AGENT_TASK_STATUS_COMPLETED, NULL);
    case 2:
      return agent_message_new_task_cancel ("evil", "x", id, "reason");
    case 3:
      return test_world_message (AGENT_CHANNEL_SYSTEM, "t", "x", 1);
    case 4:
      return agent_message_new_custom ("any", AGENT_CHANNEL_DATA, "evil", NULL, g_variant_new ("a{sv}", NULL));
    case 5:
      return agent_message_new_cancel ("evil", "g", NULL);
    default:
      return test_world_message (AGENT_CHANNEL_DATA, "evil", "x", 1);
    }
}

static void
villain_add_message (Villain           *self,
                     AgentPacketWriter *writer)
{
  g_autoptr (AgentMessage) message = villain_make_message (self);
  const char *member = g_rand_boolean (self->rand) ? villain_choose_name (self) : NULL;
  GByteArray *bytes = _agent_packet_writer_begin (
      writer, g_rand_boolean (self->rand) ? AGENT_RECORD_MESSAGE : AGENT_RECORD_GROUPED, member);

  g_assert_true (_agent_envelope_append (bytes, message, NULL, NULL));
  _agent_packet_writer_end (writer);
}

static void
villain_add_control (Villain           *self,
                     AgentPacketWriter *writer)
{
  static const char kinds[] = "anp?";
  const char       *name = villain_choose_name (self);

  if (!g_utf8_validate (name, -1, NULL))
    name = "*";
  switch (g_rand_int_range (self->rand, 0, 5))
    {
    case 0:
      _agent_packet_writer_add (
          writer,
          AGENT_RECORD_NAME,
          g_variant_new ("(ssbssbbx)", name, g_rand_boolean (self->rand) ? "g" : "", TRUE, "run", name, TRUE, FALSE, (gint64) -1));
      break;
    case 1:
      _agent_packet_writer_add (writer, AGENT_RECORD_GONE, g_variant_new ("(s)", name));
      break;
    case 2:
      _agent_packet_writer_add (
          writer,
          AGENT_RECORD_INTEREST,
          g_variant_new ("(ybs)", kinds[g_rand_int_range (self->rand, 0, 4)], g_rand_boolean (self->rand), name));
      break;
    case 3:
      _agent_packet_writer_add (writer,
                                AGENT_RECORD_CONVERSATION,
                                g_variant_new ("(st)", name, ((guint64) g_rand_int (self->rand) << 32) | g_rand_int (self->rand)));
      break;
    default:
      _agent_packet_writer_add (writer, 77, g_variant_new ("(s)", name));
    }
}

static void
villain_add_presence (Villain           *self,
                      AgentPacketWriter *writer)
{
  switch (g_rand_int_range (self->rand, 0, 4))
    {
    case 0:
      _agent_packet_writer_add (writer, AGENT_RECORD_BEACON, g_variant_new ("(u)", g_rand_int (self->rand)));
      break;
    case 1:
      _agent_packet_writer_add (writer,
                                AGENT_RECORD_STATUS,
                                g_variant_new ("(ttt)",
                                               (guint64) g_rand_int (self->rand) << g_rand_int_range (self->rand, 0, 33),
                                               (guint64) g_rand_int (self->rand),
                                               (guint64) g_rand_int (self->rand)));
      break;
    case 2:
      _agent_packet_writer_add (writer, AGENT_RECORD_QUESTION, g_variant_new ("()"));
      break;
    default:
      _agent_packet_writer_add (writer, AGENT_RECORD_HELLO, g_variant_new ("(u)", g_rand_int (self->rand)));
    }
}

/* (transfer full) */
static GBytes *
villain_make_packet (Villain     *self,
                     AgentTraffic traffic)
{
  AgentPacketWriter writer = { 0 };

  for (gint32 n = g_rand_int_range (self->rand, 1, 4); n > 0; n--)
    {
      if (traffic == AGENT_TRAFFIC_PRESENCE)
        villain_add_presence (self, &writer);
      else if (traffic == AGENT_TRAFFIC_CONTROL && g_rand_boolean (self->rand))
        villain_add_control (self, &writer);
      else
        villain_add_message (self, &writer);
    }

  return villain_finish (self, traffic, &writer);
}

/* Changes some bytes, also in the numbers of the head, cuts the end off, or leaves @packet as it is. Takes @packet: (transfer full) */
static GBytes *
villain_damage (Villain *self,
                GBytes  *packet)
{
  GByteArray *bytes = g_bytes_unref_to_array (packet);
  gint32      what = g_rand_int_range (self->rand, 0, 4);

  if (what == 0)
    g_byte_array_set_size (bytes, (guint) g_rand_int_range (self->rand, 0, (gint32) bytes->len + 1));
  for (gint32 n = what == 1 || what == 2 ? g_rand_int_range (self->rand, 1, 5) : 0; n > 0; n--)
    bytes->data[g_rand_int_range (self->rand, what == 1 ? 40 : 0, (gint32) bytes->len)] ^=
        (guint8) (1 << g_rand_int_range (self->rand, 0, 8));

  return g_byte_array_free_to_bytes (bytes);
}

static void
villain_strike (Villain *self)
{
  AgentTraffic traffic = (AgentTraffic) g_rand_int_range (self->rand, AGENT_TRAFFIC_DATA, AGENT_TRAFFIC_PRESENCE + 1);
  g_autoptr (GBytes) packet = villain_damage (self, villain_make_packet (self, traffic));

  villain_send (self, traffic, packet);
}

/* --- The case --- */

static gsize
hostile_get_memory (void)
{
  g_autofree char *text = NULL;
  gsize            pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%*u %zu", &pages), ==, 1);
  return pages * (gsize) sysconf (_SC_PAGESIZE);
}

static void
villain_init (Villain     *self,
              TestFixture *f,
              guint32      seed)
{
  g_autoptr (GAsyncResult) result = NULL;

  *self = (Villain){ .f = f, .world = test_world_new (f, &test_engine_hub, 2), .rand = g_rand_new_with_seed (seed) };
  self->x = test_world_add (self->world, 0, "x");
  self->t = test_world_add (self->world, 1, "t");
  self->transport = test_hub_add (self->world->of_engine, "evil");
  g_assert_true (_agent_transport_set_sink (self->transport, &villain_sink, self));
  _agent_transport_open_async (self->transport, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (_agent_transport_open_finish (self->transport, result, NULL));
}

static void
villain_clear (Villain *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  _agent_transport_close_async (self->transport, NULL, test_keep_result, &result);
  test_wait_result (self->f, &result);
  _agent_transport_close_finish (self->transport, result, NULL);
  _agent_transport_set_sink (self->transport, NULL, NULL);
  g_clear_object (&result);
  g_assert_finalize_object (self->transport);
  g_rand_free (self->rand);
  test_world_free (self->world);
  g_object_unref (self->x);
  g_object_unref (self->t);
}

/* The two honest nodes still reach each other. */
static void
villain_assert_peace (Villain *self,
                      guint    number)
{
  g_ptr_array_set_size (self->t->messages, 0);
  while (test_recorder_count (self->t) == 0 || test_world_number (self->t->messages->pdata[0]) != number)
    {
      g_ptr_array_set_size (self->t->messages, 0);
      test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", number));
      test_world_turn (self->world);
    }
  g_ptr_array_set_size (self->x->messages, 0);
}

static void
test_packets (TestFixture *f)
{
  const char *n_text = g_getenv ("AGENTBUS_PACKETS");
  const char *seed_text = g_getenv ("AGENTBUS_SEED");
  guint       n = n_text != NULL ? (guint) atoi (n_text) : 20000;
  guint       seed = seed_text != NULL ? (guint) atoi (seed_text) : 1;
  gsize       memory;
  Villain     villain;

  g_test_message ("seed %u", seed);
  villain_init (&villain, f, seed);
  memory = hostile_get_memory ();
  for (guint i = 0; i < n; i++)
    {
      if (i % N_PER_SESSION == 0)
        {
          villain_assert_peace (&villain, i);
          villain_begin (&villain);
        }
      villain_strike (&villain);
      test_drain (f);
    }
  villain_assert_peace (&villain, n);
  g_assert_cmpuint (hostile_get_memory (), <, memory + MAX_GROWTH);
  g_test_message ("%" G_GUINT64_FORMAT " refused", test_world_figure (villain.world, 0, "refused"));
  villain_clear (&villain);
  g_string_truncate (f->log, 0);
}

/* This node has begun again with a lower number than before, as its clock was set back: it is told, and goes on above that. */
static void
test_clock_set_back (TestFixture *f)
{
  Villain villain;
  guint64 later;

  villain_init (&villain, f, 1);
  later = (guint64) g_get_real_time () + 1000 * (guint64) G_USEC_PER_SEC;
  villain.session = later - 1;
  villain_begin (&villain);
  villain.session = later / 2;
  villain.peer_session = 0;
  while (villain.peer_session == 0)
    {
      villain_say_hello (&villain);
      test_world_turn (villain.world);
    }
  g_assert_cmpuint (villain.session, >, later);
  villain_clear (&villain);
}

/* And the other one does the same. */
static void
test_other_clock_set_back (TestFixture *f)
{
  Villain villain;
  guint64 known;

  villain_init (&villain, f, 1);
  villain_begin (&villain);
  known = villain.peer_session + 1000 * (guint64) G_USEC_PER_SEC;
  villain.peer_session = known;
  villain_say_hello (&villain);
  test_world_wait (villain.world, villain.peer_session == known + 1);
  villain_clear (&villain);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-hostile/clock-set-back", test_clock_set_back);
  test_add ("/agentbus/link-hostile/other-clock-set-back", test_other_clock_set_back);
  test_add ("/agentbus/link-hostile/packets", test_packets);

  return g_test_run ();
}

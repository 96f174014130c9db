/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What it takes to write a message into an envelope, and to read it, with and without its payload; and beside that, what GLib
 * takes to wrap the bytes of the payload in a GVariant. Everything runs in one thread, in packets of 64 KiB. */

#include "config.h"

#include "bench-harness.h"
#include "message/agent-envelope-private.h"

#include <string.h>

#define N_MESSAGES 1000000
#define PACKET_SIZE 65536
#define PAYLOAD_SIZE 128

static AgentMessage *
envelope_make_blob (void)
{
  guint8 data[PAYLOAD_SIZE] = { 0 };

  return agent_message_new_activate (
      "recognizer", "dialogue", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, sizeof data, 1));
}

static AgentMessage *
envelope_make_custom (void)
{
  guint8 data[PAYLOAD_SIZE] = { 0 };

  return agent_message_new_custom ("tick",
                                   AGENT_CHANNEL_DATA,
                                   "recognizer",
                                   "dialogue",
                                   g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, sizeof data, 1));
}

static AgentMessage *
envelope_make_update (void)
{
  return agent_message_new_task_update ("recognizer",
                                        "dialogue",
                                        "00000000-0000-0000-0000-000000000001",
                                        g_variant_new_parsed ("{'n': <1>, 'text': <'hello world'>}"));
}

static AgentMessage *
envelope_make_frame (void)
{
  guint8 data[PAYLOAD_SIZE] = { 0 };
  g_autoptr (AgentFrame) frame = agent_frame_new_copy ("audio/raw", data, sizeof data, NULL);

  return agent_message_new_frame ("recognizer", "dialogue", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

static AgentMessage *
envelope_make_talk (void)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new ("talk");
  AgentMessage *message = envelope_make_blob ();

  agent_message_set_conversation (message, conversation);
  return message;
}

typedef AgentMessage *(*MakeFunc) (void);

static const MakeFunc makers[] = {
  envelope_make_blob,
  envelope_make_custom,
  envelope_make_update,
  envelope_make_frame,
  envelope_make_talk,
};

/* Nanoseconds for each message. */
static double
envelope_time_append (AgentMessage *message)
{
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  double start = bench_cpu ();

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      if (packet->len > PACKET_SIZE)
        g_byte_array_set_size (packet, 0);
      if (!_agent_envelope_append (packet, message, NULL, NULL))
        g_error ("A message was not written");
    }

  return (bench_cpu () - start) / N_MESSAGES * 1e9;
}

/* A packet full of the same message, each of whose envelopes has @size bytes. */
static GBytes *
envelope_fill_packet (AgentMessage *message,
                      gsize        *size)
{
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  guint8 zeros[8] = { 0 };

  _agent_envelope_append (packet, message, NULL, NULL);
  *size = packet->len;
  while (packet->len < PACKET_SIZE)
    {
      g_byte_array_append (packet, zeros, -packet->len & 7);
      _agent_envelope_append (packet, message, NULL, NULL);
    }

  return g_byte_array_free_to_bytes (g_steal_pointer (&packet));
}

static double
envelope_time_read (AgentMessage *message,
                    gboolean      asks)
{
  gsize size;
  g_autoptr (GBytes) packet = envelope_fill_packet (message, &size);
  gsize  step = (size + 7) & ~(gsize) 7;
  gsize  n = g_bytes_get_size (packet) / step;
  double start = bench_cpu ();

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      AgentMessage *read = _agent_envelope_read (packet, i % n * step, size, NULL);

      if (asks)
        agent_message_get_payload (read);
      agent_message_unref (read);
    }

  return (bench_cpu () - start) / N_MESSAGES * 1e9;
}

static double
envelope_time_wrap (AgentMessage *message)
{
  GVariant     *payload = agent_message_get_payload (message);
  gconstpointer data = g_variant_get_data (payload);
  double        start = bench_cpu ();

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (data, g_variant_get_size (payload));
      g_autoptr (GVariant) wrapped = g_variant_new_from_bytes (g_variant_get_type (payload), bytes, FALSE);

      g_variant_ref_sink (wrapped);
    }

  return (bench_cpu () - start) / N_MESSAGES * 1e9;
}

static void
envelope_measure (const char *name,
                  guint       maker)
{
  g_autoptr (AgentMessage) message = makers[maker]();
  gboolean has_payload = agent_message_get_payload (message) != NULL;
  double   times[4][BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      times[0][r] = envelope_time_append (message);
      times[1][r] = envelope_time_read (message, FALSE);
      times[2][r] = has_payload ? envelope_time_read (message, TRUE) : 0;
      times[3][r] = has_payload ? envelope_time_wrap (message) : 0;
    }

  bench_print_median (name, "append", times[0], bench_repeats (), "ns");
  bench_print_median (name, "read", times[1], bench_repeats (), "ns");
  if (!has_payload)
    return;

  bench_print_median (name, "read_with_payload", times[2], bench_repeats (), "ns");
  bench_print_median (name, "wrap_payload", times[3], bench_repeats (), "ns");
}

static const BenchScenario scenarios[] = {
  { "envelope_blob", envelope_measure, 0 },
  { "envelope_custom", envelope_measure, 1 },
  { "envelope_update", envelope_measure, 2 },
  { "envelope_frame", envelope_measure, 3 },
  { "envelope_talk", envelope_measure, 4 },
};

int
main (int   argc,
      char *argv[])
{
  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}

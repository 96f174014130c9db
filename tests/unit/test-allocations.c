/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "counting-malloc.h"
#include "message/agent-envelope-private.h"
#include "test-support.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* How often memory is allocated for a message (BF32: three times and more), and what is kept of it. */

#define N_ROUNDS 1000

static gboolean
skip (void)
{
#ifdef RUNNING_ON_VALGRIND
  const gboolean on_valgrind = RUNNING_ON_VALGRIND;
#else
  const gboolean on_valgrind = g_getenv ("RUNNING_ON_VALGRIND") != NULL;
#endif

  if (counting_malloc_can_count () && !on_valgrind)
    return FALSE;

  g_test_skip ("Something else has taken the place of malloc()");
  return TRUE;
}

static void
forget (TestRecorder *recorder,
        AgentMessage *message,
        gpointer      user_data)
{
  g_ptr_array_set_size (recorder->messages, 0);
}

static void
send_rounds (TestFixture *f,
             guint        n_rounds,
             guint        burst,
             const char  *target)
{
  for (guint i = 0; i < n_rounds; i++)
    {
      for (guint n = 0; n < burst; n++)
        g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", target, n)), >, 0);
      test_drain (f);
    }
}

/* In the long run: what is needed once, such as room for messages that wait, does not count. */
static void
assert_one_allocation_a_message (TestFixture *f,
                                 guint        burst,
                                 const char  *target)
{
  guint64 n_before;
  gint    n;

  send_rounds (f, 100, burst, target);
  n_before = counting_malloc_n_allocations ();
  send_rounds (f, N_ROUNDS, burst, target);
  n = (gint) (counting_malloc_n_allocations () - n_before);

  g_assert_cmpuint (n_before, >, 0);
  g_test_minimized_result ((double) n / (N_ROUNDS * burst),
                           "%d allocations for %u messages",
                           n,
                           N_ROUNDS * burst);
  g_assert_cmpint (n, <=, N_ROUNDS * burst);
}

static void
test_one_by_one (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", forget, NULL);

  if (!skip ())
    assert_one_allocation_a_message (f, 1, "a");
}

static void
test_in_bursts (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", forget, NULL);

  if (!skip ())
    assert_one_allocation_a_message (f, 100, "a");
}

static void
test_fan_out (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = g_ptr_array_new_with_free_func (g_object_unref);

  if (skip ())
    return;

  for (guint i = 0; i < 10; i++)
    {
      char name[16];

      g_snprintf (name, sizeof name, "a%u", i);
      g_ptr_array_add (recorders, test_recorder_subscribe (f, name, forget, NULL));
    }
  assert_one_allocation_a_message (f, 10, NULL);
}

/* The data of a small frame lies in the frame, and a payload as text is one piece. Both are of one of the sizes that the
 * pool has. */
static void
test_small_contents (TestFixture *f)
{
  static const gsize sizes[] = { 1, 160, 320, 640, 1024 };
  guint64 n_before;

  if (skip ())
    return;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *inside = g_strnfill (sizes[i] - 1, '7');
      g_autofree char *text = g_strdup_printf ("\"%s\"", inside);

      n_before = counting_malloc_n_allocations ();
      for (guint n = 0; n < N_ROUNDS; n++)
        agent_frame_unref (agent_frame_new_copy ("audio/raw", text, sizes[i], NULL));
      g_assert_cmpuint (counting_malloc_n_allocations () - n_before, <, N_ROUNDS / 2);

      n_before = counting_malloc_n_allocations ();
      for (guint n = 0; n < N_ROUNDS; n++)
        {
          g_autoptr (AgentMessage) message = agent_message_new_task_update ("a", "b", "t", NULL);

          g_assert_true (agent_message_set_payload_json (message, text, NULL));
        }
      g_assert_cmpuint (counting_malloc_n_allocations () - n_before, <, N_ROUNDS / 2);
    }
}

/* A stamp is no allocation, neither where a message is stamped nor where it has it from its cause. */
static void
test_stamps (TestFixture *f)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new ("talk");
  guint64 n_before;

  if (skip ())
    return;

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (AgentMessage) message = test_data ("test", "a", i);
      g_autoptr (AgentMessage) answer = test_data ("a", "test", i);

      n_before = counting_malloc_n_allocations ();
      agent_message_set_conversation (message, conversation);
      agent_message_set_cause (answer, message);
      g_assert_cmpuint (counting_malloc_n_allocations (), ==, n_before);
    }
}

/* A message from another process takes no more: its memory comes from the pool, with that of its payload. */
static void
test_envelopes (TestFixture *f)
{
  guint8    data[128] = { 0 };
  GVariant *payload = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, sizeof data, 1);
  g_autoptr (AgentMessage) message = agent_message_new_activate ("test", "a", payload);
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  guint64 n_before = 0;

  if (skip ())
    return;

  g_assert_true (_agent_envelope_append (packet, message, NULL, NULL));
  bytes = g_bytes_new (packet->data, packet->len);
  for (guint i = 0; i < 2 * N_ROUNDS; i++)
    {
      if (i == N_ROUNDS)
        n_before = counting_malloc_n_allocations ();
      agent_message_unref (_agent_envelope_read (bytes, 0, g_bytes_get_size (bytes), NULL));
      g_byte_array_set_size (packet, 0);
      g_assert_true (_agent_envelope_append (packet, message, NULL, NULL));
    }
  g_assert_cmpuint (counting_malloc_n_allocations (), ==, n_before);
}

/* --- The pool --- */

#define N_AT_ONCE 20000

/* What a flood needed is not kept for ever: it would be 3 megabytes here. */
static void
test_pool_keeps_little (TestFixture *f)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_full (N_AT_ONCE, (GDestroyNotify) agent_message_unref);
  gint64 live;

  if (skip ())
    return;

  live = counting_malloc_live ();
  for (guint i = 0; i < N_AT_ONCE; i++)
    g_ptr_array_add (messages, test_data ("test", "a", i));
  g_assert_cmpint (counting_malloc_live () - live, >, N_AT_ONCE * 100);
  g_ptr_array_set_size (messages, 0);

  live = counting_malloc_live () - live;
  g_test_minimized_result ((double) live, "%" G_GINT64_FORMAT " bytes kept", live);
  g_assert_cmpint (live, <=, 400 * 1024);
}

/* The same for the sizes of small frames. */
static void
test_pool_keeps_little_of_frames (TestFixture *f)
{
  static const gsize sizes[] = { 160, 320, 640, 1024 };
  g_autofree char   *data = g_malloc0 (1024);

  if (skip ())
    return;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GPtrArray) frames = g_ptr_array_new_full (N_AT_ONCE, (GDestroyNotify) agent_frame_unref);
      gint64 live = counting_malloc_live ();

      for (guint n = 0; n < N_AT_ONCE; n++)
        g_ptr_array_add (frames, agent_frame_new_copy ("audio/raw", data, sizes[i], NULL));
      g_assert_cmpint (counting_malloc_live () - live, >, N_AT_ONCE * (gint64) sizes[i]);
      g_ptr_array_set_size (frames, 0);
      g_assert_cmpint (counting_malloc_live () - live, <=, 450 * 1024);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);

  test_add ("/agentbus/allocations/bf32-one-allocation-one-by-one", test_one_by_one);
  test_add ("/agentbus/allocations/bf32-one-allocation-in-bursts", test_in_bursts);
  test_add ("/agentbus/allocations/bf32-one-allocation-in-fan-out", test_fan_out);
  test_add ("/agentbus/allocations/small-contents", test_small_contents);
  test_add ("/agentbus/allocations/stamps", test_stamps);
  test_add ("/agentbus/allocations/envelopes", test_envelopes);
  test_add ("/agentbus/allocations/pool-keeps-little", test_pool_keeps_little);
  test_add ("/agentbus/allocations/pool-keeps-little-of-frames", test_pool_keeps_little_of_frames);

  return g_test_run ();
}

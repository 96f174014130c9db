/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "message/agent-frame-private.h"
#include "test-support.h"

#include <string.h>

#define assert_critical(statement, text)                                                           \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*" text "*");                        \
    statement;                                                                                     \
    g_test_assert_expected_messages ();                                                            \
  }                                                                                                \
  G_STMT_END

static void
count_free (gpointer data)
{
  g_atomic_int_inc ((gint *) data);
}

static void
test_frame_defaults (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("text", NULL, NULL);

  g_assert_cmpstr (agent_frame_get_kind (frame), ==, "text");
  g_assert_null (agent_frame_get_data (frame));
  g_assert_null (agent_frame_get_metadata (frame));
  g_assert_cmpint (agent_frame_get_pts (frame), ==, -1);
  g_assert_cmpuint (agent_frame_get_id (frame), >, 0);
}

static void
test_frame_zero_copy (void)
{
  static const guint8 pcm[4] = { 1, 2, 3, 4 };
  gint                n_freed = 0;
  g_autoptr (GBytes) data = g_bytes_new_with_free_func (pcm, sizeof pcm, count_free, &n_freed);
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", data, NULL);

  g_assert_true (agent_frame_get_data (frame) == data);
  g_assert_true (g_bytes_get_data (agent_frame_get_data (frame), NULL) == pcm);
  g_clear_pointer (&data, g_bytes_unref);
  g_assert_cmpint (n_freed, ==, 0);
  g_clear_pointer (&frame, agent_frame_unref);
  g_assert_cmpint (n_freed, ==, 1);
}

static void
assert_contents (AgentFrame   *frame,
                 const guint8 *expected,
                 gsize         expected_size)
{
  gsize         size = 7;
  const guint8 *contents = agent_frame_get_contents (frame, &size);

  g_assert_cmpmem (contents, size, expected, expected_size);
  g_assert_true ((contents == NULL) == (expected_size == 0));
}

/* A frame of each size, in the frame's own memory or not, is as one that refers to bytes. */
static void
test_frame_copy (void)
{
  static const char *const kinds[] = { "x", "audio/raw;rate=16000;channels=1;format=s16le" };
  guint8                   bytes[1100];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int ();

  for (gsize size = 0; size <= sizeof bytes; size++)
    {
      const char *kind = kinds[size % G_N_ELEMENTS (kinds)];
      g_autoptr (GBytes) expected = g_bytes_new (bytes, size);
      g_autoptr (AgentFrame) frame = agent_frame_new_copy (kind, bytes, size, g_variant_new_parsed ("{'a': <1>}"));
      gsize         ignored;
      gconstpointer contents = agent_frame_get_contents (frame, &ignored);

      g_assert_cmpstr (agent_frame_get_kind (frame), ==, kind);
      g_assert_cmpint (agent_frame_get_pts (frame), ==, -1);
      g_assert_cmpuint (agent_frame_get_id (frame), >, 0);
      g_assert_nonnull (agent_frame_get_metadata (frame));
      g_assert_cmpuint ((guintptr) contents % 16, ==, 0);
      assert_contents (frame, bytes, size);
      g_assert_true (g_bytes_equal (agent_frame_get_data (frame), expected));
      g_assert_true (agent_frame_get_data (frame) == agent_frame_get_data (frame));
      g_assert_true (agent_frame_get_contents (frame, &ignored) == contents);
      g_assert_cmpstr (agent_frame_get_kind (frame), ==, kind);
    }
}

static void
test_frame_copy_is_a_copy (void)
{
  guint8 bytes[] = { 1, 2, 3 };
  g_autoptr (AgentFrame) frame = agent_frame_new_copy ("x", bytes, sizeof bytes, NULL);
  g_autoptr (GBytes) data = g_bytes_ref (agent_frame_get_data (frame));

  bytes[0] = 9;
  assert_contents (frame, (const guint8[]){ 1, 2, 3 }, 3);
  g_clear_pointer (&frame, agent_frame_unref);
  g_assert_cmpuint (((const guint8 *) g_bytes_get_data (data, NULL))[2], ==, 3);
}

static void
test_frame_without_data (void)
{
  static const guint8 pcm[] = { 1, 2 };
  g_autoptr (GBytes) data = g_bytes_new_static (pcm, sizeof pcm);
  g_autoptr (AgentFrame) none = agent_frame_new_copy ("x", NULL, 0, NULL);
  g_autoptr (AgentFrame) bare = agent_frame_new ("x", NULL, NULL);
  g_autoptr (AgentFrame) shared = agent_frame_new ("x", data, NULL);
  gsize size;

  g_assert_null (agent_frame_get_data (none));
  assert_contents (none, NULL, 0);
  assert_contents (bare, NULL, 0);
  g_assert_true (agent_frame_get_contents (shared, &size) == pcm);
  g_assert_cmpuint (size, ==, sizeof pcm);
}

static void
test_frame_metadata (void)
{
  g_autoptr (GVariant) kept = g_variant_ref_sink (g_variant_new_parsed ("{'rate': <16000>}"));
  g_autoptr (AgentFrame) floating =
      agent_frame_new ("audio", NULL, g_variant_new_parsed ("@a{sv} {}"));
  g_autoptr (AgentFrame) owned = agent_frame_new ("audio", NULL, kept);

  g_assert_false (g_variant_is_floating (agent_frame_get_metadata (floating)));
  g_assert_cmpuint (g_variant_n_children (agent_frame_get_metadata (floating)), ==, 0);
  g_assert_true (agent_frame_get_metadata (owned) == kept);
}

static void
test_frame_pts (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);

  agent_frame_set_pts (frame, 0);
  g_assert_cmpint (agent_frame_get_pts (frame), ==, 0);
  agent_frame_set_pts (frame, G_MAXINT64);
  g_assert_cmpint (agent_frame_get_pts (frame), ==, G_MAXINT64);
  agent_frame_set_pts (frame, -1);
  g_assert_cmpint (agent_frame_get_pts (frame), ==, -1);
  assert_critical (agent_frame_set_pts (frame, -2), "pts");
}

static void
test_frame_given_id (void)
{
  g_autoptr (AgentFrame) kept = _agent_frame_new_with_id (G_MAXUINT64, "audio", NULL, NULL, 5);
  g_autoptr (AgentFrame) fresh = _agent_frame_new_with_id (0, "audio", NULL, NULL, -1);

  g_assert_cmpuint (agent_frame_get_id (kept), ==, G_MAXUINT64);
  g_assert_cmpint (agent_frame_get_pts (kept), ==, 5);
  g_assert_cmpuint (agent_frame_get_id (fresh), >, 0);
  g_assert_cmpuint (agent_frame_get_id (fresh), <, G_MAXUINT64);
}

#define N_THREADS 4
#define N_FRAMES 2000

static gpointer
make_frames (gpointer data)
{
  guint64 *ids = data;

  for (guint i = 0; i < N_FRAMES; i++)
    {
      g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);

      ids[i] = agent_frame_get_id (frame);
      g_assert_true (i == 0 || ids[i] > ids[i - 1]);
    }

  return NULL;
}

static void
test_frame_ids_are_unique (void)
{
  g_autofree guint64 *ids = g_new (guint64, N_THREADS * N_FRAMES);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_int64_hash, g_int64_equal);
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("frames", make_frames, ids + i * N_FRAMES);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < N_THREADS * N_FRAMES; i++)
    g_assert_true (g_hash_table_add (seen, &ids[i]));
}

static gpointer
hold_frame (gpointer data)
{
  AgentFrame *frame = data;

  for (guint i = 0; i < 5000; i++)
    {
      g_assert_cmpstr (agent_frame_get_kind (agent_frame_ref (frame)), ==, "audio");
      agent_frame_unref (frame);
    }

  agent_frame_unref (frame);

  return NULL;
}

static void
test_frame_threads (void)
{
  gint n_freed = 0;
  g_autoptr (GBytes) data = g_bytes_new_with_free_func ("x", 1, count_free, &n_freed);
  AgentFrame *frame = agent_frame_new ("audio", data, NULL);
  GThread    *threads[N_THREADS];

  g_clear_pointer (&data, g_bytes_unref);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("holder", hold_frame, agent_frame_ref (frame));
  agent_frame_unref (frame);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  g_assert_cmpint (n_freed, ==, 1);
}

/* All threads get the same bytes, whoever asks first. */
static gpointer
get_data_in_thread (gpointer data)
{
  AgentFrame **frames = data;
  GBytes     **got = g_new (GBytes *, N_FRAMES);
  gsize        size;

  for (guint i = 0; i < N_FRAMES; i++)
    {
      got[i] = agent_frame_get_data (frames[i]);
      g_assert_cmpuint (*(const guint *) agent_frame_get_contents (frames[i], &size), ==, i);
      g_assert_cmpuint (*(const guint *) g_bytes_get_data (got[i], NULL), ==, i);
    }

  return got;
}

static void
test_frame_data_in_threads (void)
{
  g_autofree AgentFrame **frames = g_new (AgentFrame *, N_FRAMES);
  GThread                *threads[N_THREADS];
  GBytes                **got[N_THREADS];

  for (guint i = 0; i < N_FRAMES; i++)
    frames[i] = agent_frame_new_copy ("x", &i, sizeof i, NULL);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("getter", get_data_in_thread, frames);
  for (guint i = 0; i < N_THREADS; i++)
    got[i] = g_thread_join (threads[i]);

  for (guint i = 0; i < N_FRAMES; i++)
    {
      for (guint j = 0; j < N_THREADS; j++)
        g_assert_true (got[j][i] == agent_frame_get_data (frames[i]));
      agent_frame_unref (frames[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_free (got[i]);
}

/* Made in one thread and freed in another, as between a sender and a receiver; of all sizes, so that each has its pool. */
static gpointer
free_frames (gpointer data)
{
  GAsyncQueue *queue = data;

  for (guint i = 0; i < N_THREADS * N_FRAMES; i++)
    {
      g_autoptr (AgentFrame) frame = g_async_queue_pop (queue);
      gsize         size;
      const guint8 *contents = agent_frame_get_contents (frame, &size);

      for (gsize j = 0; j < size; j++)
        g_assert_cmpuint (contents[j], ==, size % 251);
    }

  return NULL;
}

static void
test_frame_copies_cross_threads (void)
{
  g_autoptr (GAsyncQueue) queue = g_async_queue_new ();
  GThread *thread = g_thread_new ("freer", free_frames, queue);
  guint8   bytes[1100];

  for (guint i = 0; i < N_THREADS * N_FRAMES; i++)
    {
      gsize size = 1 + (i * 37) % sizeof bytes;

      memset (bytes, (int) (size % 251), size);
      g_async_queue_push (queue, agent_frame_new_copy ("audio", bytes, size, NULL));
    }

  g_thread_join (thread);
}

static void
test_frame_boxed (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);
  AgentFrame *copy = g_boxed_copy (AGENT_TYPE_FRAME, frame);

  g_assert_cmpstr (g_type_name (AGENT_TYPE_FRAME), ==, "AgentFrame");
  g_assert_true (copy == frame);
  g_boxed_free (AGENT_TYPE_FRAME, copy);
  g_assert_cmpstr (agent_frame_get_kind (frame), ==, "audio");
}

static void
test_frame_misuse (void)
{
  gsize size = 7;
  g_autoptr (GVariant) wrong = g_variant_ref_sink (g_variant_new_int32 (1));

  assert_critical (g_assert_null (agent_frame_new (NULL, NULL, NULL)), "kind");
  assert_critical (g_assert_null (agent_frame_new ("", NULL, NULL)), "kind");
  assert_critical (g_assert_null (agent_frame_new ("audio", NULL, wrong)), "metadata");
  assert_critical (g_assert_null (agent_frame_new_copy ("", "x", 1, NULL)), "kind");
  assert_critical (g_assert_null (agent_frame_new_copy ("audio", NULL, 1, NULL)), "data");
  assert_critical (g_assert_null (agent_frame_new_copy ("audio", "x", 1, wrong)), "metadata");
  assert_critical (g_assert_null (agent_frame_get_contents (NULL, &size)), "self");
  g_assert_cmpuint (size, ==, 0);
  assert_critical (g_assert_null (agent_frame_get_kind (NULL)), "self");
  assert_critical (agent_frame_unref (NULL), "self");
}

static void
test_info_full (void)
{
  g_autoptr (AgentInfo) info = agent_info_new ("name", "runner", "parent", TRUE, FALSE, 12);
  g_autoptr (AgentInfo) other = agent_info_new ("name", "", NULL, FALSE, 8, 0);

  g_assert_cmpstr (agent_info_get_name (info), ==, "name");
  g_assert_cmpstr (agent_info_get_runner (info), ==, "runner");
  g_assert_cmpstr (agent_info_get_parent (info), ==, "parent");
  g_assert_cmpint (agent_info_is_active (info), ==, TRUE);
  g_assert_cmpint (agent_info_is_bridged (info), ==, FALSE);
  g_assert_cmpint (agent_info_get_started_at (info), ==, 12);

  g_assert_cmpstr (agent_info_get_runner (other), ==, "");
  g_assert_null (agent_info_get_parent (other));
  g_assert_cmpint (agent_info_is_active (other), ==, FALSE);
  g_assert_cmpint (agent_info_is_bridged (other), ==, TRUE);
  g_assert_cmpint (agent_info_get_started_at (other), ==, 0);
}

static void
test_info_boxed (void)
{
  g_autoptr (AgentInfo) info = agent_info_new ("name", "runner", NULL, TRUE, FALSE, 0);
  AgentInfo *copy = g_boxed_copy (AGENT_TYPE_INFO, info);

  g_assert_cmpstr (g_type_name (AGENT_TYPE_INFO), ==, "AgentInfo");
  g_assert_true (copy == info);
  g_boxed_free (AGENT_TYPE_INFO, copy);
  g_assert_cmpstr (agent_info_get_name (info), ==, "name");
}

static void
test_info_misuse (void)
{
  assert_critical (g_assert_null (agent_info_new (NULL, "r", NULL, 0, 0, 0)), "name");
  assert_critical (g_assert_null (agent_info_new ("", "r", NULL, 0, 0, 0)), "name");
  assert_critical (g_assert_null (agent_info_new ("n", NULL, NULL, 0, 0, 0)), "runner");
  assert_critical (g_assert_null (agent_info_new ("n", "r", NULL, 0, 0, -1)), "started_at");
  assert_critical (g_assert_null (agent_info_get_name (NULL)), "self");
  assert_critical (agent_info_unref (NULL), "self");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  test_add_func ("/agentbus/frame/defaults", test_frame_defaults);
  test_add_func ("/agentbus/frame/zero-copy", test_frame_zero_copy);
  test_add_func ("/agentbus/frame/copy", test_frame_copy);
  test_add_func ("/agentbus/frame/copy-is-a-copy", test_frame_copy_is_a_copy);
  test_add_func ("/agentbus/frame/without-data", test_frame_without_data);
  test_add_func ("/agentbus/frame/data-in-threads", test_frame_data_in_threads);
  test_add_func ("/agentbus/frame/copies-cross-threads", test_frame_copies_cross_threads);
  test_add_func ("/agentbus/frame/metadata", test_frame_metadata);
  test_add_func ("/agentbus/frame/pts", test_frame_pts);
  test_add_func ("/agentbus/frame/given-id", test_frame_given_id);
  test_add_func ("/agentbus/frame/ids-are-unique", test_frame_ids_are_unique);
  test_add_func ("/agentbus/frame/threads", test_frame_threads);
  test_add_func ("/agentbus/frame/boxed", test_frame_boxed);
  test_add_func ("/agentbus/frame/misuse", test_frame_misuse);
  test_add_func ("/agentbus/frame/info-full", test_info_full);
  test_add_func ("/agentbus/frame/info-boxed", test_info_boxed);
  test_add_func ("/agentbus/frame/info-misuse", test_info_misuse);

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "test-support.h"

/*
 * The messages that the bus keeps for subscribers that come later.
 */

static void
add_topic (TestRecorder *recorder,
           const char   *pattern)
{
  g_autoptr (GError) error = NULL;

  agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), pattern, &error);
  g_assert_no_error (error);
}

static AgentMessage *
new_message (const char *source,
             const char *topic,
             guint       number)
{
  g_autofree char *task_id = g_strdup_printf ("%u", number);
  AgentMessage    *message = agent_message_new_task_update (source, NULL, task_id, NULL);

  agent_message_set_topic (message, topic);
  return message;
}

static guint
send_retained (TestFixture *f,
               const char  *topic,
               guint        number)
{
  AgentMessage *message = new_message ("test", topic, number);

  agent_message_set_retained (message, TRUE);
  return agent_bus_send (f->bus, message);
}

/* The task ids of the messages that have come since the last call. */
static void
assert_got (TestFixture  *f,
            TestRecorder *recorder,
            const char   *expected)
{
  g_autofree char *text = NULL;

  test_drain (f);
  text = test_recorder_dup_task_ids (recorder);
  g_ptr_array_set_size (recorder->messages, 0);
  g_assert_cmpstr (text, ==, expected);
}

/* The last one of each topic, in the order of sending, and before what is sent later. */
static void
test_later (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  guint64 seq;

  g_assert_cmpuint (send_retained (f, "t.z", 1), ==, 0);
  send_retained (f, "t.y", 2);
  send_retained (f, "t.z", 3);
  send_retained (f, "u", 4);
  send_retained (f, "t.a", 5);
  agent_bus_send (f->bus, new_message ("test", "t.b", 6));
  add_topic (a, "t.*");
  agent_bus_send (f->bus, new_message ("test", "t.y", 7));

  test_drain (f);
  seq = agent_message_get_seq (a->messages->pdata[0]);
  for (guint i = 1; i < a->messages->len; i++)
    {
      g_assert_cmpuint (agent_message_get_seq (a->messages->pdata[i]), >, seq);
      seq = agent_message_get_seq (a->messages->pdata[i]);
    }
  g_assert_true (agent_message_is_retained (a->messages->pdata[0]));
  assert_got (f, a, "2 3 5 7");

  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 7);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 6);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").offered, ==, 4);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 10);
  test_assert_balanced (f->bus);
}

static void
test_subscribe (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  send_retained (f, "t", 1);
  add_topic (a, "t");
  add_topic (a, ">");
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "1");

  /* Each subscription begins anew. */
  test_unsubscribe (f, "a", NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "1");
  test_assert_balanced (f->bus);
}

/* What an older pattern has brought does not come again. */
static void
test_once (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  send_retained (f, "t.a", 1);
  send_retained (f, "t.b", 2);
  add_topic (a, "t.a");
  assert_got (f, a, "1");
  add_topic (a, "t.a");
  add_topic (a, "t.>");
  assert_got (f, a, "2");
  add_topic (a, "*.*");
  assert_got (f, a, "");
  send_retained (f, "t.a", 3);
  assert_got (f, a, "3");
}

static void
test_not_wanted (TestFixture *f)
{
  g_autoptr (TestRecorder) own = test_recorder_subscribe (f, "test", NULL, NULL);
  g_autoptr (TestRecorder) choosy = test_recorder_subscribe (f, "choosy", NULL, NULL);
  const char *names[] = { "cancel", NULL };

  send_retained (f, "t", 1);
  add_topic (own, "t");
  assert_got (f, own, "");
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (choosy), names);
  add_topic (choosy, "t");
  assert_got (f, choosy, "");
}

/* Without a topic or with a target, there is nothing to keep. */
static void
test_nothing_to_keep (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *targeted = test_data ("test", "a", 1);
  AgentMessage *bare = new_message ("test", NULL, 2);

  agent_message_set_topic (targeted, "t");
  agent_message_set_retained (targeted, TRUE);
  agent_message_set_retained (bare, TRUE);
  agent_bus_send (f->bus, targeted);
  agent_bus_send (f->bus, bare);
  assert_got (f, a, "1 2");
  add_topic (a, ">");
  assert_got (f, a, "");
}

static void
test_clear (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  add_topic (a, ">");
  send_retained (f, "t", 1);
  send_retained (f, "t.u", 2);
  send_retained (f, "t.u.v", 3);
  agent_bus_clear_retained (f->bus, "t.u");
  agent_bus_clear_retained (f->bus, "t.x");
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "1 3");

  test_unsubscribe (f, "a", NULL);
  agent_bus_clear_retained (f->bus, NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "");

  /* The end of the bus does the same. */
  send_retained (f, "t", 4);
  assert_got (f, a, "4");
  test_stop (f);
  send_retained (f, "t", 5);
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  test_drain (f);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "");
}

/* A message whose own limit is over is gone. The age that a subscriber allows counts from the moment it is given. */
static void
test_ages (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "max-age", 50, NULL);
  AgentMessage *brief = new_message ("test", "t.brief", 1);

  test_clock_freeze ();
  agent_message_set_ttl (brief, 100);
  agent_message_set_retained (brief, TRUE);
  agent_bus_send (f->bus, brief);
  send_retained (f, "t.old", 2);
  test_clock_advance (G_USEC_PER_SEC);
  add_topic (a, "t.*");
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "2");
  test_clock_release ();
  test_assert_balanced (f->bus);
}

/* What is stale is forgotten, and not given to anybody to be dropped there. */
static void
test_stale (TestFixture *f)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *turn = new_message ("test", "t.turn", 1);

  agent_message_set_conversation (turn, conversation);
  agent_message_set_retained (turn, TRUE);
  agent_bus_send (f->bus, turn);
  send_retained (f, "t.other", 2);
  agent_conversation_advance (conversation);
  add_topic (a, "t.*");
  assert_got (f, a, "2");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").offered, ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_STALE], ==, 0);
  test_assert_balanced (f->bus);
}

/* What does not fit is dropped and counted, as with a send. */
static void
test_full (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);

  for (guint i = 1; i <= 5; i++)
    {
      g_autofree char *topic = g_strdup_printf ("t.%u", i);

      send_retained (f, topic, i);
    }
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  add_topic (a, "t.*");
  assert_got (f, a, "1 2");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").dropped[AGENT_DROP_REASON_FULL], ==, 3);
  test_assert_balanced (f->bus);
  test_expect_log (f, "'a' is full");
}

static void
test_bound (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  send_retained (f, "first", 1);
  send_retained (f, "second", 2);
  for (guint i = 1; i < AGENT_RETAINED_MAX_TOPICS; i++)
    {
      g_autofree char *topic = g_strdup_printf ("t.%u", i);

      send_retained (f, topic, 3);
    }
  add_topic (a, "first");
  add_topic (a, "second");
  assert_got (f, a, "2");
}

/* --- The last reference --- */

static void
send_another (gpointer data)
{
  TestFixture *f = data;

  send_retained (f, "u", 9);
}

static AgentMessage *
new_loaded (TestFixture *f)
{
  g_autoptr (GBytes) bytes = g_bytes_new_with_free_func ("x", 1, send_another, f);
  AgentMessage *message =
      agent_message_new_task_update ("test", NULL, "1", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTE, bytes, TRUE));

  agent_message_set_topic (message, "t");
  agent_message_set_retained (message, TRUE);
  return message;
}

/* Code of the application that runs when a message is freed may send: no lock is held. */
static void
test_free (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  add_topic (a, "t");
  add_topic (a, "u");
  agent_bus_send (f->bus, new_loaded (f));
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_got (f, a, "1");
  send_retained (f, "t", 2);
  assert_got (f, a, "2 9");

  agent_bus_send (f->bus, new_loaded (f));
  assert_got (f, a, "1");
  agent_bus_clear_retained (f->bus, "t");
  assert_got (f, a, "9");

  agent_bus_send (f->bus, new_loaded (f));
  assert_got (f, a, "1");
  agent_bus_clear_retained (f->bus, NULL);
  assert_got (f, a, "9");
}

/* --- At random --- */

#define N_TOPICS 60

static void
test_random (TestFixture *f)
{
  AgentRetained *retained = _agent_retained_new ();
  gboolean       present[N_TOPICS] = { FALSE };

  for (guint round = 0; round < 2000; round++)
    {
      guint            i = g_test_rand_int_range (0, N_TOPICS);
      g_autofree char *topic = i % 3 == 0 ? g_strdup_printf ("a.%u", i) : g_strdup_printf ("a.%u.%u", i % 5, i);
      const char      *texts[] = { "a.*", "a.>", "a.1.*", "a.*.7", "*.*.*", "a.3" };
      AgentTopic       pattern, tokens;
      g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
      AgentMessage *old;
      guint         n = 0;

      _agent_retained_lock (retained);
      if (present[i])
        old = _agent_retained_remove_locked (retained, topic);
      else
        old = _agent_retained_keep_locked (retained, new_message ("test", topic, i));
      g_assert_cmpint (old != NULL, ==, present[i]);
      g_clear_pointer (&old, agent_message_unref);
      present[i] = !present[i];

      _agent_topic_split_pattern (&pattern, texts[round % G_N_ELEMENTS (texts)]);
      _agent_retained_find_locked (retained, &pattern, found);
      for (guint j = 0; j < N_TOPICS; j++)
        {
          g_autofree char *other = j % 3 == 0 ? g_strdup_printf ("a.%u", j) : g_strdup_printf ("a.%u.%u", j % 5, j);

          _agent_topic_split (&tokens, other);
          n += present[j] && _agent_topic_matches (&pattern, &tokens);
        }
      g_assert_cmpuint (found->len, ==, n);
      for (guint j = 0; j < found->len; j++)
        {
          _agent_topic_split (&tokens, agent_message_get_topic (found->pdata[j]));
          g_assert_true (_agent_topic_matches (&pattern, &tokens));
        }
      _agent_retained_unlock (retained);
    }

  g_ptr_array_unref (_agent_retained_clear (retained));
  _agent_retained_free (retained);
}

/* --- At the same moment --- */

static AgentBus *bus_at_publication; /* (nullable) */

void __real__agent_directory_add_patterns (AgentDirectory    *self,
                                           AgentMailbox      *mailbox,
                                           const char *const *patterns);
void __wrap__agent_directory_add_patterns (AgentDirectory    *self,
                                           AgentMailbox      *mailbox,
                                           const char *const *patterns);

/* Another thread may send as soon as the patterns are known. */
void
__wrap__agent_directory_add_patterns (AgentDirectory    *self,
                                      AgentMailbox      *mailbox,
                                      const char *const *patterns)
{
  __real__agent_directory_add_patterns (self, mailbox, patterns);
  if (bus_at_publication != NULL)
    agent_bus_send (bus_at_publication, new_message ("test", "t", 2));
}

/* What is retained comes before what is sent at that moment. */
static void
test_first (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);

  send_retained (f, "t", 1);
  bus_at_publication = f->bus;
  add_topic (a, "t");
  add_topic (b, "t");
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL);
  bus_at_publication = NULL;
  assert_got (f, a, "1 2 2");
  assert_got (f, b, "1 2");
}

/* --- From another thread --- */

typedef struct
{
  TestFixture *f;
  gint         stop; /* (atomic) */
} Worker;

static gpointer
send_in_thread (gpointer data)
{
  Worker *worker = data;

  for (guint i = 1; !g_atomic_int_get (&worker->stop); i++)
    send_retained (worker->f, "t", i);

  return NULL;
}

/* Each message comes from the store or by its send, and never from both: the numbers have neither gaps nor repetitions from
 * the moment of the pattern on. */
static void
check_in_threads (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 10000000, NULL);
  Worker   worker = { f, FALSE };
  GThread *thread = g_thread_new ("send", send_in_thread, &worker);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  for (guint round = 0; round < 100; round++)
    {
      add_topic (a, round % 2 == 0 ? "t" : "*");
      while (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)) < 3)
        g_thread_yield ();
      agent_subscriber_remove_topic (AGENT_SUBSCRIBER (a), round % 2 == 0 ? "t" : "*");
      test_drain (f);
      for (guint i = 1; i < a->messages->len; i++)
        g_assert_cmpuint (test_number (a->messages->pdata[i]), ==, test_number (a->messages->pdata[i - 1]) + 1);

      /* A send that had begun before the pattern was removed may still come. */
      test_unsubscribe (f, "a", NULL);
      g_ptr_array_set_size (a->messages, 0);
      agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
    }
  g_atomic_int_set (&worker.stop, TRUE);
  g_thread_join (thread);
  test_drain (f);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0);
}

static void
test_threads (TestFixture *f)
{
  check_in_threads (f);
}

static void
test_threads_in_order (TestFixture *f)
{
  g_object_unref (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  check_in_threads (f);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/retained/later", test_later);
  test_add ("/agentbus/retained/subscribe", test_subscribe);
  test_add ("/agentbus/retained/once", test_once);
  test_add ("/agentbus/retained/not-wanted", test_not_wanted);
  test_add ("/agentbus/retained/nothing-to-keep", test_nothing_to_keep);
  test_add ("/agentbus/retained/clear", test_clear);
  test_add ("/agentbus/retained/ages", test_ages);
  test_add ("/agentbus/retained/stale", test_stale);
  test_add ("/agentbus/retained/full", test_full);
  test_add ("/agentbus/retained/bound", test_bound);
  test_add ("/agentbus/retained/free", test_free);
  test_add ("/agentbus/retained/random", test_random);
  test_add ("/agentbus/retained/first", test_first);
  test_add ("/agentbus/retained/threads", test_threads);
  test_add ("/agentbus/retained/threads-in-order", test_threads_in_order);

  return g_test_run ();
}

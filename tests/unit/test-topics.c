/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "test-support.h"

/*
 * Who gets a broadcast that has a topic.
 */

static void
add_topic (TestRecorder *recorder,
           const char   *pattern)
{
  g_autoptr (GError) error = NULL;

  agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), pattern, &error);
  g_assert_no_error (error);
}

static gboolean
remove_topic (TestRecorder *recorder,
              const char   *pattern)
{
  return agent_subscriber_remove_topic (AGENT_SUBSCRIBER (recorder), pattern);
}

static void
set_accepts (TestRecorder *recorder,
             const char   *name)
{
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (recorder), (const char *const[]){ name, NULL });
}

static AgentMessage *
new_message (const char *source,
             const char *topic)
{
  AgentMessage *message = agent_message_new_custom ("x", AGENT_CHANNEL_DATA, source, NULL, NULL);

  agent_message_set_topic (message, topic);
  return message;
}

static guint
send_topic (TestFixture *f,
            const char  *topic)
{
  return agent_bus_send (f->bus, new_message ("test", topic));
}

/* The topics of the messages that have come since the last call. */
static void
assert_got (TestFixture  *f,
            TestRecorder *recorder,
            const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  test_drain (f);
  for (guint i = 0; i < recorder->messages->len; i++)
    {
      const char *topic = agent_message_get_topic (recorder->messages->pdata[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", topic != NULL ? topic : "none");
    }
  g_ptr_array_set_size (recorder->messages, 0);
  g_assert_cmpstr (text->str, ==, expected);
}

static void
test_patterns (TestFixture *f)
{
  g_autoptr (TestRecorder) exact = test_recorder_subscribe (f, "exact", NULL, NULL);
  g_autoptr (TestRecorder) one = test_recorder_subscribe (f, "one", NULL, NULL);
  g_autoptr (TestRecorder) rest = test_recorder_subscribe (f, "rest", NULL, NULL);
  g_autoptr (TestRecorder) none = test_recorder_subscribe (f, "none", NULL, NULL);

  add_topic (exact, "audio.mic.1");
  add_topic (one, "audio.*.1");
  add_topic (rest, "audio.>");

  g_assert_cmpuint (send_topic (f, "audio.mic.1"), ==, 3);
  g_assert_cmpuint (send_topic (f, "audio.line.1"), ==, 2);
  g_assert_cmpuint (send_topic (f, "audio.mic"), ==, 1);
  g_assert_cmpuint (send_topic (f, "audio"), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);

  assert_got (f, exact, "audio.mic.1");
  assert_got (f, one, "audio.mic.1 audio.line.1");
  assert_got (f, rest, "audio.mic.1 audio.line.1 audio.mic");
  assert_got (f, none, "");
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 7);
  g_assert_cmpuint (test_ledger_of (f->bus, "none").offered, ==, 0);
  test_assert_balanced (f->bus);
}

/* Once, also if several patterns match; few and many of them. */
static void
test_once (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_object_unref);

  add_topic (a, "x.y");
  add_topic (a, "x.*");
  add_topic (a, "*.y");
  add_topic (a, "*.*");
  add_topic (a, "x.>");
  add_topic (a, ">");
  g_assert_cmpuint (send_topic (f, "x.y"), ==, 1);

  for (guint i = 0; i < 50; i++)
    {
      g_autofree char *name = g_strdup_printf ("o%u", i);
      TestRecorder    *other = test_recorder_subscribe (f, name, NULL, NULL);

      g_ptr_array_add (others, other);
      add_topic (other, "x.>");
      add_topic (other, "*.y");
    }
  g_assert_cmpuint (send_topic (f, "x.y"), ==, 51);
  assert_got (f, a, "x.y x.y");
  for (guint i = 0; i < others->len; i++)
    assert_got (f, others->pdata[i], "x.y");
  test_assert_balanced (f->bus);
}

/* Broadcasts without a topic come as ever, and so do messages with a target. */
static void
test_without (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  add_topic (a, "x");
  g_assert_cmpuint (agent_bus_send (f->bus, new_message ("test", NULL)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "b", 1)), ==, 1);
  assert_got (f, a, "none");
  assert_got (f, b, "none none");
}

/* A name that is not accepted is not offered, whatever the topic. */
static void
test_accepts (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);

  add_topic (a, "t");
  add_topic (b, "t");
  set_accepts (b, "x");
  add_topic (c, "t");
  set_accepts (c, "y");
  g_assert_cmpuint (send_topic (f, "t"), ==, 2);
  assert_got (f, a, "t");
  assert_got (f, b, "t");
  assert_got (f, c, "");
  test_assert_balanced (f->bus);
}

static void
test_own (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  add_topic (a, "t");
  g_assert_cmpuint (agent_bus_send (f->bus, new_message ("a", "t")), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  assert_got (f, a, "");
}

/* Patterns are added before and after subscribing, stay over subscriptions, and can be removed. */
static void
test_life (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_auto (GStrv) topics = NULL;

  add_topic (a, "before");
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  add_topic (a, "after");
  add_topic (a, "after");
  topics = agent_subscriber_list_topics (AGENT_SUBSCRIBER (a));
  g_assert_true (g_strv_equal ((const char *const *) topics, (const char *const[]){ "after", "before", NULL }));
  send_topic (f, "before");
  send_topic (f, "after");
  assert_got (f, a, "before after");

  test_unsubscribe (f, "a", NULL);
  g_assert_cmpuint (send_topic (f, "before"), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  g_assert_true (remove_topic (a, "after"));
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  send_topic (f, "before");
  send_topic (f, "after");
  assert_got (f, a, "before");

  g_assert_true (remove_topic (a, "before"));
  g_assert_false (remove_topic (a, "before"));
  g_assert_cmpuint (send_topic (f, "before"), ==, 0);
  assert_got (f, a, "");
}

static void
test_errors (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  const char *bad[] = { "", ".", "a..b", "a.", "a b", ">.a", "\xff" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (agent_subscriber_add_topic (AGENT_SUBSCRIBER (a), bad[i], &error));
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_TOPIC);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

/* The wire form has the topic, and refuses what no setter takes. */
static void
test_wire (TestFixture *f)
{
  g_autoptr (AgentMessage) message = new_message ("test", "a.b");
  g_autoptr (GVariant) variant = agent_message_to_variant (message);
  g_autoptr (AgentMessage) again = agent_message_new_from_variant (variant, NULL);
  const char *bad[] = { "('cancel', {'source': <'s'>, 'topic': <'a..b'>})",
                        "('cancel', {'source': <'s'>, 'topic': <'*'>})",
                        "('cancel', {'source': <'s'>, 'topic': <''>})" };

  g_assert_cmpstr (agent_message_get_topic (again), ==, "a.b");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = g_strdup_printf ("(byte 1, %s", bad[i] + 1);
      g_autoptr (GVariant) form = g_variant_parse (G_VARIANT_TYPE ("(ysa{sv})"), text, NULL, NULL, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_null (agent_message_new_from_variant (form, &error));
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
    }
}

/* A message that is sent again keeps its topic. */
static void
test_again (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *message = new_message ("test", "t");

  add_topic (a, "t");
  agent_bus_send (f->bus, agent_message_ref (message));
  agent_bus_send (f->bus, message);
  assert_got (f, a, "t t");
}

/* --- Ten thousand --- */

static void
test_many (TestFixture *f)
{
  g_autoptr (TestRecorder) all = test_recorder_subscribe (f, "all", NULL, NULL);
  g_autoptr (TestRecorder) one = test_recorder_subscribe (f, "one", NULL, NULL);

  for (guint i = 0; i < 10000; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("a.%u.%s", i, i % 2 == 0 ? ">" : "*");

      add_topic (all, pattern);
    }
  add_topic (one, "a.77.*");
  g_assert_cmpuint (send_topic (f, "a.77.b"), ==, 2);
  g_assert_cmpuint (send_topic (f, "a.10000.b"), ==, 0);
  assert_got (f, all, "a.77.b");
  assert_got (f, one, "a.77.b");
  test_unsubscribe (f, "all", NULL);
  g_assert_cmpuint (send_topic (f, "a.77.b"), ==, 1);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (all), NULL);
  g_assert_cmpuint (send_topic (f, "a.77.b"), ==, 2);
}

/* --- From other threads --- */

typedef struct
{
  TestFixture  *f;
  TestRecorder *recorder;
  gint          stop; /* (atomic) */
} Worker;

static gpointer
change_in_thread (gpointer data)
{
  Worker *worker = data;

  while (!g_atomic_int_get (&worker->stop))
    {
      add_topic (worker->recorder, "a.*");
      add_topic (worker->recorder, "a.>");
      remove_topic (worker->recorder, "a.*");
      add_topic (worker->recorder, "*.b");
      remove_topic (worker->recorder, "a.>");
      remove_topic (worker->recorder, "*.b");
    }

  return NULL;
}

static gpointer
send_in_thread (gpointer data)
{
  Worker *worker = data;

  while (!g_atomic_int_get (&worker->stop))
    {
      send_topic (worker->f, "a.b");
      send_topic (worker->f, "b.a");
    }

  return NULL;
}

/* Patterns come and go in two threads, the subscriber in a third, while another one sends. Each message is offered to those
 * who were there; in the end the last change holds. */
static void
test_threads (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) always = test_recorder_subscribe (f, "always", NULL, NULL);
  Worker   worker = { f, a, FALSE };
  GThread *threads[3];

  add_topic (always, "b.a");
  threads[0] = g_thread_new ("change", change_in_thread, &worker);
  threads[1] = g_thread_new ("change", change_in_thread, &worker);
  threads[2] = g_thread_new ("send", send_in_thread, &worker);
  for (guint i = 0; i < 100; i++)
    {
      g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
      test_iterate (f);
      g_assert_true (test_unsubscribe (f, "a", NULL));
    }
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  g_atomic_int_set (&worker.stop, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  test_drain (f);
  test_assert_balanced (f->bus);
  for (guint i = 0; i < always->messages->len; i++)
    g_assert_cmpstr (agent_message_get_topic (always->messages->pdata[i]), ==, "b.a");

  /* Whatever the two threads have left. */
  remove_topic (a, "a.*");
  remove_topic (a, "a.>");
  remove_topic (a, "*.b");
  g_ptr_array_set_size (a->messages, 0);
  add_topic (a, "b.*");
  send_topic (f, "a.b");
  g_assert_cmpuint (send_topic (f, "b.a"), ==, 2);
  assert_got (f, a, "b.a");
  g_string_truncate (f->log, 0);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/topics/patterns", test_patterns);
  test_add ("/agentbus/topics/once", test_once);
  test_add ("/agentbus/topics/without", test_without);
  test_add ("/agentbus/topics/accepts", test_accepts);
  test_add ("/agentbus/topics/own", test_own);
  test_add ("/agentbus/topics/life", test_life);
  test_add ("/agentbus/topics/errors", test_errors);
  test_add ("/agentbus/topics/wire", test_wire);
  test_add ("/agentbus/topics/again", test_again);
  test_add ("/agentbus/topics/many", test_many);
  test_add ("/agentbus/topics/threads", test_threads);

  return g_test_run ();
}

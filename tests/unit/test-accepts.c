/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "test-support.h"

/*
 * Which broadcasts a subscriber takes, by the names of the messages.
 */

static TestRecorder *
subscribe (TestFixture       *f,
           const char        *name,
           const char *const *accepts)
{
  g_autoptr (GError) error = NULL;
  TestRecorder *recorder = test_recorder_new_full (NULL, NULL, "name", name, "accepts", accepts, NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__ (, ) NULL })

static void
set_accepts (TestRecorder      *recorder,
             const char *const *accepts)
{
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (recorder), accepts);
}

static guint
send_named (TestFixture *f,
            const char  *name)
{
  return agent_bus_send (f->bus, agent_message_new_custom (name, AGENT_CHANNEL_DATA, "test", NULL, NULL));
}

/* The names of the messages that have come since the last call. */
static void
assert_got (TestFixture  *f,
            TestRecorder *recorder,
            const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  test_drain (f);
  for (guint i = 0; i < recorder->messages->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", agent_message_get_name (recorder->messages->pdata[i]));
  g_ptr_array_set_size (recorder->messages, 0);
  g_assert_cmpstr (text->str, ==, expected);
}

static gboolean
has_index (TestFixture *f)
{
  AgentSnapshot *snapshot = _agent_directory_ref_snapshot (f->bus->directory);
  gboolean       has = _agent_snapshot_get_interests (snapshot) != NULL;

  _agent_snapshot_unref (snapshot);
  return has;
}

static void
test_names (TestFixture *f)
{
  g_autoptr (TestRecorder) all = subscribe (f, "all", NULL);
  g_autoptr (TestRecorder) some = subscribe (f, "some", NAMES ("x", "cancel", "x"));
  g_autoptr (TestRecorder) none = subscribe (f, "none", NAMES ());

  g_assert_cmpuint (send_named (f, "x"), ==, 2);
  g_assert_cmpuint (send_named (f, "y"), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", NULL)), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (none)), ==, 0);

  assert_got (f, all, "cancel x y");
  assert_got (f, some, "cancel x");
  assert_got (f, none, "");
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 5);
  g_assert_cmpuint (test_ledger_of (f->bus, "some").offered, ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "none").offered, ==, 0);
  test_assert_balanced (f->bus);
}

static void
test_targeted (TestFixture *f)
{
  g_autoptr (TestRecorder) none = subscribe (f, "none", NAMES ());

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "none", 1)), ==, 1);
  assert_got (f, none, "task-update");
}

static void
test_nobody (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a", NAMES ("x"));
  g_autoptr (TestRecorder) b = subscribe (f, "b", NAMES ("y"));

  g_assert_cmpuint (send_named (f, "z"), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);

  /* Its own source is nobody. */
  g_assert_cmpuint (
      agent_bus_send (f->bus, agent_message_new_custom ("x", AGENT_CHANNEL_DATA, "a", NULL, NULL)), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 2);
  assert_got (f, a, "");
  assert_got (f, b, "");
  test_assert_balanced (f->bus);
}

/* The source may be one that takes all, some or none. */
static void
test_source (TestFixture *f)
{
  g_autoptr (TestRecorder) all = subscribe (f, "all", NULL);
  g_autoptr (TestRecorder) some = subscribe (f, "some", NAMES ("x"));
  g_autoptr (TestRecorder) none = subscribe (f, "none", NAMES ());
  const struct
  {
    const char *source;
    guint       n;
  } cases[] = { { "all", 1 }, { "some", 1 }, { "none", 2 }, { "nobody", 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (agent_bus_send (f->bus,
                                      agent_message_new_custom (
                                          "x", AGENT_CHANNEL_DATA, cases[i].source, NULL, NULL)),
                      ==,
                      cases[i].n);
  assert_got (f, all, "x x x");
  assert_got (f, some, "x x x");
  assert_got (f, none, "");
  test_assert_balanced (f->bus);
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    user_data)
{
  (*(guint *) user_data)++;
}

/* What was sent before stays in the queue. The last one that is choosy takes the index with it. */
static void
test_change (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a", NULL);
  guint n_notified = 0;

  g_signal_connect (a, "notify::accepts", G_CALLBACK (count_notify), &n_notified);
  g_assert_false (has_index (f));

  send_named (f, "x");
  set_accepts (a, NAMES ("y", "z"));
  g_assert_true (has_index (f));
  send_named (f, "x");
  send_named (f, "y");
  set_accepts (a, NAMES ("y", "z"));
  g_assert_cmpuint (n_notified, ==, 1);
  assert_got (f, a, "x y");

  set_accepts (a, NAMES ("x"));
  send_named (f, "x");
  send_named (f, "y");
  assert_got (f, a, "x");

  set_accepts (a, NULL);
  g_assert_cmpuint (n_notified, ==, 3);
  g_assert_false (has_index (f));
  send_named (f, "q");
  assert_got (f, a, "q");
  test_assert_balanced (f->bus);
}

static void
test_property (TestFixture *f)
{
  g_autoptr (AgentSubscriber) subscriber = agent_subscriber_new ("a");
  g_auto (GStrv) accepts = agent_subscriber_dup_accepts (subscriber);

  g_assert_null (accepts);
  g_object_set (subscriber, "accepts", NAMES ("x", "y", "x"), NULL);
  g_object_get (subscriber, "accepts", &accepts, NULL);
  g_assert_true (g_strv_equal ((const char *const *) accepts, NAMES ("x", "y")));

  g_clear_pointer (&accepts, g_strfreev);
  g_object_set (subscriber, "accepts", NAMES (), NULL);
  g_object_get (subscriber, "accepts", &accepts, NULL);
  g_assert_cmpuint (g_strv_length (accepts), ==, 0);
}

/* The names hold for each subscription; nothing of them is left when a subscriber has gone. */
static void
test_subscriptions (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a", NAMES ("x"));

  test_unsubscribe (f, "a", NULL);
  g_assert_false (has_index (f));
  set_accepts (a, NAMES ("y"));
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  send_named (f, "x");
  send_named (f, "y");
  assert_got (f, a, "y");

  test_stop (f);
  g_assert_false (has_index (f));
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  test_drain (f);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  send_named (f, "x");
  send_named (f, "y");
  assert_got (f, a, "y");
}

/* --- At random --- */

#define N_SUBSCRIBERS 40
#define N_NAMES 6

/* Each bit of the mask is a name; with all bits set, it takes everything. */
static void
change_randomly (TestRecorder *recorder,
                 guint        *mask)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;

  *mask = g_test_rand_int_range (0, 4) == 0 ? (1u << N_NAMES) - 1 : g_test_rand_int () % (1u << N_NAMES);
  for (guint i = 0; i < N_NAMES; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u", i);

      if (*mask & (1u << i))
        g_strv_builder_add (builder, name);
    }
  names = g_strv_builder_end (builder);
  set_accepts (recorder, *mask == (1u << N_NAMES) - 1 ? NULL : (const char *const *) names);
}

static void
test_random (TestFixture *f)
{
  TestRecorder *recorders[N_SUBSCRIBERS];
  guint         masks[N_SUBSCRIBERS];
  gboolean      present[N_SUBSCRIBERS] = { FALSE };
  guint64       n_offered = 0;

  for (guint i = 0; i < N_SUBSCRIBERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("s%u", i);

      recorders[i] = test_recorder_new (name, NULL, NULL);
      change_randomly (recorders[i], &masks[i]);
    }

  for (guint round = 0; round < 3000; round++)
    {
      guint            i = g_test_rand_int_range (0, N_SUBSCRIBERS);
      guint            number = g_test_rand_int_range (0, N_NAMES);
      g_autofree char *name = g_strdup_printf ("n%u", number);
      guint            n = 0;

      switch (g_test_rand_int_range (0, 3))
        {
        case 0:
          change_randomly (recorders[i], &masks[i]);
          break;
        case 1:
          if (present[i])
            test_unsubscribe (f, agent_subscriber_get_name (AGENT_SUBSCRIBER (recorders[i])), NULL);
          else
            agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorders[i]), NULL);
          present[i] = !present[i];
          break;
        default:
          for (guint j = 0; j < N_SUBSCRIBERS; j++)
            n += present[j] && (masks[j] & (1u << number)) != 0;
          g_assert_cmpuint (send_named (f, name), ==, n);
          n_offered += MAX (n, 1);
          test_drain (f);
        }
    }

  g_assert_cmpuint (test_ledger (f->bus).offered, ==, n_offered);
  test_assert_balanced (f->bus);
  test_stop (f);
  for (guint i = 0; i < N_SUBSCRIBERS; i++)
    g_object_unref (recorders[i]);
}

/* --- From other threads --- */

typedef struct
{
  AgentSubscriber *subscriber;
  AgentBus        *bus;
  gint             stop; /* (atomic) */
} Changer;

static gpointer
change_in_thread (gpointer data)
{
  Changer *changer = data;

  while (!g_atomic_int_get (&changer->stop))
    {
      agent_subscriber_set_accepts (changer->subscriber, NAMES ("x"));
      agent_subscriber_set_accepts (changer->subscriber, NAMES ());
      agent_subscriber_set_accepts (changer->subscriber, NULL);
    }

  return NULL;
}

static gpointer
send_in_thread (gpointer data)
{
  Changer *changer = data;

  while (!g_atomic_int_get (&changer->stop))
    {
      agent_bus_send (changer->bus,
                      agent_message_new_custom ("x", AGENT_CHANNEL_DATA, "thread", NULL, NULL));
      agent_bus_send (changer->bus,
                      agent_message_new_custom ("y", AGENT_CHANNEL_DATA, "thread", NULL, NULL));
    }

  return NULL;
}

/* The subscriber comes and goes while other threads change what it takes, and send. In the end the last change holds. */
static void
test_threads (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) b = subscribe (f, "b", NAMES ("y"));
  Changer  changer = { AGENT_SUBSCRIBER (a), f->bus, FALSE };
  GThread *threads[] = { g_thread_new ("change", change_in_thread, &changer),
                         g_thread_new ("change", change_in_thread, &changer),
                         g_thread_new ("send", send_in_thread, &changer) };

  for (guint i = 0; i < 100; i++)
    {
      g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
      test_iterate (f);
      g_assert_true (test_unsubscribe (f, "a", NULL));
    }
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  g_atomic_int_set (&changer.stop, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  test_drain (f);
  test_assert_balanced (f->bus);
  for (guint i = 0; i < b->messages->len; i++)
    g_assert_cmpstr (agent_message_get_name (b->messages->pdata[i]), ==, "y");

  g_ptr_array_set_size (a->messages, 0);
  set_accepts (a, NAMES ("z"));
  send_named (f, "z");
  send_named (f, "x");
  assert_got (f, a, "z");
  g_string_truncate (f->log, 0);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/accepts/names", test_names);
  test_add ("/agentbus/accepts/targeted", test_targeted);
  test_add ("/agentbus/accepts/nobody", test_nobody);
  test_add ("/agentbus/accepts/source", test_source);
  test_add ("/agentbus/accepts/change", test_change);
  test_add ("/agentbus/accepts/property", test_property);
  test_add ("/agentbus/accepts/subscriptions", test_subscriptions);
  test_add ("/agentbus/accepts/random", test_random);
  test_add ("/agentbus/accepts/threads", test_threads);

  return g_test_run ();
}

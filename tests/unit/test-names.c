/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* The names on a bus: which there are, and watching one. */

typedef struct
{
  GString *text;   /* + and - for each call */
  GThread *thread; /* of the last call */
  guint    n_freed;
  guint    id; /* to unwatch in the next call, or 0 */
} Watcher;

static void
watcher_call (Watcher    *self,
              AgentBus   *bus,
              const char *name,
              char        what)
{
  g_assert_true (AGENT_IS_BUS (bus));
  g_assert_cmpstr (name, ==, "a");
  g_assert_cmpuint (self->n_freed, ==, 0);
  g_string_append_c (self->text, what);
  self->thread = g_thread_self ();
  if (self->id != 0)
    agent_bus_unwatch_name (bus, self->id);
  self->id = 0;
}

static void
on_appeared (AgentBus   *bus,
             const char *name,
             gpointer    user_data)
{
  watcher_call (user_data, bus, name, '+');
}

static void
on_vanished (AgentBus   *bus,
             const char *name,
             gpointer    user_data)
{
  watcher_call (user_data, bus, name, '-');
}

static void
on_freed (gpointer user_data)
{
  Watcher *self = user_data;

  self->n_freed++;
}

static guint
watch (TestFixture *f,
       Watcher     *self)
{
  self->text = g_string_new (NULL);
  return agent_bus_watch_name (f->bus, "a", on_appeared, on_vanished, self, on_freed);
}

static void
watcher_end (TestFixture *f,
             Watcher     *self)
{
  test_drain (f);
  g_assert_cmpuint (self->n_freed, ==, 1);
  g_string_free (self->text, TRUE);
}

static void
assert_told (TestFixture *f,
             Watcher     *self,
             const char  *text)
{
  test_drain (f);
  g_assert_cmpstr (self->text->str, ==, text);
}

static TestRecorder *
subscribe (TestFixture *f)
{
  return test_recorder_subscribe (f, "a", NULL, NULL);
}

/* --- All names --- */

static void
assert_names (TestFixture *f,
              const char  *expected)
{
  g_auto (GStrv) names = agent_bus_list_names (f->bus);
  g_autofree char *text = g_strjoinv (" ", names);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_list (TestFixture *f)
{
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) upper = test_recorder_subscribe (f, "Z", NULL, NULL);

  assert_names (f, "Z a b");
  agent_bus_unsubscribe (f->bus, "a");
  assert_names (f, "Z b");
  test_stop (f);
  assert_names (f, "");
}

/* --- One name --- */

static void
test_present_state (TestFixture *f)
{
  g_autoptr (TestRecorder) a = NULL;
  Watcher before = { 0 };
  Watcher after = { 0 };
  guint   id_before = watch (f, &before);
  guint   id_after;

  g_assert_cmpstr (before.text->str, ==, "");
  assert_told (f, &before, "-");
  a = subscribe (f);
  id_after = watch (f, &after);
  g_assert_cmpuint (id_before, !=, id_after);
  assert_told (f, &before, "-+");
  assert_told (f, &after, "+");
  agent_bus_unsubscribe (f->bus, "a");
  assert_told (f, &before, "-+-");
  assert_told (f, &after, "+-");

  agent_bus_unwatch_name (f->bus, id_before);
  agent_bus_unwatch_name (f->bus, id_after);
  watcher_end (f, &before);
  watcher_end (f, &after);
}

/* Each change is told, although the context was not iterated meanwhile. */
static void
test_no_change_is_lost (TestFixture *f)
{
  Watcher self = { 0 };
  guint   id = watch (f, &self);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TestRecorder) a = subscribe (f);

      agent_bus_unsubscribe (f->bus, "a");
    }
  assert_told (f, &self, "-+-+-+-");
  agent_bus_unwatch_name (f->bus, id);
  watcher_end (f, &self);
}

static void
test_stop_and_start (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f);
  g_autoptr (TestRecorder) other = test_recorder_subscribe (f, "b", NULL, NULL);
  Watcher self = { 0 };
  Watcher late = { 0 };
  guint   id = watch (f, &self);
  guint   late_id;

  test_stop (f);
  late_id = watch (f, &late);
  assert_told (f, &self, "+-");
  assert_told (f, &late, "-");
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  assert_told (f, &self, "+-+");
  agent_bus_unwatch_name (f->bus, id);
  assert_told (f, &late, "-+");
  agent_bus_unwatch_name (f->bus, late_id);
  watcher_end (f, &self);
  watcher_end (f, &late);
}

static void
test_unwatch (TestFixture *f)
{
  Watcher self = { 0 };
  guint   id = watch (f, &self);
  g_autoptr (TestRecorder) a = subscribe (f);

  agent_bus_unwatch_name (f->bus, id);
  g_assert_cmpuint (self.n_freed, ==, 0);
  test_drain (f);
  g_assert_cmpstr (self.text->str, ==, "");
  watcher_end (f, &self);
}

/* What is still to be told is not, and the data lives until the call is over. */
static void
test_unwatch_in_a_call (TestFixture *f)
{
  Watcher self = { 0 };
  g_autoptr (TestRecorder) a = NULL;

  self.id = watch (f, &self);
  a = subscribe (f);
  assert_told (f, &self, "-");
  watcher_end (f, &self);
}

static void
test_no_functions (TestFixture *f)
{
  guint id = agent_bus_watch_name (f->bus, "a", NULL, NULL, NULL, NULL);
  g_autoptr (TestRecorder) a = subscribe (f);

  test_drain (f);
  agent_bus_unwatch_name (f->bus, id);
  test_drain (f);
}

static void
test_unknown_id (TestFixture *f)
{
  agent_bus_unwatch_name (f->bus, 42);
  test_expect_log (f, "no watch");
}

/* The bus goes: nothing more is told, and the data is freed. */
static void
test_bus_goes (TestFixture *f)
{
  AgentBus *bus = agent_bus_new ();
  Watcher   self = { 0 };
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");

  self.text = g_string_new (NULL);
  agent_bus_watch_name (bus, "a", on_appeared, on_vanished, &self, on_freed);
  test_drain (f);
  g_assert_cmpstr (self.text->str, ==, "-");
  test_assert_dies (bus);
  watcher_end (f, &self);
}

static gpointer
come_and_go (gpointer data)
{
  TestFixture *f = data;

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");

      agent_bus_subscribe (f->bus, a, NULL);
      agent_bus_unsubscribe (f->bus, "a");
    }

  return NULL;
}

/* Watches that come at any time see states in turn, and the last one is right; all in their own thread. */
static void
test_races (TestFixture *f)
{
  GThread *threads[2];
  Watcher  watchers[20] = { 0 };
  guint    ids[G_N_ELEMENTS (watchers)];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("come-and-go", come_and_go, f);
  for (guint i = 0; i < G_N_ELEMENTS (watchers); i++)
    {
      ids[i] = watch (f, &watchers[i]);
      test_iterate (f);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  test_drain (f);

  for (guint i = 0; i < G_N_ELEMENTS (watchers); i++)
    {
      const char *text = watchers[i].text->str;

      for (const char *p = text; p[0] != '\0' && p[1] != '\0'; p++)
        g_assert_true (p[0] != p[1]);
      g_assert_true (g_str_has_suffix (text, "-"));
      g_assert_true (watchers[i].thread == g_thread_self ());
      agent_bus_unwatch_name (f->bus, ids[i]);
      watcher_end (f, &watchers[i]);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/names/" name, func)

  ADD ("list", test_list);
  ADD ("present-state", test_present_state);
  ADD ("no-change-is-lost", test_no_change_is_lost);
  ADD ("stop-and-start", test_stop_and_start);
  ADD ("unwatch", test_unwatch);
  ADD ("unwatch-in-a-call", test_unwatch_in_a_call);
  ADD ("no-functions", test_no_functions);
  ADD ("unknown-id", test_unknown_id);
  ADD ("bus-goes", test_bus_goes);
  ADD ("races", test_races);

  return g_test_run ();
}

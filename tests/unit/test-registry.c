/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-subscriber-private.h"
#include "test-tools.h"

/*
 * Agents announce themselves to those who take that, and a registry knows who is there.
 */

/* --- Agents --- */

static AgentInfo *
info_new (const char *name,
          const char *runner,
          gint64      started_at)
{
  return agent_info_new (name, runner, NULL, TRUE, FALSE, started_at);
}

static TestRecorder *
agent_new (const char        *name,
           const char *const *accepts)
{
  TestRecorder *agent = test_recorder_new_full (NULL, NULL, "name", name, "accepts", accepts, NULL);
  g_autoptr (AgentInfo) info = info_new (name, "here", 0);

  _agent_subscriber_set_info (AGENT_SUBSCRIBER (agent), info);
  return agent;
}

static void
subscribe (TestFixture *f,
           gpointer     subscriber)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, subscriber, &error);
  g_assert_no_error (error);
}

static TestRecorder *
agent_subscribe (TestFixture *f,
                 const char  *name)
{
  TestRecorder *agent = agent_new (name, NULL);

  subscribe (f, agent);
  return agent;
}

static void
leave (TestFixture *f,
       const char  *name)
{
  agent_bus_unsubscribe (f->bus, name);
}

static void
tell (TestFixture *f,
      const char  *name,
      const char  *runner,
      gint64       started_at)
{
  g_autoptr (AgentInfo) info = info_new (name, runner, started_at);

  agent_bus_send (f->bus, agent_message_new_agent_ready (info));
}

/* @names: separated by spaces */
static void
list_runner (TestFixture *f,
             const char  *runner,
             const char  *names)
{
  g_auto (GStrv) each = g_strsplit (names, " ", -1);
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);

  for (guint i = 0; each[i] != NULL && *each[i] != '\0'; i++)
    g_ptr_array_add (infos, info_new (each[i], runner, 0));
  agent_bus_send (f->bus, agent_message_new_agent_registry ("elsewhere", NULL, runner, infos));
}

/* --- Who is told --- */

static void
test_takers (TestFixture *f)
{
  static const char *const named[] = { "agent-ready", NULL };
  static const char *const others[] = { "cancel", NULL };
  g_autoptr (TestRecorder) plain = test_recorder_subscribe (f, "plain", NULL, NULL);
  g_autoptr (TestRecorder) choosy = test_recorder_new_full (NULL, NULL, "name", "choosy", "accepts", named, NULL);
  g_autoptr (TestRecorder) deaf = test_recorder_new_full (NULL, NULL, "name", "deaf", "accepts", others, NULL);
  g_autoptr (TestRecorder) curious = agent_new ("curious", named);
  g_autoptr (TestRecorder) first = agent_subscribe (f, "first");
  g_autoptr (TestRecorder) second = NULL;

  subscribe (f, choosy);
  subscribe (f, deaf);
  subscribe (f, curious);
  second = agent_subscribe (f, "second");
  test_drain (f);

  g_assert_cmpuint (test_recorder_count (plain), ==, 3);
  g_assert_cmpstr (agent_message_get_source (plain->messages->pdata[0]), ==, "first");
  g_assert_cmpuint (test_recorder_count (choosy), ==, 2);
  g_assert_cmpuint (test_recorder_count (deaf), ==, 0);
  g_assert_cmpuint (test_recorder_count (curious), ==, 1);
  g_assert_cmpuint (test_recorder_count (first), ==, 0);
  g_assert_cmpuint (test_recorder_count (second), ==, 0);
  test_assert_balanced (f->bus);
}

/* An explicit send goes the same way, and all other broadcasts go to agents, too. */
static void
test_explicit (TestFixture *f)
{
  g_autoptr (TestRecorder) agent = agent_subscribe (f, "agent");
  g_autoptr (TestRecorder) plain = test_recorder_subscribe (f, "plain", NULL, NULL);

  tell (f, "elsewhere", "there", 0);
  list_runner (f, "there", "elsewhere");
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", NULL)), ==, 2);
  test_drain (f);

  g_assert_cmpuint (test_recorder_count (plain), ==, 3);
  g_assert_cmpuint (test_recorder_count (agent), ==, 1);
  test_assert_balanced (f->bus);
}

static void
test_nobody (TestFixture *f)
{
  g_autoptr (TestRecorder) agent = agent_subscribe (f, "agent");
  g_autoptr (TestRecorder) other = agent_subscribe (f, "other");
  TestLedger ledger = test_ledger (f->bus);

  g_assert_cmpuint (ledger.sent, ==, 0);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_NO_TARGET], ==, 0);

  tell (f, "elsewhere", "there", 0);
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.sent, ==, 1);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

static void
test_changes (TestFixture *f)
{
  static const char *const named[] = { "agent-ready", NULL };
  g_autoptr (TestRecorder) plain = test_recorder_subscribe (f, "plain", NULL, NULL);
  g_autoptr (TestRecorder) late = test_recorder_subscribe (f, "late", NULL, NULL);
  g_autoptr (AgentInfo) info = info_new ("late", "here", 0);

  /* One that is subscribed becomes an agent, and is told nothing from then on. */
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (late), info);
  tell (f, "elsewhere", "there", 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (plain), ==, 2);
  g_assert_cmpuint (test_recorder_count (late), ==, 0);

  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (late), named);
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (plain), named);
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (plain), NULL);
  tell (f, "elsewhere", "there", 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (plain), ==, 3);
  g_assert_cmpuint (test_recorder_count (late), ==, 1);

  /* And becomes a plain one again. */
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (late), NULL);
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (late), NULL);
  tell (f, "elsewhere", "there", 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (plain), ==, 4);
  g_assert_cmpuint (test_recorder_count (late), ==, 2);
}

/* The set that is kept as agents and others come and go, and change what they take, is the one that follows from what each
 * of them is. */
static void
test_takers_walk (TestFixture *f)
{
  static const char *const choices[][2] = { { NULL }, { "agent-ready" }, { "cancel" } };
  TestRecorder            *recorders[8] = { NULL };
  guint                    choice[8] = { 0 };
  gboolean                 is_agent[8] = { FALSE };
  GRand                   *rand = g_rand_new_with_seed (7);

  for (guint step = 0; step < 3000; step++)
    {
      guint            i = (guint) g_rand_int_range (rand, 0, 8);
      g_autofree char *name = g_strdup_printf ("s%u", i);
      guint            n_expected = 0;
      g_autoptr (AgentInfo) info = info_new (name, "here", step);

      switch (g_rand_int_range (rand, 0, 3))
        {
        case 0:
          if (recorders[i] != NULL)
            {
              leave (f, name);
              g_clear_object (&recorders[i]);
            }
          else
            {
              choice[i] = 0;
              is_agent[i] = g_rand_boolean (rand);
              recorders[i] = is_agent[i] ? agent_new (name, NULL) : test_recorder_new (name, NULL, NULL);
              subscribe (f, recorders[i]);
            }
          break;
        case 1:
          if (recorders[i] == NULL)
            continue;
          choice[i] = (guint) g_rand_int_range (rand, 0, 3);
          agent_subscriber_set_accepts (AGENT_SUBSCRIBER (recorders[i]), choice[i] == 0 ? NULL : choices[choice[i]]);
          break;
        default:
          if (recorders[i] == NULL)
            continue;
          is_agent[i] = g_rand_boolean (rand);
          _agent_subscriber_set_info (AGENT_SUBSCRIBER (recorders[i]), is_agent[i] ? info : NULL);
        }

      for (guint j = 0; j < 8; j++)
        n_expected += recorders[j] != NULL && (choice[j] == 1 || (choice[j] == 0 && !is_agent[j]));
      {
        g_autoptr (AgentInfo) elsewhere = info_new ("elsewhere", "there", 0);

        g_assert_cmpuint (agent_bus_send (f->bus, agent_message_new_agent_ready (elsewhere)), ==, n_expected);
      }
      test_drain (f);
    }

  for (guint i = 0; i < 8; i++)
    g_clear_object (&recorders[i]);
  g_rand_free (rand);
  test_assert_balanced (f->bus);
}

/* --- A registry and what it tells --- */

typedef struct
{
  AgentRegistry *registry;
  GString       *text;  /* +name and -name for each signal */
  GPtrArray     *model; /* (owned) of AgentPeer (owned): what follows from items-changed */
  GThread       *thread;
} Watcher;

static void
on_items_changed (GListModel *list,
                  guint       position,
                  guint       removed,
                  guint       added,
                  gpointer    user_data)
{
  Watcher *self = user_data;

  g_assert_cmpuint (self->model->len, >=, position + removed);
  for (guint i = 0; i < removed; i++)
    g_ptr_array_remove_index (self->model, position);
  for (guint i = 0; i < added; i++)
    g_ptr_array_insert (self->model, (gint) (position + i), g_list_model_get_item (list, position + i));
  g_assert_cmpuint (self->model->len, ==, g_list_model_get_n_items (list));
}

static void
on_appeared (AgentRegistry *registry,
             AgentPeer     *peer,
             gpointer       user_data)
{
  Watcher *self = user_data;

  g_assert_true (agent_registry_lookup (registry, agent_peer_get_name (peer)) == peer);
  g_assert_cmpint (agent_peer_get_state (peer), ==, AGENT_ACTOR_STATE_READY);
  g_string_append_printf (self->text, "+%s", agent_peer_get_name (peer));
  self->thread = g_thread_self ();
}

static void
on_vanished (AgentRegistry *registry,
             AgentPeer     *peer,
             gpointer       user_data)
{
  Watcher *self = user_data;

  g_assert_null (agent_registry_lookup (registry, agent_peer_get_name (peer)));
  g_assert_cmpint (agent_peer_get_state (peer), ==, AGENT_ACTOR_STATE_ENDED);
  g_string_append_printf (self->text, "-%s", agent_peer_get_name (peer));
}

static void
watcher_init (Watcher     *self,
              TestFixture *f)
{
  self->registry = agent_registry_new (f->bus);
  self->text = g_string_new (NULL);
  self->model = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (self->registry)); i++)
    g_ptr_array_add (self->model, g_list_model_get_item (G_LIST_MODEL (self->registry), i));
  g_signal_connect (self->registry, "items-changed", G_CALLBACK (on_items_changed), self);
  g_signal_connect (self->registry, "appeared", G_CALLBACK (on_appeared), self);
  g_signal_connect (self->registry, "vanished", G_CALLBACK (on_vanished), self);
}

static void
watcher_clear (Watcher *self)
{
  for (guint i = 0; i < self->model->len; i++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->registry), i);

      g_assert_true (item == self->model->pdata[i]);
    }
  g_assert_null (g_list_model_get_item (G_LIST_MODEL (self->registry), self->model->len));
  g_object_unref (self->registry);
  g_ptr_array_unref (self->model);
  g_string_free (self->text, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Watcher, watcher_clear)

/* What was told since the last call, and who is there. */
static void
assert_told (TestFixture *f,
             Watcher     *self,
             const char  *text,
             const char  *names)
{
  g_autoptr (GString) there = g_string_new (NULL);

  test_drain (f);
  for (guint i = 0; i < self->model->len; i++)
    g_string_append_printf (there, "%s%s", i > 0 ? " " : "", agent_peer_get_name (self->model->pdata[i]));
  g_assert_cmpstr (self->text->str, ==, text);
  g_assert_cmpstr (there->str, ==, names);
  g_string_truncate (self->text, 0);
}

static guint64
generation_of (Watcher    *self,
               const char *name)
{
  AgentPeer *peer = agent_registry_lookup (self->registry, name);

  g_assert_nonnull (peer);
  return agent_peer_get_generation (peer);
}

static void
test_come_and_go (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  g_autoptr (TestRecorder) plain = NULL;

  watcher_init (&watcher, f);
  a = agent_subscribe (f, "a");
  b = agent_subscribe (f, "b");
  plain = test_recorder_subscribe (f, "plain", NULL, NULL);
  g_assert_cmpuint (watcher.model->len, ==, 0);
  assert_told (f, &watcher, "+a+b", "a b");

  leave (f, "plain");
  leave (f, "a");
  assert_told (f, &watcher, "-a", "b");
  subscribe (f, a);
  assert_told (f, &watcher, "+a", "b a");
}

static void
test_late (TestFixture *f)
{
  g_autoptr (TestRecorder) a = agent_subscribe (f, "a");
  g_autoptr (TestRecorder) b = agent_subscribe (f, "b");
  g_autoptr (TestRecorder) c = agent_subscribe (f, "c");
  g_auto (Watcher) watcher = { NULL };

  leave (f, "b");
  watcher_init (&watcher, f);
  g_assert_cmpuint (watcher.model->len, ==, 2);
  leave (f, "a");
  assert_told (f, &watcher, "-a", "c");
}

static void
on_notify (GObject    *peer,
           GParamSpec *pspec,
           gpointer    user_data)
{
  g_string_append_printf (user_data, "%s ", pspec->name);
}

static void
test_properties (TestFixture *f)
{
  g_autoptr (TestRecorder) a = agent_new ("a", NULL);
  g_autoptr (AgentInfo) info = agent_info_new ("a", "here", "boss", FALSE, TRUE, 5);
  g_autoptr (AgentInfo) changed = agent_info_new ("a", "here", NULL, TRUE, TRUE, 5);
  g_autoptr (AgentInfo) kept = NULL;
  g_autoptr (GString) notified = g_string_new (NULL);
  g_autofree char *name = NULL;
  guint64          generation;
  AgentPeer       *peer;
  g_auto (Watcher) watcher = { NULL };

  _agent_subscriber_set_info (AGENT_SUBSCRIBER (a), info);
  subscribe (f, a);
  watcher_init (&watcher, f);
  peer = watcher.model->pdata[0];
  generation = agent_peer_get_generation (peer);
  g_object_get (peer, "name", &name, NULL);
  g_assert_cmpstr (name, ==, "a");
  g_assert_cmpstr (agent_peer_get_runner (peer), ==, "here");
  g_assert_cmpstr (agent_peer_get_parent (peer), ==, "boss");
  g_assert_false (agent_peer_is_active (peer));
  g_assert_true (agent_peer_is_bridged (peer));
  g_assert_cmpint (agent_peer_get_started_at (peer), ==, 5);

  g_signal_connect (peer, "notify", G_CALLBACK (on_notify), notified);
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (a), changed);
  kept = _agent_subscriber_dup_info (AGENT_SUBSCRIBER (a));
  g_assert_true (kept == changed);
  assert_told (f, &watcher, "", "a");
  g_assert_cmpstr (notified->str, ==, "active parent ");
  g_assert_cmpuint (agent_peer_get_generation (peer), ==, generation);

  leave (f, "a");
  assert_told (f, &watcher, "-a", "");
  g_assert_cmpstr (notified->str, ==, "active parent state ");
}

static void
on_detail (AgentRegistry *registry,
           AgentPeer     *peer,
           gpointer       user_data)
{
  g_string_append (user_data, agent_peer_get_name (peer));
}

static void
test_details (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;

  g_signal_connect (registry, "appeared::detail-a", G_CALLBACK (on_detail), text);
  g_signal_connect (registry, "vanished::detail-b", G_CALLBACK (on_detail), text);
  a = agent_subscribe (f, "detail-a");
  b = agent_subscribe (f, "detail-b");
  leave (f, "detail-a");
  leave (f, "detail-b");
  test_drain (f);
  g_assert_cmpstr (text->str, ==, "detail-adetail-b");
}

/* --- Successors --- */

/* All of it is queued when the context is iterated. */
static void
test_successor (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) old = NULL;
  g_autoptr (TestRecorder) new = NULL;
  guint64 generation;

  watcher_init (&watcher, f);
  old = agent_subscribe (f, "a");
  test_drain (f);
  generation = generation_of (&watcher, "a");
  g_string_truncate (watcher.text, 0);

  leave (f, "a");
  new = agent_subscribe (f, "a");
  assert_told (f, &watcher, "-a+a", "a");
  g_assert_cmpuint (generation_of (&watcher, "a"), >, generation);
}

/* What the predecessor said of itself does not change the successor, and does not bring it back. */
static void
test_old_announcement (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) old = agent_new ("a", NULL);
  g_autoptr (TestRecorder) new = agent_new ("a", NULL);
  g_autoptr (AgentInfo) old_info = info_new ("a", "old", 1);
  g_autoptr (AgentInfo) new_info = info_new ("a", "new", 2);

  _agent_subscriber_set_info (AGENT_SUBSCRIBER (old), old_info);
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (new), new_info);
  watcher_init (&watcher, f);
  subscribe (f, old);
  leave (f, "a");
  subscribe (f, new);
  assert_told (f, &watcher, "+a-a+a", "a");
  g_assert_cmpstr (agent_peer_get_runner (watcher.model->pdata[0]), ==, "new");

  tell (f, "a", "old", 1);
  list_runner (f, "old", "a");
  assert_told (f, &watcher, "", "a");
  g_assert_cmpstr (agent_peer_get_runner (watcher.model->pdata[0]), ==, "new");
}

static void
test_left_at_once (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) a = NULL;

  watcher_init (&watcher, f);
  a = agent_subscribe (f, "a");
  leave (f, "a");
  assert_told (f, &watcher, "+a-a", "");
}

/* Another thread may take the agent off the bus before the one that has subscribed it sends the announcement. */
static void
test_left_before_announced (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (AgentInfo) info = info_new ("a", "here", 0);
  AgentSender *sender = _agent_sender_get ();

  watcher_init (&watcher, f);
  g_assert_cmpuint (_agent_bus_announce (f->bus, info, sender), ==, 1);
  _agent_sender_collect (sender);
  assert_told (f, &watcher, "", "");
}

/* --- Agents elsewhere --- */

static void
test_elsewhere (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  guint64 generation;

  watcher_init (&watcher, f);
  tell (f, "a", "there", 10);
  assert_told (f, &watcher, "+a", "a");
  generation = generation_of (&watcher, "a");

  tell (f, "a", "there", 10);
  tell (f, "a", "there", 9);
  assert_told (f, &watcher, "", "a");
  g_assert_cmpuint (generation_of (&watcher, "a"), ==, generation);

  tell (f, "a", "there", 11);
  assert_told (f, &watcher, "-a+a", "a");
  g_assert_cmpuint (generation_of (&watcher, "a"), >, generation);
}

static void
test_runner_elsewhere (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };

  watcher_init (&watcher, f);
  list_runner (f, "there", "a b c");
  list_runner (f, "other", "d");
  assert_told (f, &watcher, "+a+b+c+d", "a b c d");
  list_runner (f, "there", "b c e");
  assert_told (f, &watcher, "-a+e", "b c d e");
  list_runner (f, "there", "");
  test_drain (f);
  g_assert_cmpuint (watcher.model->len, ==, 1);
}

/* One that is no agent of the bus has told of itself, or others by it. */
static void
test_teller_leaves (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) there = test_recorder_subscribe (f, "there", NULL, NULL);

  watcher_init (&watcher, f);
  tell (f, "a", "", 0);
  tell (f, "b", "there", 0);
  leave (f, "a");
  assert_told (f, &watcher, "+a+b-a", "b");

  leave (f, "there");
  tell (f, "c", "there", 0);
  assert_told (f, &watcher, "-b+c", "c");
}

static void
test_local_is_stronger (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) a = NULL;

  watcher_init (&watcher, f);
  tell (f, "a", "there", 7);
  a = agent_subscribe (f, "a");
  tell (f, "a", "there", 8);
  list_runner (f, "there", "");
  assert_told (f, &watcher, "+a-a+a", "a");
  g_assert_cmpstr (agent_peer_get_runner (watcher.model->pdata[0]), ==, "here");
}

/* --- The bus stops --- */

static void
on_started (GObject      *bus,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_assert_true (agent_bus_start_finish (AGENT_BUS (bus), result, NULL));
  *(gboolean *) user_data = TRUE;
}

static void
test_stop_and_start (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  g_autoptr (TestRecorder) a = NULL;
  gboolean started = FALSE;

  watcher_init (&watcher, f);
  a = agent_subscribe (f, "a");
  tell (f, "b", "there", 0);
  test_stop (f);
  assert_told (f, &watcher, "+a+b-a-b", "");

  agent_bus_start_async (f->bus, NULL, on_started, &started);
  test_run_until (f, &started);
  subscribe (f, a);
  tell (f, "c", "there", 0);
  assert_told (f, &watcher, "+a+c", "a c");
}

/* --- Waiting --- */

typedef struct
{
  gboolean done;
  gboolean ok;
  GError  *error;
} Result;

static void
on_there (GObject      *registry,
          GAsyncResult *result,
          gpointer      user_data)
{
  Result *self = user_data;

  g_assert_false (self->done);
  self->ok = agent_registry_wait_for_finish (AGENT_REGISTRY (registry), result, &self->error);
  self->done = TRUE;
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__ (, ) NULL })

static void
test_wait (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  Result both = { FALSE };
  Result none = { FALSE };
  Result one = { FALSE };

  agent_registry_wait_for_async (registry, NAMES ("a", "b", "a"), 0, NULL, on_there, &both);
  agent_registry_wait_for_async (registry, NAMES (), 0, NULL, on_there, &none);
  a = agent_subscribe (f, "a");
  test_drain (f);
  g_assert_true (none.ok);
  g_assert_false (both.done);

  /* They have to be there at the same time. */
  leave (f, "a");
  b = agent_subscribe (f, "b");
  test_drain (f);
  g_assert_false (both.done);
  subscribe (f, a);
  agent_registry_wait_for_async (registry, NAMES ("b"), 0, NULL, on_there, &one);
  test_drain (f);
  g_assert_true (both.ok);
  g_assert_true (one.ok);
}

static void
on_appeared_wait (AgentRegistry *registry,
                  AgentPeer     *peer,
                  gpointer       user_data)
{
  agent_registry_wait_for_async (registry, NAMES ("a", "b"), 0, NULL, on_there, user_data);
}

/* The one of whom the handler is told is there already, and does not count once more. */
static void
test_wait_in_handler (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  Result result = { FALSE };

  g_signal_connect (registry, "appeared::a", G_CALLBACK (on_appeared_wait), &result);
  a = agent_subscribe (f, "a");
  test_drain (f);
  g_assert_false (result.done);
  b = agent_subscribe (f, "b");
  test_drain (f);
  g_assert_true (result.ok);
}

static void
test_wait_timeout (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = NULL;
  g_autoptr (TestRecorder) a = NULL;
  Result result = { FALSE };

  test_clock_freeze ();
  registry = agent_registry_new (f->bus);
  agent_registry_wait_for_async (registry, NAMES ("a", "b"), 100, NULL, on_there, &result);
  a = agent_subscribe (f, "a");
  test_clock_advance (99 * 1000);
  test_drain (f);
  g_assert_false (result.done);
  test_clock_advance (1000);
  test_drain (f);
  g_assert_error (result.error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_cmpstr (result.error->message, ==, "'b' did not appear within 100 ms");
  g_error_free (result.error);
  test_clock_release ();
}

static void
test_wait_cancelled (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result early = { FALSE };
  Result late = { FALSE };

  agent_registry_wait_for_async (registry, NAMES ("a"), 1000, cancellable, on_there, &early);
  test_drain (f);
  g_assert_false (early.done);
  g_cancellable_cancel (cancellable);
  agent_registry_wait_for_async (registry, NAMES ("a"), 1000, cancellable, on_there, &late);
  test_drain (f);
  g_assert_error (early.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_error (late.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_error_free (early.error);
  g_error_free (late.error);
}

static void
test_wait_closed (TestFixture *f)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  Result early = { FALSE };
  Result late = { FALSE };

  agent_registry_wait_for_async (registry, NAMES ("a"), 0, NULL, on_there, &early);
  test_stop (f);
  agent_registry_wait_for_async (registry, NAMES ("a"), 0, NULL, on_there, &late);
  test_drain (f);
  g_assert_error (early.error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  g_assert_error (late.error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  g_error_free (early.error);
  g_error_free (late.error);
}

/* --- Its end --- */

static void
test_dropped (TestFixture *f)
{
  AgentRegistry *registry = agent_registry_new (f->bus);
  g_autoptr (TestRecorder) a = agent_subscribe (f, "a");

  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 2);
  g_object_add_weak_pointer (G_OBJECT (registry), (gpointer *) &registry);
  g_object_unref (registry);
  g_assert_null (registry);
  test_drain (f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
}

/* --- A walk, and threads --- */

static void
test_walk (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  TestRecorder *agents[16] = { NULL };
  GRand        *rand = g_rand_new_with_seed (11);
  guint         n = 0;

  watcher_init (&watcher, f);
  for (guint step = 0; step < 4000; step++)
    {
      guint            i = (guint) g_rand_int_range (rand, 0, 16);
      g_autofree char *name = g_strdup_printf ("a%u", i);

      if (agents[i] != NULL)
        {
          leave (f, name);
          g_clear_object (&agents[i]);
          n--;
        }
      else
        {
          agents[i] = agent_subscribe (f, name);
          n++;
        }
      if (g_rand_int_range (rand, 0, 4) > 0)
        continue;

      test_drain (f);
      g_assert_cmpuint (watcher.model->len, ==, n);
      for (guint j = 0; j < 16; j++)
        {
          g_autofree char *other = g_strdup_printf ("a%u", j);

          g_assert_true ((agent_registry_lookup (watcher.registry, other) != NULL) == (agents[j] != NULL));
        }
    }

  test_drain (f);
  for (guint i = 0; i < 16; i++)
    g_clear_object (&agents[i]);
  g_rand_free (rand);
}

#define N_ROUNDS 300

typedef struct
{
  AgentBus *bus;
  guint     number;
} Worker;

static gpointer
come_and_go (gpointer data)
{
  Worker *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autofree char *name = g_strdup_printf ("t%u-%u", self->number, i % 3);
      g_autoptr (TestRecorder) agent = agent_new (name, NULL);
      g_autoptr (AgentInfo) info = info_new (name, "changed", i);

      agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (agent), NULL);
      _agent_subscriber_set_info (AGENT_SUBSCRIBER (agent), info);
      if (i < N_ROUNDS - 3)
        agent_bus_unsubscribe (self->bus, name);
      while (g_main_context_iteration (context, FALSE))
        ;
    }
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_threads (TestFixture *f)
{
  g_auto (Watcher) watcher = { NULL };
  Worker   workers[4];
  GThread *threads[4];

  watcher_init (&watcher, f);
  for (guint i = 0; i < 4; i++)
    {
      workers[i] = (Worker){ f->bus, i };
      threads[i] = g_thread_new ("agents", come_and_go, &workers[i]);
    }
  while (watcher.text->len < 2000)
    g_main_context_iteration (f->context, TRUE);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  test_drain (f);

  g_assert_true (watcher.thread == g_thread_self ());
  g_assert_cmpuint (watcher.model->len, ==, 12);
  for (guint i = 0; i < 12; i++)
    g_assert_cmpstr (agent_peer_get_runner (watcher.model->pdata[i]), ==, "changed");
  test_assert_balanced (f->bus);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/registry/announced-takers", test_takers);
  test_add ("/agentbus/registry/announced-explicit", test_explicit);
  test_add ("/agentbus/registry/announced-nobody", test_nobody);
  test_add ("/agentbus/registry/announced-changes", test_changes);
  test_add ("/agentbus/registry/announced-walk", test_takers_walk);
  test_add ("/agentbus/registry/come-and-go", test_come_and_go);
  test_add ("/agentbus/registry/late", test_late);
  test_add ("/agentbus/registry/properties", test_properties);
  test_add ("/agentbus/registry/details", test_details);
  test_add ("/agentbus/registry/successor", test_successor);
  test_add ("/agentbus/registry/successor-old-announcement", test_old_announcement);
  test_add ("/agentbus/registry/successor-left-at-once", test_left_at_once);
  test_add ("/agentbus/registry/successor-left-before-announced", test_left_before_announced);
  test_add ("/agentbus/registry/elsewhere", test_elsewhere);
  test_add ("/agentbus/registry/elsewhere-runner", test_runner_elsewhere);
  test_add ("/agentbus/registry/elsewhere-teller-leaves", test_teller_leaves);
  test_add ("/agentbus/registry/elsewhere-local-is-stronger", test_local_is_stronger);
  test_add ("/agentbus/registry/stop-and-start", test_stop_and_start);
  test_add ("/agentbus/registry/wait", test_wait);
  test_add ("/agentbus/registry/wait-in-handler", test_wait_in_handler);
  test_add ("/agentbus/registry/wait-timeout", test_wait_timeout);
  test_add ("/agentbus/registry/wait-cancelled", test_wait_cancelled);
  test_add ("/agentbus/registry/wait-closed", test_wait_closed);
  test_add ("/agentbus/registry/dropped", test_dropped);
  test_add ("/agentbus/registry/walk", test_walk);
  test_add ("/agentbus/registry/threads", test_threads);

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-peer.h"

/*
 * Nodes whose process is stopped: for a moment, for so long that they are taken for gone, or until they are killed. With every
 * engine that can connect processes.
 */

/* In ms. A node that is stopped for a moment must not be taken for gone, on a loaded machine neither. */
#define SLOW_HEARTBEAT 10000
#define QUICK_HEARTBEAT 500

/* More control than may be on its way to one node, and more data than an engine keeps: the rest waits in mailboxes. */
#define BULK_SIZE (64 * 1024)
#define N_BULK_CONTROL 200
#define N_BULK_DATA 64

static const TestEngine *const engines[] = {
  &test_engine_dbus,
  &test_engine_peers,
#ifdef WITH_NATS
  &test_engine_nats,
#endif
  NULL,
};

/* --- A node here, which speaks with peers --- */

typedef struct
{
  TestWorld    *world;
  AgentActor   *boss;
  AgentActor   *worker; /* keeps its jobs */
  GPtrArray    *jobs;   /* of the worker */
  TestRecorder *x;      /* gets the echoes */
  TestPeer     *p;
  GPtrArray    *tasks;      /* of AgentTask (owned), which the boss has asked for */
  guint         n_finished; /* how often one of these has ended */
  GString      *gone;       /* names that were told to be unsubscribed, with a space each */
  guint         n_sent[2];  /* numbers to "p-echo", by AgentChannel */
} Stage;

static void
stage_on_unsubscribed (AgentBus   *bus,
                       const char *name,
                       Stage      *self)
{
  g_string_append_printf (self->gone, "%s ", name);
}

static void
stage_init (Stage            *self,
            TestFixture      *f,
            const TestEngine *engine,
            guint             heartbeat)
{
  *self = (Stage){ .world = test_world_new_beating (f, engine, 1, heartbeat) };
  self->boss = agent_actor_new ("boss");
  self->worker = agent_actor_new ("worker");
  self->jobs = test_jobs_new (self->worker);
  self->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  self->gone = g_string_new (NULL);
  agent_actor_set_max_jobs (self->worker, 1000);
  test_world_join (self->world, 0, self->boss);
  test_world_join (self->world, 0, self->worker);
  self->x = test_world_add (self->world, 0, "x");
  g_signal_connect (self->world->nodes[0].bus, "unsubscribed", G_CALLBACK (stage_on_unsubscribed), self);
  self->p = test_peer_new (self->world, "p");
}

/* The peers are there until the bus has stopped, so that they can say what has arrived.
 *
 * @other: (nullable): one more peer */
static void
stage_clear_with (Stage    *self,
                  TestPeer *other)
{
  g_signal_handlers_disconnect_by_data (self->world->nodes[0].bus, self);
  test_world_stop (self->world, 0, AGENT_LEAVE_FLAGS_NONE);
  test_peer_free (self->p);
  g_clear_pointer (&other, test_peer_free);
  test_world_free (self->world);
  test_jobs_free (self->worker, self->jobs);
  g_ptr_array_unref (self->tasks);
  g_string_free (self->gone, TRUE);
  g_object_unref (self->boss);
  g_object_unref (self->worker);
  g_object_unref (self->x);
}

static void
stage_clear (Stage *self)
{
  stage_clear_with (self, NULL);
}

static void
stage_on_finished (AgentTask *task,
                   Stage     *self)
{
  self->n_finished++;
}

static void
stage_ask (Stage      *self,
           const char *worker,
           const char *name,
           guint       n)
{
  for (guint i = 0; i < n; i++)
    {
      AgentTask *task = agent_actor_request (self->boss, worker, name, g_variant_new_uint32 (self->tasks->len));

      g_signal_connect (task, "finished", G_CALLBACK (stage_on_finished), self);
      g_ptr_array_add (self->tasks, task);
    }
}

static void
stage_send (Stage       *self,
            AgentChannel channel,
            guint        n)
{
  for (guint i = 0; i < n; i++)
    test_world_send (self->world, 0, test_world_message (channel, "x", "p-echo", self->n_sent[channel]++));
}

static void
stage_send_bulk (Stage       *self,
                 AgentChannel channel,
                 guint        n)
{
  g_autofree char *zeroes = g_malloc0 (BULK_SIZE);

  for (guint i = 0; i < n; i++)
    {
      GVariant *payload = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeroes, BULK_SIZE, 1);

      test_world_send (self->world, 0, agent_message_new_custom ("bulk", channel, "x", "p-bulk", payload));
    }
}

/* What "x" has got from @source on @channel, of @name, is in order, and without repetition. Returns how many messages that are. */
static guint
stage_count_echoes (Stage       *self,
                    AgentChannel channel,
                    const char  *source,
                    const char  *name)
{
  guint n = 0;
  guint next = 0;

  for (guint i = 0; i < self->x->messages->len; i++)
    {
      AgentMessage *message = self->x->messages->pdata[i];
      guint         number;

      if (agent_message_get_channel (message) != channel || !g_str_equal (agent_message_get_source (message), source) ||
          !g_str_equal (agent_message_get_name (message), name))
        continue;

      number = test_world_number (message);
      g_assert_cmpuint (number, >=, next);
      next = number + 1;
      n++;
    }

  return n;
}

/* What the peer has done so far: (transfer full). */
static GVariant *
stage_dup_report (Stage *self)
{
  g_autoptr (AgentTask) task = agent_actor_request (self->boss, "p-actor", "report", NULL);

  test_world_wait (self->world, agent_task_has_finished (task));
  g_assert_no_error (agent_task_get_error (task));
  return g_variant_ref (agent_task_get_response (task));
}

/* What both buses and both transports have told of data that did not arrive, on either way. */
static guint64
stage_count_missing (Stage    *self,
                     GVariant *report)
{
  guint64 n = self->world->nodes[0].lost[AGENT_TRAFFIC_DATA];

  for (guint i = 0; i < TEST_N_DROP_REASONS; i++)
    n += self->world->nodes[0].dropped[i];

  return n + test_peer_get_count (report, TEST_PEER_REPORT_LOST) + test_peer_get_count (report, TEST_PEER_REPORT_DROPPED);
}

/* The numbers of @what in @report are in order, and without repetition, and the last @n_last of them are those up to @end. */
static void
stage_assert_numbers (GVariant      *report,
                      TestPeerReport what,
                      guint          end,
                      guint          n_last)
{
  g_autoptr (GArray) numbers = test_peer_dup_numbers (report, what);

  g_assert_cmpuint (numbers->len, >=, n_last);
  for (guint i = 0; i < numbers->len; i++)
    {
      guint32 number = g_array_index (numbers, guint32, i);

      if (i > 0)
        g_assert_cmpuint (number, >, g_array_index (numbers, guint32, i - 1));
      if (i >= numbers->len - n_last)
        g_assert_cmpuint (number, ==, end - (numbers->len - i));
    }
}

static void
stage_assert_answers (Stage *self,
                      guint  first)
{
  for (guint i = first; i < self->tasks->len; i++)
    {
      AgentTask *task = self->tasks->pdata[i];

      g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
      g_assert_cmpuint (g_variant_get_uint32 (agent_task_get_response (task)), ==, i);
    }
}

/* What is packed so far is with the engine. */
static void
stage_wait_sent (Stage *self)
{
  guint64 n_control = self->n_sent[AGENT_CHANNEL_SYSTEM] + self->tasks->len;

  test_world_wait (self->world,
                   test_world_figure (self->world, 0, "control-sent") >= n_control &&
                       test_world_figure (self->world, 0, "data-sent") >= self->n_sent[AGENT_CHANNEL_DATA]);
}

/* --- It is stopped for a moment --- */

/* Each number is delivered, there and back, or counted. */
static void
stage_wait_data (Stage *self)
{
  guint64 n_missing;

  do
    {
      g_autoptr (GVariant) report = stage_dup_report (self);

      n_missing = stage_count_missing (self, report);
    }
  while (stage_count_echoes (self, AGENT_CHANNEL_DATA, "p-echo", "number") + n_missing < self->n_sent[AGENT_CHANNEL_DATA]);
  g_assert_cmpuint (stage_count_echoes (self, AGENT_CHANNEL_DATA, "p-echo", "number") + n_missing, ==, self->n_sent[AGENT_CHANNEL_DATA]);
}

static void
test_moment (TestFixture      *f,
             const TestEngine *engine)
{
  Stage stage;
  g_autoptr (GVariant) report = NULL;

  stage_init (&stage, f, engine, SLOW_HEARTBEAT);
  for (guint round = 0; round < 3; round++)
    {
      for (guint half = 0; half < 2; half++)
        {
          stage_send (&stage, AGENT_CHANNEL_SYSTEM, 50);
          stage_send (&stage, AGENT_CHANNEL_DATA, 50);
          stage_ask (&stage, "p-actor", "echo", 10);
          if (half == 0)
            test_peer_stop (stage.p);
        }
      stage_wait_sent (&stage);
      test_peer_continue (stage.p);
    }

  test_world_wait (stage.world, stage_count_echoes (&stage, AGENT_CHANNEL_SYSTEM, "p-echo", "number") >= stage.n_sent[AGENT_CHANNEL_SYSTEM]);
  test_world_wait (stage.world, stage.n_finished >= stage.tasks->len);
  stage_wait_data (&stage);
  report = stage_dup_report (&stage);
  g_assert_cmpuint (stage.n_finished, ==, stage.tasks->len);
  stage_assert_answers (&stage, 0);
  g_assert_cmpuint (stage_count_echoes (&stage, AGENT_CHANNEL_SYSTEM, "p-echo", "number"), ==, stage.n_sent[AGENT_CHANNEL_SYSTEM]);
  stage_assert_numbers (report, TEST_PEER_REPORT_CONTROL, stage.n_sent[AGENT_CHANNEL_SYSTEM], stage.n_sent[AGENT_CHANNEL_SYSTEM]);
  stage_assert_numbers (report, TEST_PEER_REPORT_JOBS, stage.tasks->len, stage.tasks->len);
  stage_assert_numbers (report, TEST_PEER_REPORT_DATA, 0, 0);
  g_assert_cmpstr (stage.world->nodes[0].events->str, ==, "+p");
  stage_clear (&stage);
}

/* --- It is taken for gone --- */

/* Both sides have something of the other one in hand. */
static void
stage_begin (Stage *self)
{
  g_autoptr (AgentTask) task = agent_actor_request (self->boss, "p-actor", "ask", g_variant_new_uint32 (3));

  stage_send (self, AGENT_CHANNEL_SYSTEM, 10);
  stage_ask (self, "p-actor", "hold", 3);
  test_world_wait (self->world, self->jobs->len == 3);
  test_world_wait (self->world, stage_count_echoes (self, AGENT_CHANNEL_SYSTEM, "p-echo", "number") == 10);
  test_world_wait (self->world, agent_task_has_finished (task));
  while (TRUE)
    {
      g_autoptr (GVariant) report = stage_dup_report (self);

      if (test_peer_get_count (report, TEST_PEER_REPORT_HELD) == 3)
        break;
    }
}

/* Messages that were sent to the peer, and that it cannot have got since it is stopped, were told to be dropped or lost.
 *
 * @n_control: how many were control
 * @n_data: how many were data */
static void
stage_wait_losses (Stage *self,
                   guint  n_control,
                   guint  n_data)
{
  const TestWorldNode *node = &self->world->nodes[0];
  const guint64       *n_dropped = &node->dropped[AGENT_DROP_REASON_DISCARDED];

  test_world_wait (self->world,
                   node->lost[AGENT_TRAFFIC_CONTROL] + node->lost[AGENT_TRAFFIC_DATA] + *n_dropped >= n_control + n_data);
  g_assert_cmpuint (node->lost[AGENT_TRAFFIC_DATA], <=, n_data);
}

/* The peer is gone: nothing of it is left, and all requests have ended once. */
static void
stage_wait_gone (Stage *self)
{
  static const char *const names[] = { "p-actor", "p-echo", "p-bulk" };

  test_world_wait (self->world, g_str_has_suffix (self->world->nodes[0].events->str, "-p"));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      test_world_wait (self->world, !test_world_has_name (self->world, 0, names[i]));
      test_world_wait (self->world, strstr (self->gone->str, names[i]) != NULL);
    }
  test_world_wait (self->world, self->n_finished >= self->tasks->len);
  g_assert_cmpuint (self->n_finished, ==, self->tasks->len);
  for (guint i = 0; i < self->tasks->len; i++)
    {
      g_assert_cmpint (agent_task_get_status (self->tasks->pdata[i]), ==, AGENT_TASK_STATUS_FAILED);
      g_assert_error (agent_task_get_error (self->tasks->pdata[i]), AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
    }
  for (guint i = 0; i < self->jobs->len; i++)
    test_world_wait (self->world, agent_job_is_cancelled (self->jobs->pdata[i]));
}

/* The peer is there again, and everything works as at the beginning. */
static void
stage_wait_back (Stage *self)
{
  guint n_echoes = stage_count_echoes (self, AGENT_CHANNEL_SYSTEM, "p-echo", "number");
  guint first = self->tasks->len;

  test_world_wait (self->world, g_str_has_suffix (self->world->nodes[0].events->str, "-p+p"));
  test_peer_wait_names (self->p);
  stage_send (self, AGENT_CHANNEL_SYSTEM, 100);
  stage_ask (self, "p-actor", "echo", 10);
  test_world_wait (self->world, stage_count_echoes (self, AGENT_CHANNEL_SYSTEM, "p-echo", "number") >= n_echoes + 100);
  test_world_wait (self->world, self->n_finished >= self->tasks->len);
  g_assert_cmpuint (stage_count_echoes (self, AGENT_CHANNEL_SYSTEM, "p-echo", "number"), ==, n_echoes + 100);
  g_assert_cmpuint (self->n_finished, ==, self->tasks->len);
  stage_assert_answers (self, first);
}

static void
test_long (TestFixture      *f,
           const TestEngine *engine)
{
  Stage stage;

  stage_init (&stage, f, engine, QUICK_HEARTBEAT);
  stage_begin (&stage);
  test_peer_stop (stage.p);
  stage_ask (&stage, "p-actor", "echo", 5);
  stage_send (&stage, AGENT_CHANNEL_SYSTEM, 20);
  stage_send (&stage, AGENT_CHANNEL_DATA, 20);
  stage_send_bulk (&stage, AGENT_CHANNEL_SYSTEM, N_BULK_CONTROL);
  stage_ask (&stage, "p-actor", "echo", 5);
  stage_wait_gone (&stage);
  stage_wait_losses (&stage, 20 + N_BULK_CONTROL + 10, 20);

  test_peer_continue (stage.p);
  stage_wait_back (&stage);
  while (TRUE)
    {
      g_autoptr (GVariant) report = stage_dup_report (&stage);

      if (test_peer_get_count (report, TEST_PEER_REPORT_ENDED) < 3 ||
          test_peer_get_count (report, TEST_PEER_REPORT_HELD_CANCELLED) < 3)
        continue;

      g_assert_cmpuint (test_peer_get_count (report, TEST_PEER_REPORT_ENDED), ==, 3);
      g_assert_cmpuint (test_peer_get_count (report, TEST_PEER_REPORT_CLOSED), ==, 3);
      stage_assert_numbers (report, TEST_PEER_REPORT_CONTROL, stage.n_sent[AGENT_CHANNEL_SYSTEM], 100);
      stage_assert_numbers (report, TEST_PEER_REPORT_JOBS, stage.tasks->len, 10);
      break;
    }
  stage_clear (&stage);
}

/* --- It is killed while it is stopped --- */

static void
test_killed (TestFixture      *f,
             const TestEngine *engine)
{
  Stage stage;

  stage_init (&stage, f, engine, QUICK_HEARTBEAT);
  stage_begin (&stage);
  test_peer_stop (stage.p);
  stage_ask (&stage, "p-actor", "echo", 5);
  stage_send (&stage, AGENT_CHANNEL_SYSTEM, 20);
  test_peer_kill (stage.p);
  stage_wait_gone (&stage);
  stage_wait_losses (&stage, 25, 0);

  test_peer_restart (stage.p);
  stage_wait_back (&stage);
  stage_clear (&stage);
}

/* --- While it is stopped, others are served --- */

/* The peer "q" gets control, data, what is for everybody who takes a topic, and requests, @n of each, and answers. */
static void
stage_serve (Stage *self,
             guint  n)
{
  guint first = self->tasks->len;

  for (guint i = 0; i < n; i++)
    {
      AgentMessage *news = agent_message_new_custom ("news", AGENT_CHANNEL_DATA, "x", NULL, g_variant_new_uint32 (i));

      agent_message_set_topic (news, "news");
      test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "q-echo", i));
      test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "q-echo", i));
      test_world_send (self->world, 0, news);
      stage_ask (self, "q-actor", "echo", 1);
      test_world_wait (self->world, stage_count_echoes (self, AGENT_CHANNEL_SYSTEM, "q-echo", "number") == i + 1);
    }
  test_world_wait (self->world, stage_count_echoes (self, AGENT_CHANNEL_DATA, "q-echo", "number") == n);
  test_world_wait (self->world, stage_count_echoes (self, AGENT_CHANNEL_DATA, "q-echo", "news") == n);
  test_world_wait (self->world, self->n_finished >= self->tasks->len);
  stage_assert_answers (self, first);
}

static void
test_third (TestFixture      *f,
            const TestEngine *engine)
{
  Stage     stage;
  TestPeer *q;
  guint64   n_bulk;

  stage_init (&stage, f, engine, SLOW_HEARTBEAT);
  q = test_peer_new (stage.world, "q");
  test_peer_stop (stage.p);
  stage_send_bulk (&stage, AGENT_CHANNEL_SYSTEM, N_BULK_CONTROL);
  stage_send_bulk (&stage, AGENT_CHANNEL_DATA, N_BULK_DATA);
  stage_serve (&stage, 100);
  g_assert_null (strchr (stage.world->nodes[0].events->str, '-'));

  test_peer_continue (stage.p);
  do
    {
      g_autoptr (GVariant) report = stage_dup_report (&stage);

      n_bulk = test_peer_get_count (report, TEST_PEER_REPORT_BULK_CONTROL);
    }
  while (n_bulk < N_BULK_CONTROL);
  g_assert_cmpuint (n_bulk, ==, N_BULK_CONTROL);
  g_assert_null (strchr (stage.world->nodes[0].events->str, '-'));
  stage_clear_with (&stage, q);
}

int
main (int    argc,
      char **argv)
{
  static const TestEngineCase cases[] = {
    { "moment", test_moment },
    { "long", test_long },
    { "killed", test_killed },
    { "third", test_third },
    { NULL },
  };

  test_peer_run (argc, argv, engines);
  test_init_slow (&argc, &argv);
  test_actors_init ();
  test_engines_add_cases ("link-processes", engines, cases);

  return g_test_run ();
}

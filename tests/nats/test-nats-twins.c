/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-node.h"
#include "nats-server.h"

#include <nats/nats.h>
#include <string.h>

#include "bus/agent-transport-private.h"

/* Two nodes with one id. */

static TestNatsNode *
new_closed (TestNatsServer *server,
            const char     *node_id)
{
  const char *const urls[] = { server->url, NULL };

  return test_nats_node_new (node_id, "node-id", node_id, "urls", urls, NULL);
}

static void
assert_taken (TestNatsNode *node)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (test_nats_node_open (node, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, agent_transport_get_node_id (node->transport)));
  g_assert_cmpint (agent_transport_get_state (node->transport), ==, AGENT_TRANSPORT_STATE_CLOSED);
}

/* The second one cannot open, and the first one notices nothing. */
static void
try_second_node (const char *node_id)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) first = test_nats_node_new_open (node_id, server->url);
  g_autoptr (TestNatsNode) second = new_closed (server, node_id);
  g_autoptr (TestNatsNode) other = test_nats_node_new_open ("other", server->url);
  g_autoptr (GError) error = NULL;

  assert_taken (second);
  assert_taken (second);
  test_nats_node_send_data (other, node_id, "for the first");
  test_nats_node_wait_packets (first, 1);
  g_assert_cmpuint (first->refusals->len + second->refusals->len + second->packets->len, ==, 0);

  g_assert_true (test_nats_node_close (first, NULL));
  test_nats_node_open (second, &error);
  g_assert_no_error (error);
  test_nats_node_send_data (other, node_id, "for the second");
  test_nats_node_wait_packets (second, 1);
}

static void
test_second_node (void)
{
  g_autofree char *longest = g_strnfill (AGENT_TRANSPORT_NAME_MAX - 1, '.');

  try_second_node ("twin");
  try_second_node ("a twin, * > .");
  try_second_node (longest);
}

/* What a life before has left at the server does not answer. */
static void
test_dead_node (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) node = new_closed (server, "twin");
  natsConnection   *dead = NULL;
  natsSubscription *subscription = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (natsConnection_ConnectTo (&dead, server->url), ==, NATS_OK);
  g_assert_cmpint (natsConnection_SubscribeSync (&subscription, dead, "agentbus.default.from.*.p.to.twin"), ==, NATS_OK);
  g_assert_cmpint (natsConnection_Flush (dead), ==, NATS_OK);
  test_nats_node_open (node, &error);
  g_assert_no_error (error);
  natsSubscription_Destroy (subscription);
  natsConnection_Destroy (dead);
}

typedef struct
{
  GMutex   lock;
  GCond    changed;
  gboolean is_held;
} Gate;

static gboolean
gate_wait (gpointer data)
{
  Gate *self = data;

  g_mutex_lock (&self->lock);
  while (self->is_held)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  return G_SOURCE_REMOVE;
}

/* From now on, the node does not answer. */
static void
gate_close (Gate         *self,
            TestNatsNode *node)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  self->is_held = TRUE;
  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_callback (source, gate_wait, self, NULL);
  g_source_attach (source, node->thread->context);
}

static void
gate_open (Gate *self)
{
  g_mutex_lock (&self->lock);
  self->is_held = FALSE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
assert_told_once (TestNatsNode *node)
{
  g_autofree char *text = test_nats_node_wait_refusal (node, "“twin”");

  g_assert_cmpuint (node->refusals->len, ==, 1);
}

/* The first one hangs while the second one opens. Both are told when they hear each other, and once. */
static void
test_both_open (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) first = test_nats_node_new_open ("twin", server->url);
  g_autoptr (TestNatsNode) second = new_closed (server, "twin");
  g_autoptr (TestNatsNode) other = test_nats_node_new_open ("other", server->url);
  Gate gate = { 0 };
  g_autoptr (GError) error = NULL;

  gate_close (&gate, first);
  test_nats_node_open (second, &error);
  g_assert_no_error (error);
  gate_open (&gate);
  for (guint i = 0; i < 20; i++)
    {
      test_nats_node_send_presence (first, NULL, "beacon");
      test_nats_node_send_presence (second, NULL, "beacon");
    }

  assert_told_once (first);
  assert_told_once (second);
  for (guint i = 0; i < 20; i++)
    {
      test_nats_node_send_presence (first, NULL, "beacon");
      test_nats_node_send_presence (second, NULL, "beacon");
    }
  test_nats_node_wait_packets (other, 80);
  assert_told_once (first);
  assert_told_once (second);
  g_assert_cmpuint (first->packets->len + second->packets->len, ==, 0);
}

/* A packet with the id of a node may be of a connection that the node has given up, and that the server reads late. So the
 * node asks, and tells nothing if nobody answers. */
static void
test_own_connection (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) node = test_nats_node_new_open ("twin", server->url);
  natsConnection   *former = NULL;
  natsSubscription *subscription = NULL;
  natsMsg          *question = NULL;

  g_assert_cmpint (natsConnection_ConnectTo (&former, server->url), ==, NATS_OK);
  g_assert_cmpint (natsConnection_SubscribeSync (&subscription, former, "agentbus.default.from.twin.p.to.twin"), ==, NATS_OK);
  for (guint i = 0; i < 20; i++)
    g_assert_cmpint (natsConnection_PublishString (former, "agentbus.default.from.twin.p.all", "beacon"), ==, NATS_OK);
  g_assert_cmpint (natsSubscription_NextMsg (&question, subscription, 60000), ==, NATS_OK);
  g_assert_true (g_str_has_prefix (natsMsg_GetData (question), "ask "));
  natsMsg_Destroy (question);

  g_assert_cmpint (natsConnection_PublishString (former, "agentbus.default.from.other.d.to.twin", "last"), ==, NATS_OK);
  test_nats_node_wait_packets (node, 1);
  g_assert_cmpuint (node->refusals->len, ==, 0);
  natsSubscription_Destroy (subscription);
  natsConnection_Destroy (former);
}

/* --- At the same time --- */

typedef struct
{
  TestNatsNode *node;
  gboolean      is_open;
} Opening;

static gpointer
opening_run (gpointer data)
{
  Opening *self = data;
  g_autoptr (GError) error = NULL;

  self->is_open = test_nats_node_open (self->node, &error);
  if (!self->is_open)
    g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  return NULL;
}

#define N_RACES 20
#define N_RACERS 3

/* A node that did not run for a second could not answer. Then more of them are open, and are told so. */
static void
assert_told (Opening *openings)
{
  for (guint i = 0; i < N_RACERS; i++)
    {
      if (openings[i].is_open)
        test_nats_node_send_presence (openings[i].node, NULL, "beacon");
    }
  for (guint i = 0; i < N_RACERS; i++)
    {
      g_autofree char *text = openings[i].is_open ? test_nats_node_wait_refusal (openings[i].node, "“twin”") : NULL;

      g_assert_true (text != NULL || !openings[i].is_open);
    }
}

static void
test_race (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  Opening  openings[N_RACERS] = { 0 };
  gboolean was_told = FALSE;

  for (guint i = 0; i < N_RACERS; i++)
    openings[i].node = new_closed (server, "twin");

  for (guint race = 0; race < N_RACES; race++)
    {
      GThread *threads[N_RACERS];
      guint    n_open = 0;

      for (guint i = 0; i < N_RACERS; i++)
        threads[i] = g_thread_new ("opening", opening_run, &openings[i]);
      for (guint i = 0; i < N_RACERS; i++)
        {
          g_thread_join (threads[i]);
          n_open += openings[i].is_open;
        }
      g_assert_cmpuint (n_open, >=, 1);
      if (n_open > 1)
        {
          assert_told (openings);
          was_told = TRUE;
        }

      for (guint i = 0; i < N_RACERS; i++)
        {
          if (openings[i].is_open)
            test_nats_node_close (openings[i].node, NULL);
          g_assert_true (was_told || openings[i].node->refusals->len == 0);
        }
    }

  for (guint i = 0; i < N_RACERS; i++)
    test_nats_node_free (openings[i].node);
}

/* --- What others say --- */

/* One that reads and writes the claims of the node "twin", as another process could that may be this node. */
typedef struct
{
  natsConnection   *connection;
  natsSubscription *subscription;
} Voice;

#define VOICE_SUBJECT "agentbus.default.from.twin.p.to.twin"

static void
voice_init (Voice          *self,
            TestNatsServer *server)
{
  natsOptions *options = NULL;

  g_assert_cmpint (natsOptions_Create (&options), ==, NATS_OK);
  g_assert_cmpint (natsOptions_SetURL (options, server->url), ==, NATS_OK);
  g_assert_cmpint (natsOptions_SetNoEcho (options, true), ==, NATS_OK);
  g_assert_cmpint (natsConnection_Connect (&self->connection, options), ==, NATS_OK);
  natsOptions_Destroy (options);
  g_assert_cmpint (natsConnection_SubscribeSync (&self->subscription, self->connection, VOICE_SUBJECT), ==, NATS_OK);
  g_assert_cmpint (natsConnection_Flush (self->connection), ==, NATS_OK);
}

static void
voice_clear (Voice *self)
{
  natsSubscription_Destroy (self->subscription);
  natsConnection_Destroy (self->connection);
}

static void
voice_say (Voice      *self,
           const char *text)
{
  g_assert_cmpint (natsConnection_PublishString (self->connection, VOICE_SUBJECT, text), ==, NATS_OK);
}

/* Returns: (transfer full): what the node says next. */
static char *
voice_hear (Voice *self)
{
  natsMsg *message = NULL;
  char    *text;

  g_assert_cmpint (natsSubscription_NextMsg (&message, self->subscription, 60000), ==, NATS_OK);
  text = g_strndup (natsMsg_GetData (message), natsMsg_GetDataLength (message));
  natsMsg_Destroy (message);
  return text;
}

/* A node that opens while there is the voice, so that it waits for an answer. */
typedef struct
{
  TestNatsServer *server;
  Opening         opening;
  Voice           voice;
  GThread        *thread;
  char           *question; /* what the node has asked first */
} Talk;

static void
talk_begin (Talk *self)
{
  self->server = test_nats_server_new (NULL);
  self->opening = (Opening){ .node = new_closed (self->server, "twin") };
  voice_init (&self->voice, self->server);
  self->thread = g_thread_new ("opening", opening_run, &self->opening);
  self->question = voice_hear (&self->voice);
  g_assert_true (g_str_has_prefix (self->question, "ask "));
}

/* Returns once the node is open, or has failed to open. */
static gboolean
talk_wait (Talk *self)
{
  g_thread_join (self->thread);
  return self->opening.is_open;
}

static void
talk_end (Talk *self)
{
  voice_clear (&self->voice);
  g_free (self->question);
  test_nats_node_free (self->opening.node);
  test_nats_server_free (self->server);
}

/* The life of the node. */
static const char *
talk_get_life (Talk *self)
{
  return self->question + strlen ("ask ");
}

static void
say_to_asker (Talk       *talk,
              const char *what)
{
  g_autofree char *text = g_strdup_printf ("%s 0 %s", what, talk_get_life (talk));

  voice_say (&talk->voice, text);
}

static void
assert_hears (Talk       *talk,
              const char *what)
{
  g_autofree char *text = voice_hear (&talk->voice);
  g_autofree char *expected = g_strdup_printf ("%s %s 0", what, talk_get_life (talk));

  g_assert_cmpstr (text, ==, expected);
}

/* One with a lower life asks while the node is not sure yet, and has not heard its question. So it hears that again. If it
 * answers only when the node has the id, it is told so, and the node minds nothing. */
static void
test_late_question (void)
{
  Talk talk;

  talk_begin (&talk);
  voice_say (&talk.voice, "ask 0");
  assert_hears (&talk, "ask");
  g_assert_true (talk_wait (&talk));

  say_to_asker (&talk, "want");
  assert_hears (&talk, "have");
  test_thread_sync (talk.opening.node->thread);
  g_assert_cmpuint (talk.opening.node->refusals->len, ==, 0);
  talk_end (&talk);
}

static void
try_answer (const char *answer)
{
  Talk talk;

  talk_begin (&talk);
  say_to_asker (&talk, answer);
  g_assert_false (talk_wait (&talk));
  talk_end (&talk);
}

static void
test_answers (void)
{
  try_answer ("want");
  try_answer ("have");
}

/* Each one that has the id, too, is told once, in whichever order they speak. Nothing else that comes in does anything. */
static void
test_many_twins (void)
{
  static const char *const texts[] = { "", " ", "ask", "have", "have  ", "want 3", "have 3 4", "\xff\n", "have 1 %s", "have 2 %s", "have 1 %s", "have 2 %s", "have %s %s", "ask %s" };
  Talk talk;

  talk_begin (&talk);
  g_assert_true (talk_wait (&talk));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GString) text = g_string_new (texts[i]);

      g_string_replace (text, "%s", talk_get_life (&talk), 0);
      voice_say (&talk.voice, text->str);
    }

  g_assert_cmpint (
      natsConnection_PublishString (talk.voice.connection, "agentbus.default.from.other.d.to.twin", "last"), ==, NATS_OK);
  test_nats_node_wait_packets (talk.opening.node, 1);
  test_thread_sync (talk.opening.node->thread);
  g_assert_cmpuint (talk.opening.node->refusals->len, ==, 2);
  talk_end (&talk);
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats-twins/second-node", test_second_node);
  test_add_func ("/agentbus/nats-twins/dead-node", test_dead_node);
  test_add_func ("/agentbus/nats-twins/both-open", test_both_open);
  test_add_func ("/agentbus/nats-twins/own-connection", test_own_connection);
  test_add_func ("/agentbus/nats-twins/race", test_race);
  test_add_func ("/agentbus/nats-twins/late-question", test_late_question);
  test_add_func ("/agentbus/nats-twins/answers", test_answers);
  test_add_func ("/agentbus/nats-twins/many-twins", test_many_twins);
  return g_test_run ();
}

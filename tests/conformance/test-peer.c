/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test-peer.h"

/* More than any case sends. */
#define CAPACITY 100000

/* --- In the process of the node --- */

typedef struct
{
  GMainContext *context;
  AgentBus     *bus;
  AgentActor   *actor;
  TestRecorder *echo;
  TestRecorder *bulk;
  GArray       *jobs;   /* of the numbers of "echo" */
  GPtrArray    *held;   /* of AgentJob (owned) */
  guint64       n_lost; /* data */
  guint64       n_dropped;
  guint64       n_ended;
  guint64       n_closed;
} Node;

/* Others announce themselves to all. */
static gboolean
node_is_named (AgentMessage *message,
               const char   *name)
{
  return g_str_equal (agent_message_get_name (message), name);
}

static void
node_on_echo (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  Node       *self = user_data;
  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder));

  if (!node_is_named (message, "number") && !node_is_named (message, "news"))
    return;

  agent_bus_send (self->bus,
                  agent_message_new_custom (agent_message_get_name (message),
                                            agent_message_get_channel (message),
                                            name,
                                            "x",
                                            g_variant_new_uint32 (test_world_number (message))));
}

static void
node_on_job_echo (AgentActor *actor,
                  AgentJob   *job,
                  Node       *self)
{
  guint32 number = g_variant_get_uint32 (agent_job_get_payload (job));

  g_array_append_val (self->jobs, number);
  agent_job_complete (job, g_variant_new_uint32 (number));
}

static void
node_on_job_hold (AgentActor *actor,
                  AgentJob   *job,
                  Node       *self)
{
  g_ptr_array_add (self->held, g_object_ref (job));
}

static void
node_on_finished (AgentTask *task,
                  Node      *self)
{
  self->n_ended++;
  self->n_closed += agent_task_get_status (task) == AGENT_TASK_STATUS_FAILED &&
                    g_error_matches (agent_task_get_error (task), AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
}

/* The tasks stay, so that one that ends twice would be seen. */
static void
node_on_job_ask (AgentActor *actor,
                 AgentJob   *job,
                 Node       *self)
{
  guint32 n = g_variant_get_uint32 (agent_job_get_payload (job));

  for (guint32 i = 0; i < n; i++)
    {
      AgentTask *task = agent_actor_request (actor, "worker", "any", NULL);

      g_signal_connect (task, "finished", G_CALLBACK (node_on_finished), self);
    }
  agent_job_complete (job, NULL);
}

static GVariant *
node_list_numbers (Node        *self,
                   AgentChannel channel)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < self->echo->messages->len; i++)
    {
      AgentMessage *message = self->echo->messages->pdata[i];
      guint32       number;

      if (agent_message_get_channel (message) != channel || !node_is_named (message, "number"))
        continue;

      number = test_world_number (message);
      g_array_append_val (numbers, number);
    }

  return g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, numbers->data, numbers->len, sizeof (guint32));
}

static guint64
node_count_bulk (Node        *self,
                 AgentChannel channel)
{
  guint64 n = 0;

  for (guint i = 0; i < self->bulk->messages->len; i++)
    {
      AgentMessage *message = self->bulk->messages->pdata[i];

      n += agent_message_get_channel (message) == channel && node_is_named (message, "bulk");
    }

  return n;
}

static guint64
node_count_cancelled (Node *self)
{
  guint64 n = 0;

  for (guint i = 0; i < self->held->len; i++)
    n += agent_job_is_cancelled (self->held->pdata[i]);

  return n;
}

static void
node_on_job_report (AgentActor *actor,
                    AgentJob   *job,
                    Node       *self)
{
  GVariant *jobs =
      g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, self->jobs->data, self->jobs->len, sizeof (guint32));

  agent_job_complete (job,
                      g_variant_new ("(@au@au@autttttttt)",
                                     node_list_numbers (self, AGENT_CHANNEL_SYSTEM),
                                     node_list_numbers (self, AGENT_CHANNEL_DATA),
                                     jobs,
                                     node_count_bulk (self, AGENT_CHANNEL_SYSTEM),
                                     node_count_bulk (self, AGENT_CHANNEL_DATA),
                                     self->n_lost,
                                     self->n_dropped,
                                     (guint64) self->held->len,
                                     node_count_cancelled (self),
                                     self->n_ended,
                                     self->n_closed));
}

static void
node_on_lost (AgentTransport *transport,
              const char     *node,
              AgentTraffic    traffic,
              guint64         n,
              const char     *where,
              Node           *self)
{
  if (traffic == AGENT_TRAFFIC_DATA)
    self->n_lost += n;
}

static void
node_on_dropped (AgentBus        *bus,
                 AgentSubscriber *subscriber,
                 AgentDropReason  reason,
                 guint64          n,
                 AgentMessage    *last,
                 Node            *self)
{
  self->n_dropped += n;
}

static void
node_join (Node    *self,
           gpointer subscriber)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (self->bus, subscriber, &error);
  g_assert_no_error (error);
}

static void
node_make_subscribers (Node       *self,
                       const char *id)
{
  g_autofree char *actor = g_strconcat (id, "-actor", NULL);
  g_autofree char *echo = g_strconcat (id, "-echo", NULL);
  g_autofree char *bulk = g_strconcat (id, "-bulk", NULL);

  self->jobs = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->held = g_ptr_array_new ();
  self->actor = agent_actor_new (actor);
  agent_actor_set_max_jobs (self->actor, CAPACITY);
  g_signal_connect (self->actor, "task-request::echo", G_CALLBACK (node_on_job_echo), self);
  g_signal_connect (self->actor, "task-request::hold", G_CALLBACK (node_on_job_hold), self);
  g_signal_connect (self->actor, "task-request::ask", G_CALLBACK (node_on_job_ask), self);
  g_signal_connect (self->actor, "task-request::report", G_CALLBACK (node_on_job_report), self);
  self->echo = test_recorder_new (echo, node_on_echo, self);
  g_assert_true (agent_subscriber_add_topic (AGENT_SUBSCRIBER (self->echo), "news", NULL));
  self->bulk = test_recorder_new (bulk, NULL, NULL);
  node_join (self, self->actor);
  node_join (self, self->echo);
  node_join (self, self->bulk);
}

static void
node_run (AgentTransport *transport,
          const char     *id)
{
  Node self = { .context = g_main_context_get_thread_default () };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  self.bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, "capacity", CAPACITY, NULL);
  g_signal_connect (transport, "lost", G_CALLBACK (node_on_lost), &self);
  g_signal_connect (self.bus, "dropped", G_CALLBACK (node_on_dropped), &self);
  node_make_subscribers (&self, id);
  agent_bus_start_async (self.bus, NULL, test_keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (self.context, TRUE);
  g_assert_true (agent_bus_start_finish (self.bus, result, &error));

  g_print ("open\n");
  fflush (stdout);
  while (TRUE)
    g_main_context_iteration (self.context, TRUE);
}

/* What main() calls first: if the program was started by test_peer_new(), this is the node. @engines ends with NULL. */
void
test_peer_run (int                      argc,
               char                   **argv,
               const TestEngine *const *engines)
{
  if (argc != 6 || strcmp (argv[1], "--peer") != 0)
    return;

  g_main_context_push_thread_default (g_main_context_new ());
  for (guint i = 0; engines[i] != NULL; i++)
    {
      if (g_str_equal (engines[i]->name, argv[2]))
        node_run (engines[i]->make_at (argv[3], argv[4], (guint) atoi (argv[5])), argv[4]);
    }
  abort ();
}

/* --- In the process of the test --- */

static void
peer_start (TestPeer *self)
{
  const TestEngine *engine = self->world->engine;
  g_autofree char  *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char  *address = engine->dup_address (self->world->of_engine);
  g_autofree char  *heartbeat = g_strdup_printf ("%u", self->world->heartbeat);
  const char       *argv[] = { program, "--peer", engine->name, address, self->id, heartbeat, NULL };

  self->process = test_process_new (argv);
  g_assert_cmpstr (self->process->line, ==, "open");
}

/* The first node of the world knows its names. */
TestPeer *
test_peer_new (TestWorld  *world,
               const char *id)
{
  TestPeer *self = g_new0 (TestPeer, 1);

  self->world = world;
  self->id = g_strdup (id);
  peer_start (self);
  test_peer_wait_names (self);
  return self;
}

void
test_peer_free (TestPeer *self)
{
  test_peer_kill (self);
  g_free (self->id);
  g_free (self);
}

/* The first node of the world knows the names of the peer. */
void
test_peer_wait_names (TestPeer *self)
{
  static const char *const parts[] = { "-actor", "-echo", "-bulk" };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *name = g_strconcat (self->id, parts[i], NULL);

      test_world_wait (self->world, test_world_has_name (self->world, 0, name));
    }
}

void
test_peer_stop (TestPeer *self)
{
  test_process_stop (self->process);
}

void
test_peer_continue (TestPeer *self)
{
  test_process_cont (self->process);
}

/* Also while it is stopped. */
void
test_peer_kill (TestPeer *self)
{
  g_clear_pointer (&self->process, test_process_kill);
}

/* Another process, with the same id. Precondition: the first one was killed. */
void
test_peer_restart (TestPeer *self)
{
  g_assert_null (self->process);
  peer_start (self);
}

guint64
test_peer_get_count (GVariant      *report,
                     TestPeerReport what)
{
  g_autoptr (GVariant) count = g_variant_get_child_value (report, what);

  return g_variant_get_uint64 (count);
}

/* Returns: (transfer full): of guint32 */
GArray *
test_peer_dup_numbers (GVariant      *report,
                       TestPeerReport what)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (report, what);
  GArray       *numbers = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize         n;
  gconstpointer data = g_variant_get_fixed_array (child, &n, sizeof (guint32));

  if (n > 0)
    g_array_append_vals (numbers, data, (guint) n);
  return numbers;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-server.h"
#include "test-daemon.h"
#include "test-support.h"
#include "test-tools.h"

#include "transport-nats/agent-nats-transport.h"

/*
 * Buses of two processes, and everything else killed with -9, three times in the middle: the server while control comes in, and
 * the worker while it is asked. Data gets lost with the server, but each message is counted.
 *
 * AGENTBUS_SOAK is how many rounds there are, and makes them ten times as long.
 */

#define N_KILLS 3

#define N_MESSAGES 5000
#define N_REQUESTS 1000
#define N_OPEN 100 /* requests at a time */
#define BURST 25   /* messages in a millisecond */

static guint
soak_get_rounds (void)
{
  const char *soak = g_getenv ("AGENTBUS_SOAK");

  return soak != NULL ? MAX ((guint) g_ascii_strtod (soak, NULL), 1) : 1;
}

static guint
soak_get_count (guint n)
{
  const char *soak = g_getenv ("AGENTBUS_SOAK");

  return soak != NULL && g_ascii_strtod (soak, NULL) >= 1 ? 10 * n : n;
}

/* --- A node --- */

static AgentBus *
node_open (const char *url,
           const char *id,
           guint       capacity)
{
  const char *const urls[] = { url, NULL };
  g_autoptr (AgentTransport) transport = g_object_new (AGENT_TYPE_NATS_TRANSPORT, "urls", urls, "node-id", id, NULL);
  AgentBus *bus = g_object_new (AGENT_TYPE_BUS, "transport", transport, "capacity", capacity, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (bus, NULL, test_keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
  agent_bus_start_finish (bus, result, &error);
  g_assert_no_error (error);
  return bus;
}

static void
node_close (AgentBus *bus)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (bus, NULL, test_keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
  agent_bus_stop_finish (bus, result, &error);
  g_assert_no_error (error);
  g_object_unref (bus);
}

static void
node_add (AgentBus  *bus,
          const char *name,
          GCallback   func,
          gpointer    data)
{
  g_autoptr (AgentSubscriber) subscriber = agent_subscriber_new (name);
  g_autoptr (GError) error = NULL;

  g_signal_connect (subscriber, "message", func, data);
  agent_bus_subscribe (bus, subscriber, &error);
  g_assert_no_error (error);
}

static TestProcess *
process_start (const char *role,
               const char *url,
               guint       n)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *count = g_strdup_printf ("%u", n);
  const char      *argv[] = { program, role, url, count, NULL };

  return test_process_new (argv);
}

/* --- A stream of messages --- */

/* The other process. */
typedef struct
{
  AgentBus *bus;
  guint32   next;
  guint32   n;
  gboolean  is_control;
} StreamSender;

static gboolean
stream_send_some (gpointer user_data)
{
  StreamSender *self = user_data;

  for (guint i = 0; i < BURST && self->next < self->n; i++)
    {
      AgentMessage *message = agent_message_new_custom (
          "step", AGENT_CHANNEL_DATA, "sender", "receiver", g_variant_new_uint32 (self->next++));

      agent_message_set_reliable (message, self->is_control);
      agent_bus_send (self->bus, message);
    }

  return self->next < self->n;
}

static void
stream_on_receiver (AgentBus   *bus,
                    const char *name,
                    gpointer    user_data)
{
  g_timeout_add (1, stream_send_some, user_data);
}

G_NORETURN
static void
stream_run_sender (const char *url,
                   guint       n,
                   gboolean    is_control)
{
  StreamSender self = { .n = n, .is_control = is_control };

  self.bus = node_open (url, "sender", n);
  agent_bus_watch_name (self.bus, "receiver", stream_on_receiver, NULL, &self, NULL);
  g_print ("ready\n");
  while (TRUE)
    g_main_context_iteration (NULL, TRUE);
}

/* This process. */
typedef struct
{
  TestNatsServer *server;
  AgentBus       *bus;
  guint32         n_received;
  guint32         next;
  gboolean        has_gaps; /* some may be missing */
  guint           n_kills;
} StreamReceiver;

static void
stream_on_message (AgentSubscriber *subscriber,
                   AgentMessage    *message,
                   gpointer         user_data)
{
  StreamReceiver *self = user_data;
  guint32         number = g_variant_get_uint32 (agent_message_get_payload (message));

  if (self->has_gaps)
    g_assert_cmpuint (number, >=, self->next);
  else
    g_assert_cmpuint (number, ==, self->next);
  self->next = number + 1;
  self->n_received++;
}

static guint64
stream_count_lost (StreamReceiver *self)
{
  g_autoptr (GVariant) statistics = agent_transport_get_statistics (agent_bus_get_transport (self->bus));
  guint64 n = 0;

  g_assert_true (g_variant_lookup (statistics, "data-lost", "t", &n));
  return n;
}

/* So the loop wakes up when a loss is counted. */
static void
stream_on_lost (AgentTransport *transport,
                const char     *node,
                AgentTraffic    traffic,
                guint64         n,
                const char     *where,
                gpointer        user_data)
{
}

static void
stream_bounce_server (StreamReceiver *self)
{
  test_nats_server_kill (self->server);
  test_nats_server_start (self->server);
  self->n_kills++;
}

/* Until all have come, or are counted as lost. */
static void
stream_receive (StreamReceiver *self,
                guint           n)
{
  while (self->n_received + (self->has_gaps ? stream_count_lost (self) : 0) < n)
    {
      g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
      if (self->n_kills < N_KILLS && self->next >= (self->n_kills + 1) * n / (N_KILLS + 1))
        stream_bounce_server (self);
    }
}

static void
stream_round (guint       n,
              const char *role,
              gboolean    has_gaps)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  StreamReceiver self = { .server = server, .has_gaps = has_gaps };
  g_autoptr (TestProcess) sender = NULL;

  self.bus = node_open (server->url, "receiver", n);
  g_signal_connect (agent_bus_get_transport (self.bus), "lost", G_CALLBACK (stream_on_lost), NULL);
  node_add (self.bus, "receiver", G_CALLBACK (stream_on_message), &self);
  sender = process_start (role, server->url, n);
  stream_receive (&self, n);
  g_assert_cmpuint (self.n_kills, ==, N_KILLS);
  g_assert_cmpuint (self.n_received + stream_count_lost (&self), ==, n);

  node_close (self.bus);
}

/* Each is there once, and in order. */
static void
test_stream_control (TestFixture *f)
{
  for (guint i = 0; i < soak_get_rounds (); i++)
    stream_round (soak_get_count (N_MESSAGES), "--control", FALSE);
}

/* Each is there once and in order, or is counted. */
static void
test_stream_data (TestFixture *f)
{
  for (guint i = 0; i < soak_get_rounds (); i++)
    stream_round (soak_get_count (N_MESSAGES), "--data", TRUE);
}

/* --- Requests --- */

/* The other process. */
static void
worker_on_message (AgentSubscriber *subscriber,
                   AgentMessage    *message,
                   gpointer         bus)
{
  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_TASK_REQUEST)
    agent_bus_send (bus,
                    agent_message_new_task_response ("worker",
                                                     agent_message_get_source (message),
                                                     agent_message_get_task_id (message),
                                                     AGENT_TASK_STATUS_COMPLETED,
                                                     agent_message_get_payload (message)));
}

G_NORETURN
static void
worker_run (const char *url)
{
  AgentBus *bus = node_open (url, "worker", N_OPEN);

  node_add (bus, "worker", G_CALLBACK (worker_on_message), bus);
  g_print ("ready\n");
  while (TRUE)
    g_main_context_iteration (NULL, TRUE);
}

/* This process. */
typedef struct
{
  AgentBus *bus;
  gboolean  is_there; /* the worker */
  guint     n;
  guint     n_asked;
  guint     n_ended;
  guint     n_answered;
  guint8   *ends;     /* how often each of them has ended */
} Asker;

typedef struct
{
  Asker *asker;
  guint  number;
} Question;

static void asker_go_on (Asker *self);

static void
asker_on_ended (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autofree Question *question = user_data;
  Asker               *self = question->asker;
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) answer = agent_bus_request_finish (AGENT_BUS (source), result, &error);

  self->ends[question->number]++;
  self->n_ended++;
  if (answer != NULL)
    {
      g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (answer)), ==, question->number);
      self->n_answered++;
    }
  else
    {
      g_assert_true (error->domain == AGENT_BUS_ERROR);
    }
  asker_go_on (self);
}

static void
asker_ask (Asker *self)
{
  Question *question = g_new (Question, 1);

  *question = (Question){ self, self->n_asked++ };
  agent_bus_request_async (
      self->bus,
      agent_message_new_task_request ("asker", "worker", "x", "echo", g_variant_new_uint32 (question->number)),
      0,
      NULL,
      asker_on_ended,
      question);
}

static void
asker_go_on (Asker *self)
{
  while (self->is_there && self->n_asked < self->n && self->n_asked - self->n_ended < N_OPEN)
    asker_ask (self);
}

static void
asker_on_worker (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  Asker *self = user_data;

  self->is_there = TRUE;
  asker_go_on (self);
}

static void
asker_on_no_worker (AgentBus   *bus,
                    const char *name,
                    gpointer    user_data)
{
  ((Asker *) user_data)->is_there = FALSE;
}

/* Each ends once. Those that the worker had when it was killed fail, and so do those that are asked before this is known. */
static void
request_round (guint n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestProcess) worker = process_start ("--worker", server->url, 0);
  g_autofree guint8 *ends = g_new0 (guint8, n);
  Asker              self = { .n = n, .ends = ends };
  guint              n_kills = 0;
  guint              watch;

  self.bus = node_open (server->url, "asker", N_OPEN);
  watch = agent_bus_watch_name (self.bus, "worker", asker_on_worker, asker_on_no_worker, &self, NULL);
  while (self.n_ended < n)
    {
      g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
      if (n_kills == N_KILLS || self.n_ended < (n_kills + 1) * n / (N_KILLS + 1))
        continue;

      test_process_kill (worker);
      worker = process_start ("--worker", server->url, 0);
      n_kills++;
    }

  agent_bus_unwatch_name (self.bus, watch);
  node_close (self.bus);
  g_assert_cmpuint (n_kills, ==, N_KILLS);
  g_assert_cmpuint (self.n_answered, >=, N_OPEN);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (ends[i], ==, 1);
}

static void
test_requests (TestFixture *f)
{
  for (guint i = 0; i < soak_get_rounds (); i++)
    request_round (soak_get_count (N_REQUESTS));
}

/* --- The program --- */

G_NORETURN
static void
run_role (const char *role,
          const char *url,
          guint       n)
{
  if (g_str_equal (role, "--worker"))
    worker_run (url);
  else
    stream_run_sender (url, n, g_str_equal (role, "--control"));
}

int
main (int    argc,
      char **argv)
{
  if (argc == 4)
    run_role (argv[1], argv[2], (guint) g_ascii_strtoull (argv[3], NULL, 10));

  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add ("/nats/soak/control", test_stream_control);
  test_add ("/nats/soak/data", test_stream_data);
  test_add ("/nats/soak/requests", test_requests);

  return g_test_run ();
}

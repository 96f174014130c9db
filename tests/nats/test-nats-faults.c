/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-node.h"
#include "nats-server.h"

#include <nats/nats.h>
#include <signal.h>
#include <string.h>

#include "bus/agent-transport-private.h"

/* --- Control that is sent again until it is stored --- */

#define N_CONTROL 20000
#define WINDOW 1000

/* What a link does, in small. */
typedef struct
{
  TestNatsNode *node;
  GSource      *timer;
  const char   *to;
  guint         n; /* how many packets there are */
  guint         n_sent;
  guint         n_calls;
} Sender;

static void
sender_send (Sender *self,
             guint   number)
{
  g_autoptr (GBytes) packet = g_bytes_new (&number, sizeof number);

  _agent_transport_send_control (self->node->transport, self->to, 7, number, packet);
  self->n_calls++;
}

static gboolean
sender_pump (gpointer data)
{
  Sender            *self = data;
  g_autoptr (GList) failed = NULL;

  if (self->node->state == AGENT_TRANSPORT_STATE_LOST)
    return G_SOURCE_CONTINUE;

  failed = g_hash_table_get_keys (self->node->failed);
  g_hash_table_remove_all (self->node->failed);
  for (GList *l = failed; l != NULL; l = l->next)
    sender_send (self, GPOINTER_TO_UINT (l->data));

  while (self->n_sent < self->n && self->n_calls - self->node->done->len < WINDOW)
    sender_send (self, ++self->n_sent);
  return G_SOURCE_CONTINUE;
}

static void
sender_start (TestNatsNode *node,
              gpointer      data)
{
  Sender *self = data;

  self->node = node;
  self->n_calls = node->done->len;
  self->timer = g_timeout_source_new (2);
  g_source_set_callback (self->timer, sender_pump, self, NULL);
  g_source_attach (self->timer, node->thread->context);
}

static void
sender_stop (Sender *self)
{
  g_source_destroy (self->timer);
  g_source_unref (self->timer);
  test_thread_sync (self->node->thread);
}

static gboolean
sender_has_stored (TestNatsNode *node,
                   gpointer      data)
{
  return g_hash_table_size (node->stored) >= GPOINTER_TO_UINT (data);
}

/* What has come in, each number once. */
typedef struct
{
  TestNatsNode *node;
  guint         n_different;
  guint         n_repeated;
  guint8        seen[N_CONTROL + 1];
} Receiver;

static gboolean
receiver_filter (gpointer     data,
                 const char  *node,
                 AgentTraffic traffic,
                 GBytes      *packet)
{
  Receiver *self = data;
  guint     number;

  g_assert_cmpuint (g_bytes_get_size (packet), ==, sizeof number);
  memcpy (&number, g_bytes_get_data (packet, NULL), sizeof number);
  g_assert_cmpuint (number, <=, N_CONTROL);

  g_mutex_lock (&self->node->lock);
  if (self->seen[number]++ == 0)
    self->n_different++;
  else
    self->n_repeated++;
  g_cond_broadcast (&self->node->changed);
  g_mutex_unlock (&self->node->lock);
  return FALSE;
}

static gboolean
receiver_has_all (TestNatsNode *node,
                  gpointer      data)
{
  return ((Receiver *) data)->n_different >= N_CONTROL;
}

static void
test_killed_server (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  g_autofree Receiver *receiver = g_new0 (Receiver, 1);
  Sender               sender = { .to = "b", .n = N_CONTROL };

  receiver->node = b;
  b->filter_data = receiver;
  b->filter = receiver_filter;
  test_nats_node_run (a, sender_start, &sender);
  for (guint i = 1; i <= 3; i++)
    {
      test_nats_node_wait (a, sender_has_stored, GUINT_TO_POINTER (i * N_CONTROL / 4));
      test_nats_server_kill (server);
      test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_LOST, i);
      test_nats_server_start (server);
    }

  test_nats_node_wait (a, sender_has_stored, GUINT_TO_POINTER (N_CONTROL));
  test_nats_node_wait (b, receiver_has_all, receiver);
  sender_stop (&sender);
  g_assert_cmpuint (receiver->n_different, ==, N_CONTROL);
  g_test_message ("%u calls, %u packets twice", sender.n_calls, receiver->n_repeated);

  /* After a loss, the stream goes on where it was. */
  g_assert_cmpuint (receiver->n_repeated, <=, 3 * WINDOW);
}

/* A stream that is made again begins anew. */
static void
test_lost_store (void)
{
  g_autoptr (TestNatsServer) first = test_nats_server_new (NULL);
  g_autoptr (TestNatsServer) second = test_nats_server_new (NULL);
  const char *const urls[] = { first->url, second->url, NULL };
  g_autoptr (TestNatsNode) a = test_nats_node_new ("a", "node-id", "a", "urls", urls, NULL);
  g_autoptr (TestNatsNode) b = test_nats_node_new ("b", "node-id", "b", "urls", urls, NULL);

  /* A node that is slow to reach the first server must not go to the second one alone. */
  test_nats_server_kill (second);
  g_assert_true (test_nats_node_open (a, NULL));
  g_assert_true (test_nats_node_open (b, NULL));
  for (guint i = 0; i < 10; i++)
    {
      test_nats_node_send_control (a, "b", i, "old");
      g_assert_cmpint (test_nats_node_wait_done (a, i), ==, -1);
    }
  test_nats_node_wait_packets (b, 10);

  /* Over to the other server, which has no stream. */
  test_nats_server_start (second);
  test_nats_server_kill (first);
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  test_nats_node_wait_state (b, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  for (guint i = 10; i == 10 || test_nats_node_wait_done (a, i - 1) != -1; i++)
    test_nats_node_send_control (a, "b", 100, "new");
  test_nats_node_wait_packets (b, 11);

  /* What comes in through a consumer was asked for after the subscriptions. */
  test_nats_node_send_data (a, "b", "data");
  test_nats_node_wait_packets (b, 12);
  g_assert_cmpuint (b->packets->len, ==, 12);
}

static void
delete_stream (const char *url)
{
  natsConnection *connection = NULL;
  jsCtx          *jetstream = NULL;

  g_assert_cmpint (natsConnection_ConnectTo (&connection, url), ==, NATS_OK);
  g_assert_cmpint (natsConnection_JetStream (&jetstream, connection, NULL), ==, NATS_OK);
  g_assert_cmpint (js_DeleteStream (jetstream, "AB_default", NULL, NULL), ==, NATS_OK);
  jsCtx_Destroy (jetstream);
  natsConnection_Destroy (connection);
}

/* Nobody tells the nodes that their stream is gone. */
static void
test_deleted_stream (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  Sender sender = { .to = "b", .n = 100 };

  test_nats_node_send_control (a, "b", 1000, "first");
  test_nats_node_wait_packets (b, 1);
  delete_stream (server->url);
  test_nats_node_send_control (a, "b", 1001, "nobody hears it");
  g_assert_cmpint (test_nats_node_wait_done (a, 1), ==, G_IO_ERROR_NOT_FOUND);

  test_nats_node_run (a, sender_start, &sender);
  test_nats_node_wait (a, sender_has_stored, GUINT_TO_POINTER (100));
  test_nats_node_wait_packets (b, 100);
  sender_stop (&sender);
  g_assert_cmpint (agent_transport_get_state (a->transport), ==, AGENT_TRANSPORT_STATE_CONNECTED);
}

/* --- A server that does not answer --- */

typedef struct
{
  TestNatsNode *node;
  GSource      *timer;
  guint         n; /* (mutex lock of the node) */
} Ticker;

static gboolean
ticker_tick (gpointer data)
{
  Ticker *self = data;

  g_mutex_lock (&self->node->lock);
  self->n++;
  g_cond_broadcast (&self->node->changed);
  g_mutex_unlock (&self->node->lock);
  return G_SOURCE_CONTINUE;
}

static void
ticker_start (TestNatsNode *node,
              gpointer      data)
{
  Ticker *self = data;

  self->node = node;
  self->timer = g_timeout_source_new (10);
  g_source_set_callback (self->timer, ticker_tick, self, NULL);
  g_source_attach (self->timer, node->thread->context);
}

static gboolean
ticker_has (TestNatsNode *node,
            gpointer      data)
{
  return ((Ticker *) data)->n >= 150;
}

static void
fill (TestNatsNode *node,
      gpointer      data)
{
  g_autofree char   *text = g_strnfill (16384, 'x');
  g_autoptr (GBytes) packet = g_bytes_new_static (text, 16384);
  g_autoptr (GError) error = NULL;
  guint              n = 0;

  while (_agent_transport_send_data (node->transport, "b", packet, &error))
    n++;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_test_message ("%u packets fit in", n);
}

static gboolean
has_been_ready (TestNatsNode *node,
                gpointer      data)
{
  return node->n_ready > GPOINTER_TO_UINT (data);
}

static void
test_stopped_server (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  Ticker ticker = { 0 };
  guint  n_ready;

  test_nats_node_run (a, ticker_start, &ticker);
  test_nats_server_signal (server, SIGSTOP);
  test_nats_node_run (a, fill, NULL);
  test_nats_node_send_control (a, "b", 1, "on its way");
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_LOST, 1);
  g_assert_cmpint (test_nats_node_wait_done (a, 0), !=, -1);

  /* The server is given up after 150 ticks. A blocked thread would have ticked once. nats.c alone would have waited for
   * 1000. */
  g_mutex_lock (&a->lock);
  g_assert_cmpuint (ticker.n, >, 20);
  g_assert_cmpuint (ticker.n, <, 600);
  ticker.n = 0;
  g_mutex_unlock (&a->lock);

  /* While it tries to connect, too. */
  test_nats_node_wait (a, ticker_has, &ticker);
  test_nats_node_send_control (a, "b", 2, "refused at once");
  g_assert_cmpint (test_nats_node_wait_done (a, 1), ==, G_IO_ERROR_NOT_CONNECTED);
  n_ready = a->n_ready;
  test_nats_node_run (a, fill, NULL);
  g_assert_cmpuint (a->n_ready, ==, n_ready);

  test_nats_server_signal (server, SIGCONT);
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  test_nats_node_wait (a, has_been_ready, GUINT_TO_POINTER (n_ready));
  g_source_destroy (ticker.timer);
  g_source_unref (ticker.timer);
}

static void
test_close_while_stopped (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  g_autoptr (GError) error = NULL;

  test_nats_server_signal (server, SIGSTOP);
  test_nats_node_run (a, fill, NULL);
  test_nats_node_send_control (a, "b", 1, "never stored");
  g_assert_false (test_nats_node_close (a, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  g_assert_cmpint (test_nats_node_wait_done (a, 0), !=, -1);

  /* This one is connecting. */
  test_nats_node_wait_state (b, AGENT_TRANSPORT_STATE_LOST, 1);
  g_assert_true (test_nats_node_close (b, NULL));
  test_nats_server_signal (server, SIGCONT);
}

static void
test_close_while_lost (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);

  test_nats_server_kill (server);
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_LOST, 1);
  g_assert_true (test_nats_node_close (a, NULL));
}

static void
test_packets_after_reconnect (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  test_nats_server_kill (server);
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_LOST, 1);
  test_nats_node_wait_state (b, AGENT_TRANSPORT_STATE_LOST, 1);
  test_nats_server_start (server);
  test_nats_node_wait_state (a, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  test_nats_node_wait_state (b, AGENT_TRANSPORT_STATE_CONNECTED, 2);

  /* What is acknowledged was sent after the subscriptions. */
  test_nats_node_send_control (b, "nobody", 1, "settle");
  g_assert_cmpint (test_nats_node_wait_done (b, 0), ==, -1);
  test_nats_node_send_data (a, "b", "one");
  test_nats_node_send_presence (a, NULL, "two");
  first = test_nats_node_dup_text (b, 0);
  second = test_nats_node_dup_text (b, 1);
  g_assert_cmpstr (first, ==, "a data one");
  g_assert_cmpstr (second, ==, "a presence two");
}

/* --- Much at once, both ways --- */

/* Less than what a server keeps for a reader that is slow. */
#define N_FLOOD 300000

typedef struct
{
  TestNatsNode *node;
  const char   *to;
  guint         n_sent;
  guint         n_received; /* (atomic) */
} Flood;

static void
flood_pump (gpointer data)
{
  Flood *self = data;
  guint8 bytes[128] = { 0 };

  for (; self->n_sent < N_FLOOD; self->n_sent++)
    {
      g_autoptr (GBytes) packet = NULL;

      memcpy (bytes, &self->n_sent, sizeof self->n_sent);
      packet = g_bytes_new (bytes, sizeof bytes);
      if (!_agent_transport_send_data (self->node->transport, self->to, packet, NULL))
        return;
    }
}

static void
flood_start (TestNatsNode *node,
             gpointer      data)
{
  node->pump_data = data;
  node->pump = flood_pump;
  flood_pump (data);
}

static gboolean
flood_filter (gpointer     data,
              const char  *node,
              AgentTraffic traffic,
              GBytes      *packet)
{
  Flood *self = data;
  guint  number;

  memcpy (&number, g_bytes_get_data (packet, NULL), sizeof number);
  g_assert_cmpuint (number, ==, self->n_received);
  if (number + 1 == N_FLOOD)
    g_mutex_lock (&self->node->lock);
  g_atomic_int_inc (&self->n_received);
  if (number + 1 == N_FLOOD)
    {
      g_cond_broadcast (&self->node->changed);
      g_mutex_unlock (&self->node->lock);
    }
  return FALSE;
}

static gboolean
flood_is_over (TestNatsNode *node,
               gpointer      data)
{
  return g_atomic_int_get (&((Flood *) data)->n_received) >= N_FLOOD || node->n_states[AGENT_TRANSPORT_STATE_LOST] > 0;
}

static void
test_full_duplex (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  Flood  from_a = { a, "b", 0, 0 };
  Flood  from_b = { b, "a", 0, 0 };
  gint64 start = g_get_monotonic_time ();

  a->filter_data = &from_a;
  b->filter_data = &from_b;
  a->filter = flood_filter;
  b->filter = flood_filter;
  test_nats_node_run (a, flood_start, &from_a);
  test_nats_node_run (b, flood_start, &from_b);
  test_nats_node_wait (a, flood_is_over, &from_a);
  g_assert_cmpuint (a->n_states[AGENT_TRANSPORT_STATE_LOST], ==, 0);
  test_nats_node_wait (b, flood_is_over, &from_b);
  g_test_message ("%.0f packets/s each way", N_FLOOD / ((g_get_monotonic_time () - start) / 1e6));
  g_assert_cmpuint (a->n_states[AGENT_TRANSPORT_STATE_LOST], ==, 0);
  g_assert_cmpuint (b->n_states[AGENT_TRANSPORT_STATE_LOST], ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats-faults/killed-server", test_killed_server);
  test_add_func ("/agentbus/nats-faults/lost-store", test_lost_store);
  test_add_func ("/agentbus/nats-faults/deleted-stream", test_deleted_stream);
  test_add_func ("/agentbus/nats-faults/stopped-server", test_stopped_server);
  test_add_func ("/agentbus/nats-faults/close-while-stopped", test_close_while_stopped);
  test_add_func ("/agentbus/nats-faults/close-while-lost", test_close_while_lost);
  test_add_func ("/agentbus/nats-faults/packets-after-reconnect", test_packets_after_reconnect);
  test_add_func ("/agentbus/nats-faults/full-duplex", test_full_duplex);
  return g_test_run ();
}

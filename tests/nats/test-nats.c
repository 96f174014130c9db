/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-node.h"
#include "nats-server.h"

#include <string.h>

#include "bus/agent-transport-private.h"

#define assert_text(node, i, expected)                                           \
  G_STMT_START                                                                   \
  {                                                                              \
    g_autofree char *assert_text_is = test_nats_node_dup_text (node, i);         \
    g_assert_cmpstr (assert_text_is, ==, expected);                              \
  }                                                                              \
  G_STMT_END

static void
test_carries_data (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  g_autoptr (TestNatsNode) c = test_nats_node_new_open ("c", server->url);

  test_nats_node_send_data (a, "b", "one");
  test_nats_node_send_data (a, "c", "two");
  test_nats_node_send_data (a, "b", "three");
  test_nats_node_send_presence (a, NULL, "here");
  test_nats_node_send_presence (a, "c", "there");
  assert_text (b, 0, "a data one");
  assert_text (b, 1, "a data three");
  assert_text (b, 2, "a presence here");
  assert_text (c, 0, "a data two");
  assert_text (c, 1, "a presence here");
  assert_text (c, 2, "a presence there");

  test_nats_node_send_data (b, "a", "back");
  assert_text (a, 0, "b data back");
  g_assert_cmpuint (a->packets->len, ==, 1);
}

#define N_MIXED 5000

static void
send_mixed (TestNatsNode *node,
            gpointer      data)
{
  for (guint i = 0; i < N_MIXED; i++)
    {
      g_autoptr (GBytes) packet = g_bytes_new (&i, sizeof i);
      GError *error = NULL;

      if (i % 3 == 0)
        _agent_transport_send_data (node->transport, "b", packet, &error);
      else
        _agent_transport_send_presence (node->transport, i % 3 == 1 ? "b" : NULL, packet);
      g_assert_no_error (error);
    }
}

/* Data to a node, presence to it and presence to all: the order is that of the calls. */
static void
test_order (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);

  test_nats_node_run (a, send_mixed, NULL);
  test_nats_node_wait_packets (b, N_MIXED);
  for (guint i = 0; i < N_MIXED; i++)
    {
      TestNatsPacket *packet = b->packets->pdata[i];

      g_assert_cmpmem (&i, sizeof i, g_bytes_get_data (packet->packet, NULL), g_bytes_get_size (packet->packet));
    }
}

static void
test_control (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);

  g_assert_cmpint (agent_transport_get_state (a->transport), ==, AGENT_TRANSPORT_STATE_CONNECTED);
  test_nats_node_send_control (a, "b", 1, "one");
  test_nats_node_send_control (a, "b", 2, "two");
  test_nats_node_send_control (a, "b", 1, "one");
  test_nats_node_send_control (a, "b", 3, "three");
  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (test_nats_node_wait_done (a, i), ==, -1);

  /* The server has known that the first was stored. */
  assert_text (b, 0, "a control one");
  assert_text (b, 1, "a control two");
  assert_text (b, 2, "a control three");
  test_nats_node_send_control (b, "a", 1, "back");
  assert_text (a, 0, "b control back");
}

/* What is older than a node is not for it. */
static void
test_start_of_control (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = NULL;

  test_nats_node_send_control (a, "b", 1, "too early");
  g_assert_cmpint (test_nats_node_wait_done (a, 0), ==, -1);
  b = test_nats_node_new_open ("b", server->url);
  test_nats_node_send_control (a, "b", 2, "in time");
  assert_text (b, 0, "a control in time");
}

static void
test_full_stream (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  const char *const urls[] = { server->url, NULL };
  g_autoptr (TestNatsNode) a =
      test_nats_node_new ("a", "node-id", "a", "urls", urls, "stream-max-bytes", (guint64) 2000, NULL);
  g_autofree char *text = g_strnfill (1500, 'x');

  g_assert_true (test_nats_node_open (a, NULL));
  test_nats_node_send_control (a, "b", 1, text);
  g_assert_cmpint (test_nats_node_wait_done (a, 0), ==, -1);
  test_nats_node_send_control (a, "b", 2, text);
  g_assert_cmpint (test_nats_node_wait_done (a, 1), ==, G_IO_ERROR_NO_SPACE);
}

static void
send_too_large (TestNatsNode *node,
                gpointer      data)
{
  gsize              size = _agent_transport_get_max_packet (node->transport);
  g_autofree char   *text = g_strnfill (size + 2048, 'x');
  g_autoptr (GBytes) just = g_bytes_new (text, size);
  g_autoptr (GBytes) over = g_bytes_new (text, size + 2048);
  g_autoptr (GError) error = NULL;

  g_assert_false (_agent_transport_send_data (node->transport, "b", over, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
  g_assert_true (_agent_transport_send_data (node->transport, "b", just, NULL));
  _agent_transport_send_control (node->transport, "b", 7, 1, just);
  _agent_transport_send_control (node->transport, "b", 7, 2, over);
}

static void
test_large_packets (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);

  test_nats_node_run (a, send_too_large, NULL);
  g_assert_cmpint (test_nats_node_wait_done (a, 0), ==, G_IO_ERROR_MESSAGE_TOO_LARGE);
  g_assert_cmpint (test_nats_node_wait_done (a, 1), ==, -1);
  test_nats_node_wait_packets (b, 2);
}

static const char *const nasty[] = {
  "a b", "a.b", "*", ">", "a\r\nPUB x 1\r\ny", "\t", "%41", "A", "%", "über", "日本語", "🙂", ".", "..", "\"", "\\", "$JS.API", "\x7f",
};

/* Each name is another node, and gets what is for it and nothing else. */
static void
test_names (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autofree char *longest = g_strnfill (AGENT_TRANSPORT_NAME_MAX - 1, '.');
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) test_nats_node_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (nasty); i++)
    g_ptr_array_add (names, (gpointer) nasty[i]);
  g_ptr_array_add (names, longest);

  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add (nodes, test_nats_node_new_open (names->pdata[i], server->url));

  for (guint i = 0; i < names->len; i++)
    {
      TestNatsNode    *node = nodes->pdata[i];
      g_autofree char *back = g_strconcat (names->pdata[i], " data back", NULL);
      g_autofree char *stored = g_strconcat (names->pdata[i], " control stored", NULL);

      test_nats_node_send_data (a, names->pdata[i], names->pdata[i]);
      test_nats_node_send_control (a, names->pdata[i], i + 1, "control");
      test_nats_node_wait_packets (node, 2);
      g_assert_cmpuint (node->packets->len, ==, 2);

      test_nats_node_send_data (node, "a", "back");
      assert_text (a, 2 * i, back);
      test_nats_node_send_control (node, "a", 1, "stored");
      assert_text (a, 2 * i + 1, stored);
    }
}

static TestNatsNode *
new_on_other_bus (TestNatsServer *server,
                  const char     *node_id)
{
  const char *const urls[] = { server->url, NULL };
  TestNatsNode     *node =
      test_nats_node_new (node_id, "node-id", node_id, "bus-name", "a bus.of > others", "urls", urls, NULL);

  g_assert_true (test_nats_node_open (node, NULL));
  return node;
}

static void
test_two_buses (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);
  g_autoptr (TestNatsNode) other_a = new_on_other_bus (server, "a");
  g_autoptr (TestNatsNode) other_b = new_on_other_bus (server, "b");

  test_nats_node_send_data (a, "b", "here");
  test_nats_node_send_control (a, "b", 1, "here");
  test_nats_node_wait_packets (b, 2);
  test_nats_node_send_control (other_a, "b", 1, "there");
  assert_text (other_b, 0, "a control there");
  g_assert_cmpuint (b->packets->len, ==, 2);
}

static void
test_no_server (void)
{
  g_autoptr (TestNatsNode) a = NULL;
  g_autoptr (GError) error = NULL;
  const char *const  urls[] = { "nats://127.0.0.1:1", NULL };

  a = test_nats_node_new ("a", "node-id", "a", "urls", urls, NULL);
  g_assert_false (test_nats_node_open (a, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_assert_cmpint (agent_transport_get_state (a->transport), ==, AGENT_TRANSPORT_STATE_CLOSED);
}

static void
test_no_jetstream (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new_without_jetstream ();
  const char *const urls[] = { server->url, NULL };
  g_autoptr (TestNatsNode) a = test_nats_node_new ("a", "node-id", "a", "urls", urls, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (test_nats_node_open (a, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpint (agent_transport_get_state (a->transport), ==, AGENT_TRANSPORT_STATE_CLOSED);
}

static void
test_open_again (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (TestNatsNode) a = test_nats_node_new_open ("a", server->url);
  g_autoptr (TestNatsNode) b = test_nats_node_new_open ("b", server->url);

  for (guint i = 0; i < 20; i++)
    {
      g_autofree char   *text = g_strdup_printf ("a data last %u", i);
      g_autoptr (GError) error = NULL;

      /* What was sent before the close arrives. */
      test_nats_node_send_data (a, "b", text + strlen ("a data "));
      test_nats_node_close (a, &error);
      g_assert_no_error (error);
      assert_text (b, i, text);
      test_nats_node_open (a, &error);
      g_assert_no_error (error);
    }
}

static void
test_capabilities (void)
{
  g_autoptr (TestNatsNode) plain = test_nats_node_new ("a", "node-id", "a", NULL);
  g_autoptr (TestNatsNode) known = test_nats_node_new ("a", "node-id", "a", "user", "u", "password", "p", NULL);
  g_auto (GStrv) urls = NULL;

  g_object_get (plain->transport, "urls", &urls, NULL);
  g_assert_cmpstr (urls[0], ==, "nats://127.0.0.1:4222");
  g_assert_cmpuint (agent_transport_get_capabilities (plain->transport),
                    ==,
                    AGENT_TRANSPORT_CAPABILITIES_REMOTE | AGENT_TRANSPORT_CAPABILITIES_DURABLE_CONTROL);
  g_assert_true (agent_transport_get_capabilities (known->transport) & AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE);
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats/data", test_carries_data);
  test_add_func ("/agentbus/nats/order", test_order);
  test_add_func ("/agentbus/nats/control", test_control);
  test_add_func ("/agentbus/nats/start-of-control", test_start_of_control);
  test_add_func ("/agentbus/nats/full-stream", test_full_stream);
  test_add_func ("/agentbus/nats/large-packets", test_large_packets);
  test_add_func ("/agentbus/nats/names", test_names);
  test_add_func ("/agentbus/nats/two-buses", test_two_buses);
  test_add_func ("/agentbus/nats/no-server", test_no_server);
  test_add_func ("/agentbus/nats/no-jetstream", test_no_jetstream);
  test_add_func ("/agentbus/nats/open-again", test_open_again);
  test_add_func ("/agentbus/nats/capabilities", test_capabilities);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-keys.h"
#include "nats-node.h"
#include "nats-proxy.h"
#include "nats-server.h"

#include <gio/gio.h>
#include <string.h>

#include "bus/agent-transport-private.h"

/* --- Users --- */

/* The users of the example, on a bus named "lab". */
static TestNatsServer *
start_with_users (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "examples", "distributed", "nats-users.conf", NULL);
  g_autofree char *users = NULL;

  g_assert_true (g_file_get_contents (path, &users, NULL, NULL));
  g_setenv ("PLANNER_PASSWORD", "of-the-planner", TRUE);
  g_setenv ("CODER_PASSWORD", "of-the-coder", TRUE);
  g_setenv ("REGISTRAR_PASSWORD", "of-the-registrar", TRUE);
  return test_nats_server_new (users);
}

static TestNatsNode *
new_user (TestNatsServer *server,
          const char     *node_id,
          const char     *user,
          const char     *password)
{
  const char *const urls[] = { server->url, NULL };

  return test_nats_node_new (node_id,
                             "node-id", node_id,
                             "bus-name", "lab",
                             "urls", urls,
                             "user", user,
                             "password", password,
                             NULL);
}

static TestNatsNode *
new_open_user (TestNatsServer *server,
               const char     *node_id)
{
  g_autofree char *password = g_strconcat ("of-the-", node_id, NULL);
  TestNatsNode    *node = new_user (server, node_id, node_id, password);
  GError          *error = NULL;

  test_nats_node_open (node, &error);
  g_assert_no_error (error);
  return node;
}

static void
assert_refused_at_open (TestNatsNode *node)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (test_nats_node_open (node, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_cmpint (agent_transport_get_state (node->transport), ==, AGENT_TRANSPORT_STATE_CLOSED);
}

static void
test_wrong_password (void)
{
  g_autoptr (TestNatsServer) server = start_with_users ();
  g_autoptr (TestNatsNode) wrong = new_user (server, "planner", "planner", "no idea");
  g_autoptr (TestNatsNode) nobody = new_user (server, "planner", "nobody", "of-the-planner");
  g_autoptr (TestNatsNode) none = new_user (server, "planner", NULL, NULL);

  assert_refused_at_open (wrong);
  assert_refused_at_open (nobody);
  assert_refused_at_open (none);
}

/* What each may do works: data, presence and control, both ways. */
static void
test_users (void)
{
  g_autoptr (TestNatsServer) server = start_with_users ();
  g_autoptr (TestNatsNode) registrar = new_open_user (server, "registrar");
  g_autoptr (TestNatsNode) planner = new_open_user (server, "planner");
  g_autoptr (TestNatsNode) coder = new_open_user (server, "coder");

  test_nats_node_send_control (coder, "planner", 1, "ready");
  g_assert_cmpint (test_nats_node_wait_done (coder, 0), ==, -1);
  test_nats_node_wait_packets (planner, 1);

  test_nats_node_send_data (planner, "coder", "data");
  test_nats_node_send_presence (planner, NULL, "presence");
  test_nats_node_wait_packets (coder, 2);
  test_nats_node_wait_packets (registrar, 1);
  g_assert_cmpuint (planner->refusals->len + coder->refusals->len + registrar->refusals->len, ==, 0);
}

/* Who says that he is another node cannot even open. */
static void
test_forged_node (void)
{
  g_autoptr (TestNatsServer) server = start_with_users ();
  g_autoptr (TestNatsNode) registrar = new_open_user (server, "registrar");
  g_autoptr (TestNatsNode) forger = new_user (server, "planner", "coder", "of-the-coder");
  g_autofree char *refusal = NULL;

  g_assert_false (test_nats_node_open (forger, NULL));
  refusal = test_nats_node_wait_refusal (forger, "Permissions Violation for Subscription");
}

static void
test_refused_packet (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (
      "authorization: { users: [ { user: half, password: x, permissions: { publish: {"
      " allow: [ \"agentbus.lab.from.half.d.to.friend\", \"agentbus.lab.from.half.p.>\", \"$JS.API.>\" ] } } } ] }");
  g_autoptr (TestNatsNode) half = new_user (server, "half", "half", "x");
  g_autofree char *of_data = NULL;
  g_autofree char *of_control = NULL;

  g_assert_true (test_nats_node_open (half, NULL));
  test_nats_node_send_data (half, "friend", "allowed");
  test_nats_node_send_data (half, "stranger", "not allowed");
  of_data = test_nats_node_wait_refusal (half, "agentbus.lab.from.half.d.to.stranger");
  g_assert_null (strstr (of_data, "friend"));

  test_nats_node_send_control (half, "friend", 1, "not allowed");
  of_control = test_nats_node_wait_refusal (half, "agentbus.lab.from.half.c.to.friend");
  g_assert_cmpint (test_nats_node_wait_done (half, 0), ==, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (agent_transport_get_state (half->transport), ==, AGENT_TRANSPORT_STATE_CONNECTED);
}

static void
test_token (void)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new ("authorization: { token: \"s3cr3t\" }");
  const char *const urls[] = { server->url, NULL };
  g_autoptr (TestNatsNode) right = test_nats_node_new ("a", "node-id", "a", "urls", urls, "token", "s3cr3t", NULL);
  g_autoptr (TestNatsNode) wrong = test_nats_node_new ("b", "node-id", "b", "urls", urls, "token", "guess", NULL);

  g_assert_true (test_nats_node_open (right, NULL));
  assert_refused_at_open (wrong);
  g_assert_false (agent_transport_get_capabilities (right->transport) & AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE);
}

/* After a restart, the server does not let in who was there before. */
static void
test_changed_password (void)
{
  g_autoptr (TestNatsServer) server = start_with_users ();
  g_autoptr (TestNatsNode) registrar = new_open_user (server, "registrar");
  g_autofree char *refusal = NULL;

  test_nats_server_kill (server);
  g_setenv ("REGISTRAR_PASSWORD", "changed", TRUE);
  test_nats_server_start (server);
  refusal = test_nats_node_wait_refusal (registrar, "uthorization");
  g_assert_cmpint (agent_transport_get_state (registrar->transport), ==, AGENT_TRANSPORT_STATE_LOST);

  test_nats_server_kill (server);
  g_setenv ("REGISTRAR_PASSWORD", "of-the-registrar", TRUE);
  test_nats_server_start (server);
  test_nats_node_wait_state (registrar, AGENT_TRANSPORT_STATE_CONNECTED, 2);
}

/* --- Keys --- */

static void
test_nkey (void)
{
  g_autofree char *folder = g_dir_make_tmp ("agentbus-nats-XXXXXX", NULL);
  g_autofree char *nkey = test_nats_key_new (folder, "right", TEST_NATS_KEY_USER);
  g_autofree char *other = test_nats_key_new (folder, "wrong", TEST_NATS_KEY_USER);

  if (nkey != NULL && other != NULL)
    {
      g_autofree char *users = g_strdup_printf ("authorization: { users: [ { nkey: %s } ] }", nkey);
      g_autofree char *right_seed = test_nats_path (folder, "right.seed");
      g_autofree char *wrong_seed = test_nats_path (folder, "wrong.seed");
      g_autoptr (TestNatsServer) server = test_nats_server_new (users);
      const char *const urls[] = { server->url, NULL };
      g_autoptr (TestNatsNode) right =
          test_nats_node_new ("a", "node-id", "a", "urls", urls, "nkey", nkey, "nkey-seed-file", right_seed, NULL);
      g_autoptr (TestNatsNode) wrong =
          test_nats_node_new ("b", "node-id", "b", "urls", urls, "nkey", nkey, "nkey-seed-file", wrong_seed, NULL);
      GError *error = NULL;

      test_nats_node_open (right, &error);
      g_assert_no_error (error);
      assert_refused_at_open (wrong);
      g_assert_true (agent_transport_get_capabilities (right->transport) & AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE);
    }
  else
    {
      g_test_skip ("openssl cannot make keys");
    }

  test_nats_remove_folder (folder);
}

/* --- Certificates --- */

static gboolean
make_authority (const char *folder,
                const char *name)
{
  g_autofree char *arguments = g_strdup_printf ("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                                                "-subj /CN=%s -keyout %s.key -out %s.pem",
                                                name,
                                                name,
                                                name);

  return test_nats_openssl (folder, arguments);
}

static gboolean
make_certificate (const char *folder,
                  const char *name,
                  const char *who,
                  const char *authority)
{
  g_autofree char *request = g_strdup_printf (
      "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key -out %s.csr", name, name, name);
  g_autofree char *extension = g_strdup_printf ("subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n", who);
  g_autofree char *path = test_nats_path (folder, "extension");
  g_autofree char *sign = g_strdup_printf (
      "x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 -extfile extension -out %s.pem",
      name,
      authority,
      authority,
      name);

  g_assert_true (g_file_set_contents (path, extension, -1, NULL));
  return test_nats_openssl (folder, request) && test_nats_openssl (folder, sign);
}

static gboolean
make_certificates (const char *folder)
{
  return make_authority (folder, "authority") && make_authority (folder, "other") &&
         make_certificate (folder, "server", "IP:127.0.0.1,DNS:localhost", "authority") &&
         make_certificate (folder, "planner", "DNS:planner", "authority") &&
         make_certificate (folder, "stranger", "DNS:planner", "other");
}

static TestNatsServer *
start_with_certificates (const char *folder)
{
  g_autofree char *configuration = g_strdup_printf ("tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\","
                                                    " ca_file: \"%s/authority.pem\", verify_and_map: true, timeout: 10 }\n"
                                                    "authorization { users: [ { user: planner } ] }",
                                                    folder,
                                                    folder,
                                                    folder);

  return test_nats_server_new (configuration);
}

/* @name: (nullable): of the certificate */
static TestNatsNode *
new_with_certificate_at (const char *url,
                         const char *folder,
                         const char *authority,
                         const char *name,
                         const char *node_id)
{
  const char *const urls[] = { url, NULL };
  g_autofree char  *ca = g_strdup_printf ("%s/%s.pem", folder, authority);
  g_autofree char  *certificate = name != NULL ? g_strdup_printf ("%s/%s.pem", folder, name) : NULL;
  g_autofree char  *key = name != NULL ? g_strdup_printf ("%s/%s.key", folder, name) : NULL;

  return test_nats_node_new (node_id,
                             "node-id", node_id,
                             "urls", urls,
                             "ca-file", ca,
                             "certificate-file", certificate,
                             "key-file", key,
                             NULL);
}

static TestNatsNode *
new_with_certificate (TestNatsServer *server,
                      const char     *folder,
                      const char     *authority,
                      const char     *name,
                      const char     *node_id)
{
  return new_with_certificate_at (server->url, folder, authority, name, node_id);
}

static void
try_certificates (const char *folder)
{
  g_autoptr (TestNatsServer) server = start_with_certificates (folder);
  g_autoptr (TestNatsNode) right = new_with_certificate (server, folder, "authority", "planner", "planner");
  g_autoptr (TestNatsNode) without = new_with_certificate (server, folder, "authority", NULL, "planner");
  g_autoptr (TestNatsNode) stranger = new_with_certificate (server, folder, "authority", "stranger", "planner");
  g_autoptr (TestNatsNode) careful = new_with_certificate (server, folder, "other", "planner", "planner");
  GError *error = NULL;

  test_nats_node_open (right, &error);
  g_assert_no_error (error);
  g_assert_false (test_nats_node_open (without, NULL));
  g_assert_false (test_nats_node_open (stranger, NULL));
  g_assert_false (test_nats_node_open (careful, NULL));
  test_nats_node_send_control (right, "planner", 1, "stored");
  g_assert_cmpint (test_nats_node_wait_done (right, 0), ==, -1);

  /* The same after a loss. */
  test_nats_server_kill (server);
  test_nats_node_wait_state (right, AGENT_TRANSPORT_STATE_LOST, 1);
  test_nats_server_start (server);
  test_nats_node_wait_state (right, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  test_nats_node_send_control (right, "planner", 2, "stored");
  g_assert_cmpint (test_nats_node_wait_done (right, 1), ==, -1);
}

#define N_ENCRYPTED 20000

typedef struct
{
  TestNatsNode *node;
  guint         n_sent;
} Flood;

static void
flood_pump (gpointer data)
{
  static const char bytes[1024];
  Flood            *self = data;

  for (; self->n_sent < N_ENCRYPTED; self->n_sent++)
    {
      g_autoptr (GBytes) packet = g_bytes_new_static (bytes, sizeof bytes);

      if (!_agent_transport_send_data (self->node->transport, "coder", packet, NULL))
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

static void
try_much_encrypted (const char *folder)
{
  g_autoptr (TestNatsServer) server = start_with_certificates (folder);
  g_autoptr (TestNatsNode) planner = new_with_certificate (server, folder, "authority", "planner", "planner");
  g_autoptr (TestNatsNode) coder = new_with_certificate (server, folder, "authority", "planner", "coder");
  Flood flood = { planner, 0 };

  g_assert_true (test_nats_node_open (planner, NULL));
  g_assert_true (test_nats_node_open (coder, NULL));
  test_nats_node_run (planner, flood_start, &flood);
  test_nats_node_wait_packets (coder, N_ENCRYPTED);
  g_assert_cmpuint (planner->n_states[AGENT_TRANSPORT_STATE_LOST], ==, 0);
}

static gboolean
tick (gpointer data)
{
  g_atomic_int_inc ((guint *) data);
  return G_SOURCE_CONTINUE;
}

/* (transfer full): of a source that ticks each ten milliseconds */
static GSource *
start_ticks (TestThread *thread,
             guint      *n)
{
  GSource *source = g_timeout_source_new (10);

  g_source_set_callback (source, tick, n, NULL);
  g_source_attach (source, thread->context);
  return source;
}

/* What has come in ends within a record, and nothing follows, so the thread of the transport waits in a read. The connection is
 * given up as one that is silent, and another one is made. */
static void
try_half_record (const char *folder)
{
  g_autoptr (TestNatsServer) server = start_with_certificates (folder);
  g_autoptr (TestNatsProxy) proxy = test_nats_proxy_new (server->port);
  g_autoptr (TestNatsNode) planner =
      new_with_certificate_at (test_nats_proxy_get_url (proxy), folder, "authority", "planner", "planner");
  TestThread *clock = test_thread_new ();
  guint       n_ticks = 0;
  guint       n;
  g_autoptr (GSource) source = NULL;

  g_assert_true (test_nats_node_open (planner, NULL));
  test_nats_proxy_stall (proxy);
  source = start_ticks (clock, &n_ticks);
  test_nats_node_wait_state (planner, AGENT_TRANSPORT_STATE_LOST, 1);

  /* After some 200 ticks. nats.c alone would have waited for 1000. */
  n = g_atomic_int_get (&n_ticks);
  g_test_message ("%u ticks", n);
  g_assert_cmpuint (n, <, 600);
  g_source_destroy (source);
  test_thread_free (clock);
  test_nats_node_wait_state (planner, AGENT_TRANSPORT_STATE_CONNECTED, 2);
  test_nats_node_send_control (planner, "planner", 1, "stored");
  g_assert_cmpint (test_nats_node_wait_done (planner, 0), ==, -1);

  /* To close ends, too. */
  test_nats_proxy_stall (proxy);
  test_nats_node_send_control (planner, "planner", 2, "its acknowledgement does not come");
  test_nats_node_close (planner, NULL);
}

static void
test_certificates (void)
{
  g_autofree char *folder = g_dir_make_tmp ("agentbus-nats-XXXXXX", NULL);

  if (make_certificates (folder))
    {
      try_certificates (folder);
      try_much_encrypted (folder);
      try_half_record (folder);
    }
  else
    {
      g_test_skip ("openssl cannot make certificates");
    }

  test_nats_remove_folder (folder);
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats-security/wrong-password", test_wrong_password);
  test_add_func ("/agentbus/nats-security/users", test_users);
  test_add_func ("/agentbus/nats-security/forged-node", test_forged_node);
  test_add_func ("/agentbus/nats-security/refused-packet", test_refused_packet);
  test_add_func ("/agentbus/nats-security/token", test_token);
  test_add_func ("/agentbus/nats-security/changed-password", test_changed_password);
  test_add_func ("/agentbus/nats-security/nkey", test_nkey);
  test_add_func ("/agentbus/nats-security/certificates", test_certificates);
  return g_test_run ();
}

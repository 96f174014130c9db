/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-keys.h"
#include "nats-node.h"
#include "nats-server.h"

#include <string.h>

#include "bus/agent-transport-private.h"

/* A server that trusts an operator, and nodes with a file of credentials. */

#define NEVER 0 /* when a user expires */

/* An operator, its account, and the account that a server with JetStream needs for itself. */
typedef struct
{
  char *folder; /* of the keys */
  char *operator_key;
  char *account;
  char *system;
  char *operator_jwt;
  char *account_jwt;
  char *system_jwt;
} Realm;

static void
realm_free (Realm *self)
{
  test_nats_remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->operator_key);
  g_free (self->account);
  g_free (self->system);
  g_free (self->operator_jwt);
  g_free (self->account_jwt);
  g_free (self->system_jwt);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Realm, realm_free)

static char *
realm_sign_operator (Realm *self)
{
  g_autofree char *claims = g_strdup_printf (
      "{\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"operator\",\"nats\":{\"type\":\"operator\",\"version\":2}}",
      self->operator_key,
      self->operator_key);

  return test_nats_jwt_new (self->folder, "operator", claims);
}

/* @jetstream: further limits. Without them, an account has no JetStream. */
static char *
realm_sign_account (Realm      *self,
                    const char *account,
                    const char *jetstream)
{
  g_autofree char *claims =
      g_strdup_printf ("{\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"account\",\"nats\":{\"limits\":{"
                       "\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,\"wildcards\":true,"
                       "\"conn\":-1,\"leaf\":-1%s},\"type\":\"account\",\"version\":2}}",
                       self->operator_key,
                       account,
                       jetstream);

  return test_nats_jwt_new (self->folder, "operator", claims);
}

static Realm *
realm_new (void)
{
  Realm *self = g_new0 (Realm, 1);

  self->folder = g_dir_make_tmp ("agentbus-nats-XXXXXX", NULL);
  self->operator_key = test_nats_key_new (self->folder, "operator", TEST_NATS_KEY_OPERATOR);
  self->account = test_nats_key_new (self->folder, "account", TEST_NATS_KEY_ACCOUNT);
  self->system = test_nats_key_new (self->folder, "system", TEST_NATS_KEY_ACCOUNT);
  self->operator_jwt = realm_sign_operator (self);
  self->account_jwt = realm_sign_account (
      self, self->account, ",\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,\"consumer\":-1");
  self->system_jwt = realm_sign_account (self, self->system, "");
  return self;
}

static gboolean
realm_works (Realm *self)
{
  return self->operator_jwt != NULL && self->account_jwt != NULL && self->system_jwt != NULL;
}

static TestNatsServer *
realm_start (Realm *self)
{
  g_autofree char *configuration = g_strdup_printf (
      "operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
      self->operator_jwt,
      self->system,
      self->account,
      self->account_jwt,
      self->system,
      self->system_jwt);

  return test_nats_server_new (configuration);
}

/* @expires: in seconds since 1970, or NEVER. Returns the path of the credentials. */
static char *
realm_add_user (Realm      *self,
                const char *name,
                gint64      expires)
{
  g_autofree char *user = test_nats_key_new (self->folder, name, TEST_NATS_KEY_USER);
  g_autofree char *until = expires != NEVER ? g_strdup_printf ("\"exp\":%" G_GINT64_FORMAT ",", expires) : g_strdup ("");
  g_autofree char *claims = g_strdup_printf ("{\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"%s\",%s\"nats\":{\"pub\":{},\"sub\":{},"
                                             "\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\",\"version\":2}}",
                                             self->account,
                                             user,
                                             name,
                                             until);
  g_autofree char *jwt = test_nats_jwt_new (self->folder, "account", claims);
  g_autofree char *seed_name = g_strconcat (name, ".seed", NULL);
  g_autofree char *seed_path = test_nats_path (self->folder, seed_name);
  g_autofree char *seed = NULL;
  g_autofree char *text = NULL;
  char            *path = test_nats_path (self->folder, name);

  g_assert_true (g_file_get_contents (seed_path, &seed, NULL, NULL));
  text = g_strdup_printf ("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                          "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                          jwt,
                          seed);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static TestNatsNode *
new_with_credentials (TestNatsServer *server,
                      const char     *path)
{
  const char *const urls[] = { server->url, NULL };

  return test_nats_node_new ("planner", "node-id", "planner", "urls", urls, "credentials-file", path, NULL);
}

/* No error tells what is in the file. */
static void
assert_fails (TestNatsServer *server,
              const char     *path,
              gint            code)
{
  g_autoptr (TestNatsNode) node = new_with_credentials (server, path);
  g_autofree char *secret = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (test_nats_node_open (node, &error));
  g_assert_error (error, G_IO_ERROR, code);
  g_test_message ("%s", error->message);
  g_assert_cmpuint (node->refusals->len, ==, 0);
  if (!g_file_get_contents (path, &secret, NULL, NULL))
    return;

  lines = g_strsplit (secret, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (*lines[i] != '\0' && *lines[i] != '-')
        g_assert_null (strstr (error->message, lines[i]));
    }
}

static void
test_credentials (void)
{
  g_autoptr (Realm) realm = realm_new ();
  g_autoptr (Realm) other = realm_new ();

  if (realm_works (realm) && realm_works (other))
    {
      const gint64     now = g_get_real_time () / G_USEC_PER_SEC;
      g_autofree char *right_path = realm_add_user (realm, "planner", NEVER);
      g_autofree char *expired = realm_add_user (realm, "expired", now - 60);
      g_autofree char *stranger = realm_add_user (other, "stranger", NEVER);
      g_autofree char *missing = test_nats_path (realm->folder, "missing");
      g_autofree char *garbage = test_nats_path (realm->folder, "garbage");
      g_autoptr (TestNatsServer) server = realm_start (realm);
      g_autoptr (TestNatsNode) right = new_with_credentials (server, right_path);
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (garbage, "SUAGARBAGEGARBAGE\nno credentials\n", -1, NULL));
      test_nats_node_open (right, &error);
      g_assert_no_error (error);
      g_assert_true (agent_transport_get_capabilities (right->transport) & AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE);
      test_nats_node_send_control (right, "nobody", 1, "stored");
      g_assert_cmpint (test_nats_node_wait_done (right, 0), ==, -1);

      assert_fails (server, expired, G_IO_ERROR_PERMISSION_DENIED);
      assert_fails (server, stranger, G_IO_ERROR_PERMISSION_DENIED);
      assert_fails (server, missing, G_IO_ERROR_NOT_FOUND);
      assert_fails (server, garbage, G_IO_ERROR_FAILED);
    }
  else
    {
      g_test_skip ("openssl cannot sign with ed25519");
    }
}

/* Opens a node whose user expires soon, but not before it is open. */
static TestNatsNode *
open_for_a_while (TestNatsServer *server,
                  Realm          *realm)
{
  for (gint64 seconds = 2;; seconds *= 2)
    {
      g_autofree char *path = realm_add_user (realm, "planner", g_get_real_time () / G_USEC_PER_SEC + seconds);
      TestNatsNode    *node = new_with_credentials (server, path);

      if (test_nats_node_open (node, NULL))
        return node;
      test_nats_node_free (node);
    }
}

/* The server ends the connection of a user that expires, and the node says why it cannot come back. */
static void
test_expiry (void)
{
  g_autoptr (Realm) realm = realm_new ();

  if (realm_works (realm))
    {
      g_autoptr (TestNatsServer) server = realm_start (realm);
      g_autoptr (TestNatsNode) node = open_for_a_while (server, realm);
      g_autofree char *refusal = NULL;
      g_autofree char *path = NULL;

      test_nats_node_wait_state (node, AGENT_TRANSPORT_STATE_LOST, 1);
      refusal = test_nats_node_wait_refusal (node, "uth");

      /* The file is read again at each attempt. */
      path = realm_add_user (realm, "planner", NEVER);
      test_nats_node_wait_state (node, AGENT_TRANSPORT_STATE_CONNECTED, 2);
    }
  else
    {
      g_test_skip ("openssl cannot sign with ed25519");
    }
}

int
main (int   argc,
      char *argv[])
{
  if (!test_nats_init (&argc, &argv))
    return 0;

  test_add_func ("/agentbus/nats-credentials/open", test_credentials);
  test_add_func ("/agentbus/nats-credentials/expiry", test_expiry);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-support.h"
#include "transport-nats/agent-nats-subjects-private.h"
#include "transport-nats/agent-nats-token-private.h"

static const char *const names[] = {
  "", "a", "A", "a b", "a.b", "*", ">", "a\r\nPUB x", "\t", "%", "%%", "%41", "über", "日本語", "🙂", ".", "..", "\"", "\\", "\x7f", "-_",
};

/* Each has another token, which is one token of a subject, and which tells the name. */
static void
test_tokens (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      char            *token = _agent_nats_token_new (names[i]);
      g_autofree char *name = _agent_nats_token_read (token);

      g_assert_cmpstr (name, ==, names[i]);
      g_assert_true (_agent_nats_token_is_of (token, names[i]));
      g_assert_cmpuint (strlen (token), >, 0);
      g_assert_cmpuint (strspn (token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%"), ==, strlen (token));
      g_assert_true (g_hash_table_add (seen, token));
    }
}

static void
test_long_tokens (void)
{
  g_autofree char *longest = g_strnfill (128, 'x');
  g_autofree char *longer = g_strnfill (129, 'x');
  g_autofree char *dots = g_strnfill (43, '.');
  g_autofree char *of_longest = _agent_nats_token_new (longest);
  g_autofree char *of_longer = _agent_nats_token_new (longer);
  g_autofree char *of_dots = _agent_nats_token_new (dots);

  g_assert_cmpstr (of_longest, ==, longest);
  g_assert_cmpuint (strlen (of_longer), ==, 42);
  g_assert_true (_agent_nats_token_is_hash (of_longer));
  g_assert_true (_agent_nats_token_is_hash (of_dots));
  g_assert_true (_agent_nats_token_is_of (of_longer, longer));
  g_assert_false (_agent_nats_token_is_of (of_longer, dots));
  g_assert_null (_agent_nats_token_read (of_longer));
}

static void
test_bad_tokens (void)
{
  static const char *const tokens[] = { "%4", "%", "%G0", "%00", "a.b", "a b", "%FF", "%C3", "%%", "é" };

  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++)
    {
      g_autofree char *name = _agent_nats_token_read (tokens[i]);

      if (strcmp (tokens[i], "%") == 0)
        g_assert_cmpstr (name, ==, "");
      else
        g_assert_null (name);
    }
}

static void
test_to_others (void)
{
  AgentNatsSubjects   *self = _agent_nats_subjects_new ("my bus", "a.1");
  const AgentNatsPeer *peer = _agent_nats_subjects_get_peer (self, "b");
  const AgentNatsPeer *all = _agent_nats_subjects_get_peer (self, NULL);
  g_autofree char     *to_me = _agent_nats_subjects_make_to_me (self, 'c');

  g_assert_cmpstr (peer->data, ==, "agentbus.my%20bus.from.a%2E1.d.to.b");
  g_assert_cmpstr (peer->presence, ==, "agentbus.my%20bus.from.a%2E1.p.to.b");
  g_assert_cmpstr (peer->control, ==, "agentbus.my%20bus.from.a%2E1.c.to.b");
  g_assert_null (all->data);
  g_assert_cmpstr (all->presence, ==, "agentbus.my%20bus.from.a%2E1.p.all");
  g_assert_true (_agent_nats_subjects_get_peer (self, "b") == peer);
  g_assert_cmpstr (to_me, ==, "agentbus.my%20bus.from.*.c.to.a%2E1");

  /* The server takes these names as formats. */
  g_assert_cmpstr (_agent_nats_subjects_get_stream (self), ==, "AB_my=20bus");
  g_assert_cmpstr (_agent_nats_subjects_get_consumer (self), ==, "a=2E1");
  _agent_nats_subjects_free (self);
}

static void
assert_source (AgentNatsSubjects *self,
               const char        *subject,
               const char        *node,
               AgentTraffic       traffic)
{
  AgentTraffic           is;
  const AgentNatsSource *source = _agent_nats_subjects_read (self, subject, &is);

  g_assert_nonnull (source);
  g_assert_cmpstr (source->node, ==, node);
  g_assert_cmpint (is, ==, traffic);
}

static void
test_from_others (void)
{
  static const char *const bad[] = {
    "", "agentbus", "agentbus.x.from.b.d.to.me", "agentbus.lab.from.", "agentbus.lab.from.b", "agentbus.lab.from.b.",
    "agentbus.lab.from..d.to.me", "agentbus.lab.from.me.d.to.me", "agentbus.lab.from.b.x.all",
    "agentbus.lab.from.b.t.x.y", "_INBOX.1",
  };
  AgentNatsSubjects *self = _agent_nats_subjects_new ("lab", "me");
  AgentTraffic       traffic;

  assert_source (self, "agentbus.lab.from.b.d.to.me", "b", AGENT_TRAFFIC_DATA);
  assert_source (self, "agentbus.lab.from.b.p.all", "b", AGENT_TRAFFIC_PRESENCE);
  assert_source (self, "agentbus.lab.from.b%2Ec.c.to.me", "b.c", AGENT_TRAFFIC_CONTROL);

  /* Nobody is two nodes, and nobody hides who he is. */
  assert_source (self, "agentbus.lab.from.%62.d.to.me", NULL, AGENT_TRAFFIC_DATA);
  assert_source (self, "agentbus.lab.from.b%2ec.d.to.me", NULL, AGENT_TRAFFIC_DATA);
  assert_source (self, "agentbus.lab.from.%%0123.d.to.me", NULL, AGENT_TRAFFIC_DATA);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (_agent_nats_subjects_read (self, bad[i], &traffic));

  _agent_nats_subjects_free (self);
}

/* Many strangers do not fill the memory. */
static void
test_many_nodes (void)
{
  AgentNatsSubjects *self = _agent_nats_subjects_new ("lab", "me");

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *name = g_strdup_printf ("node-%u", i);
      g_autofree char *subject = g_strdup_printf ("agentbus.lab.from.node-%u.d.to.me", i);

      assert_source (self, subject, name, AGENT_TRAFFIC_DATA);
      g_assert_nonnull (_agent_nats_subjects_get_peer (self, name));
      _agent_nats_subjects_trim (self);
      g_assert_cmpuint (_agent_nats_subjects_count_nodes (self), <=, 10000);
    }
  assert_source (self, "agentbus.lab.from.node-1.d.to.me", "node-1", AGENT_TRAFFIC_DATA);
  _agent_nats_subjects_free (self);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add_func ("/agentbus/nats-subjects/tokens", test_tokens);
  test_add_func ("/agentbus/nats-subjects/long-tokens", test_long_tokens);
  test_add_func ("/agentbus/nats-subjects/bad-tokens", test_bad_tokens);
  test_add_func ("/agentbus/nats-subjects/to-others", test_to_others);
  test_add_func ("/agentbus/nats-subjects/from-others", test_from_others);
  test_add_func ("/agentbus/nats-subjects/many-nodes", test_many_nodes);
  return g_test_run ();
}

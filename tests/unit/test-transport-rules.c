/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"
#include "test-support.h"

/*
 * What other nodes may do here.
 */

static void
test_none (void)
{
  AgentTransportRules *rules = _agent_transport_rules_new ();

  g_assert_true (_agent_transport_rules_allow (rules, "b", "any", NULL));
  g_assert_true (_agent_transport_rules_allow (rules, "b", "any", "cancel"));
  _agent_transport_rules_free (rules);
}

static void
test_one_node (void)
{
  AgentTransportRules     *rules = _agent_transport_rules_new ();
  static const char *const names[] = { "worker-*", "ab?", NULL };
  static const char *const messages[] = { "frame", NULL };

  _agent_transport_rules_set (rules, "b", names, messages);
  g_assert_true (_agent_transport_rules_allow (rules, "b", "worker-1", NULL));
  g_assert_true (_agent_transport_rules_allow (rules, "b", "abc", "frame"));
  g_assert_false (_agent_transport_rules_allow (rules, "b", "abcd", NULL));
  g_assert_false (_agent_transport_rules_allow (rules, "b", "worker", NULL));
  g_assert_false (_agent_transport_rules_allow (rules, "b", "worker-1", "cancel"));
  g_assert_true (_agent_transport_rules_allow (rules, "c", "any", "cancel"));
  _agent_transport_rules_free (rules);
}

/* The rule for all holds for those that have none of their own, and an empty list allows nothing. */
static void
test_all_others (void)
{
  AgentTransportRules     *rules = _agent_transport_rules_new ();
  static const char *const nothing[] = { NULL };

  _agent_transport_rules_set (rules, NULL, nothing, NULL);
  _agent_transport_rules_set (rules, "b", NULL, NULL);
  g_assert_true (_agent_transport_rules_allow (rules, "b", "any", "cancel"));
  g_assert_false (_agent_transport_rules_allow (rules, "c", "any", NULL));
  _agent_transport_rules_set (rules, NULL, NULL, nothing);
  g_assert_true (_agent_transport_rules_allow (rules, "c", "any", NULL));
  g_assert_false (_agent_transport_rules_allow (rules, "c", "any", "cancel"));
  _agent_transport_rules_free (rules);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/transport-rules/none", test_none);
  test_add_func ("/agentbus/transport-rules/one-node", test_one_node);
  test_add_func ("/agentbus/transport-rules/all-others", test_all_others);

  return g_test_run ();
}

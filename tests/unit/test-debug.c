/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-support.h"

/*
 * AGENTBUS_DEBUG and G_MESSAGES_DEBUG: what a child process prints that has one of them in its environment. The first is
 * read before main(), so the process itself is the same with any value.
 */

static void
take (AgentSubscriber *worker,
      AgentMessage    *message,
      gpointer         user_data)
{
}

static void
send_three (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AgentBus) bus = NULL;
  g_autoptr (AgentSubscriber) worker = NULL;

  g_main_context_push_thread_default (context);
  bus = agent_bus_new ();
  worker = agent_subscriber_new ("worker");
  g_signal_connect (worker, "message", G_CALLBACK (take), NULL);
  agent_bus_subscribe (bus, worker, NULL);
  agent_bus_send (bus, test_data ("ui", "worker", 1));
  while (g_main_context_iteration (context, FALSE))
    ;
  agent_bus_send (bus, test_data ("ui", "wroker", 2));
  agent_bus_send (bus, test_data ("ui", "worker", 3));
  agent_bus_unsubscribe (bus, "worker");
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
}

/* The child of the case runs with this value in @variable. */
static gboolean
run_with_variable (const char *variable,
                   const char *value)
{
  if (g_test_subprocess ())
    {
      send_three ();
      return FALSE;
    }

  g_setenv (variable, value, TRUE);
  g_test_trap_subprocess (NULL, 0, 0);
  g_unsetenv (variable);
  g_test_trap_assert_passed ();
  return TRUE;
}

static gboolean
run_with (const char *value)
{
  return run_with_variable ("AGENTBUS_DEBUG", value);
}

static void
test_messages (void)
{
  if (!run_with ("messages"))
    return;

  g_test_trap_assert_stderr ("*AgentBus-debug: #1 task-update ui -> worker task=1: is sent\n"
                             "AgentBus-debug: #1 task-update ui -> worker task=1: goes to 'worker'\n"
                             "AgentBus-debug: #1 task-update ui -> worker task=1: is given to the handlers of 'worker'\n"
                             "AgentBus-debug: #2 task-update ui -> wroker task=2: is sent\n*");
  g_test_trap_assert_stderr_unmatched ("*dropped*");
  g_test_trap_assert_stderr_unmatched ("*context*");
}

static void
test_drops (void)
{
  if (!run_with ("drops"))
    return;

  g_test_trap_assert_stderr (
      "*AgentBus-debug: #2 task-update ui -> wroker task=2: dropped (no-target), by nobody\n"
      "AgentBus-debug: #3 task-update ui -> worker task=3: dropped (discarded), the last of 1, by 'worker'\n*");
  g_test_trap_assert_stderr_unmatched ("*is sent*");
}

static void
test_contexts (void)
{
  if (!run_with ("contexts"))
    return;

  g_test_trap_assert_stderr ("*AgentBus-debug: 'worker' gets its messages in context *\n"
                             "AgentBus-debug: 'worker' is served in thread *\n*"
                             "AgentBus-debug: 'worker' has left\n*");
  g_test_trap_assert_stderr_unmatched ("*task-update*");
}

static void
test_all (void)
{
  if (!run_with ("all"))
    return;

  g_test_trap_assert_stderr ("*gets its messages*is sent*goes to*is served*is given*dropped*has left*");
}

static void
test_nothing (void)
{
  if (run_with (""))
    g_test_trap_assert_stderr_unmatched ("*AgentBus-debug*");
}

/* The words that are known hold all the same. */
static void
test_unknown_words (void)
{
  if (!run_with ("mesages, drops:context"))
    return;

  g_test_trap_assert_stderr (
      "*AgentBus-debug: AGENTBUS_DEBUG has the unknown word 'mesages': there are messages, drops, contexts, and all\n"
      "AgentBus-debug: AGENTBUS_DEBUG has the unknown word 'context': there are messages, drops, contexts, and all\n"
      "*dropped (no-target)*");
  g_test_trap_assert_stderr_unmatched ("*unknown word '*unknown word '*unknown word '*");
  g_test_trap_assert_stderr_unmatched ("*is sent*");
}

static void
test_known_words (void)
{
  if (run_with ("Messages;drops\tcontexts all,"))
    g_test_trap_assert_stderr_unmatched ("*unknown word*");
}

static void
test_help (void)
{
  if (!run_with ("help"))
    return;

  g_test_trap_assert_stderr ("*messages*drops*contexts*all*help*");
  g_test_trap_assert_stderr_unmatched ("*unknown word*");
  g_test_trap_assert_stderr_unmatched ("*help*help*");
}

static void
test_help_among_others (void)
{
  if (!run_with ("drops,help"))
    return;

  g_test_trap_assert_stderr ("*messages*drops*contexts*all*help*dropped (no-target)*");
  g_test_trap_assert_stderr_unmatched ("*unknown word*");
}

static void
test_log (void)
{
  if (!run_with_variable ("G_MESSAGES_DEBUG", "AgentBus"))
    return;

  g_test_trap_assert_stdout ("*1 message dropped: no-target, from 'ui' to 'wroker'\n*");
  g_test_trap_assert_stdout ("*1 message dropped: discarded, from 'ui' to 'worker'\n*");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agentbus/debug/messages", test_messages);
  g_test_add_func ("/agentbus/debug/drops", test_drops);
  g_test_add_func ("/agentbus/debug/contexts", test_contexts);
  g_test_add_func ("/agentbus/debug/all", test_all);
  g_test_add_func ("/agentbus/debug/nothing", test_nothing);
  g_test_add_func ("/agentbus/debug/unknown-words", test_unknown_words);
  g_test_add_func ("/agentbus/debug/known-words", test_known_words);
  g_test_add_func ("/agentbus/debug/help", test_help);
  g_test_add_func ("/agentbus/debug/help-among-others", test_help_among_others);
  g_test_add_func ("/agentbus/debug/log", test_log);

  return g_test_run ();
}

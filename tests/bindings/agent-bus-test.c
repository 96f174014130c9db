/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "agent-bus-test.h"

#include <stdio.h>
#include <unistd.h>

typedef struct
{
  AgentBus   *bus;
  const char *target;
  guint       n;
} Sending;

static gpointer
send_all (gpointer data)
{
  const Sending *sending = data;

  for (guint i = 0; i < sending->n; i++)
    agent_bus_send (
        sending->bus,
        agent_message_new_task_update ("thread", sending->target, "1", g_variant_new_uint32 (i)));
  return NULL;
}

/**
 * agent_bus_test_send_from_threads:
 * @bus: a bus
 * @target: (nullable): the target of the messages
 * @n_threads: how many threads send
 * @n_each: how many messages each of them sends
 *
 * Sends task updates from threads of its own, and waits for these.
 *
 * Returns: how many were sent
 */
guint
agent_bus_test_send_from_threads (AgentBus   *bus,
                                  const char *target,
                                  guint       n_threads,
                                  guint       n_each)
{
  Sending sending = { bus, target, n_each };
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();

  for (guint i = 0; i < n_threads; i++)
    g_ptr_array_add (threads, g_thread_new ("sender", send_all, &sending));
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (g_ptr_array_index (threads, i));
  return n_threads * n_each;
}

/**
 * agent_bus_test_is_main_thread:
 *
 * Tells whether it is called in the thread that the process began with.
 *
 * Returns: whether it is
 */
gboolean
agent_bus_test_is_main_thread (void)
{
  return gettid () == getpid ();
}

/**
 * agent_bus_test_get_rss:
 *
 * Tells how much memory the process has.
 *
 * Returns: bytes
 */
guint64
agent_bus_test_get_rss (void)
{
  unsigned long pages = 0;
  FILE         *file = fopen ("/proc/self/statm", "r");

  if (file == NULL)
    return 0;
  if (fscanf (file, "%*u %lu", &pages) != 1)
    pages = 0;
  fclose (file);
  return (guint64) pages * (guint64) sysconf (_SC_PAGESIZE);
}

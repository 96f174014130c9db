/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What the environment variable AGENTBUS_DEBUG asks for: a list of topics, such as "messages,drops", or "all". It is read
 * once, before main(). A line for each event goes to the standard error.
 *
 * A place that may print asks _agent_debug_is_on() first, which is one branch. Any thread may print, with any lock held.
 */
typedef enum
{
  AGENT_DEBUG_MESSAGES = 1 << 0, /* each message: sent, put into a channel, given to a handler */
  AGENT_DEBUG_DROPS    = 1 << 1, /* each message that is dropped, and why */
  AGENT_DEBUG_CONTEXTS = 1 << 2, /* which context serves whom, and when */
} AgentDebugTopic;

/* Internal, so that no table of the loader is asked where it is. */
extern G_GNUC_INTERNAL guint _agent_debug_topics;

static inline gboolean
_agent_debug_is_on (AgentDebugTopic topic)
{
  return G_UNLIKELY ((_agent_debug_topics & topic) != 0);
}

void _agent_debug_print (const char *format,
                         ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS

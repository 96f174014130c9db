/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdio.h>

#include "base/agent-debug-private.h"

guint _agent_debug_topics;

/* Other threads must not change the environment meanwhile: before main() there are none. */
__attribute__ ((constructor)) static void
debug_read_environment (void)
{
  const GDebugKey keys[] = {
    { "messages", AGENT_DEBUG_MESSAGES },
    { "drops", AGENT_DEBUG_DROPS },
    { "contexts", AGENT_DEBUG_CONTEXTS },
  };

  _agent_debug_topics = g_parse_debug_string (g_getenv ("AGENTBUS_DEBUG"), keys, G_N_ELEMENTS (keys));
}

/* One write for one line, so that the lines of several threads do not mix. The function that an application sets for
 * g_printerr() is not called: a lock may be held here. */
void
_agent_debug_print (const char *format,
                    ...)
{
  va_list          args;
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);

  line = g_strdup_printf ("AgentBus-debug: %s\n", text);
  fputs (line, stderr);
}

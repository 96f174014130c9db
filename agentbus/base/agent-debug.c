/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdio.h>

#include "base/agent-debug-private.h"

guint _agent_debug_topics;

static const GDebugKey debug_keys[] = {
  { "messages", AGENT_DEBUG_MESSAGES },
  { "drops", AGENT_DEBUG_DROPS },
  { "contexts", AGENT_DEBUG_CONTEXTS },
};

/* GLib also knows "all", and "help" if that is alone: then it prints the words. */
static guint
debug_parse (const char *text)
{
  return g_parse_debug_string (text, debug_keys, G_N_ELEMENTS (debug_keys));
}

/* GLib passes over words that it does not know. */
static void
debug_refuse_word (const char *word)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (debug_keys); i++)
    g_string_append_printf (known, "%s, ", debug_keys[i].key);
  _agent_debug_print ("AGENTBUS_DEBUG has the unknown word '%s': there are %sand all", word, known->str);
}

static gboolean
debug_is_help (const char *text)
{
  return g_ascii_strcasecmp (text, "help") == 0;
}

/* The separators are those of GLib. A "help" among other words is parsed alone here, so it prints the words, too. */
static void
debug_check_words (const char *text)
{
  g_auto (GStrv) words = g_strsplit_set (text, ":;, \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      if (words[i][0] != '\0' && debug_parse (words[i]) == 0 && !debug_is_help (words[i]))
        debug_refuse_word (words[i]);
    }
}

/* Other threads must not change the environment meanwhile: before main() there are none. */
__attribute__ ((constructor)) static void
debug_read_environment (void)
{
  const char *text = g_getenv ("AGENTBUS_DEBUG");

  _agent_debug_topics = debug_parse (text);
  if (text != NULL && !debug_is_help (text))
    debug_check_words (text);
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

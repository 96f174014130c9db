/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-interest-private.h"

#include "base/agent-string-hash-private.h"

AgentInterest *
_agent_interest_new (void)
{
  return g_new0 (AgentInterest, 1);
}

/* @self: (nullable) */
void
_agent_interest_free (AgentInterest *self)
{
  if (self == NULL)
    return;

  g_strfreev (self->accepts);
  g_clear_pointer (&self->patterns, g_hash_table_unref);
  g_free (self);
}

/* Returns @names without repetitions: (transfer full). */
static GStrv
interest_dup_names (const char *const *names)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (_agent_string_hash_func, g_str_equal);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (g_hash_table_add (seen, (gpointer) names[i]))
        g_strv_builder_add (builder, names[i]);
    }

  return g_strv_builder_end (builder);
}

static gboolean
interest_is_accepts (AgentInterest     *self,
                     const char *const *accepts)
{
  if (self->accepts == NULL || accepts == NULL)
    return (gpointer) self->accepts == (gpointer) accepts;

  return g_strv_equal ((const char *const *) self->accepts, accepts);
}

/* @accepts: (nullable). Returns whether the names have changed. */
gboolean
_agent_interest_set_accepts (AgentInterest     *self,
                             const char *const *accepts)
{
  g_auto (GStrv) names = accepts != NULL ? interest_dup_names (accepts) : NULL;
  g_auto (GStrv) old = NULL;

  if (interest_is_accepts (self, (const char *const *) names))
    return FALSE;

  old = self->accepts;
  self->accepts = g_steal_pointer (&names);
  return TRUE;
}

/* Returns whether @pattern is new. */
gboolean
_agent_interest_add_pattern (AgentInterest *self,
                             const char    *pattern)
{
  if (self->patterns == NULL)
    self->patterns = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, NULL);
  if (g_hash_table_contains (self->patterns, pattern))
    return FALSE;

  return g_hash_table_add (self->patterns, g_strdup (pattern));
}

/* Returns whether @pattern was there. */
gboolean
_agent_interest_remove_pattern (AgentInterest *self,
                                const char    *pattern)
{
  return self->patterns != NULL && g_hash_table_remove (self->patterns, pattern);
}

static int
interest_compare (gconstpointer a,
                  gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The patterns in the order of their bytes: (transfer full). */
GStrv
_agent_interest_list_patterns (AgentInterest *self)
{
  GPtrArray     *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       pattern;

  if (self->patterns != NULL)
    {
      g_hash_table_iter_init (&iter, self->patterns);
      while (g_hash_table_iter_next (&iter, &pattern, NULL))
        g_ptr_array_add (list, g_strdup (pattern));
    }
  g_ptr_array_sort (list, interest_compare);
  g_ptr_array_add (list, NULL);

  return (GStrv) g_ptr_array_free (list, FALSE);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-conversation-private.h"

/* Who is told when conversations go on. */

typedef struct
{
  AgentAdvanceFunc func;
  gpointer         data;
} AdvanceWatch;

G_LOCK_DEFINE_STATIC (watches);
static GSList *watches;   /* (watches) of AdvanceWatch (owned) */
static gint    n_watches; /* (atomic) */

void
_agent_conversation_watch_advances (AgentAdvanceFunc func,
                                    gpointer         data)
{
  AdvanceWatch *watch = g_new (AdvanceWatch, 1);

  watch->func = func;
  watch->data = data;
  G_LOCK (watches);
  watches = g_slist_prepend (watches, watch);
  g_atomic_int_inc (&n_watches);
  G_UNLOCK (watches);
}

/* After this, @func is not called with @data any more. */
void
_agent_conversation_unwatch_advances (AgentAdvanceFunc func,
                                      gpointer         data)
{
  G_LOCK (watches);
  for (GSList *l = watches; l != NULL; l = l->next)
    {
      AdvanceWatch *watch = l->data;

      if (watch->func != func || watch->data != data)
        continue;

      watches = g_slist_delete_link (watches, l);
      g_atomic_int_add (&n_watches, -1);
      g_free (watch);
      break;
    }
  G_UNLOCK (watches);
}

/* @id: (nullable): NULL for a conversation that nobody has asked for its id, so that no other process can know it */
void
_agent_conversation_tell_advance (const char *id,
                                  guint64     epoch)
{
  if (id == NULL || g_atomic_int_get (&n_watches) == 0)
    return;

  G_LOCK (watches);
  for (GSList *l = watches; l != NULL; l = l->next)
    {
      AdvanceWatch *watch = l->data;

      watch->func (watch->data, id, epoch);
    }
  G_UNLOCK (watches);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "bus/agent-monitor-private.h"

struct _AgentMonitor
{
  AgentMailbox *mailbox;    /* (owned) */
  gconstpointer subscriber; /* (unowned) the mailbox has it until the monitor is removed; only compared */
  GHashTable   *names;      /* (owned) (nullable) set of char *; NULL for all names */
  gint          removed;    /* (atomic) */
};

static GHashTable *
monitor_new_names (const char *const *names)
{
  GHashTable *set = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, NULL);

  for (guint i = 0; names[i] != NULL; i++)
    g_hash_table_add (set, g_strdup (names[i]));

  return set;
}

/* @names: (nullable): NULL for all */
AgentMonitor *
_agent_monitor_new (AgentMailbox      *mailbox,
                    gconstpointer      subscriber,
                    const char *const *names)
{
  AgentMonitor *self = g_new0 (AgentMonitor, 1);

  self->mailbox = _agent_mailbox_ref (mailbox);
  self->subscriber = subscriber;
  if (names != NULL)
    self->names = monitor_new_names (names);

  return self;
}

void
_agent_monitor_free (AgentMonitor *self)
{
  g_clear_pointer (&self->names, g_hash_table_unref);
  _agent_mailbox_unref (self->mailbox);
  g_free (self);
}

/* (transfer none) */
AgentMailbox *
_agent_monitor_get_mailbox (AgentMonitor *self)
{
  return self->mailbox;
}

gboolean
_agent_monitor_is_of (AgentMonitor *self,
                      gconstpointer subscriber)
{
  return self->subscriber == subscriber && !g_atomic_int_get (&self->removed);
}

gboolean
_agent_monitor_wants (AgentMonitor *self,
                      AgentMessage *message)
{
  return self->names == NULL || g_hash_table_contains (self->names, agent_message_get_name (message));
}

/* TRUE, once: the caller has to end its mailbox. */
gboolean
_agent_monitor_remove (AgentMonitor *self)
{
  return g_atomic_int_compare_and_exchange (&self->removed, FALSE, TRUE);
}

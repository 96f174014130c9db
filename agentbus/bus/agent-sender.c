/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-message.h"
#include "agent-sender-private.h"

static void
sender_free (gpointer data)
{
  AgentSender *self = data;

  for (guint i = 0; i < G_N_ELEMENTS (self->snapshots); i++)
    g_clear_pointer (&self->snapshots[i], _agent_snapshot_unref);
  _agent_sender_collect (self);
  g_ptr_array_unref (self->garbage);
  g_free (self);
}

static GPrivate current_sender = G_PRIVATE_INIT (sender_free);

/* The calling thread's own. */
AgentSender *
_agent_sender_get (void)
{
  AgentSender *self = g_private_get (&current_sender);

  if (G_UNLIKELY (self == NULL))
    {
      self = g_new0 (AgentSender, 1);
      self->garbage = g_ptr_array_new ();
      g_private_set (&current_sender, self);
    }

  return self;
}

static AgentSnapshot **
find_place (AgentSender    *self,
            AgentDirectory *directory)
{
  return &self->snapshots[_agent_directory_get_id (directory) % AGENT_SENDER_N_SNAPSHOTS];
}

/* (transfer none): it stays as long as the thread does not ask for another one. */
AgentSnapshot *
_agent_sender_get_snapshot (AgentSender    *self,
                            AgentDirectory *directory)
{
  AgentSnapshot **place = find_place (self, directory);

  if (G_UNLIKELY (*place == NULL ||
                  _agent_snapshot_get_generation (*place) != _agent_directory_get_generation (directory)))
    {
      g_clear_pointer (place, _agent_snapshot_unref);
      *place = _agent_directory_ref_snapshot (directory);
    }

  return *place;
}

/* Without this, the thread that drops a bus would keep the last snapshot until it sends on another one. */
void
_agent_sender_forget (AgentSender    *self,
                      AgentDirectory *directory)
{
  g_clear_pointer (find_place (self, directory), _agent_snapshot_unref);
}

void
_agent_sender_collect_slow (AgentSender *self)
{
  while (self->garbage->len > 0)
    agent_message_unref (g_ptr_array_remove_index_fast (self->garbage, self->garbage->len - 1));
}

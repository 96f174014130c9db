/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-report-private.h"
#include "bus/agent-sender-private.h"

typedef struct
{
  AgentBusReport *report;  /* (owned) */
  AgentMessage   *message; /* (owned) */
  char           *name;    /* (owned) (nullable) */
  AgentDropReason reason;
} Loss;

/* Looked at in each send: found without a call, which takes some bytes of what the loader keeps for such variables. */
static __thread AgentSender *own_sender __attribute__ ((tls_model ("initial-exec")));

static void
sender_free (gpointer data)
{
  AgentSender *self = data;

  for (guint i = 0; i < G_N_ELEMENTS (self->snapshots); i++)
    g_clear_pointer (&self->snapshots[i], _agent_snapshot_unref);
  _agent_sender_collect (self);
  own_sender = NULL;
  g_free (self->garbage);
  g_free (self);
}

/* Only for its destroy notify. */
static GPrivate current_sender = G_PRIVATE_INIT (sender_free);

static AgentSender *
sender_new (void)
{
  own_sender = g_new0 (AgentSender, 1);
  g_private_set (&current_sender, own_sender);
  return own_sender;
}

/* The calling thread's own. */
AgentSender *
_agent_sender_get (void)
{
  AgentSender *self = own_sender;

  return G_LIKELY (self != NULL) ? self : sender_new ();
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
      if (*place != NULL)
        self->old_snapshots = g_slist_prepend (self->old_snapshots, *place);
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
_agent_sender_free_old_snapshots (AgentSender *self)
{
  GSList *snapshots = g_steal_pointer (&self->old_snapshots);

  g_slist_free_full (snapshots, (GDestroyNotify) _agent_snapshot_unref);
}

void
_agent_sender_grow_garbage (AgentSender *self)
{
  self->garbage_size = MAX (16, 2 * self->garbage_size);
  self->garbage = g_renew (AgentMessage *, self->garbage, self->garbage_size);
}

void
_agent_sender_add_loss (AgentSender    *self,
                        AgentBusReport *report,
                        AgentMessage   *message,
                        const char     *name,
                        AgentDropReason reason)
{
  Loss *loss = g_new (Loss, 1);

  loss->report = _agent_bus_report_ref (report);
  loss->message = agent_message_ref (message);
  loss->name = g_strdup (name);
  loss->reason = reason;
  self->losses = g_slist_prepend (self->losses, loss);
}

/* Each of them is a send of its own. */
void
_agent_sender_tell_losses (AgentSender *self)
{
  GSList *losses = g_slist_reverse (g_steal_pointer (&self->losses));

  for (GSList *l = losses; l != NULL; l = l->next)
    {
      Loss *loss = l->data;

      _agent_bus_report_loss (loss->report, loss->message, loss->name, loss->reason);
      _agent_sender_let_go (self, loss->message);
      _agent_bus_report_unref (loss->report);
      g_free (loss->name);
      g_free (loss);
    }
  g_slist_free (losses);
}

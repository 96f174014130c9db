/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-departures-private.h"

/* How many names are listed at most. The sum has all that have left. */
#define MAX_NAMES 1000

void
_agent_departures_init (AgentDepartures *self)
{
  memset (self, 0, sizeof *self);
  self->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
_agent_departures_clear (AgentDepartures *self)
{
  g_hash_table_unref (self->by_name);
}

static AgentLedger *
departures_get (AgentDepartures *self,
                const char      *name)
{
  AgentLedger *departed = g_hash_table_lookup (self->by_name, name);

  if (departed != NULL || g_hash_table_size (self->by_name) >= MAX_NAMES)
    return departed;

  departed = g_new0 (AgentLedger, 1);
  g_hash_table_insert (self->by_name, g_strdup (name), departed);
  return departed;
}

void
_agent_departures_add (AgentDepartures   *self,
                       const char        *name,
                       const AgentLedger *ledger,
                       gboolean           is_remote)
{
  AgentLedger *departed = departures_get (self, name);

  _agent_ledger_add (&self->sum, ledger);
  if (is_remote)
    _agent_ledger_add (&self->remote, ledger);
  if (departed == NULL)
    return;

  _agent_ledger_add (departed, ledger);
  departed->moved += ledger->moved;
}

/* A delivery has failed long after its subscriber has left. */
void
_agent_departures_count_failed (AgentDepartures *self,
                                const char      *name)
{
  AgentLedger *departed = g_hash_table_lookup (self->by_name, name);

  self->sum.failed++;
  if (departed != NULL)
    departed->failed++;
}

void
_agent_departures_forget_names (AgentDepartures *self)
{
  g_hash_table_remove_all (self->by_name);
}

void
_agent_departures_list (AgentDepartures *self,
                        GVariantBuilder *by_name)
{
  GHashTableIter iter;
  gpointer       name;
  gpointer       ledger;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, &name, &ledger))
    _agent_ledger_list (ledger, by_name, name);
}

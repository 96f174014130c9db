/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-enums.h"
#include "mailbox/agent-ledger-private.h"

guint64
_agent_ledger_get_dropped (const AgentLedger *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < AGENT_N_DROP_REASONS; i++)
    sum += self->dropped[i];

  return sum;
}

/* How many messages were taken out of their channel, and not delivered. */
guint64
_agent_ledger_get_dropped_at_turn (const AgentLedger *self)
{
  return self->dropped[AGENT_DROP_REASON_EXPIRED] + self->dropped[AGENT_DROP_REASON_STALE] +
         self->dropped[AGENT_DROP_REASON_CANCELLED] + self->dropped[AGENT_DROP_REASON_INACTIVE];
}

guint64
_agent_ledger_get_offered (const AgentLedger *self)
{
  return self->delivered + self->queued + self->moved + _agent_ledger_get_dropped (self);
}

void
_agent_ledger_add (AgentLedger       *self,
                   const AgentLedger *other)
{
  self->delivered += other->delivered;
  self->queued += other->queued;
  self->failed += other->failed;
  self->unhandled += other->unhandled;
  for (guint i = 0; i < AGENT_N_DROP_REASONS; i++)
    self->dropped[i] += other->dropped[i];
}

static GVariant *
ledger_dropped_to_variant (const AgentLedger *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{st}"));
  for (guint i = 0; i < AGENT_N_DROP_REASONS; i++)
    g_variant_builder_add (&builder, "{st}", agent_drop_reason_to_string (i), self->dropped[i]);

  return g_variant_builder_end (&builder);
}

void
_agent_ledger_to_dict (const AgentLedger *self,
                       GVariantDict      *dict)
{
  g_variant_dict_insert (dict, "offered", "t", _agent_ledger_get_offered (self));
  g_variant_dict_insert (dict, "delivered", "t", self->delivered);
  g_variant_dict_insert (dict, "queued", "t", self->queued);
  g_variant_dict_insert (dict, "failed", "t", self->failed);
  g_variant_dict_insert (dict, "unhandled", "t", self->unhandled);
  g_variant_dict_insert_value (dict, "dropped", ledger_dropped_to_variant (self));
}

/* The entry of one subscriber in the statistics. */
void
_agent_ledger_list (const AgentLedger *self,
                    GVariantBuilder   *by_name,
                    const char        *name)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  _agent_ledger_to_dict (self, &dict);
  g_variant_dict_insert (&dict, "moved", "t", self->moved);
  g_variant_builder_add (by_name, "{sv}", name, g_variant_dict_end (&dict));
}

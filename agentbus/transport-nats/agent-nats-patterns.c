/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-patterns-private.h"

typedef struct
{
  char             *subject;      /* (owned) (nullable): NULL if no subject can match */
  natsSubscription *subscription; /* (nullable): of the inlet */
  guint             n_users;
} Wanted;

struct _AgentNatsPatterns
{
  AgentNatsSubjects   *subjects;
  AgentNatsInlet      *inlet;
  AgentNatsConnection *connection; /* (unowned) (nullable) */
  GHashTable          *wanted;     /* (owned): from a pattern to a Wanted */
};

static void
patterns_free_wanted (gpointer data)
{
  Wanted *wanted = data;

  g_free (wanted->subject);
  g_free (wanted);
}

AgentNatsPatterns *
_agent_nats_patterns_new (AgentNatsSubjects *subjects,
                          AgentNatsInlet    *inlet)
{
  AgentNatsPatterns *self = g_new0 (AgentNatsPatterns, 1);

  self->subjects = subjects;
  self->inlet = inlet;
  self->wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, patterns_free_wanted);
  return self;
}

void
_agent_nats_patterns_free (AgentNatsPatterns *self)
{
  g_hash_table_unref (self->wanted);
  g_free (self);
}

static void
patterns_subscribe (AgentNatsPatterns *self,
                    Wanted            *wanted)
{
  if (wanted->subject == NULL || self->connection == NULL || !_agent_nats_connection_is_usable (self->connection))
    return;

  wanted->subscription =
      _agent_nats_inlet_subscribe (self->inlet, _agent_nats_connection_get_nats (self->connection), wanted->subject);
}

/* For a connection that is open. */
void
_agent_nats_patterns_begin (AgentNatsPatterns   *self,
                            AgentNatsConnection *connection)
{
  GHashTableIter iter;
  gpointer       wanted;

  self->connection = connection;
  g_hash_table_iter_init (&iter, self->wanted);
  while (g_hash_table_iter_next (&iter, NULL, &wanted))
    patterns_subscribe (self, wanted);
}

/* After the inlet has ended. */
void
_agent_nats_patterns_end (AgentNatsPatterns *self)
{
  GHashTableIter iter;
  gpointer       wanted;

  self->connection = NULL;
  g_hash_table_iter_init (&iter, self->wanted);
  while (g_hash_table_iter_next (&iter, NULL, &wanted))
    ((Wanted *) wanted)->subscription = NULL;
}

void
_agent_nats_patterns_add (AgentNatsPatterns *self,
                          const char        *pattern)
{
  Wanted *wanted = g_hash_table_lookup (self->wanted, pattern);

  if (wanted == NULL)
    {
      wanted = g_new0 (Wanted, 1);
      wanted->subject = _agent_nats_subjects_make_pattern (self->subjects, pattern);
      g_hash_table_insert (self->wanted, g_strdup (pattern), wanted);
      patterns_subscribe (self, wanted);
    }
  wanted->n_users++;
}

void
_agent_nats_patterns_remove (AgentNatsPatterns *self,
                             const char        *pattern)
{
  Wanted *wanted = g_hash_table_lookup (self->wanted, pattern);

  if (wanted == NULL || --wanted->n_users > 0)
    return;

  if (wanted->subscription != NULL)
    _agent_nats_inlet_unsubscribe (self->inlet, wanted->subscription);
  g_hash_table_remove (self->wanted, pattern);
}

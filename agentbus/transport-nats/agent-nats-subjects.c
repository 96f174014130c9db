/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-subjects-private.h"

#include <string.h>

#include "transport-nats/agent-nats-token-private.h"

/* No node has a longer token. */
#define SUBJECTS_TOKEN_MAX 128
/* How many nodes are remembered. */
#define SUBJECTS_MANY 4096

struct _AgentNatsSubjects
{
  char       *token;    /* (owned): of this node */
  char       *any;      /* (owned): what all subjects of the bus begin with */
  char       *own;      /* (owned): what all subjects of this node begin with */
  char       *stream;   /* (owned) */
  char       *consumer; /* (owned) */
  char       *inbox;    /* (owned) */
  char       *self;     /* (owned): presence of this node to itself */
  gsize       any_length;
  GHashTable *peers;   /* (owned): from the id of a node to an AgentNatsPeer */
  GHashTable *sources; /* (owned): from a token to an AgentNatsSource */

  AgentNatsPeer          all;
  const AgentNatsSource *last_source; /* (nullable) */
};

static void
subjects_clear_peer (AgentNatsPeer *peer)
{
  g_free (peer->token);
  g_free (peer->data);
  g_free (peer->presence);
  g_free (peer->control);
}

static void
subjects_free_peer (gpointer data)
{
  subjects_clear_peer (data);
  g_free (data);
}

static void
subjects_free_source (gpointer data)
{
  AgentNatsSource *source = data;

  g_free (source->token);
  g_free (source->node);
  g_free (source);
}

AgentNatsSubjects *
_agent_nats_subjects_new (const char *bus_name,
                          const char *node_id)
{
  AgentNatsSubjects *self = g_new0 (AgentNatsSubjects, 1);
  g_autofree char   *bus = _agent_nats_token_new (bus_name);

  self->token = _agent_nats_token_new (node_id);
  self->any = g_strdup_printf ("agentbus.%s.from.", bus);
  self->any_length = strlen (self->any);
  self->own = g_strconcat (self->any, self->token, NULL);
  self->stream = g_strconcat ("AB_", g_strdelimit (bus, "%", '='), NULL);
  self->consumer = g_strdelimit (g_strdup (self->token), "%", '=');
  self->inbox = g_strconcat ("_INBOX_", self->token, NULL);
  self->self = g_strconcat (self->own, ".p.to.", self->token, NULL);
  self->all.presence = g_strconcat (self->own, ".p.all", NULL);
  self->peers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, subjects_free_peer);
  self->sources = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, subjects_free_source);
  return self;
}

void
_agent_nats_subjects_free (AgentNatsSubjects *self)
{
  g_hash_table_unref (self->peers);
  g_hash_table_unref (self->sources);
  subjects_clear_peer (&self->all);
  g_free (self->token);
  g_free (self->any);
  g_free (self->own);
  g_free (self->stream);
  g_free (self->consumer);
  g_free (self->inbox);
  g_free (self->self);
  g_free (self);
}

/* Forgets the nodes if there were too many. What was got before is not valid any more. */
void
_agent_nats_subjects_trim (AgentNatsSubjects *self)
{
  if (g_hash_table_size (self->peers) > SUBJECTS_MANY)
    g_hash_table_remove_all (self->peers);
  if (g_hash_table_size (self->sources) <= SUBJECTS_MANY)
    return;

  self->last_source = NULL;
  g_hash_table_remove_all (self->sources);
}

/* How many are remembered. */
guint
_agent_nats_subjects_count_nodes (AgentNatsSubjects *self)
{
  return g_hash_table_size (self->peers) + g_hash_table_size (self->sources);
}

const char *
_agent_nats_subjects_get_token (AgentNatsSubjects *self)
{
  return self->token;
}

const char *
_agent_nats_subjects_get_stream (AgentNatsSubjects *self)
{
  return self->stream;
}

/* What the names of its consumers begin with. */
const char *
_agent_nats_subjects_get_consumer (AgentNatsSubjects *self)
{
  return self->consumer;
}

const char *
_agent_nats_subjects_get_inbox (AgentNatsSubjects *self)
{
  return self->inbox;
}

const char *
_agent_nats_subjects_get_self (AgentNatsSubjects *self)
{
  return self->self;
}

/* --- To others --- */

static AgentNatsPeer *
subjects_new_peer (AgentNatsSubjects *self,
                   const char        *node)
{
  AgentNatsPeer *peer = g_new0 (AgentNatsPeer, 1);

  peer->token = _agent_nats_token_new (node);
  peer->data = g_strconcat (self->own, ".d.to.", peer->token, NULL);
  peer->presence = g_strconcat (self->own, ".p.to.", peer->token, NULL);
  peer->control = g_strconcat (self->own, ".c.to.", peer->token, NULL);
  return peer;
}

/* @node: (nullable): NULL for all. Returns what is valid until trim(). */
const AgentNatsPeer *
_agent_nats_subjects_get_peer (AgentNatsSubjects *self,
                               const char        *node)
{
  AgentNatsPeer *peer;

  if (node == NULL)
    return &self->all;

  peer = g_hash_table_lookup (self->peers, node);
  if (peer != NULL)
    return peer;

  peer = subjects_new_peer (self, node);
  g_hash_table_insert (self->peers, g_strdup (node), peer);
  return peer;
}

/* --- From others --- */

char *
_agent_nats_subjects_make_from_all (AgentNatsSubjects *self,
                                    const char        *rest)
{
  return g_strconcat (self->any, rest, NULL);
}

/* @letter: of the traffic */
char *
_agent_nats_subjects_make_to_me (AgentNatsSubjects *self,
                                 char               letter)
{
  return g_strdup_printf ("%s*.%c.to.%s", self->any, letter, self->token);
}

static const AgentNatsSource *
subjects_add_source (AgentNatsSubjects *self,
                     const char        *token)
{
  AgentNatsSource *source = g_new0 (AgentNatsSource, 1);

  source->token = g_strdup (token);
  source->node = _agent_nats_token_read (token);

  /* Each node has one token, so that nobody can be two nodes. */
  if (source->node != NULL && !_agent_nats_token_is_of (token, source->node))
    g_clear_pointer (&source->node, g_free);

  g_hash_table_insert (self->sources, source->token, source);
  return source;
}

static const AgentNatsSource *
subjects_find_source (AgentNatsSubjects *self,
                      const char        *start,
                      gsize              length)
{
  const AgentNatsSource *source = self->last_source;
  char                   token[SUBJECTS_TOKEN_MAX + 1];

  if (source != NULL && strncmp (source->token, start, length) == 0 && source->token[length] == '\0')
    return source;

  memcpy (token, start, length);
  token[length] = '\0';
  source = g_hash_table_lookup (self->sources, token);
  if (source == NULL)
    source = subjects_add_source (self, token);

  self->last_source = source;
  return source;
}

static gboolean
subjects_read_traffic (char          letter,
                       AgentTraffic *traffic)
{
  switch (letter)
    {
    case 'd':
      *traffic = AGENT_TRAFFIC_DATA;
      return TRUE;
    case 'c':
      *traffic = AGENT_TRAFFIC_CONTROL;
      return TRUE;
    case 'p':
      *traffic = AGENT_TRAFFIC_PRESENCE;
      return TRUE;
    default:
      return FALSE;
    }
}

/* Returns NULL if it is no subject of another node of the bus. Otherwise what is valid until trim(). */
const AgentNatsSource *
_agent_nats_subjects_read (AgentNatsSubjects *self,
                           const char        *subject,
                           AgentTraffic      *traffic)
{
  const AgentNatsSource *source;
  const char            *start = subject + self->any_length;
  gsize                  length;

  if (strncmp (subject, self->any, self->any_length) != 0)
    return NULL;

  length = strcspn (start, ".");
  if (length == 0 || length > SUBJECTS_TOKEN_MAX || start[length] == '\0')
    return NULL;
  if (!subjects_read_traffic (start[length + 1], traffic))
    return NULL;

  source = subjects_find_source (self, start, length);
  return strcmp (source->token, self->token) == 0 ? NULL : source;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "message/agent-message-private.h"
#include "router/agent-aliases-private.h"

/* How many of the oldest aliases each new one looks at: more than one, so that there are less and less of them when the
 * routers are quick. */
#define N_LOOKED_AT 2

typedef struct _AgentAlias AgentAlias;

struct _AgentAlias
{
  char          *actor;
  char          *new_id;
  guint64        number;                   /* each has a higher one than those before */
  guint64        last_seq;                 /* the last message of the bus before the actor lost the id */
  AgentLastPlace places[AGENT_N_CHANNELS]; /* the mailboxes are owned */
  AgentAlias    *older;                    /* (unowned) (nullable) of the same former id */
  GList          link;                     /* in the list of all */
};

void
_agent_aliases_init (AgentAliases *self)
{
  g_mutex_init (&self->lock);
  self->by_id = g_hash_table_new (_agent_string_hash_func, g_str_equal);
  g_queue_init (&self->all);
}

/* The hash table has the newest alias of an id, and uses its string as the key. */
static void
aliases_take_out (AgentAliases *self,
                  AgentAlias   *alias)
{
  AgentAlias *newest = g_hash_table_lookup (self->by_id, alias->actor);
  AgentAlias *newer = newest;

  if (newest == alias && alias->older == NULL)
    g_hash_table_remove (self->by_id, alias->actor);
  else if (newest == alias)
    g_hash_table_replace (self->by_id, alias->older->actor, alias->older);

  while (newer != alias && newer->older != alias)
    newer = newer->older;
  if (newer != alias)
    newer->older = alias->older;

  g_queue_unlink (&self->all, &alias->link);
  g_atomic_int_set (&self->n, (gint) self->all.length);
}

static void
aliases_free_one (AgentAlias *alias)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    g_clear_pointer (&alias->places[channel].mailbox, _agent_mailbox_unref);
  g_free (alias->actor);
  g_free (alias->new_id);
  g_free (alias);
}

void
_agent_aliases_clear (AgentAliases *self)
{
  AgentAlias *alias;

  while ((alias = g_queue_peek_head (&self->all)) != NULL)
    {
      aliases_take_out (self, alias);
      aliases_free_one (alias);
    }
  g_clear_pointer (&self->by_id, g_hash_table_unref);
  g_mutex_clear (&self->lock);
}

/* Whether no router gives back anything for the alias any more. */
static gboolean
aliases_is_over (AgentAlias *alias)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      AgentLastPlace *place = &alias->places[channel];

      if (place->mailbox != NULL && !_agent_mailbox_has_handled (place->mailbox, place->channel, place->position))
        return FALSE;
    }

  return TRUE;
}

static void
aliases_tend_locked (AgentAliases *self)
{
  AgentAlias *alias;

  for (guint i = 0; i < N_LOOKED_AT && (alias = g_queue_peek_head (&self->all)) != NULL; i++)
    {
      if (!aliases_is_over (alias))
        return;

      aliases_take_out (self, alias);
      aliases_free_one (alias);
    }
}

/*
 * @last_seq: the number of the last message that may have been sent to @actor under this id
 * @places: (array fixed-size=2): where the last messages of the actor went, for each channel
 */
void
_agent_aliases_add (AgentAliases         *self,
                    const char           *actor,
                    const char           *new_id,
                    guint64               last_seq,
                    const AgentLastPlace *places)
{
  AgentAlias *alias = g_new0 (AgentAlias, 1);

  alias->actor = g_strdup (actor);
  alias->new_id = g_strdup (new_id);
  alias->last_seq = last_seq;
  alias->link.data = alias;
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      alias->places[channel] = places[channel];
      if (places[channel].mailbox != NULL)
        _agent_mailbox_ref (places[channel].mailbox);
    }

  g_mutex_lock (&self->lock);
  aliases_tend_locked (self);
  alias->number = ++self->n_added;
  alias->older = g_hash_table_lookup (self->by_id, actor);
  g_hash_table_replace (self->by_id, alias->actor, alias);
  g_queue_push_tail_link (&self->all, &alias->link);
  g_atomic_int_set (&self->n, (gint) self->all.length);
  g_mutex_unlock (&self->lock);
}

/* (transfer none) (nullable): what became of @actor first, as seen by a message with the number @seq, after the alias with
 * @number. */
static AgentAlias *
aliases_find_locked (AgentAliases *self,
                     const char   *actor,
                     guint64       seq,
                     guint64       number)
{
  AgentAlias *found = NULL;

  for (AgentAlias *alias = g_hash_table_lookup (self->by_id, actor); alias != NULL; alias = alias->older)
    {
      if (alias->last_seq >= seq && alias->number > number)
        found = alias;
    }

  return found;
}

/* (transfer full) (nullable): the id that the actor has now for which @message was sent, or NULL if it is the same */
char *
_agent_aliases_resolve (AgentAliases *self,
                        AgentMessage *message)
{
  const char *actor = _agent_message_string (message, message->target);
  AgentAlias *alias = NULL;
  AgentAlias *next;
  char       *new_id;

  if (g_atomic_int_get (&self->n) == 0)
    return NULL;

  g_mutex_lock (&self->lock);
  while ((next = aliases_find_locked (
              self, alias != NULL ? alias->new_id : actor, message->seq, alias != NULL ? alias->number : 0)) != NULL)
    alias = next;
  new_id = alias != NULL ? g_strdup (alias->new_id) : NULL;
  g_mutex_unlock (&self->lock);

  return new_id;
}

/* @mailbox gives nothing back any more. The bus keeps it until it has told of its end: so this never drops the last
 * reference. */
void
_agent_aliases_forget (AgentAliases *self,
                       AgentMailbox *mailbox)
{
  g_mutex_lock (&self->lock);
  for (GList *l = self->all.head, *next; l != NULL; l = next)
    {
      AgentAlias *alias = l->data;

      next = l->next;
      for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
        {
          if (alias->places[channel].mailbox == mailbox)
            g_clear_pointer (&alias->places[channel].mailbox, _agent_mailbox_unref);
        }
      if (aliases_is_over (alias))
        {
          aliases_take_out (self, alias);
          aliases_free_one (alias);
        }
    }
  g_mutex_unlock (&self->lock);
}

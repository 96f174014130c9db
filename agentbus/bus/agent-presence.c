/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-presence-private.h"

struct _AgentPresence
{
  GHashTable      *agents;   /* (owned) AgentMailbox (unowned, as it is in the directory) → AgentPresent (owned) */
  GSList          *watches;  /* (owned) of Watch (owned) */
  _Atomic guint64 *last_seq; /* (nullable) of the bus, which outlives the last change */
};

typedef struct
{
  AgentPresenceFunc func;
  gpointer          data;
} Watch;

static _Atomic guint64 last_generation;

static void
present_clear (AgentPresent *self)
{
  g_clear_pointer (&self->info, agent_info_unref);
}

static void
present_free (gpointer data)
{
  present_clear (data);
  g_free (data);
}

AgentPresence *
_agent_presence_new (void)
{
  AgentPresence *self = g_new0 (AgentPresence, 1);

  self->agents = g_hash_table_new_full (NULL, NULL, NULL, present_free);
  return self;
}

void
_agent_presence_free (AgentPresence *self)
{
  g_hash_table_unref (self->agents);
  g_slist_free_full (self->watches, g_free);
  g_free (self);
}

void
_agent_presence_set_counter (AgentPresence   *self,
                             _Atomic guint64 *last_seq)
{
  self->last_seq = last_seq;
}

/* In any thread, with no lock. Relaxed: the numbers only have to differ from one another. */
guint64
_agent_presence_next_generation (void)
{
  return atomic_fetch_add_explicit (&last_generation, 1, memory_order_relaxed) + 1;
}

guint
_agent_presence_get_size (AgentPresence *self)
{
  return g_hash_table_size (self->agents);
}

/* What the agent of @mailbox says of itself: (transfer none) (nullable). */
AgentInfo *
_agent_presence_lookup (AgentPresence *self,
                        AgentMailbox  *mailbox)
{
  AgentPresent *present = g_hash_table_lookup (self->agents, mailbox);

  return present != NULL ? present->info : NULL;
}

gboolean
_agent_presence_contains (AgentPresence *self,
                          AgentMailbox  *mailbox)
{
  return g_hash_table_contains (self->agents, mailbox);
}

/* @name: (nullable)
 * @info: (nullable) */
static void
presence_tell (AgentPresence    *self,
               AgentPresenceKind kind,
               guint64           generation,
               const char       *name,
               AgentInfo        *info)
{
  AgentPresenceEvent event = { .kind = kind, .generation = generation, .name = name, .info = info };

  if (self->watches == NULL)
    return;

  if (self->last_seq != NULL)
    event.seq = atomic_load (self->last_seq);
  for (GSList *l = self->watches; l != NULL; l = l->next)
    {
      Watch *watch = l->data;

      watch->func (watch->data, &event);
    }
}

/* From now on, @mailbox is that of an agent, if @info: (nullable) is not NULL. Returns whether anything has changed. */
gboolean
_agent_presence_set (AgentPresence *self,
                     AgentMailbox  *mailbox,
                     AgentInfo     *info)
{
  AgentPresent *present;

  if (info == NULL && g_hash_table_size (self->agents) == 0)
    return FALSE;

  present = g_hash_table_lookup (self->agents, mailbox);
  if (info == NULL)
    {
      if (present != NULL)
        _agent_presence_remove (self, mailbox);
      return present != NULL;
    }
  if (present != NULL && present->info == info)
    return FALSE;

  if (present == NULL)
    {
      present = g_new0 (AgentPresent, 1);
      present->generation = _agent_presence_next_generation ();
      g_hash_table_insert (self->agents, mailbox, present);
    }
  present_clear (present);
  present->info = agent_info_ref (info);
  presence_tell (self, AGENT_PRESENCE_JOINED, present->generation, _agent_mailbox_get_name (mailbox), info);
  return TRUE;
}

/* A subscriber begins to leave, whether it is an agent or not. */
void
_agent_presence_remove (AgentPresence *self,
                        AgentMailbox  *mailbox)
{
  AgentPresent *present = g_hash_table_lookup (self->agents, mailbox);

  presence_tell (self,
                 AGENT_PRESENCE_LEFT,
                 present != NULL ? present->generation : 0,
                 _agent_mailbox_get_name (mailbox),
                 NULL);
  g_hash_table_remove (self->agents, mailbox);
}

void
_agent_presence_open (AgentPresence *self)
{
  presence_tell (self, AGENT_PRESENCE_OPENED, 0, NULL, NULL);
}

void
_agent_presence_close (AgentPresence *self)
{
  g_hash_table_remove_all (self->agents);
  presence_tell (self, AGENT_PRESENCE_CLOSED, 0, NULL, NULL);
}

static int
presence_compare (gconstpointer a,
                  gconstpointer b)
{
  const AgentPresent *one = a;
  const AgentPresent *two = b;

  return one->generation < two->generation ? -1 : one->generation > two->generation;
}

/* Those who are there now, in the order in which they came: AgentPresent (transfer full). */
GArray *
_agent_presence_list (AgentPresence *self)
{
  GArray        *list = g_array_sized_new (FALSE, FALSE, sizeof (AgentPresent), g_hash_table_size (self->agents));
  GHashTableIter iter;
  gpointer       value;

  g_array_set_clear_func (list, (GDestroyNotify) present_clear);
  g_hash_table_iter_init (&iter, self->agents);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AgentPresent present = *(AgentPresent *) value;

      agent_info_ref (present.info);
      g_array_append_val (list, present);
    }
  g_array_sort (list, presence_compare);

  return list;
}

void
_agent_presence_add_watch (AgentPresence    *self,
                           AgentPresenceFunc func,
                           gpointer          data)
{
  Watch *watch = g_new (Watch, 1);

  watch->func = func;
  watch->data = data;
  self->watches = g_slist_prepend (self->watches, watch);
}

/* @data: what add_watch() has got */
void
_agent_presence_remove_watch (AgentPresence *self,
                              gpointer       data)
{
  for (GSList *l = self->watches; l != NULL; l = l->next)
    {
      Watch *watch = l->data;

      if (watch->data != data)
        continue;
      self->watches = g_slist_delete_link (self->watches, l);
      g_free (watch);
      return;
    }
}
